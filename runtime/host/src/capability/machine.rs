//! Several steps on the machine in one round trip, each checked before the first one runs.

use std::time::Duration;

use bindings::{commands::Output, machine as theirs};
use engine::Failure;
use machines::{Action, ArtifactSource};
use serde_json::json;

use super::commands::{GRACE_MAX, line, option};
use crate::call::{CallState, invalid, of_machine};

/// Steps in one go; more is a loop that went wrong.
const ACTIONS_MAX: usize = 1_000;

impl CallState {
    pub(crate) async fn perform_actions(
        &self,
        actions: Vec<theirs::Action>,
    ) -> Result<Vec<Output>, Failure> {
        let mut used = self.on_machine("machine", "perform", &subject(&actions));
        let mut secrets = Vec::new();
        let performing = async {
            let checked = self.checked(actions, &mut secrets)?;
            used.with_secrets(&secrets);
            let artifacts = self.services.artifacts.as_deref();
            let source = artifacts.map(|artifacts| artifacts as &dyn ArtifactSource);
            // What only looks need not hold the lease.
            let fence = self
                .context
                .fence
                .as_ref()
                .filter(|_| checked.iter().any(changes));
            let placed = self.placed_already(&checked).await;
            let (left, actions): (Vec<usize>, Vec<Action>) = checked
                .into_iter()
                .enumerate()
                .filter(|(index, _)| !placed.contains(index))
                .unzip();
            let done = self.machine.perform(&actions, fence, source).await;
            let done = done.map_err(|mut error| {
                error.index = error.index.and_then(|index| left.get(index).copied());
                of_machine(error)
            })?;
            let mut outputs = vec![machines::Output::done(); left.len() + placed.len()];
            for (index, output) in left.into_iter().zip(done) {
                outputs[index] = output;
            }
            Ok(outputs)
        };
        let result = performing.await;
        let outputs = used.ended(result)?;
        Ok(outputs
            .into_iter()
            .map(|output| self.output(output))
            .collect())
    }

    fn checked(
        &self,
        actions: Vec<theirs::Action>,
        secrets: &mut Vec<String>,
    ) -> Result<Vec<Action>, Failure> {
        if actions.len() > ACTIONS_MAX {
            return Err(invalid(format!("more than {ACTIONS_MAX} actions at once")));
        }
        let each = actions.into_iter().enumerate().map(|(index, action)| {
            self.action(action, secrets).map_err(|mut failure| {
                match &mut failure.details {
                    serde_json::Value::Object(details) => {
                        details.insert("index".to_owned(), json!(index));
                    }
                    details => *details = json!({ "index": index }),
                }
                failure
            })
        });
        each.collect()
    }

    fn action(&self, action: theirs::Action, secrets: &mut Vec<String>) -> Result<Action, Failure> {
        let theirs::Action {
            verb,
            path,
            argument,
            command,
        } = action;
        let needed = || {
            command
                .clone()
                .ok_or_else(|| invalid(format!("`{verb}` needs a command")))
        };
        match verb.as_str() {
            "run" => {
                let command = needed()?;
                if let Some((name, _)) = command.options.first() {
                    return Err(invalid(format!(
                        "`run` has no option `{}`",
                        name.escape_debug()
                    )));
                }
                Ok(Action::Run {
                    command: self.command(command, secrets)?,
                })
            }
            "start" => {
                let command = needed()?;
                let known = |(name, _): &&(String, String)| {
                    !matches!(name.as_str(), "pid-file" | "log-file")
                };
                if let Some((name, _)) = command.options.iter().find(known) {
                    return Err(invalid(format!(
                        "`start` has no option `{}`",
                        name.escape_debug()
                    )));
                }
                let pid_file = self.place(option(&command, "pid-file")?, true)?;
                let log_file = self.place(option(&command, "log-file")?, true)?;
                Ok(Action::Start {
                    command: self.command(command, secrets)?,
                    pid_file,
                    log_file,
                })
            }
            "stop" => {
                let grace = number(&argument)?;
                let pid_file = self.place(&path, true)?;
                Ok(Action::Stop {
                    pid_file,
                    grace: Duration::from_millis(grace).min(GRACE_MAX),
                })
            }
            "unpack" | "copy" => {
                let release = String::from_utf8(argument)
                    .map_err(|_| invalid(format!("the argument of `{verb}` is no release")))?;
                self.artifact_action(&verb, &release, &path)
            }
            _ => self.file_action(&verb, &path, argument, secrets),
        }
    }
}

fn number(argument: &[u8]) -> Result<u64, Failure> {
    std::str::from_utf8(argument)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| invalid("the argument of `stop` is no number of milliseconds"))
}

fn changes(action: &Action) -> bool {
    !matches!(
        action,
        Action::Read { .. } | Action::ReadLink { .. } | Action::List { .. } | Action::Stat { .. }
    )
}

fn subject(actions: &[theirs::Action]) -> String {
    let each = actions.iter().map(|action| match &action.command {
        Some(command) => format!("{} {}", action.verb, line(command)),
        None => format!("{} {}", action.verb, action.path),
    });
    each.collect::<Vec<_>>().join("; ")
}
