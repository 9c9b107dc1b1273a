//! A new plugin's project: templates with the plugin's name in them, the contract, and what its
//! language needs of this program. Needs no network.

pub(crate) mod build;
mod language;
mod name;
mod sdk;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use host::Kind;

pub(crate) use self::{language::Language, name::PluginName};

/// What is made.
pub(crate) struct Project {
    /// The plugin's kind.
    pub(crate) kind: Kind,
    /// Its name.
    pub(crate) name: PluginName,
    /// What it is written in.
    pub(crate) language: Language,
    /// The folder of an SDK to use; a copy in the project where none is given.
    pub(crate) sdk: Option<PathBuf>,
}

/// One file of a project.
pub(crate) struct File {
    /// Below the project's folder.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

macro_rules! tried {
    ($($kind:ident $settings:literal $answers:literal;)*) => {
        /// The settings and answers with which a template is tested.
        fn tried(kind: Kind) -> (&'static str, &'static str) {
            match kind {
                $(Kind::$kind => (
                    include_str!(concat!("../templates/tried/", $settings)),
                    include_str!(concat!("../templates/tried/", $answers)),
                ),)*
            }
        }
    };
}

tried! {
    Strategy "strategy.settings.toml" "strategy.answers.toml";
    LoadBalancer "load-balancer.settings.toml" "load-balancer.answers.toml";
    Platform "platform.settings.toml" "platform.answers.toml";
    HealthCheck "health-check.settings.toml" "health-check.answers.toml";
    MetricSource "metric-source.settings.toml" "metric-source.answers.toml";
    Notifier "notifier.settings.toml" "notifier.answers.toml";
    Step "step.settings.toml" "step.answers.toml";
    SecretSource "secret-source.settings.toml" "secret-source.answers.toml";
}

impl Project {
    /// Every file of it.
    pub(crate) fn files(&self) -> Vec<File> {
        let (settings, answers) = tried(self.kind);
        let mut files = self.language.files(self.kind);
        files.push(File::new("settings.toml", settings));
        files.push(File::new("answers.toml", answers));
        let own = match &self.sdk {
            Some(folder) => folder.display().to_string(),
            None => format!("{}/sdk", sdk::FOLDER),
        };
        for file in &mut files {
            file.text = self.filled(&file.text, &own);
        }
        match (self.language, &self.sdk) {
            (Language::Rust, None) => files.extend(sdk::files()),
            (Language::Rust, Some(_)) => {}
            _ => files.extend(sdk::contract("wit")),
        }
        files
    }

    /// Writes it into a folder that is not there yet, or is empty.
    pub(crate) fn write(files: &[File], folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        if fs::read_dir(folder)?.next().is_some() {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        for file in files {
            let path = folder.join(&file.path);
            if let Some(above) = path.parent() {
                fs::create_dir_all(above)?;
            }
            fs::write(path, &file.text)?;
        }
        Ok(())
    }

    fn filled(&self, text: &str, sdk: &str) -> String {
        text.replace("plugin-name", self.name.as_str())
            .replace("PluginName", &self.name.as_type())
            .replace("plugin-kind", self.kind.as_str())
            .replace("SDK-PATH", sdk)
    }
}

impl File {
    fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }
}
