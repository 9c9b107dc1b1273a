//! Programs on the machine that the plugin works on. No shell stands between.

use std::time::Duration;

use bindings::commands as theirs;
use engine::{Code, Failure};
use machines::{COMMAND_TIMEOUT, Command};
use serde_json::Value;

use crate::{
    call::{CallState, invalid, of_machine},
    grants::{CleanPath, Wanted, is_loader_variable},
};

/// The name by which a plugin that comes with the program means this executable.
const THIS_PROGRAM: &str = "runtime";

/// Bytes of arguments and environment: what every system takes.
const ARGUMENT_BYTES_MAX: usize = 100 << 10;

impl CallState {
    pub(crate) async fn run_command(
        &self,
        command: theirs::Command,
    ) -> Result<theirs::Output, Failure> {
        let mut used = self.on_machine("commands", "run", &line(&command));
        let mut secrets = Vec::new();
        let running = async {
            no_options(&command)?;
            let command = self.command(command, &mut secrets)?;
            used.with_secrets(&secrets);
            self.machine
                .run(&command, self.context.fence.as_ref())
                .await
                .map_err(of_machine)
        };
        let result = running.await;
        let output = used.ended_as(result, |output| match output.status {
            Some(status) => format!("status {status}"),
            None => "ended by a signal".to_owned(),
        })?;
        Ok(self.output(output))
    }

    /// A command, checked against the grants, with the secrets put in that may go there.
    pub(crate) fn command(
        &self,
        command: theirs::Command,
        secrets: &mut Vec<String>,
    ) -> Result<Command, Failure> {
        let theirs::Command {
            program,
            arguments,
            environment,
            ..
        } = command;
        check_texts(&program, &arguments)?;
        self.grants().check(&Wanted::Command {
            program: &program,
            arguments: &arguments,
        })?;
        let working_directory = match command.working_directory {
            Some(directory) => {
                let path = CleanPath::parse(&directory)
                    .map_err(|what| invalid(format!("the working directory {what}")))?;
                self.directory(&path)?;
                Some(path.whole())
            }
            None => None,
        };
        let mut variables = Vec::with_capacity(environment.len());
        for (name, value) in environment {
            self.variable(&name, &value)?;
            let (value, put_in) = self.sealed.put_in_environment(value);
            secrets.extend(put_in);
            variables.push((name, value));
        }
        let (input, put_in) = self.sealed.put_in_input(command.input);
        secrets.extend(put_in);
        Ok(Command {
            program: self.program(program),
            arguments,
            environment: variables,
            working_directory,
            input,
            timeout: Some(self.timeout(command.timeout, COMMAND_TIMEOUT)),
        })
    }

    /// A program runs in a directory that the plugin may read, or that the settings name.
    fn directory(&self, path: &CleanPath) -> Result<(), Failure> {
        match self.grants().check(&Wanted::File { write: false, path }) {
            Ok(()) => Ok(()),
            Err(denied) => {
                let written = self.names().written_paths();
                let named = written
                    .iter()
                    .any(|scope| scope.covers(path, false).is_some());
                if named { Ok(()) } else { Err(denied.into()) }
            }
        }
    }

    /// A variable must not make another program of the one that was granted, unless the operator
    /// wrote it in the settings.
    fn variable(&self, name: &str, value: &str) -> Result<(), Failure> {
        let fits = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        if !fits || value.contains('\0') {
            return Err(invalid(format!("`{}` is no variable", name.escape_debug())));
        }
        if is_loader_variable(name) && !names_key(&self.sealed.settings, name) {
            let text = format!(
                "the variable {name} changes which program runs; it is set only where the \
                 operator's settings name it"
            );
            return Err(Failure::new(Code::Denied, text));
        }
        Ok(())
    }

    fn program(&self, program: String) -> String {
        match &self.assignment.executable {
            Some(executable) if self.plugin.bundled() && program == THIS_PROGRAM => {
                executable.clone()
            }
            _ => program,
        }
    }
}

/// The command in one line, for the audit.
pub(crate) fn line(command: &theirs::Command) -> String {
    let mut words = vec![command.program.as_str()];
    words.extend(command.arguments.iter().map(String::as_str));
    words.join(" ")
}

/// `commands.run` knows no options.
fn no_options(command: &theirs::Command) -> Result<(), Failure> {
    match command.options.first() {
        Some((name, _)) => Err(invalid(format!(
            "a command has no option `{}`",
            name.escape_debug()
        ))),
        None => Ok(()),
    }
}

fn check_texts(program: &str, arguments: &[String]) -> Result<(), Failure> {
    let mut bytes = program.len();
    for text in arguments {
        bytes += text.len() + 1;
        if text.contains('\0') {
            return Err(invalid("an argument has a zero byte in it"));
        }
    }
    if program.is_empty() || program.contains('\0') {
        return Err(invalid("a command needs a program"));
    }
    if bytes > ARGUMENT_BYTES_MAX {
        let text = format!("the arguments are longer than {ARGUMENT_BYTES_MAX} bytes");
        return Err(invalid(text));
    }
    if program.split('/').any(|part| part == "..") {
        return Err(invalid("a program's path has `..` in it"));
    }
    Ok(())
}

/// Whether any table in the settings has that key.
fn names_key(settings: &Value, key: &str) -> bool {
    match settings {
        Value::Object(entries) => {
            entries.contains_key(key) || entries.values().any(|value| names_key(value, key))
        }
        Value::Array(items) => items.iter().any(|value| names_key(value, key)),
        _ => false,
    }
}

/// The option of a command that `start` needs.
pub(crate) fn option<'a>(command: &'a theirs::Command, name: &str) -> Result<&'a str, Failure> {
    let found = command.options.iter().find(|(key, _)| key == name);
    found
        .map(|(_, value)| value.as_str())
        .ok_or_else(|| invalid(format!("`start` needs the option `{name}`")))
}

/// The longest that a program may take to end by itself.
pub(crate) const GRACE_MAX: Duration = Duration::from_secs(600);
