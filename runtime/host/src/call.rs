//! One call of a worker: who asks, what for, until when, and what it may do meanwhile. The
//! capabilities (`capability/`) are this call's methods.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use bindings::{
    Answer, HeldLock, Outcome, WorkerCalls, commands, files, http, logs::Level, machine, mail,
};
use engine::{Code, Failure, Timestamp};
use machines::{ErrorKind, Machine, MachineError};
use serde_json::json;

use crate::{
    audit::Use,
    convert,
    grants::{Grants, Names},
    plugin::Plugin,
    secret::Sealed,
    services::Services,
    worker::{About, Assignment, CallContext},
};

/// The circumstances that the capabilities work in.
pub(crate) struct CallState {
    pub(crate) plugin: Plugin,
    pub(crate) assignment: Arc<Assignment>,
    pub(crate) machine: Arc<dyn Machine>,
    pub(crate) services: Services,
    pub(crate) sealed: Arc<Sealed>,
    pub(crate) context: CallContext,
    pub(crate) about: About,
    deadline: Timestamp,
    grants: OnceLock<Grants>,
}

impl CallState {
    pub(crate) fn new(
        plugin: Plugin,
        assignment: Arc<Assignment>,
        machine: Arc<dyn Machine>,
        services: Services,
        sealed: Arc<Sealed>,
    ) -> Self {
        Self {
            plugin,
            assignment,
            machine,
            services,
            sealed,
            context: CallContext::default(),
            about: About::default(),
            deadline: Timestamp::default(),
            grants: OnceLock::new(),
        }
    }

    pub(crate) fn during(mut self, context: CallContext, about: About, time: Duration) -> Self {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.deadline = now().after_ms(milliseconds);
        // What only reads holds nobody off a machine.
        let fence = context.fence.filter(|_| !context.reading);
        self.context = CallContext { fence, ..context };
        self.about = about;
        self
    }

    /// What the plugin may do; worked out when it first wants to do something.
    pub(crate) fn grants(&self) -> &Grants {
        self.grants.get_or_init(|| {
            Grants::new(
                &self.plugin,
                &self.assignment.grants,
                &self.names(),
                self.context.reading,
            )
        })
    }

    /// What the names in templates stand for in this call.
    pub(crate) fn names(&self) -> Names<'_> {
        Names {
            settings: &self.sealed.settings,
            revealed: &self.sealed.revealed,
            schema: &self.plugin.description().settings_schema,
            about: &self.about,
            application: &self.context.application,
            environment: &self.context.environment,
            any_call: false,
        }
    }

    /// Begins the use of a capability on the machine, to be written down at its end.
    pub(crate) fn on_machine(&self, capability: &'static str, action: &str, subject: &str) -> Use {
        self.begin(
            capability,
            action,
            subject,
            Some(self.machine.name().to_owned()),
        )
    }

    /// Begins the use of a capability, to be written down at its end.
    pub(crate) fn begin(
        &self,
        capability: &'static str,
        action: &str,
        subject: &str,
        machine: Option<String>,
    ) -> Use {
        Use::begin(self, capability, action, subject, machine)
    }

    /// How long something may take that asks for so much, or for nothing.
    pub(crate) fn timeout(&self, asked_ms: Option<u64>, usual: Duration) -> Duration {
        let left = Duration::from_millis(self.deadline.since_ms(now()));
        asked_ms.map_or(usual, Duration::from_millis).min(left)
    }
}

/// The time by the system's clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A failure because the arguments make no sense.
pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(Code::Invalid, message)
}

/// The failure of a machine, in the words of the contract.
pub(crate) fn of_machine(error: MachineError) -> Failure {
    let mut failure = Failure::new(Code::from(error.kind.as_str().to_owned()), error.message);
    failure.retryable = error.retryable;
    if let Some(index) = error.index {
        let mut details = json!({ "index": index });
        if let Some(output) = error.output {
            details["status"] = json!(output.status);
            details["stdout"] = json!(String::from_utf8_lossy(&output.stdout));
            details["stderr"] = json!(String::from_utf8_lossy(&output.stderr));
        }
        failure.details = details;
    }
    if error.kind == ErrorKind::Internal {
        tracing::warn!(
            message = failure.message,
            "a machine failed in a way that it should not"
        );
    }
    failure
}

impl CallState {
    /// An answer for the guest: failures without the values of secrets.
    fn answer<T>(&self, result: Result<T, Failure>) -> Outcome<T> {
        Ok(self.answered(result))
    }

    /// A machine puts its name before what it says, and whatever it goes through may do so again.
    /// Once is enough; and where the call is about the one target of that name, whoever asked
    /// says it.
    fn unsaid(&self, message: String) -> String {
        let name = self.machine.name();
        let prefix = format!("{name}: ");
        let bare = message.trim_start_matches(&prefix);
        if bare.len() == message.len() {
            return message;
        }
        match &self.about.targets[..] {
            [target] if target.name == *name => bare.to_owned(),
            _ => format!("{prefix}{bare}"),
        }
    }

