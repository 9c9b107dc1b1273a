//! `command`: a program on the target's machine that tells by its exit status whether the
//! target is well.

use std::collections::BTreeMap;

use runtime_sdk::{
    call,
    commands::{Command, Output},
    prelude::*,
    template::{self, RELEASE, TARGET, Values},
};

/// A program on the target's machine that tells by its exit status.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CommandCheck {
    /// The program and its arguments. It ends with status 0 where the target is well.
    /// `{target.address}` and the like stand for what the target says.
    pub run: Vec<String>,
    /// Exit statuses of a target that serves, but not as it should.
    #[serde(default)]
    pub degraded: Vec<i32>,
    /// What the program finds in its environment, besides what it would find anyway.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The directory in which it is started.
    #[serde(default)]
    pub directory: Option<String>,
}

impl Plugin for CommandCheck {
    const SUMMARY: &'static str = "A program on the target's machine that tells by its status.";
    const SCHEMA: Option<&'static str> = Some(include_str!("../settings.json"));

    fn requests() -> Vec<Request> {
        vec![read(
            "commands",
            "{run}",
            "to ask whether the target is well",
        )]
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.run.is_empty() {
            problems.push(problem("/run", "a command needs a program"));
        }
        for (place, part) in self.run.iter().enumerate() {
            let known = [TARGET, RELEASE];
            problems.extend(template::problems(&format!("/run/{place}"), part, &known));
        }
        if let Some(place) = self.degraded.iter().position(|status| *status == 0) {
            problems.push(problem(
                format!("/degraded/{place}"),
                "status 0 says that all is well",
            ));
        }
        problems
    }
}

impl HealthCheck for CommandCheck {
    fn check(&self, target: &Target, release: &Release) -> Result<Report> {
        let values = Values::new().target(target).release(release);
        let mut command =
            Command::from_line(&values.expand_all(&self.run)?)?.timeout(call::remaining());
        for (name, value) in &self.environment {
            command = command.variable(name, values.expand(value)?);
        }
        if let Some(directory) = &self.directory {
            command = command.directory(values.expand(directory)?);
        }
        let output = command.run()?;
        let said = first_line(&output);
        Ok(match output.status {
            Some(0) => Report::healthy(said),
            Some(status) if self.degraded.contains(&status) => Report::degraded(said),
            _ => Report::unhealthy(output.failure(&command.program).message),
        })
    }
}

/// What the program said first.
fn first_line(output: &Output) -> String {
    output
        .text()
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim()
        .to_owned()
}

runtime_sdk::plugin!(health_check: CommandCheck, "command");

#[cfg(test)]
mod tests {
    use runtime_sdk::{
        serde_json::from_value,
        testing::{Fake, check_schema, output, release, target},
    };

    use super::*;

    #[test]
    fn the_schema_is_current() {
        check_schema::<CommandCheck>(env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn the_status_tells() {
        let settings =
            json!({ "run": ["check", "{target.address}", "{version}"], "degraded": [2] });
        let check: CommandCheck = from_value(settings).unwrap();
        for (status, stdout, stderr, expected) in [
            (0, "\n all well\nreally", "", ("healthy", "all well")),
            (2, "slow", "", ("degraded", "slow")),
            (
                1,
                "",
                "no queue",
                ("unhealthy", "`check` ended with status 1: no queue"),
            ),
        ] {
            let fake = Fake::new().on_command(move |_| Ok(output(status, stdout, stderr)));
            let report = check
                .check(&target("web01", "web"), &release("5-x"))
                .unwrap();
            assert_eq!((&*report.status, &*report.message), expected);
            assert_eq!(fake.calls(), ["run check web01:80 5"]);
        }
    }

    #[test]
    fn a_program_that_cannot_run_is_a_failure_of_the_check() {
        let _fake = Fake::new().on_command(|_| Err(Failure::missing("check")));
        let check: CommandCheck = from_value(json!({ "run": ["check"] })).unwrap();
        assert_eq!(
            check
                .check(&target("web01", "web"), &release("5"))
                .unwrap_err()
                .code,
            "missing"
        );
    }

    #[test]
    fn nonsense_is_refused() {
        let settings = json!({ "run": [], "degraded": [3, 0] });
        let problems = from_value::<CommandCheck>(settings).unwrap().problems();
        let places: Vec<&str> = problems
            .iter()
            .map(|problem| problem.pointer.as_str())
            .collect();
        assert_eq!(places, ["/run", "/degraded/1"]);
    }
}
