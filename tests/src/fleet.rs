//! The targets of a world: where they run, what they look like in a configuration, and what
//! is really there.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use crate::{World, wait};

/// The port of the balancer; targets have the ones after it.
const BALANCER: u16 = 9100;

/// Where one target runs.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// `host:port`.
    pub address: String,
}

/// Several targets that run the small application, each in a folder of its own.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// The targets, in the order of the configuration.
    pub members: Vec<Member>,
    /// Where users of the application come in.
    pub balancer: String,
    folder: PathBuf,
}

/// What is on disk for one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDisk {
    /// What `current` points to.
    pub current: Option<PathBuf>,
    /// Everything in `releases/`.
    pub releases: Vec<String>,
}

impl Fleet {
    /// Targets of that name and group, on this machine or wherever the configuration says.
    pub fn new(world: &World, members: &[(&str, &str)]) -> Self {
        let member = |(port, (name, group)): (u16, &(&str, &str))| Member {
            name: (*name).to_owned(),
            group: (*group).to_owned(),
            address: world.at(port),
        };
        let members = (BALANCER + 1..).zip(members).map(member).collect();
        Self {
            members,
            balancer: world.at(BALANCER),
            folder: world.file("apps"),
        }
    }

    /// The same targets, each in a folder of its name below that one.
    #[must_use]
    pub fn in_folder(mut self, folder: PathBuf) -> Self {
        self.folder = folder;
        self
    }

    /// The configuration of the application, the release, the targets, the platform, and one
    /// health check, of which two successes in a row are asked.
    pub fn toml(&self) -> String {
        self.toml_with("hello-{version}/", "")
    }

    /// The same for another artifact, and with more settings of the platform.
    pub fn toml_with(&self, artifact: &str, platform: &str) -> String {
        let mut text = format!(
            "application = \"hello\"\nenvironment = \"test\"\n\n[release]\nartifact = \"{artifact}\"\n"
        );
        for Member {
            name,
            group,
            address,
        } in &self.members
        {
            let target = format!(
                "\n[[targets]]\nname = \"{name}\"\naddress = \"{address}\"\ngroup = \"{group}\"\n"
            );
            text.push_str(&target);
        }
        let folder = self.folder.display();
        write!(
            text,
            r#"
[platform]
use = "release-directory"
root = "{folder}/{{target}}"
start = ["bin/hello", "--listen", "{{target.address}}"]
{platform}

[[health-checks]]
use = "http"
path = "/health"
timeout = "2s"
interval = "100ms"
successes = 2
# On a busy machine nothing starts at once.
start-period = "1s"
"#
        )
        .unwrap();
        text
    }

    /// The embedded proxy in front of them.
    pub fn proxy(&self) -> String {
        format!(
            "\n[load-balancer]\nuse = \"proxy\"\nlisten = \"{}\"\n",
            self.balancer
        )
    }

    /// Where one target keeps its releases.
    pub fn root(&self, target: &str) -> PathBuf {
        self.folder.join(target)
    }

    /// The target of that name.
    pub fn member(&self, name: &str) -> &Member {
        self.members
            .iter()
            .find(|member| member.name == name)
            .expect("the fleet has it")
    }

    /// The version that each target answers with; none where nothing answers.
    pub fn versions(&self) -> BTreeMap<&str, Option<String>> {
        let ask = |member: &Member| version_at(&member.address);
        self.members
            .iter()
            .map(|member| (member.name.as_str(), ask(member)))
            .collect()
    }

    /// Panics unless every target answers with that version.
    #[track_caller]
    pub fn all_on(&self, version: &str) {
        let versions = self.versions();
        let same = versions
            .values()
            .all(|seen| seen.as_deref() == Some(version));
        assert!(same, "expected {version} everywhere: {versions:?}");
    }

    /// What is on disk, by target.
    pub fn on_disk(&self) -> BTreeMap<&str, OnDisk> {
        let look = |member: &Member| on_disk(&self.root(&member.name));
        self.members
            .iter()
            .map(|member| (member.name.as_str(), look(member)))
            .collect()
    }
}

/// The version of what answers there.
pub fn version_at(address: &str) -> Option<String> {
    let (_, body) = wait::get(address, "/health")?;
    let json: serde_json::Value = serde_json::from_str(&body).ok()?;
    json.get("version")?.as_str().map(str::to_owned)
}

fn on_disk(root: &Path) -> OnDisk {
    let entries = fs::read_dir(root.join("releases"))
        .into_iter()
        .flatten()
        .flatten();
    let mut releases: Vec<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    releases.sort();
    OnDisk {
        current: fs::read_link(root.join("current")).ok(),
        releases,
    }
}
