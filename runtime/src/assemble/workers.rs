//! The plugins of a configuration set to work: each section's settings, its grants and bounds, on
//! the machine that it is for.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use configuration::{Contents, HERE, Location, PluginUse};
use engine::{BalancerTraits, Failure, Name, Target};
use host::{Assignment, Granted, Services, Worker};
use machines::{Machine, Machines};

use super::look;
use crate::{
    catalogue::{Catalogue, Used},
    fleet,
    live::{self, Check},
    notify::Notifier,
    report::{Problem, Reason},
    site::Site,
    strategy::Strategy,
};

/// A step of the configuration, set to work.
pub(super) struct Work {
    pub(super) name: String,
    pub(super) location: live::Location,
    pub(super) timeout: Duration,
    pub(super) reversible: bool,
}

/// Makes workers from the sections of a configuration.
pub(super) struct Maker<'a> {
    pub(super) site: &'a Site,
    pub(super) contents: &'a Contents,
    pub(super) catalogue: &'a Catalogue,
    pub(super) machines: &'a Machines,
    pub(super) services: Services,
}

impl Maker<'_> {
    pub(super) fn strategy(&self) -> Result<Strategy, Problem> {
        let used = self.used(&self.contents.strategy)?;
        let logs = self.services.logs.clone();
        Ok(Strategy::new(used, self.contents, logs))
    }

    /// The platform on each target's machine, and what it can do.
    pub(super) async fn platforms(
        &self,
        targets: &[Target],
    ) -> Result<(BTreeMap<Name, host::Platform>, Vec<String>), Problem> {
        let worker = self.worker(&self.contents.platform, self.here()?)?;
        let mut platforms = BTreeMap::new();
        for (target, written) in targets.iter().zip(&self.contents.targets) {
            let worker = worker.on(self.machine(fleet::machine_of(written, self.contents))?);
            let platform = host::Platform::new(worker).map_err(misused)?;
            platforms.insert(target.name.clone(), platform);
        }
        let traits = match platforms.values().next() {
            Some(platform) => platform.traits(&look("traits")).await.map_err(unusable)?,
            None => Vec::new(),
        };
        Ok((platforms, traits))
    }

    pub(super) async fn balancer(
        &self,
    ) -> Result<Option<(host::LoadBalancer, BalancerTraits)>, Problem> {
        let Some(section) = &self.contents.load_balancer else {
            return Ok(None);
        };
        let machine = self.machine(section.on.as_deref().unwrap_or(HERE))?;
        let worker = self.worker(&section.plugin, machine)?;
        let driver = host::LoadBalancer::new(worker).map_err(misused)?;
        let traits = driver.traits(&look("traits")).await.map_err(unusable)?;
        Ok(Some((driver, traits)))
    }

    pub(super) fn checks(&self, targets: &[Target]) -> Result<Vec<Check>, Problem> {
        let mut checks = Vec::new();
        for check in &self.contents.health_checks {
            let worker = self.worker(&check.plugin, self.here()?)?;
            let mut workers = BTreeMap::new();
            for (target, written) in targets.iter().zip(&self.contents.targets) {
                let worker = worker.on(self.machine(fleet::machine_of(written, self.contents))?);
                let check = host::HealthCheck::new(worker).map_err(misused)?;
                workers.insert(target.name.clone(), check);
            }
            checks.push(Check {
                name: check
                    .name
                    .clone()
                    .unwrap_or_else(|| check.plugin.name.clone()),
                workers,
                interval: check.interval.into(),
                timeout: check.timeout.into(),
                successes: check.successes,
                failures: check.failures,
                start_period: check.start_period.into(),
            });
        }
        Ok(checks)
    }

    pub(super) fn steps(&self, targets: &[Target]) -> Result<Vec<Work>, Problem> {
        let mut steps = Vec::new();
        for step in &self.contents.steps {
            let worker = self.worker(&step.plugin, self.here()?)?;
            let location = match &step.on {
                Location::Here => live::Location::Once(host::Step::new(worker).map_err(misused)?),
                Location::Machine(name) => {
                    let worker = worker.on(self.machine(name)?);
                    live::Location::Once(host::Step::new(worker).map_err(misused)?)
                }
                Location::Targets => {
                    let mut workers = BTreeMap::new();
                    for (target, written) in targets.iter().zip(&self.contents.targets) {
                        let machine = self.machine(fleet::machine_of(written, self.contents))?;
                        let step = host::Step::new(worker.on(machine)).map_err(misused)?;
                        workers.insert(target.name.clone(), step);
                    }
                    live::Location::Targets(workers)
                }
            };
            let undo = &self.used(&step.plugin)?.plugin.description().details["undo"];
            let undo = undo
                .as_str()
                .map(|pointer| step.plugin.settings.pointer(pointer));
            steps.push(Work {
                name: step.name.clone(),
                location,
                timeout: step.timeout.into(),
                // Where the plugin does not say what it takes to take it back, it is asked to.
                reversible: undo.is_none_or(|setting| setting.is_some_and(|it| !it.is_null())),
            });
        }
        Ok(steps)
    }

    pub(super) fn notifiers(&self) -> Result<Vec<Notifier>, Problem> {
        let notifier = |notifier: &configuration::Notifier| {
            let worker = self.worker(&notifier.plugin, self.here()?)?;
            Ok(Notifier {
                worker: host::Notifier::new(worker).map_err(misused)?,
                name: notifier.plugin.name.clone(),
                on: notifier.on.clone(),
                retries: notifier.retries,
            })
        };
        self.contents.notifiers.iter().map(notifier).collect()
    }

    fn worker(&self, section: &PluginUse, machine: Arc<dyn Machine>) -> Result<Worker, Problem> {
        let used = self.used(section)?;
        let own = self.contents.plugins.get(&section.name);
        let mut assignment = Assignment {
            settings: section.settings.clone(),
            executable: Arc::ptr_eq(&machine, &self.here()?)
                .then(executable)
                .flatten(),
            ..Assignment::new(machine)
        };
        if let Some(own) = own {
            for (capability, scope) in own.grants.iter() {
                let scopes: &mut Vec<String> =
                    assignment.grants.entry(capability.to_owned()).or_default();
                scopes.push(scope.to_owned());
            }
            if let Some(memory) = own.limits.memory {
                assignment.limits.memory_max =
                    usize::try_from(memory.as_bytes()).unwrap_or(usize::MAX);
            }
            if let Some(time) = own.limits.time {
                assignment.time_max = time.into();
            }
        }
        Ok(Worker::new(
            used.plugin.clone(),
            assignment,
            self.services.clone(),
        ))
    }

    fn used(&self, section: &PluginUse) -> Result<&Used, Problem> {
        self.catalogue.get(section).ok_or_else(|| {
            Problem::new(
                Reason::Bug,
                format!("the plugin of {} was not loaded", section.pointer),
            )
        })
    }

    fn here(&self) -> Result<Arc<dyn Machine>, Problem> {
        self.machine(HERE)
    }

    fn machine(&self, name: &str) -> Result<Arc<dyn Machine>, Problem> {
        self.machines.get(name).ok_or_else(|| {
            let title = format!(
                "{} names no machine `{name}`",
                self.site.configuration.path.display()
            );
            Problem::new(Reason::Bug, title)
        })
    }
}

/// What each plugin may do, in the order of the catalogue.
pub(crate) fn granted(site: &Site, catalogue: &Catalogue) -> Result<Vec<Vec<Granted>>, Problem> {
    let contents = site.contents();
    let nothing = Services::nothing();
    let maker = Maker {
        site,
        contents,
        catalogue,
        machines: &site.machines,
        services: nothing,
    };
    let here = maker.here()?;
    let uses = contents.uses();
    let each = uses.iter().map(|(_, section)| {
        let worker = maker.worker(section, here.clone())?;
        Ok(worker.granted(&contents.application, &contents.environment))
    });
    each.collect()
}

fn executable() -> Option<String> {
    std::env::current_exe()
        .ok()
        .and_then(|path| path.to_str().map(str::to_owned))
}

fn misused(error: host::HostError) -> Problem {
    Problem::new(Reason::Configuration, error.to_string())
}

fn unusable(failure: Failure) -> Problem {
    Problem::new(
        Reason::Refused,
        "a driver cannot say what it can do; nothing was deployed",
    )
    .cause(failure)
}
