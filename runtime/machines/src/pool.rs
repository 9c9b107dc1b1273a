//! All machines of a configuration, by name. Connections open when first used, and stay open.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use crate::{
    local::Local,
    machine::Machine,
    ssh::{Ssh, SshSpec},
};

/// Where a machine is.
#[derive(Clone, Debug)]
pub enum Location {
    /// This one; relative paths start at the directory.
    Local(PathBuf),
    /// One reached over SSH.
    Ssh(Box<SshSpec>),
}

/// One machine as the operator describes it.
#[derive(Clone, Debug)]
pub struct MachineSpec {
    /// Unique in the configuration.
    pub name: String,
    /// Where it is.
    pub location: Location,
}

/// The machines of a configuration.
#[derive(Default)]
pub struct Machines {
    by_name: BTreeMap<String, Arc<dyn Machine>>,
}

impl Machines {
    /// Connects to nothing yet.
    pub fn new(specs: impl IntoIterator<Item = MachineSpec>) -> Self {
        let build = |spec: MachineSpec| -> (String, Arc<dyn Machine>) {
            let machine: Arc<dyn Machine> = match spec.location {
                Location::Local(base) => Arc::new(Local::new(spec.name.clone(), base)),
                Location::Ssh(ssh) => Arc::new(Ssh::new(spec.name.clone(), *ssh)),
            };
            (spec.name, machine)
        };
        Self {
            by_name: specs.into_iter().map(build).collect(),
        }
    }

    /// The machine of that name.
    pub fn get(&self, name: &str) -> Option<Arc<dyn Machine>> {
        self.by_name.get(name).cloned()
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Lets go of every connection, side by side.
    pub async fn close(&self) {
        futures::future::join_all(self.by_name.values().map(|machine| machine.close())).await;
    }
}
