//! Guests for tests: core modules in text, with a manifest laid out in their memory, made
//! components of by `wit/` or by a changed copy of it.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use engine::{Code, Failure};
use machines::{Local, Machine};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use crate::{
    Assignment, AuditEntry, AuditSink, CallContext, Host, HostOptions, Kind, LogLine, LogSink,
    Plugin, PluginSource, Request, Secrets, Services, Worker, cache::hex, call::CallState,
    secret::Sealed, worker::About,
};

/// Where the guest's memory holds its description; below lies scratch space, which reads as zero.
const DESCRIPTION: usize = 4_096;

/// A guest in the making.
pub(crate) struct Guest {
    kind: Kind,
    version: &'static str,
    schema: String,
    details: String,
    requests: Vec<Request>,
    /// More of the module's text: imports first.
    imports: String,
    body: String,
    describe: String,
    parameters: Option<&'static str>,
    contract: Box<Change>,
    /// Whether the contract stands beside WASI, in the version that compilers use.
    wasi: bool,
}

/// Changes a file of the contract, by its name and text.
type Change = dyn Fn(&str, String) -> String;

impl Guest {
    /// A guest whose one call does nothing and answers with zeroes, which mean `ok`.
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            version: "1.2.3",
            schema: "{}".into(),
            details: "{}".into(),
            requests: Vec::new(),
            imports: String::new(),
            body: "i32.const 0".into(),
            describe: format!("i32.const {DESCRIPTION}"),
            parameters: None,
            contract: Box::new(|_, text| text),
            wasi: false,
        }
    }

    pub(crate) fn schema(mut self, schema: &str) -> Self {
        self.schema = schema.into();
        self
    }

    pub(crate) fn details(mut self, details: &str) -> Self {
        self.details = details.into();
        self
    }

    pub(crate) fn asking(mut self, capability: &str, scope: &str) -> Self {
        self.requests.push(request(capability, scope, "change"));
        self
    }

    pub(crate) fn asking_to_read(mut self, capability: &str, scope: &str) -> Self {
        self.requests.push(request(capability, scope, "read"));
        self
    }

    pub(crate) fn importing(mut self, imports: &str) -> Self {
        self.imports.push_str(imports);
        self
    }

    /// What the kind's first function does; it answers with a pointer.
    pub(crate) fn doing(mut self, body: &str) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn describing(mut self, body: &str) -> Self {
        self.describe = body.into();
        self
    }

    /// What the kind's first function takes, where the contract was changed so.
    pub(crate) fn with_parameters(mut self, parameters: &'static str) -> Self {
        self.parameters = Some(parameters);
        self
    }

    /// Builds it against a changed contract: each file's name and text.
    pub(crate) fn against(mut self, change: impl Fn(&str, String) -> String + 'static) -> Self {
        self.contract = Box::new(change);
        self
    }

    /// Imports these interfaces of WASI, too.
    pub(crate) fn importing_wasi(mut self, interfaces: &'static [&'static str]) -> Self {
        self.wasi = true;
        let world = format!("world {} {{", self.kind);
        self.against(move |_, text| {
            let imports: String = interfaces
                .iter()
                .map(|interface| format!("\n    import wasi:{interface}{WASI};"))
                .collect();
            text.replace(&world, &format!("{world}{imports}"))
        })
    }

    pub(crate) fn build(&self) -> Bytes {
        let mut resolve = Resolve::default();
        if self.wasi {
            push_wasi(&mut resolve);
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let mut texts: Vec<(String, String)> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                let text = fs::read_to_string(&path).unwrap();
                let changed = (self.contract)(&name, text);
                (name, changed)
            })
            .collect();
        texts.sort();
        let mut sources = wit_parser::SourceMap::new();
        for (name, text) in texts {
            sources.push_str(&name, text);
        }
        let package = resolve
            .push_group(sources.parse().map_err(|(_, error)| error).unwrap())
            .unwrap();
        let world = resolve
            .select_world(&[package], Some(self.kind.as_str()))
            .unwrap();
        let version = resolve.packages[package]
            .name
            .version
            .clone()
            .unwrap()
            .to_string();
        let mut module = wat::parse_str(self.text(&version)).unwrap();
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
            .unwrap();
        let component = ComponentEncoder::default()
            .module(&module)
            .unwrap()
            .validate(true)
            .encode()
            .unwrap();
        Bytes::from(component)
    }

    fn text(&self, version: &str) -> String {
        let (data, _) = self.data();
        let escaped: String = data.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let exports: String = functions(self.kind)
            .iter()
            .enumerate()
            .map(|(index, (name, parameters))| {
                let body = if index == 0 {
                    self.body.as_str()
                } else {
                    "i32.const 0"
                };
                let interface = self.kind.interface();
                let parameters = self.parameters.filter(|_| index == 0).unwrap_or(parameters);
                format!(
                    "(func (export \"deploy:plugin/{interface}@{version}#{name}\") \
                     (param {parameters}) (result i32) (local $n i32) (local $wide i64) {body})\n"
                )
            })
            .collect();
        let imports = self.imports.replace("@VERSION", &format!("@{version}"));
        format!(
            "(module {imports}
                (memory (export \"memory\") 4)
                (global $free (mut i32) (i32.const 131072))
                (data (i32.const {DESCRIPTION}) \"{escaped}\")
                (func (export \"deploy:plugin/manifest@{version}#describe\") (result i32)
                    {describe})
                (func (export \"deploy:plugin/manifest@{version}#validate\")
                    (param i32 i32) (result i32) i32.const 0)
                {exports}
                (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32)
                    (local $at i32)
                    global.get $free
                    i32.const 15
                    i32.add
                    i32.const -16
                    i32.and
                    local.tee $at
                    local.get 3
                    i32.add
                    global.set $free
                    local.get $at)
            )",
            describe = self.describe,
        )
    }

    /// The description as it lies in memory, and the texts after it.
    fn data(&self) -> (Vec<u8>, usize) {
        let head = 48 + 36 * self.requests.len();
        let mut tail = Vec::new();
        let mut place = |text: &str| {
            let at = DESCRIPTION + head + tail.len();
            tail.extend_from_slice(text.as_bytes());
            [at as u32, text.len() as u32]
        };
        let mut words: Vec<u32> = Vec::new();
        for text in ["guest", self.version, "A guest.", &self.schema] {
            words.extend(place(text));
        }
        words.extend([(DESCRIPTION + 48) as u32, self.requests.len() as u32]);
        words.extend(place(&self.details));
        for request in &self.requests {
            let texts = [
                &request.capability,
                &request.scope,
                &request.purpose,
                &request.reason,
            ];
            for text in texts {
                words.extend(place(text));
            }
            words.push(0);
        }
        let mut data: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(data.len(), head);
        data.extend(tail);
        (data, head)
    }

    /// The source of a plugin of a third party.
    pub(crate) fn source(&self) -> PluginSource {
        source(self.build())
    }

    /// Loads it as one that comes with the program, or as one that does not.
    pub(crate) async fn load(&self, bundled: bool) -> Plugin {
        host()
            .load(PluginSource {
                bundled,
                ..self.source()
            })
            .await
            .unwrap()
    }

    /// Sets it to work in a directory of its own.
    pub(crate) async fn at_work(
        &self,
        bundled: bool,
        settings: Value,
        services: Services,
    ) -> Worker {
        let plugin = self.load(bundled).await;
        let machine = Arc::new(Local::new("here", std::env::temp_dir()));
        let assignment = Assignment {
            settings,
            ..Assignment::new(machine)
        };
        Worker::new(plugin, assignment, services)
    }
}

/// The version of WASI that today's compilers import; another than the one that is bound.
const WASI: &str = "@0.2.6";

/// WASI as far as it is bound, and one interface that is not.
fn push_wasi(resolve: &mut Resolve) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bindings/wasi/deps");
    for name in ["io", "cli", "clocks", "random", "filesystem"] {
        let text = fs::read_to_string(folder.join(name).with_extension("wit")).unwrap();
        let text = text.replace("@0.2.0", WASI);
        resolve.push_source(name, &text).unwrap();
    }
    let sockets = format!(
        "package wasi:sockets{WASI};
        interface network {{
            use wasi:io/error{WASI}.{{error as io-error}};
            resource network;
            open: func() -> bool;
        }}"
    );
    resolve.push_source("sockets", &sockets).unwrap();
}

impl Guest {
    /// A call of it that is under way, with what the capabilities are tested with.
    pub(crate) async fn under_way(&self, settings: Value, world: World) -> CallState {
        let plugin = self.load(true).await;
        let sealed = Sealed::new(&settings, world.services.secrets.as_ref())
            .await
            .unwrap();
        let assignment = Assignment {
            settings,
            executable: Some("/opt/runtime".into()),
            ..Assignment::new(Arc::clone(&world.machine))
        };
        let (machine, services) = (world.machine, world.services);
        CallState::new(
            plugin,
            Arc::new(assignment),
            machine,
            services,
            Arc::new(sealed),
        )
        .during(world.context, world.about, Duration::from_secs(20))
    }
}

/// What surrounds a call.
pub(crate) struct World {
    pub(crate) services: Services,
    pub(crate) machine: Arc<dyn Machine>,
    pub(crate) context: CallContext,
    pub(crate) about: About,
    pub(crate) audit: Arc<Kept>,
}

impl World {
    pub(crate) fn new() -> Self {
        let audit = Arc::new(Kept::default());
        let machine = Arc::new(Local::new("here", audit.directory.path()));
        Self {
            services: Services {
                audit: audit.clone(),
                logs: audit.clone(),
                secrets: audit.clone(),
                ..Services::nothing()
            },
            machine,
            context: CallContext::new("d1/7"),
            about: About::default(),
            audit,
        }
    }
}

/// Keeps what it hears, and knows three secrets.
pub(crate) struct Kept {
    /// What the machine's relative paths start at; lives as long as the call.
    pub(crate) directory: TempDir,
    pub(crate) entries: Mutex<Vec<AuditEntry>>,
    pub(crate) lines: Mutex<Vec<LogLine>>,
    pub(crate) hook: Mutex<String>,
}

pub(crate) const TOKEN: &str = "s3cr3t/+\"värde\"";

impl Default for Kept {
    fn default() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            entries: Mutex::default(),
            lines: Mutex::default(),
            hook: Mutex::default(),
        }
    }
}

