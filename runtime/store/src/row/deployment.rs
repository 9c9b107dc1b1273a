//! A deployment's row.

use engine::{Code, Failure, Purpose, Verdict};
use serde_json::{Value, json};

use crate::{
    deployment::{Deployment, NewDeployment, State},
    error::StoreError,
    lease::{Held, Owner, Scope},
    place::Place,
    value::{parse, text},
};

/// Deployments that a beginning of an id may fit before it is called ambiguous: enough to help.
pub(crate) const CANDIDATES_MAX: u32 = 5;

/// What a new deployment may find before it in its environment.
#[derive(Clone, Copy)]
pub(crate) enum Before<'a> {
    /// It begins now: nothing may be half done.
    Nothing,
    /// It waits: what runs under this lease comes to its end first, and so does what was handed
    /// over.
    Running(Option<&'a Held>),
}

/// What a new deployment keeps of its brief, as JSON texts.
pub(crate) struct Texts {
    pub(crate) purpose: String,
    pub(crate) brief: String,
}

impl Texts {
    pub(crate) fn of(place: &Place, new: &NewDeployment) -> Result<Self, StoreError> {
        let purpose = text(place, "purpose of a deployment", &new.brief.purpose)?;
        Ok(Self {
            purpose,
            brief: text(place, "brief", &new.brief)?,
        })
    }
}

impl NewDeployment {
    /// What it is for, as an owner's purpose.
    pub(crate) fn purpose(&self) -> &'static str {
        match self.brief.purpose {
            Purpose::Deploy => "deploy",
            Purpose::Rollback => "rollback",
        }
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope::new(&self.brief.application, &self.brief.environment)
    }

    /// Who begins it, with what the brief says filled in.
    pub(crate) fn owner(&self) -> Owner {
        Owner {
            purpose: self.purpose().to_owned(),
            deployment: Some(self.brief.id.clone()),
            ..self.owner.clone()
        }
    }

    /// What the audit says about its beginning.
    pub(crate) fn details(&self) -> Value {
        json!({
            "purpose": self.purpose(),
            "release": self.brief.release.id,
            "strategy": self.brief.strategy,
            "configuration": self.configuration.digest,
        })
    }

    /// The verdict of those that it takes the place of.
    pub(crate) fn successor_of_others(&self) -> Verdict {
        let message = format!("deployment {} began in its place", self.brief.id);
        Verdict::Abandoned {
            cause: Failure::new(Code::Conflict, message),
        }
    }

    /// Its id is taken.
    pub(crate) fn known_already(&self) -> StoreError {
        StoreError::Conflict(format!("there is a deployment {} already", self.brief.id))
    }
}

/// A deployment whose words were not read yet.
pub(crate) struct DeploymentRow {
    /// All but what the others say.
    pub(crate) deployment: Deployment,
    pub(crate) purpose: String,
    pub(crate) state: String,
    pub(crate) verdict: Option<String>,
}

impl DeploymentRow {
    pub(crate) fn read(self, place: &Place) -> Result<Deployment, StoreError> {
        let state = State::parse(&self.state).ok_or_else(|| StoreError::Unreadable {
            place: place.clone(),
            what: "state of a deployment",
            reason: format!("`{}` is none of those that this version knows", self.state),
        })?;
        let verdict = self.verdict.as_deref();
        Ok(Deployment {
            purpose: parse(place, "purpose of a deployment", &self.purpose)?,
            state,
            verdict: verdict.map(|it| parse(place, "verdict", it)).transpose()?,
            ..self.deployment
        })
    }
}

/// The one whose id it is, or the only one whose id begins so, of those found, shortest id
/// first.
pub(crate) fn sole(prefix: &str, found: Vec<Deployment>) -> Result<Option<Deployment>, StoreError> {
    let exact = found.first().is_some_and(|first| first.id == prefix);
    if found.len() <= 1 || exact {
        return Ok(found.into_iter().next());
    }
    Err(StoreError::Ambiguous {
        prefix: prefix.to_owned(),
        candidates: found.into_iter().map(|it| it.id).collect(),
    })
}

pub(crate) fn missing(id: &str) -> StoreError {
    StoreError::Missing {
        what: format!("deployment `{id}`"),
    }
}

pub(crate) fn not_running(id: &str) -> StoreError {
    StoreError::Conflict(format!("deployment {id} is not running"))
}

pub(crate) fn begun(id: &str) -> StoreError {
    StoreError::Conflict(format!("deployment {id} has a record already"))
}
