//! A load balancer's driver at work on the real server of its settings, for `plugin test --live`.
//! What the driver asks for it may do: whoever types `--live` says so.

use std::{env, sync::Arc};

use async_trait::async_trait;
use conformance::Case;
use engine::{Code, Failure, Target};
use host::{Assignment, LoadBalancer, Plugin, Secrets, Services, Worker};
use machines::Local;
use serde_json::Value;

use crate::report::{Problem, Reason};

/// Values of secrets from variables of their names.
struct Environment;

#[async_trait]
impl Secrets for Environment {
    async fn value(&self, name: &str) -> Result<String, Failure> {
        env::var(name).map_err(|_| {
            let text = format!("there is no secret `{name}`: it is read from that variable");
            Failure::new(Code::Missing, text)
        })
    }
}

/// Tries it with these targets; `own` says whether the plugin comes with the program.
pub(crate) async fn run(
    plugin: Plugin,
    settings: Value,
    targets: &[Target],
    own: bool,
) -> Result<Vec<Case>, Problem> {
    let here = env::current_dir().map_err(|error| {
        Problem::new(Reason::Refused, "there is no working directory").cause(error)
    })?;
    let executable = env::current_exe().ok().filter(|_| own);
    let assignment = Assignment {
        settings,
        executable: executable.map(|path| path.display().to_string()),
        ..Assignment::new(Arc::new(Local::new("local", here)))
    };
    let services = Services {
        secrets: Arc::new(Environment),
        ..Services::nothing()
    };
    let balancer = LoadBalancer::new(Worker::new(plugin, assignment, services))
        .map_err(|error| Problem::new(Reason::Bug, error.to_string()))?;
    Ok(conformance::live(&balancer, targets).await)
}