    fn answered<T>(&self, result: Result<T, Failure>) -> Answer<T> {
        result.map_err(|failure| {
            let mut theirs = convert::guest_failure(failure);
            theirs.message = self.sealed.answer(self.unsaid(theirs.message));
            theirs.details = self.sealed.answer(theirs.details);
            theirs
        })
    }
}

#[async_trait]
impl WorkerCalls for CallState {
    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) {
        self.write_log(level, message, fields);
    }

    fn now(&mut self) -> u64 {
        now().0
    }

    async fn sleep(&mut self, milliseconds: u64) {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }

    fn call_id(&mut self) -> String {
        self.context.id.clone()
    }

    fn attempt(&mut self) -> u32 {
        self.context.attempt
    }

    fn deadline(&mut self) -> u64 {
        self.deadline.0
    }

    fn token(&mut self) -> u64 {
        self.context.token
    }

    async fn note(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.read_note(&key).await.map_err(wasmtime::Error::from)
    }

    async fn set_note(&mut self, key: String, value: String) -> wasmtime::Result<()> {
        self.write_note(&key, &value)
            .await
            .map_err(wasmtime::Error::from)
    }

    async fn send(&mut self, request: http::Request) -> Outcome<http::Response> {
        self.answer(self.http(request).await)
    }

    async fn read(&mut self, path: String) -> Outcome<Vec<u8>> {
        self.answer(self.read_file(&path).await)
    }

    async fn write(&mut self, path: String, contents: Vec<u8>) -> Outcome<()> {
        self.answer(self.write_file(&path, contents).await)
    }

    async fn stat(&mut self, path: String) -> Outcome<Option<files::Entry>> {
        self.answer(self.stat_file(&path).await)
    }

    async fn list(&mut self, path: String) -> Outcome<Vec<files::Entry>> {
        self.answer(self.list_directory(&path).await)
    }

    async fn create_directory(&mut self, path: String) -> Outcome<()> {
        self.answer(
            self.change_file("create-directory", &path, Vec::new())
                .await,
        )
    }

    async fn link(&mut self, path: String, points_to: String) -> Outcome<()> {
        self.answer(
            self.change_file("link", &path, points_to.into_bytes())
                .await,
        )
    }

    async fn read_link(&mut self, path: String) -> Outcome<String> {
        self.answer(self.read_link_file(&path).await)
    }

    async fn rename(&mut self, from: String, to: String) -> Outcome<()> {
        self.answer(self.change_file("rename", &from, to.into_bytes()).await)
    }

    async fn remove(&mut self, path: String) -> Outcome<()> {
        self.answer(self.change_file("remove", &path, Vec::new()).await)
    }

    async fn run(&mut self, command: commands::Command) -> Outcome<commands::Output> {
        self.answer(self.run_command(command).await)
    }

    async fn perform(&mut self, actions: Vec<machine::Action>) -> Outcome<Vec<commands::Output>> {
        self.answer(self.perform_actions(actions).await)
    }

    async fn acquire(&mut self, name: String, wait_ms: u64) -> Outcome<HeldLock> {
        self.answer(self.take_lock(&name, wait_ms).await)
    }

    async fn connect(&mut self, endpoint: String, timeout_ms: u64) -> Outcome<()> {
        self.answer(self.connect_socket(&endpoint, timeout_ms).await)
    }

    async fn exchange(
        &mut self,
        endpoint: String,
        payload: Vec<u8>,
        timeout_ms: u64,
    ) -> Outcome<Vec<u8>> {
        self.answer(self.talk(&endpoint, &payload, None, timeout_ms).await)
    }

    async fn converse(
        &mut self,
        endpoint: String,
        payload: Vec<u8>,
        until: Vec<u8>,
        timeout_ms: u64,
    ) -> Outcome<Vec<u8>> {
        self.answer(
            self.talk(&endpoint, &payload, Some(&until), timeout_ms)
                .await,
        )
    }

    async fn reveal(&mut self, name: String) -> Outcome<String> {
        self.answer(self.reveal_secret(&name).await)
    }

    async fn mail(&mut self, message: mail::Message) -> Outcome<()> {
        self.answer(self.send_mail(message).await)
    }

    async fn reference(&mut self, release: String) -> Outcome<String> {
        self.answer(self.artifact_reference(&release).await)
    }

    async fn unpack(&mut self, release: String, path: String) -> Outcome<()> {
        self.answer(self.place_artifact("unpack", &release, &path).await)
    }

    async fn copy(&mut self, release: String, path: String) -> Outcome<()> {
        self.answer(self.place_artifact("copy", &release, &path).await)
    }
}
