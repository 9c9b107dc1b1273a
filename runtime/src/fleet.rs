//! Targets and machines, from the configuration's words to those of the engine and the machines.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use configuration::{Configuration, Contents, HERE};
use engine::{Name, Target};
use machines::{Location, Machine, MachineSpec, Machines, SshSpec};
use serde_json::json;

use crate::report::{Problem, Reason};

/// The targets that are passed over because the command line names others. They stay part of the
/// fleet: the load balancer goes on sending them their part.
pub(crate) fn bystanders(
    configuration: &Configuration,
    names: &[String],
) -> Result<BTreeSet<Name>, Problem> {
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    let targets = &configuration.contents.targets;
    let missing = |name: &&String| targets.iter().all(|target| target.name != **name);
    if let Some(unknown) = names.iter().find(missing) {
        let known: Vec<_> = targets.iter().map(|target| target.name.as_str()).collect();
        return Err(
            Problem::new(Reason::Usage, format!("there is no target `{unknown}`"))
                .hint(format!("the configuration has {}", known.join(", "))),
        );
    }
    let others = targets
        .iter()
        .filter(|target| !names.contains(&target.name));
    Ok(others.map(|target| target.name.as_str().into()).collect())
}

/// A target in the engine's words.
pub(crate) fn target(written: &configuration::Target) -> Target {
    Target {
        name: written.name.as_str().into(),
        address: written.address.clone(),
        group: written.group.as_str().into(),
        labels: written
            .labels
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        details: json!({}),
    }
}

/// The machine that a target is on: the one it names, the one of its name, or this one.
pub(crate) fn machine_of<'a>(written: &'a configuration::Target, contents: &Contents) -> &'a str {
    match &written.on {
        Some(on) => on,
        None if contents.machines.contains_key(&written.name) => &written.name,
        None => HERE,
    }
}

/// The machines that targets are on, each once.
pub(crate) fn machines_of_targets(
    contents: &Contents,
    machines: &Machines,
) -> Vec<Arc<dyn Machine>> {
    let targets = contents.targets.iter();
    let names: BTreeSet<_> = targets.map(|target| machine_of(target, contents)).collect();
    names
        .into_iter()
        .filter_map(|name| machines.get(name))
        .collect()
}

/// Every machine of the configuration, and this one.
pub(crate) fn machines(contents: &Contents, folder: &Path) -> Machines {
    let here = MachineSpec {
        name: HERE.to_owned(),
        location: Location::Local(folder.to_owned()),
    };
    let remote = contents.machines.iter().map(|(name, machine)| MachineSpec {
        name: name.clone(),
        location: Location::Ssh(Box::new(ssh(machine, folder))),
    });
    Machines::new(std::iter::once(here).chain(remote))
}

fn ssh(machine: &configuration::Machine, folder: &Path) -> SshSpec {
    let file = |path: &std::path::PathBuf| match path.strip_prefix("~") {
        Ok(rest) => std::env::home_dir().map_or_else(|| path.clone(), |home| home.join(rest)),
        Err(_) => folder.join(path),
    };
    SshSpec {
        destination: machine.ssh.to_string(),
        identity_files: machine.identity.iter().map(file).collect(),
        known_hosts: machine.known_hosts.as_ref().map(file),
        jump: machine.proxy_jump.clone(),
        connect_timeout: Some(machine.connect_timeout.into()),
        ..SshSpec::default()
    }
}
