//! `command`: a program at a point of the deployment, and another one that takes back what it
//! did. On which machine they run is for the step's `on` to say.

use std::collections::BTreeMap;

use runtime_sdk::{
    call,
    commands::Command,
    prelude::*,
    template::{self, OCCASION, RELEASE, TARGET, Values},
};

/// How much of what the program said is kept with the deployment, in characters from the end.
const KEPT: usize = 4000;

/// A program, and another that takes back what it did.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CommandStep {
    /// The program and its arguments. `{version}`, `{environment}`, `{targets}` and the like
    /// stand for what is deployed, and `{target.address}` and the like for the one target where
    /// there is one.
    pub run: Vec<String>,
    /// The program that takes back what `run` did. On its input it finds what was kept of it,
    /// in JSON.
    #[serde(default)]
    pub undo: Option<Vec<String>>,
    /// What both find in their environment, besides what they would find anyway.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The directory in which they are started.
    #[serde(default)]
    pub directory: Option<String>,
    /// What `run` writes to its output.
    #[serde(default)]
    pub output: Format,
}

/// What a program writes to its output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text for people, of which the end is kept.
    #[default]
    Text,
    /// One JSON value, which is kept as it is; anything else fails the step.
    Json,
}

impl Plugin for CommandStep {
    const SUMMARY: &'static str = "A program, and another that takes back what it did.";
    const SCHEMA: Option<&'static str> = Some(include_str!("../settings.json"));
    const DETAILS: &'static str = r#"{ "undo": "/undo" }"#;

    fn requests() -> Vec<Request> {
        vec![
            change("commands", "{run}", "to run the step"),
            change("commands", "{undo}", "to take the step back"),
        ]
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let known = [TARGET, RELEASE, OCCASION];
        for (setting, line) in [("run", Some(&self.run)), ("undo", self.undo.as_ref())] {
            let Some(line) = line else { continue };
            if line.is_empty() {
                problems.push(problem(format!("/{setting}"), "a command needs a program"));
            }
            for (place, part) in line.iter().enumerate() {
                problems.extend(template::problems(
                    &format!("/{setting}/{place}"),
                    part,
                    &known,
                ));
            }
        }
        problems
    }
}

impl Step for CommandStep {
    fn run(&self, occasion: &Occasion) -> Result<Value> {
        let output = self.command(&self.run, occasion)?.succeed()?;
        match self.output {
            Format::Text => {
                let text = output.text();
                let from = text
                    .char_indices()
                    .rev()
                    .nth(KEPT)
                    .map_or(0, |(place, _)| place);
                Ok(json!({ "output": text[from..].trim_end() }))
            }
            Format::Json if output.truncated => Err(Failure::rejected(
                "the program wrote more than the host lets through",
            )),
            Format::Json => serde_json::from_slice(&output.stdout).map_err(|error| {
                Failure::rejected(format!("the program wrote what is no JSON: {error}"))
            }),
        }
    }

    fn undo(&self, occasion: &Occasion, outcome: &Value) -> Result<()> {
        let Some(undo) = &self.undo else {
            return Ok(());
        };
        self.command(undo, occasion)?
            .input(outcome.to_string())
            .succeed()?;
        Ok(())
    }
}

impl CommandStep {
    fn command(&self, line: &[String], occasion: &Occasion) -> Result<Command> {
        let values = Values::from(occasion);
        let mut command = Command::from_line(&values.expand_all(line)?)?.timeout(call::remaining());
        for (name, value) in &self.environment {
            command = command.variable(name, values.expand(value)?);
        }
        if let Some(directory) = &self.directory {
            command = command.directory(values.expand(directory)?);
        }
        Ok(command)
    }
}

runtime_sdk::plugin!(step: CommandStep, "command");

#[cfg(test)]
mod tests {
    use runtime_sdk::{
        serde_json::from_value,
        testing::{Fake, check_schema, occasion, output},
    };

    use super::*;

    const FLEET: [(&str, &str); 2] = [("web01", "web"), ("web02", "web")];

    fn step(settings: Value) -> CommandStep {
        from_value(settings).unwrap()
    }

    #[test]
    fn the_schema_is_current() {
        check_schema::<CommandStep>(env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn what_is_deployed_is_known_to_the_program() {
        let fake = Fake::new().on_command(|_| Ok(output(0, "12 passed\n", "")));
        let step = step(json!({
            "run": ["smoke", "{application}", "{version}", "{point}", "{targets}"],
            "environment": { "ENVIRONMENT": "{environment}" },
            "directory": "/srv/{application}",
        }));
        let outcome = Step::run(&step, &occasion("before-traffic", &FLEET)).unwrap();
        assert_eq!(outcome, json!({ "output": "12 passed" }));
        assert_eq!(
            fake.calls(),
            ["run smoke shop 2 before-traffic web01 web02"]
        );
        let command = &fake.commands()[0];
        assert_eq!(
            command.environment,
            [("ENVIRONMENT".to_owned(), "production".to_owned())]
        );
        assert_eq!(command.working_directory.as_deref(), Some("/srv/shop"));
    }

    #[test]
    fn one_target_is_known_by_its_own_names() {
        let fake = Fake::new();
        let step = step(json!({ "run": ["smoke", "{target.address}"] }));
        Step::run(&step, &occasion("before-traffic", &FLEET[..1])).unwrap();
        assert_eq!(fake.calls(), ["run smoke web01:80"]);
        assert!(Step::run(&step, &occasion("before-traffic", &FLEET)).is_err());
    }

    #[test]
    fn another_status_fails_the_step_with_what_was_said() {
        let said = Fake::new().on_command(|_| Ok(output(3, "", "2 failed\n")));
        let failure =
            Step::run(&step(json!({ "run": ["smoke"] })), &occasion("x", &FLEET)).unwrap_err();
        assert_eq!(failure.message, "`smoke` ended with status 3: 2 failed");
        drop(said);
        let _silent = Fake::new().on_command(|_| Ok(output(3, "", "")));
        let failure =
            Step::run(&step(json!({ "run": ["smoke"] })), &occasion("x", &FLEET)).unwrap_err();
        assert_eq!(
            failure.message,
            "`smoke` ended with status 3, without a word"
        );
    }

    #[test]
    fn json_is_kept_and_handed_to_the_undo() {
        let fake = Fake::new().on_command(|_| Ok(output(0, r#"{"file":"db.gz"}"#, "")));
        let step = step(json!({ "run": ["backup"], "undo": ["restore"], "output": "json" }));
        let occasion = occasion("before-deploy", &FLEET);
        let outcome = Step::run(&step, &occasion).unwrap();
        assert_eq!(outcome, json!({ "file": "db.gz" }));
        step.undo(&occasion, &outcome).unwrap();
        assert_eq!(fake.commands()[1].input, br#"{"file":"db.gz"}"#);
    }

    #[test]
    fn what_should_be_json_and_is_not_fails_the_step() {
        let _fake = Fake::new().on_command(|_| Ok(output(0, "done", "")));
        let step = step(json!({ "run": ["backup"], "output": "json" }));
        assert_eq!(
            Step::run(&step, &occasion("x", &FLEET)).unwrap_err().code,
            "rejected"
        );
    }

    #[test]
    fn nonsense_is_refused() {
        let problems = step(json!({ "run": [], "undo": ["x", "{traget}"] })).problems();
        let places: Vec<&str> = problems
            .iter()
            .map(|problem| problem.pointer.as_str())
            .collect();
        assert_eq!(places, ["/run", "/undo/1"]);
    }
}