impl Kept {
    pub(crate) fn last(&self) -> AuditEntry {
        self.entries.lock().unwrap().last().unwrap().clone()
    }
}

impl AuditSink for Kept {
    fn record(&self, entry: AuditEntry) {
        self.entries.lock().unwrap().push(entry);
    }
}

impl LogSink for Kept {
    fn line(&self, line: LogLine) {
        self.lines.lock().unwrap().push(line);
    }
}

#[async_trait::async_trait]
impl Secrets for Kept {
    async fn value(&self, name: &str) -> Result<String, Failure> {
        match name {
            "TOKEN" => Ok(TOKEN.into()),
            "HOOK" => Ok(self.hook.lock().unwrap().clone()),
            _ => Err(Failure::new(
                Code::Missing,
                format!("there is no secret `{name}`"),
            )),
        }
    }
}

fn request(capability: &str, scope: &str, purpose: &str) -> Request {
    Request {
        capability: capability.into(),
        scope: scope.into(),
        purpose: purpose.into(),
        reason: "for the test".into(),
        optional: false,
    }
}

/// Each kind's functions, with their parameters as the core module sees them.
fn functions(kind: Kind) -> &'static [(&'static str, &'static str)] {
    match kind {
        Kind::Strategy => &[("run", "i32")],
        Kind::LoadBalancer => &[
            ("read", "i32 i32 i32 i32"),
            ("apply", "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32"),
            ("traits", "i32 i32"),
        ],
        Kind::HealthCheck => &[("check", "i32")],
        Kind::Notifier => &[("notify", "i32")],
        Kind::Step => &[("run", "i32"), ("undo", "i32")],
        Kind::SecretSource => &[("fetch", "i32 i32 i32 i32")],
        Kind::MetricSource | Kind::Platform => &[],
    }
}

pub(crate) fn source(wasm: Bytes) -> PluginSource {
    let digest = format!("sha256:{}", hex(&Sha256::digest(&wasm)));
    PluginSource {
        name: "guest".into(),
        kind: None,
        wasm,
        digest,
        bundled: false,
    }
}

/// A host without a cache.
pub(crate) fn host() -> Host {
    Host::new(HostOptions::default()).unwrap()
}
