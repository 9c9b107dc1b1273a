//! `release-directory`: releases side by side in `ROOT/releases/`, and a link `ROOT/current` to
//! the one that runs, switched in one step. Whether the application came up is for the health
//! checks to say. Each change is one round trip to the machine.

mod layout;

use std::collections::BTreeMap;

use runtime_sdk::{
    commands::Command,
    files,
    machine::Batch,
    prelude::*,
    template::{self, RELEASE, TARGET, Values},
};

use crate::layout::Layout;

/// Release directories with a link to the one that runs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReleaseDirectory {
    /// The application's directory on the target. `{target}` stands for the target's name.
    pub root: String,
    /// Files and directories (those with a slash at the end) that all releases share. They lie
    /// in `shared/` in the root, and each release gets a link to them.
    #[serde(default)]
    pub shared: Vec<String>,
    /// The program, with its arguments, that serves. It is started in the background, in the
    /// release's directory, and ended before the next release's.
    #[serde(default)]
    pub start: Option<Vec<String>>,
    /// The command after the switch, for an application that something else keeps running:
    /// `["systemctl", "restart", "shop"]`.
    #[serde(default)]
    pub restart: Option<Vec<String>>,
    /// With `restart`: the command after which nothing of the application runs.
    #[serde(default)]
    pub stop: Option<Vec<String>>,
    /// What these programs find in their environment, besides what they would find anyway.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// With `start`: how long the program may take to end before it is killed.
    #[serde(default = "stop_grace")]
    pub stop_grace: Duration,
    /// Whether a switch loses no request, as with static files, or where `restart` is a reload
    /// that loses none. Then targets need not be taken out of the traffic for it.
    #[serde(default)]
    pub uninterrupted: bool,
}

fn stop_grace() -> Duration {
    Duration::from_secs(10)
}

impl Plugin for ReleaseDirectory {
    const SUMMARY: &'static str = "Release directories with a link to the one that runs.";
    const SCHEMA: Option<&'static str> = Some(include_str!("../settings.json"));
    const DETAILS: &'static str = r#"{ "artifact": "unpack", "place": "/root" }"#;

    fn requests() -> Vec<Request> {
        vec![
            read(
                "files",
                "read:{root}",
                "to see which releases are there, and which one runs",
            ),
            change(
                "files",
                "write:{root}",
                "to put releases there, switch and remove them",
            ),
            change("commands", "{start}", "to start the application"),
            change(
                "commands",
                "{restart}",
                "to make the application run the new release",
            ),
            change("commands", "{stop}", "to stop the application"),
        ]
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.root.is_empty() {
            problems.push(problem("/root", "the root is a directory"));
        }
        // Which release is active is asked before there is one to name.
        problems.extend(template::problems("/root", &self.root, &[TARGET]));
        for (place, entry) in self.shared.iter().enumerate() {
            if !layout::is_below(entry) {
                let message = format!("`{entry}` is no path below the release's directory");
                problems.push(problem(format!("/shared/{place}"), message));
            }
        }
        let lines = [
            ("start", &self.start),
            ("restart", &self.restart),
            ("stop", &self.stop),
        ];
        for (setting, line) in lines {
            let Some(line) = line else { continue };
            if line.is_empty() {
                problems.push(problem(format!("/{setting}"), "a command needs a program"));
            }
            // Stopping is not about one release.
            let known: &[&[&str]] = if setting == "stop" {
                &[TARGET]
            } else {
                &[TARGET, RELEASE]
            };
            for (place, part) in line.iter().enumerate() {
                problems.extend(template::problems(
                    &format!("/{setting}/{place}"),
                    part,
                    known,
                ));
            }
        }
        for (name, value) in &self.environment {
            let known: &[&[&str]] = if self.stop.is_some() {
                &[TARGET]
            } else {
                &[TARGET, RELEASE]
            };
            problems.extend(template::problems(
                &format!("/environment/{name}"),
                value,
                known,
            ));
        }
        if self.start.is_some() {
            for (setting, line) in &lines[1..] {
                if line.is_some() {
                    let message = format!(
                        "with `start` the program is started and ended here; `{setting}` is for \
                         one that something else keeps running"
                    );
                    problems.push(problem(format!("/{setting}"), message));
                }
            }
        }
        problems
    }
}

