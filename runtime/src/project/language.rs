//! The languages that there are templates in.

use clap::ValueEnum;
use host::Kind;

use super::File;

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// With the SDK, which comes with the program
    Rust,
    /// Made a component by componentize-py
    Python,
    /// Made a component by jco
    #[value(name = "javascript")]
    JavaScript,
}

impl Language {
    /// What to type in a project, from its first test to a component in a configuration.
    pub(crate) fn commands(self, name: &str) -> Vec<String> {
        let tests = match self {
            Self::Rust => "cargo test",
            Self::Python => "python3 -m unittest",
            Self::JavaScript => "npm test",
        };
        let kit = format!(
            "runtime plugin test {name}.wasm --settings settings.toml --answers answers.toml"
        );
        let add = format!("runtime plugin add {name}.wasm --config ../runtime.toml");
        vec![
            tests.to_owned(),
            "runtime plugin build".to_owned(),
            kit,
            add,
        ]
    }

    /// The files of a project, with the names that stand for the plugin's own.
    pub(super) fn files(self, kind: Kind) -> Vec<File> {
        match self {
            Self::Rust => rust(kind),
            Self::Python => python(kind),
            Self::JavaScript => javascript(kind),
        }
    }
}

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../templates/", $path))
    };
}

fn rust(kind: Kind) -> Vec<File> {
    let source = match kind {
        Kind::Strategy => template!("rust/src/strategy.rs"),
        Kind::LoadBalancer => template!("rust/src/load-balancer.rs"),
        Kind::Platform => template!("rust/src/platform.rs"),
        Kind::HealthCheck => template!("rust/src/health-check.rs"),
        Kind::MetricSource => template!("rust/src/metric-source.rs"),
        Kind::Notifier => template!("rust/src/notifier.rs"),
        Kind::Step => template!("rust/src/step.rs"),
        Kind::SecretSource => template!("rust/src/secret-source.rs"),
    };
    vec![
        File::new("Cargo.toml", template!("rust/Cargo.toml.in")),
        File::new("README.md", template!("rust/README.md")),
        File::new(".gitignore", template!("rust/gitignore")),
        File::new("src/lib.rs", source),
    ]
}

/// The files that differ from kind to kind, in a folder of the templates.
macro_rules! own {
    ($folder:expr; $($name:literal),*) => {
        [$(File::new($name, include_str!(concat!("../../templates/", $folder, "/", $name)))),*]
    };
}

fn python(kind: Kind) -> Vec<File> {
    macro_rules! python {
        ($kind:literal) => {
            own!(concat!("python/", $kind); "app.py", "plugin.py", "test_plugin.py")
        };
    }
    let own = match kind {
        Kind::Strategy => python!("strategy"),
        Kind::LoadBalancer => python!("load-balancer"),
        Kind::Platform => python!("platform"),
        Kind::HealthCheck => python!("health-check"),
        Kind::MetricSource => python!("metric-source"),
        Kind::Notifier => python!("notifier"),
        Kind::Step => python!("step"),
        Kind::SecretSource => python!("secret-source"),
    };
    let mut files = vec![
        File::new("README.md", template!("python/README.md")),
        File::new(".gitignore", template!("python/gitignore")),
        File::new("requirements.txt", template!("python/requirements.txt")),
        File::new("pyproject.toml", template!("python/pyproject.toml.in")),
        File::new("host.py", template!("python/host.py")),
    ];
    if asks_over_http(kind) {
        files.push(File::new("web.py", template!("python/web.py")));
    }
    files.extend(own);
    files
}

fn javascript(kind: Kind) -> Vec<File> {
    macro_rules! javascript {
        ($kind:literal) => {
            own!(concat!("javascript/", $kind); "plugin.js", "logic.js", "logic.test.js")
        };
    }
    let own = match kind {
        Kind::Strategy => javascript!("strategy"),
        Kind::LoadBalancer => javascript!("load-balancer"),
        Kind::Platform => javascript!("platform"),
        Kind::HealthCheck => javascript!("health-check"),
        Kind::MetricSource => javascript!("metric-source"),
        Kind::Notifier => javascript!("notifier"),
        Kind::Step => javascript!("step"),
        Kind::SecretSource => javascript!("secret-source"),
    };
    let mut files = vec![
        File::new("README.md", template!("javascript/README.md")),
        File::new(".gitignore", template!("javascript/gitignore")),
        File::new("package.json", template!("javascript/package.json")),
        File::new("host.js", template!("javascript/host.js")),
        File::new("utf8.js", template!("javascript/utf8.js")),
    ];
    if asks_over_http(kind) {
        files.push(File::new("web.js", template!("javascript/web.js")));
    }
    files.extend(own);
    files
}

/// Whether the template of a kind speaks HTTP: a strategy calls nobody but the host, and the
/// platform works on files.
fn asks_over_http(kind: Kind) -> bool {
    !matches!(kind, Kind::Strategy | Kind::Platform)
}
