//! Records for tests: a release, targets, a deployment.

use serde_json::json;

use crate::{Deployment, Event, Occasion, Release, Target};

/// Release `id`, of the version before its last `-`.
pub fn release(id: &str) -> Release {
    Release {
        id: id.into(),
        version: id
            .rsplit_once('-')
            .map_or(id, |(version, _)| version)
            .into(),
        digest: format!("sha256:{}", "0".repeat(64)),
        labels: Vec::new(),
        details: "{}".into(),
    }
}

/// A target of that name, in that group, at `NAME:80`.
pub fn target(name: &str, group: &str) -> Target {
    Target {
        name: name.into(),
        address: Some(format!("{name}:80")),
        group: group.into(),
        labels: Vec::new(),
        details: "{}".into(),
    }
}

/// Targets from names and groups: `targets(&[("web01", "canary"), ("web02", "stable")])`.
pub fn targets(names: &[(&str, &str)]) -> Vec<Target> {
    names
        .iter()
        .map(|(name, group)| target(name, group))
        .collect()
}

/// A deployment of release `2` over release `1`, which runs on all these targets.
pub fn deployment(names: &[(&str, &str)]) -> Deployment {
    let targets = targets(names);
    Deployment {
        id: "d1".into(),
        application: "shop".into(),
        environment: "production".into(),
        purpose: "deploy".into(),
        release: release("2"),
        previous: Some(release("1")),
        active: targets
            .iter()
            .map(|each| (each.name.clone(), Some("1".into())))
            .collect(),
        targets,
        region: None,
        details: json!({ "balancer": true, "analysis": false, "traits": ["shares"] }).to_string(),
    }
}

impl Deployment {
    /// The same deployment as the first one: nothing runs yet.
    #[must_use]
    pub fn as_first(mut self) -> Self {
        self.previous = None;
        self.active
            .iter_mut()
            .for_each(|(_, release)| *release = None);
        self
    }

    /// The same deployment as a rollback.
    #[must_use]
    pub fn as_rollback(mut self) -> Self {
        self.purpose = "rollback".into();
        self
    }

    /// The same deployment with one detail changed.
    #[must_use]
    pub fn with_detail(mut self, name: &str, value: bool) -> Self {
        let mut details: serde_json::Value =
            serde_json::from_str(&self.details).expect("a test's details are JSON");
        details[name] = value.into();
        self.details = details.to_string();
        self
    }
}

/// A step's occasion at that point, with these targets.
pub fn occasion(point: &str, names: &[(&str, &str)]) -> Occasion {
    let deployment = deployment(names);
    Occasion {
        deployment: deployment.id,
        application: deployment.application,
        environment: deployment.environment,
        point: point.into(),
        purpose: deployment.purpose,
        release: deployment.release,
        previous: deployment.previous,
        targets: deployment.targets,
        details: "{}".into(),
    }
}

/// An event of that kind, of a deployment by alice with the strategy `canary`.
pub fn event(kind: &str, message: &str) -> Event {
    let deployment = deployment(&[]);
    Event {
        kind: kind.into(),
        deployment: deployment.id,
        application: deployment.application,
        environment: deployment.environment,
        release: deployment.release,
        previous: deployment.previous,
        strategy: "canary".into(),
        actor: "alice".into(),
        message: message.into(),
        at: 1_763_289_045_000,
        details: "{}".into(),
    }
}
