//! `nginx`: writes one file with one upstream, tests it, and reloads.
//!
//! The file is this driver's alone. Its header says what was asked for, so that reading gives
//! back exact shares and admissions. A reload happens only for a change: each one makes nginx
//! close idle keep-alive connections at once, and a client that has just written its next
//! request on one of them sees it reset. nginx does that whoever asks for the reload; clients
//! that retry, or open a connection for each request, lose nothing. What nginx runs cannot be
//! asked of it: that the file is there, passed the test, and the reload was sent, is all that
//! is known. The README beside this says what an operator must know.

mod upstream;

use runtime_sdk::{
    commands::Command,
    files,
    machine::{Batch, failed_at},
    prelude::*,
};

use crate::upstream::{State, Upstream};

/// Writes the servers of one nginx upstream into a file of its own, and reloads.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Nginx {
    /// The upstream's name, as `proxy_pass http://NAME` says it.
    pub upstream: String,
    /// The file, which must be included in the `http` block and is written by this plugin alone.
    pub file: String,
    /// Other directives of the upstream, such as `keepalive 32`.
    #[serde(default)]
    pub directives: Vec<String>,
    /// Parameters of every server, such as `max_fails=0`.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// What all weights add up to: the smallest share is one of so many parts.
    #[serde(default = "weights")]
    pub weights: u32,
    /// The command that tests the configuration.
    #[serde(default = "test")]
    pub test: Vec<String>,
    /// The command that makes nginx read its configuration again.
    #[serde(default = "reload")]
    pub reload: Vec<String>,
    /// nginx's prefix, given to both commands as `-p`.
    #[serde(default)]
    pub prefix: Option<String>,
    /// nginx's main configuration file, given to both commands as `-c`.
    #[serde(default)]
    pub conf: Option<String>,
}

fn weights() -> u32 {
    1000
}

fn test() -> Vec<String> {
    vec!["nginx".into(), "-t".into()]
}

fn reload() -> Vec<String> {
    vec!["nginx".into(), "-s".into(), "reload".into()]
}

/// How long workers of the old configuration may still take new requests after a reload.
const SETTLES_MS: u32 = 500;

impl Plugin for Nginx {
    const SUMMARY: &'static str = "Writes the servers of an nginx upstream, and reloads.";
    const SCHEMA: Option<&'static str> = Some(include_str!("../settings.json"));

    fn requests() -> Vec<Request> {
        let mut requests = vec![
            read(
                "files",
                "read:{file}",
                "to see which servers the upstream has",
            ),
            read(
                "files",
                "read:{file}.pending",
                "to see whether a change was cut off",
            ),
            change("files", "write:{file}", "to write the upstream's servers"),
            change(
                "files",
                "write:{file}.pending",
                "to note that a change is under way",
            ),
        ];
        for options in ["", " -p {prefix}", " -c {conf}", " -p {prefix} -c {conf}"] {
            let (test, reload) = (format!("{{test}}{options}"), format!("{{reload}}{options}"));
            requests.push(change(
                "commands",
                &test,
                "to test the configuration before a reload",
            ));
            requests.push(change(
                "commands",
                &reload,
                "to put the configuration into effect",
            ));
        }
        requests
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if self.upstream.is_empty() || !self.upstream.chars().all(word) {
            let message = "the name of an upstream has letters, digits, `_`, `-` and `.`";
            problems.push(problem("/upstream", message));
        }
        if self.weights == 0 {
            problems.push(problem("/weights", "at least 1"));
        }
        let lists = [
            ("directives", &self.directives),
            ("parameters", &self.parameters),
        ];
        for (setting, list) in lists {
            for (place, entry) in list.iter().enumerate() {
                if entry.is_empty() || entry.contains(['{', '}', '\n', ';', '#']) {
                    let message = "one directive or parameter, without `;`, braces or comments";
                    problems.push(problem(format!("/{setting}/{place}"), message));
                }
            }
        }
        for (setting, line) in [("test", &self.test), ("reload", &self.reload)] {
            if line.is_empty() {
                problems.push(problem(format!("/{setting}"), "a command needs a program"));
            }
        }
        problems
    }
}

impl LoadBalancer for Nginx {
    fn traits(&self) -> Result<Vec<String>> {
        Ok(vec![
            "shares".into(),
            "drains".into(),
            format!("weight-steps={}", self.weights),
            format!("settles-ms={SETTLES_MS}"),
        ])
    }

    fn read(&self, targets: &[Target]) -> Result<Reading> {
        match files::read_text(&self.file)? {
            Some(text) => Ok(upstream::reading(&text, targets)),
            None => Ok(upstream::nothing()),
        }
    }

    fn apply(&self, desired: &Desired) -> Result<()> {
        let wanted = Upstream::new(self, desired)?.to_string();
        let found = Batch::new()
            .read(&self.file)
            .read(self.pending())
            .perform()?;
        let [file, pending] = &found[..] else {
            return Err(Failure::internal(
                "two files were read, and two outputs expected",
            ));
        };
        let before = file.found();
        self.check(before.as_deref(), desired)?;
        if before.as_deref() == Some(&*wanted) && pending.found().is_none() {
            return Ok(());
        }
        self.change(before, wanted)
    }
}

impl Nginx {
    /// A file that is there from before a change until nginx was told of it, so that a change
    /// that was cut off in between is not taken for done.
    fn pending(&self) -> String {
        format!("{}.pending", self.file)
    }

    fn check(&self, before: Option<&str>, desired: &Desired) -> Result<()> {
        let Some(text) = before else { return Ok(()) };
        let state = State::of(text);
        if !state.is_ours() {
            return Err(Failure::conflict(format!(
                "{} was not written by this plugin, or was changed since; move it away, or put \
                 what it says into another file",
                self.file
            )));
        }
        match (&desired.expected, state.revision()) {
            (Some(expected), Some(revision)) if *expected != revision => Err(Failure::conflict(
                format!("{} was changed meanwhile", self.file),
            )),
            _ => Ok(()),
        }
    }

    fn change(&self, before: Option<String>, wanted: String) -> Result<()> {
        let (test, reload) = (self.command(&self.test)?, self.command(&self.reload)?);
        let steps = Batch::new()
            .write(self.pending(), "")
            .write(&self.file, wanted)
            .run(test)
            .run(reload)
            .remove(self.pending());
        let Err(failure) = steps.perform() else {
            return Ok(());
        };
        let during = match failed_at(&failure) {
            Some(2) => "nginx refuses the configuration, which is taken back",
            Some(3) => "nginx was not reloaded, and the configuration is taken back",
            _ => "the upstream was not changed",
        };
        let back = match before {
            Some(before) => Batch::new().write(&self.file, before),
            None => Batch::new().remove(&self.file),
        };
        // Where this fails, too, the pending file stays, and the next change is made in full.
        if let Err(also) = back.remove(self.pending()).perform() {
            logs::warn!("{} was not taken back: {}", self.file, also.message);
        }
        Err(failure.during(during))
    }

    fn command(&self, line: &[String]) -> Result<Command> {
        let mut command = Command::from_line(line)?;
        for (option, value) in [("-p", &self.prefix), ("-c", &self.conf)] {
            if let Some(value) = value {
                command = command.argument(option).argument(value);
            }
        }
        Ok(command)
    }
}

runtime_sdk::plugin!(load_balancer: Nginx, "nginx");

#[cfg(test)]
mod tests;
