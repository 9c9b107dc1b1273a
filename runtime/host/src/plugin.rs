//! A loaded plugin: what it says of itself, and the component behind it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bindings::{Calls, Kind, Linked, State};
use engine::Failure;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use sha2::{Digest, Sha256};

use crate::{
    bounds, broken,
    cache::{Answer, Kept, Said, hex, remember},
    code::Code,
    error::HostError,
    host::PluginSource,
    schema,
};

/// One capability that a plugin asks for, as its manifest has it (`wit/manifest.wit`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Request {
    /// `http`, `files`, `commands`, `locks`, `sockets`, `secrets` or `mail`.
    pub capability: String,
    /// What of it.
    pub scope: String,
    /// `read` where using it changes nothing; else `change`.
    pub purpose: String,
    /// Why, for the operator who decides.
    pub reason: String,
    /// Whether the plugin works without it.
    pub optional: bool,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Description {
    /// Its own name, which need not be what the configuration calls it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line.
    pub summary: String,
    /// JSON Schema of its settings.
    pub settings_schema: Value,
    /// What it may ever ask the host for.
    pub requests: Vec<Request>,
    /// What the host must know before it starts.
    pub details: Value,
}

/// One thing wrong with a plugin's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingsProblem {
    /// JSON Pointer (RFC 6901) into the settings; empty for the whole.
    pub pointer: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// A plugin, ready to be called. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) code: Code,
    pub(crate) kept: Kept,
    /// What it said of settings, in this run of the program or before.
    pub(crate) answers: Mutex<Vec<Answer>>,
    pub(crate) validator: OnceLock<schema::Validator>,
}

impl Plugin {
    /// What the configuration calls it.
    pub fn name(&self) -> &str {
        &self.inner.code.source().name
    }

    /// What it is for.
    pub fn kind(&self) -> Kind {
        self.inner.code.kind()
    }

    /// Where it comes from: another host can load it, too.
    pub fn source(&self) -> &PluginSource {
        self.inner.code.source()
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.inner.kept.description.version
    }

    /// What it says of itself.
    pub fn description(&self) -> &Description {
        &self.inner.kept.description
    }

    /// Asks it once more what it is; [`Plugin::description`] is what it said when it was loaded.
    pub async fn describe(&self) -> Result<Description, HostError> {
        let code = &self.inner.code;
        let linked = code.linked(&self.inner.kept).await?;
        crate::host::describe(code.source(), linked).await
    }

    /// The digest of its component: `sha256:` and 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.inner.code.source().digest
    }

    /// Whether it comes with the program, and so is granted the fixed requests of its manifest.
    pub fn bundled(&self) -> bool {
        self.inner.code.source().bundled
    }

    /// The interfaces that it imports: the kinds of thing that it can do at all.
    pub fn imports(&self) -> &[String] {
        &self.inner.kept.imports
    }

    /// Everything wrong with these settings: first by the plugin's schema; where that finds
    /// nothing, by the plugin's own validation.
    ///
    /// A secret may stand as `{ "secret": "NAME" }` wherever the schema wants a text. Fails where
    /// the plugin does not answer.
    pub async fn check(&self, settings: &Value) -> Result<Vec<SettingsProblem>, Failure> {
        let sealed = crate::secret::with_placeholders(settings);
        let text = sealed.to_string();
        let digest = hex(&Sha256::digest(&text));
        if self.said(&digest).contains(&Said::InOrder) {
            return Ok(Vec::new());
        }
        let schema = &self.inner.kept.description.settings_schema;
        let found = self.validator()?.problems(schema, &sealed);
        if !found.is_empty() {
            return Ok(found);
        }
        let state = State::new(Calls::Nobody, bounds::MANIFEST);
        let call = self.linked().await?.validate(state, &text);
        let problems = bounds::within(bounds::MANIFEST_TIME, call)
            .await
            .map_err(|ended| broken::failure(self, &ended, "check its settings"))?;
        if problems.is_empty() {
            self.learn(digest, Said::InOrder).await;
        }
        Ok(problems
            .into_iter()
            .map(|problem| SettingsProblem {
                pointer: problem.pointer,
                message: problem.message,
            })
            .collect())
    }

    /// What a load balancer's driver or a platform can do with these settings, from itself: it
    /// is asked where it can call nobody.
    ///
    /// Fails where it is of another kind, or needs to look at something to know.
    pub async fn traits(&self, settings: &Value) -> Result<Vec<String>, Failure> {
        let text = crate::secret::with_placeholders(settings).to_string();
        let digest = hex(&Sha256::digest(&text));
        let known = self.said(&digest).into_iter().find_map(|said| match said {
            Said::Traits(traits) => Some(traits),
            Said::InOrder => None,
        });
        if let Some(traits) = known {
            return Ok(traits);
        }
        let state = State::new(Calls::Nobody, bounds::MANIFEST);
        let linked = self.linked().await?;
        let call = async {
            match self.kind() {
                Kind::Platform => linked.platform_traits(state, &text).await,
                _ => linked.balancer_traits(state, &text).await,
            }
        };
        let doing = "tell its traits";
        let said = bounds::within(bounds::MANIFEST_TIME, call)
            .await
            .map_err(|ended| broken::failure(self, &ended, doing))?;
        let traits =
            said.map_err(|refusal| broken::refused(self, crate::convert::failure(refusal)))?;
        self.learn(digest, Said::Traits(traits.clone())).await;
        Ok(traits)
    }

    /// What it said of settings of this digest.
    fn said(&self, settings: &str) -> Vec<Said> {
        let answers = self.answers();
        let about = answers.iter().filter(|answer| answer.settings == settings);
        about.map(|answer| answer.said.clone()).collect()
    }

    async fn learn(&self, settings: String, said: Said) {
        let answer = Answer { settings, said };
        remember(&mut self.answers(), answer.clone());
        self.inner.code.learn(answer).await;
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Answer>> {
        // Nothing that is done under it can panic half way.
        self.inner
            .answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails unless the plugin is of this kind.
    pub(crate) fn expect(&self, wanted: Kind) -> Result<(), HostError> {
        if self.kind() == wanted {
            return Ok(());
        }
        Err(HostError::Kind {
            name: self.name().to_owned(),
            found: self.kind(),
            wanted,
        })
    }

    fn validator(&self) -> Result<&schema::Validator, Failure> {
        if let Some(validator) = self.inner.validator.get() {
            return Ok(validator);
        }
        let schema = &self.inner.kept.description.settings_schema;
        let validator = schema::Validator::new(schema).map_err(|reason| {
            let name = self.name().to_owned();
            Failure::from(HostError::Manifest { name, reason })
        })?;
        Ok(self.inner.validator.get_or_init(|| validator))
    }

    /// Makes ready what a call needs: else the first one does. Fails where the code is gone from
    /// the cache and does not compile.
    pub async fn ready(&self) -> Result<(), Failure> {
        self.linked().await.map(drop)
    }

    pub(crate) async fn linked(&self) -> Result<&Linked, Failure> {
        let linked = self.inner.code.linked(&self.inner.kept).await;
        linked.map_err(Failure::from)
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name())
            .field("kind", &self.kind())
            .field("version", &self.inner.kept.description.version)
            .finish_non_exhaustive()
    }
}
