//! What every test of a store begins with: deployments, intents, outcomes, owners.

use engine::{
    Answer, Brief, Code, Count, Effect, Failure, Health, Intent, Operation, Origin, Outcome,
    Purpose, Release, Report, Rules, Timestamp, Undo, Verdict,
};
use serde_json::{Value, json};
use store::{AuditEntry, Blob, Lease, NewDeployment, Owner, PluginPin, Scope, Store};

/// How long every lease lasts here.
pub(crate) const TTL: u64 = 1_000;

/// A time, early enough that no sum gets large.
pub(crate) fn at(milliseconds: u64) -> Timestamp {
    Timestamp(1_000_000 + milliseconds)
}

pub(crate) fn scope() -> Scope {
    Scope::new("shop", "production")
}

pub(crate) fn owner(actor: &str) -> Owner {
    Owner {
        actor: actor.to_owned(),
        host: "build-1".to_owned(),
        process: 4_711,
        purpose: "deploy".to_owned(),
        deployment: None,
    }
}

pub(crate) fn blob(text: &str) -> Blob {
    Blob {
        digest: format!("sha256:{text}"),
        bytes: text.as_bytes().into(),
    }
}

pub(crate) fn release(version: &str) -> Release {
    Release {
        id: format!("{version}-1").into(),
        version: version.to_owned(),
        digest: format!("sha256:{version}"),
        labels: vec![("commit".to_owned(), "c0ffee".to_owned())],
        details: json!({ "size": 5 }),
    }
}

pub(crate) fn brief(id: &str, version: &str) -> Brief {
    Brief {
        id: id.to_owned(),
        application: "shop".to_owned(),
        environment: "production".to_owned(),
        purpose: Purpose::Deploy,
        release: release(version),
        previous: None,
        targets: Vec::new(),
        bystanders: std::collections::BTreeSet::new(),
        strategy: "canary".to_owned(),
        settings: json!({ "stages": [5, 50, 100] }),
        rules: Rules {
            minimum_serving: None,
            tolerate: Count::Number(0),
            drain_ms: 30_000,
            downtime: false,
            idle: std::collections::BTreeSet::new(),
            health: Health {
                unchecked: false,
                timeout_ms: 60_000,
            },
            automatic_rollback: true,
            approvers: engine::Approvers::default(),
            steps: Vec::new(),
            balancer: None,
            platform: Vec::new(),
        },
    }
}

pub(crate) fn deployment(id: &str, version: &str) -> NewDeployment {
    let pin = |kind: &str, name: &str| PluginPin {
        kind: kind.to_owned(),
        name: name.to_owned(),
        digest: format!("sha256:{kind}-{name}"),
    };
    NewDeployment {
        brief: brief(id, version),
        artifact: format!("shop-{version}.tar.gz"),
        configuration: blob("configuration"),
        folder: "/srv/shop".to_owned(),
        strategy: blob("strategy"),
        plugins: vec![pin("health-check", "command"), pin("step", "command")],
        owner: owner("anna"),
        over_unfinished: false,
    }
}

/// Begins a deployment at that time.
pub(crate) async fn begin(store: &dyn Store, id: &str, version: &str, now: Timestamp) -> Lease {
    store
        .begin_deployment(deployment(id, version), TTL, now)
        .await
        .unwrap()
}

/// Begins a deployment, ends it so, and lets go of its lease.
pub(crate) async fn run(
    store: &dyn Store,
    id: &str,
    version: &str,
    now: Timestamp,
    verdict: &Verdict,
) {
    let lease = begin(store, id, version, now).await;
    store
        .journal(id, &lease)
        .close(&value(verdict), now.after_ms(10))
        .await
        .unwrap();
    store.release(&lease).await.unwrap();
}

pub(crate) fn intent(sequence: u64, started: Timestamp) -> Intent {
    Intent {
        sequence,
        origin: Origin::Strategy,
        operation: Some(Operation::Install {
            targets: vec!["web1".into(), "web2".into()],
        }),
        effect: Some(Effect::Install {
            targets: ["web1".into(), "web2".into()].into(),
            release: "2.0-1".into(),
        }),
        undo: Undo::Remove {
            targets: vec!["web1".into()],
            release: "2.0-1".into(),
        },
        attempt: 1,
        started,
    }
}

pub(crate) fn outcome(ended: Timestamp) -> Outcome {
    let failed = [("web2".into(), failure("no route to it"))].into();
    let report = Report {
        failed,
        ..Report::default()
    };
    Outcome {
        result: Ok(Answer::Done),
        report: Some(report),
        ended,
    }
}

pub(crate) fn failure(message: &str) -> Failure {
    Failure::new(Code::Unavailable, message)
}

pub(crate) fn succeeded() -> Verdict {
    Verdict::Succeeded {
        left_out: Vec::new(),
    }
}

pub(crate) fn rolled_back() -> Verdict {
    Verdict::RolledBack {
        cause: failure("web1 is ill"),
    }
}

pub(crate) fn stuck() -> Verdict {
    Verdict::Stuck {
        cause: failure("web1 is ill"),
        differences: vec!["web1 runs 2.0".to_owned()],
    }
}

pub(crate) fn value(verdict: &Verdict) -> Value {
    serde_json::to_value(verdict).unwrap()
}

pub(crate) fn entry(action: &str) -> AuditEntry {
    AuditEntry {
        at: at(1),
        deployment: Some("d1".to_owned()),
        application: "shop".to_owned(),
        environment: "production".to_owned(),
        action: action.to_owned(),
        actor: "load-balancer nginx".to_owned(),
        host: "build-1".to_owned(),
        details: json!({ "program": "nginx", "milliseconds": 12 }),
    }
}
