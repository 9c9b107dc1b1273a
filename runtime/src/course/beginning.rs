//! How a deployment comes to be: begun under its lease, handed in for a server, or opened again.

use std::{sync::Arc, time::Duration};

use engine::{Brief, Purpose};
use store::{Blob, Lease, LeaseError, NewDeployment};

use super::Course;
use crate::{
    assemble::System,
    cli::Format,
    release::Found,
    report::Problem,
    system,
    tenure::{Hold, LEASE, milliseconds},
};

/// From one try to get the lease to the next.
const KNOCK: Duration = Duration::from_millis(500);

impl Course<'_> {
    /// Writes the deployment down for a server to take. Gives back its id.
    pub(crate) async fn hand_in(self, system: System, found: Found) -> Result<String, Problem> {
        let brief = self.brief(&system, &found).await?;
        let id = brief.id.clone();
        let new = self.new_deployment(&system, brief, &found);
        let store = &self.site.store;
        store.queue_deployment(new, system::now()).await?;
        system.machines.close().await;
        Ok(id)
    }

    pub(super) async fn brief(&self, system: &System, found: &Found) -> Result<Brief, Problem> {
        let brief = system.brief(self.site, self.purpose, &found.release);
        Ok(Brief {
            bystanders: self.bystanders.clone(),
            ..brief.await?
        })
    }

    pub(super) async fn reopen(
        &self,
        id: &str,
        purpose: &str,
    ) -> Result<(Arc<Brief>, Lease), Problem> {
        let store = &self.site.store;
        let brief = Arc::new(store.pinned(id).await?.brief);
        let owner = self.site.owner(purpose);
        let (now, length) = (system::now(), milliseconds(LEASE));
        let lease = store.reopen_deployment(id, &owner, length, now).await?;
        Ok((brief, lease))
    }

    pub(super) fn hold(&self, system: &System, lease: Lease) -> Hold {
        let (store, interrupt) = (self.site.store.clone(), system.interrupt.clone());
        Hold::keep(store, lease, LEASE, interrupt, None)
    }

    /// Writes the deployment down and takes its lease; waits for it where the operator does.
    pub(super) async fn begin(
        &self,
        system: &System,
        brief: &Arc<Brief>,
        found: &Found,
    ) -> Result<Lease, Problem> {
        let end = tokio::time::Instant::now() + self.wait;
        let mut told = false;
        loop {
            let new = self.new_deployment(system, Brief::clone(brief), found);
            let begun = self
                .site
                .store
                .begin_deployment(new, milliseconds(LEASE), system::now());
            match begun.await {
                Err(LeaseError::Held { scope, held }) if tokio::time::Instant::now() < end => {
                    if !told && self.format == Format::Human {
                        self.terminal
                            .line(&format!("waiting for {scope}: held by {}", held.owner));
                    }
                    told = true;
                    tokio::time::sleep(KNOCK).await;
                }
                result => return Ok(result?),
            }
        }
    }

    fn new_deployment(&self, system: &System, brief: Brief, found: &Found) -> NewDeployment {
        NewDeployment {
            brief,
            artifact: found.artifact.clone(),
            configuration: system.configuration.clone(),
            folder: self.site.folder.to_string_lossy().into_owned(),
            strategy: Blob {
                digest: system.strategy.digest().to_owned(),
                bytes: system.strategy.bytes(),
            },
            plugins: system.pins.clone(),
            owner: self.site.owner(match self.purpose {
                Purpose::Deploy => "deploy",
                Purpose::Rollback => "rollback",
            }),
            over_unfinished: false,
        }
    }
}