impl Platform for ReleaseDirectory {
    fn traits(&self) -> Result<Vec<String>> {
        let uninterrupted = self
            .uninterrupted
            .then(|| "uninterrupted-activate".to_owned());
        Ok(uninterrupted.into_iter().collect())
    }

    fn active(&self, target: &Target) -> Result<Option<String>> {
        let current = files::read_link(&self.layout(target)?.current())?;
        Ok(current.as_deref().map(layout::release_of))
    }

    fn installed(&self, target: &Target) -> Result<Vec<InstalledRelease>> {
        let entries = files::list(&self.layout(target)?.releases())?;
        Ok(layout::installed(
            entries.iter().map(|entry| entry.name.as_str()),
        ))
    }

    fn install(&self, target: &Target, release: &Release) -> Result<()> {
        let layout = self.layout(target)?;
        let path = layout.release(&release.id)?;
        // It appears as a whole, under a name of its own until then. The links are made again by
        // each call: one that was cut off before them leaves nothing that a later one trusts.
        let mut batch = Batch::new()
            .create_directory(layout.releases())
            .unpack(release, &path);
        for entry in &self.shared {
            batch = layout.share(batch, &path, entry);
        }
        batch.perform()?;
        Ok(())
    }

    fn activate(&self, target: &Target, release: &Release) -> Result<()> {
        let layout = self.layout(target)?;
        layout.release(&release.id)?;
        let values = Values::new().target(target).release(release);
        let points_to = layout::points_to(&release.id);
        let batch = if let Some(start) = &self.start {
            Batch::new()
                .stop(layout.pid_file(), self.stop_grace)
                .link(layout.current(), points_to)
                .start(
                    self.command(start, &layout, &values)?,
                    &layout.pid_file(),
                    &layout.log_file(),
                )
        } else {
            let batch = Batch::new().link(layout.current(), points_to);
            match &self.restart {
                Some(restart) => batch.run(self.command(restart, &layout, &values)?),
                None => batch,
            }
        };
        batch.perform()?;
        Ok(())
    }

    fn deactivate(&self, target: &Target) -> Result<()> {
        let layout = self.layout(target)?;
        let mut batch = Batch::new();
        if self.start.is_some() {
            batch = batch.stop(layout.pid_file(), self.stop_grace);
        }
        if let Some(stop) = &self.stop {
            let mut command = self.command(stop, &layout, &Values::new().target(target))?;
            // The release that was here may be gone on a second call.
            command.working_directory = Some(layout.root());
            batch = batch.run(command);
        }
        batch.remove(layout.current()).perform()?;
        Ok(())
    }

    fn remove(&self, target: &Target, release: &str) -> Result<()> {
        let layout = self.layout(target)?;
        let (path, marker) = (layout.release(release)?, layout.marker(release)?);
        // What is cut off in the middle is not complete, and goes when it is asked for again.
        let batch = Batch::new().remove(&marker);
        let removed = batch.rename(path, &marker).remove(&marker).perform();
        match removed {
            // Nothing is there to be removed.
            Err(failure) if failure.is("missing") => Ok(()),
            removed => removed.map(drop),
        }
    }
}

impl ReleaseDirectory {
    fn layout(&self, target: &Target) -> Result<Layout> {
        Ok(Layout::new(
            &Values::new().target(target).expand(&self.root)?,
        ))
    }

    fn command(&self, line: &[String], layout: &Layout, values: &Values) -> Result<Command> {
        let command = Command::from_line(&values.expand_all(line)?)?.directory(layout.current());
        self.environment
            .iter()
            .try_fold(command, |command, (name, value)| {
                Ok(command.variable(name, values.expand(value)?))
            })
    }
}

runtime_sdk::plugin!(platform: ReleaseDirectory, "release-directory");

#[cfg(test)]
mod tests;
