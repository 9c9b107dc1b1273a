//! From a checked configuration to a running system: the only place that knows every part.

pub(crate) mod rules;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use configuration::{Contents, HERE, Location, PluginUse};
use engine::{BalancerTraits, Brief, Executor, Failure, Name, Purpose, Release, Target};
use host::{Assignment, Granted, Services, Worker};
use machines::{Fence, Machine, Machines};
use store::{Blob, KnownRelease, Lease, PluginPin, ReleaseQuery};

use crate::{
    catalogue::{self, Catalogue, Used},
    fleet,
    inbox::Inbox,
    interrupt::Interrupt,
    live::{self, Balancer, Check, Live, Step, Subject},
    log::Log,
    notify::Notifier,
    release::{Artifacts, Found},
    report::{self, Problem, Reason},
    services::{PluginLog, SecretSources, StoreAudit, StoreLocks, StoreNotes},
    site::Site,
    strategy::Strategy,
    system,
    tenure::Tenure,
    tidy::Tidying,
};

/// Where a machine keeps the newest token that was seen there: below the folder of the
/// configuration on this machine, below the user's home on another.
const FENCES: &str = ".runtime/fences";

/// Everything that a deployment of one configuration works with.
pub(crate) struct System {
    /// The configuration in its canonical form.
    pub(crate) configuration: Blob,
    /// Decides.
    pub(crate) strategy: Strategy,
    /// Every plugin in use.
    pub(crate) pins: Vec<PluginPin>,
    /// Who hears of it.
    pub(crate) notifiers: Vec<Notifier>,
    /// Where files and commands act.
    pub(crate) machines: Arc<Machines>,
    /// Whether someone asked to end it.
    pub(crate) interrupt: Arc<Interrupt>,
    /// Everything that plugins log.
    pub(crate) log: Arc<PluginLog>,
    targets: Vec<Target>,
    platforms: Arc<BTreeMap<Name, host::Platform>>,
    platform_traits: Vec<String>,
    balancer: Option<(host::LoadBalancer, BalancerTraits)>,
    checks: Vec<Check>,
    steps: Vec<Work>,
    releases: BTreeMap<Name, Release>,
    artifacts: Arc<Artifacts>,
    /// The release that goes out, where one does.
    incoming: Option<Name>,
}

/// A step of the configuration, set to work.
struct Work {
    name: String,
    location: live::Location,
    timeout: Duration,
    reversible: bool,
}

impl System {
    /// Puts everything together. Reads the store, and asks drivers what they can do; changes
    /// nothing.
    pub(crate) async fn assemble(
        site: &Site,
        catalogue: Catalogue,
        found: Option<&Found>,
    ) -> Result<Self, Problem> {
        let contents = site.contents();
        let machines = site.machines.clone();
        let known = site
            .store
            .releases(&contents.application, &ReleaseQuery::All)
            .await?;
        let log = Arc::new(PluginLog::default());
        let artifacts = Arc::new(artifacts(site, &known, found));
        if let Some(found) = found
            && !contents.machines.is_empty()
            && catalogue.unpacks(&contents.platform)
            && site.heard.is_none()
        {
            found.prepare();
        }
        let maker = Maker {
            site,
            contents,
            catalogue: &catalogue,
            machines: &machines,
            services: services(site, artifacts.clone(), log.clone()),
        };
        let targets: Vec<Target> = contents.targets.iter().map(fleet::target).collect();
        let platforms = maker.platforms(&targets)?;
        let platform_traits = match platforms.values().next() {
            Some(platform) => platform.traits(&look("traits")).await.map_err(unusable)?,
            None => Vec::new(),
        };
        let mut releases: BTreeMap<Name, Release> = known
            .iter()
            .map(|known| (known.release.id.clone(), known.release.clone()))
            .collect();
        releases.extend(found.map(|found| (found.release.id.clone(), found.release.clone())));
        let canonical = site.configuration.canonical().to_string().into_bytes();
        let balancer = maker.balancer().await?;
        let strategy = maker.strategy()?;
        if let Some((driver, traits)) = &balancer {
            let driver = driver.worker().plugin().name();
            report::suits(&site.configuration, &strategy, driver, traits)?;
        }
        Ok(Self {
            configuration: Blob {
                digest: catalogue::digest(&canonical),
                bytes: canonical.into(),
            },
            strategy,
            pins: pins(&catalogue),
            notifiers: maker.notifiers()?,
            checks: maker.checks(&targets)?,
            steps: maker.steps(&targets)?,
            interrupt: Arc::new(Interrupt::new()),
            platforms: Arc::new(platforms),
            platform_traits,
            machines: machines.clone(),
            targets,
            releases,
            artifacts,
            incoming: found.map(|found| found.release.id.clone()),
            log,
            balancer,
        })
    }

    /// What a deployment of this release is about.
    pub(crate) async fn brief(
        &self,
        site: &Site,
        purpose: Purpose,
        release: &Release,
    ) -> Result<Brief, Problem> {
        let contents = site.contents();
        let current = site.store.current_releases(&site.scope(), 1).await?;
        let name = format!(
            "{}-{}-{}",
            contents.environment,
            system::compact(system::now()),
            suffix(&release.digest),
        );
        Ok(Brief {
            id: name,
            application: contents.application.clone(),
            environment: contents.environment.clone(),
            purpose,
            release: release.clone(),
            previous: current.into_iter().next().map(|known| known.release),
            targets: self.targets.clone(),
            bystanders: BTreeSet::new(),
            strategy: contents.strategy.name.clone(),
            settings: contents.strategy.settings.clone(),
            rules: rules::rules(
                contents,
                &self.strategy,
                self.balancer.as_ref().map(|(_, traits)| traits.clone()),
                self.platform_traits.clone(),
            ),
        })
    }

    /// Whether every secret is there that a change, or taking it back, may need: known before
    /// anything is changed. What notifiers lack is theirs, and fails nothing.
    pub(crate) async fn ready(&self) -> Result<(), Problem> {
        let mut lacking = Problem::new(Reason::Refused, "a secret is missing; nothing was changed");
        let mut ready = true;
        for (part, worker) in self.parts() {
            if let Err(failure) = worker.prepare().await {
                ready = false;
                lacking = lacking.cause(format!("{part}: {failure}"));
            }
        }
        if ready { Ok(()) } else { Err(lacking) }
    }

    /// Every plugin that has a part in what a deployment does, and what people call that part;
    /// those that only tell of it are not among them.
    pub(crate) fn parts(&self) -> Vec<(String, &Worker)> {
        let platform = self.platforms.values().next().map(host::Platform::worker);
        let driver = self.driver().map(host::LoadBalancer::worker);
        let checks = self.checks.iter().filter_map(|check| {
            let worker = check.workers.values().next()?;
            Some((format!("health check `{}`", check.name), worker.worker()))
        });
        let steps = self.steps.iter().filter_map(|step| {
            let worker = step.location.worker()?;
            Some((format!("step `{}`", step.name), worker))
        });
        let parts = platform.map(|worker| ("the platform".to_owned(), worker));
        parts
            .into_iter()
            .chain(driver.map(|worker| ("the load balancer".to_owned(), worker)))
            .chain(checks)
            .chain(steps)
            .collect()
    }

    /// What acts, for the holder of this lease.
    pub(crate) fn executor(
        &mut self,
        brief: &Arc<Brief>,
        lease: &Lease,
        inbox: Arc<Inbox>,
        tenure: Arc<Tenure>,
    ) -> Box<dyn Executor> {
        let subject = Arc::new(self.subject(brief, lease));
        let steps = std::mem::take(&mut self.steps).into_iter();
        let balancer = self.balancer.take().map(|(driver, traits)| Balancer {
            driver,
            traits,
            targets: brief.targets.clone(),
            last: None,
            revision: None,
        });
        Box::new(Live {
            subject,
            platforms: self.platforms.clone(),
            balancer,
            checks: std::mem::take(&mut self.checks),
            steps: steps
                .map(|work| Step {
                    location: work.location,
                    timeout: work.timeout,
                    reversible: work.reversible,
                    brief: brief.clone(),
                })
                .collect(),
            inbox,
            tenure,
            artifacts: self.artifacts.clone(),
            incoming: self.incoming.take(),
        })
    }

    /// What prunes after a deployment.
    pub(crate) fn tidying(&self, brief: &Arc<Brief>, lease: &Lease, keep: u32) -> Tidying {
        Tidying {
            subject: self.subject(brief, lease),
            platforms: self.platforms.clone(),
            keep: usize::try_from(keep).unwrap_or(usize::MAX),
        }
    }

    /// Lets plugins' lines go to the deployment's log from here on.
    pub(crate) fn log_to(&self, log: Arc<Log>) {
        let _set_once = self.log.0.set(log);
    }

    /// What runs on each target, for whoever looks.
    pub(crate) fn platforms(&self) -> &BTreeMap<Name, host::Platform> {
        &self.platforms
    }

    /// The load balancer's driver.
    pub(crate) fn driver(&self) -> Option<&host::LoadBalancer> {
        self.balancer.as_ref().map(|(driver, _)| driver)
    }

    /// What every target must pass.
    pub(crate) fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The targets of the configuration.
    pub(crate) fn targets(&self) -> &[Target] {
        &self.targets
    }

    fn subject(&self, brief: &Brief, lease: &Lease) -> Subject {
        let fence = Fence {
            directory: FENCES.into(),
            key: format!("{}/{}", brief.application, brief.environment),
            token: lease.token,
        };
        Subject {
            token: lease.token,
            fence: Some(fence),
            ..self.looking(brief)
        }
    }

    /// The calls of somebody who only looks, and holds no lease.
    pub(crate) fn looking(&self, brief: &Brief) -> Subject {
        Subject {
            deployment: brief.id.clone(),
            application: brief.application.clone(),
            environment: brief.environment.clone(),
            token: 0,
            fence: None,
            targets: brief
                .targets
                .iter()
                .map(|each| (each.name.clone(), each.clone()))
                .collect(),
            releases: self.releases.clone(),
        }
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

/// A look that belongs to no deployment.
pub(crate) fn look(what: &str) -> host::CallContext {
    host::CallContext {
        reading: true,
        ..host::CallContext::new(format!("look/{what}"))
    }
}

/// Makes workers from the sections of a configuration.
struct Maker<'a> {
    site: &'a Site,
    contents: &'a Contents,
    catalogue: &'a Catalogue,
    machines: &'a Machines,
    services: Services,
}

impl Maker<'_> {
    fn strategy(&self) -> Result<Strategy, Problem> {
        let section = &self.contents.strategy;
        let used = self.used(section)?;
        let analysis = !self.contents.analysis.is_empty();
        Ok(Strategy::new(
            used,
            section,
            analysis,
            self.services.logs.clone(),
        ))
    }

    fn platforms(&self, targets: &[Target]) -> Result<BTreeMap<Name, host::Platform>, Problem> {
        let worker = self.worker(&self.contents.platform, self.here()?)?;
        let mut platforms = BTreeMap::new();
        for (target, written) in targets.iter().zip(&self.contents.targets) {
            let worker = worker.on(self.machine(fleet::machine_of(written, self.contents))?);
            let platform = host::Platform::new(worker).map_err(misused)?;
            platforms.insert(target.name.clone(), platform);
        }
        Ok(platforms)
    }

    async fn balancer(&self) -> Result<Option<(host::LoadBalancer, BalancerTraits)>, Problem> {
        let Some(section) = &self.contents.load_balancer else {
            return Ok(None);
        };
        let machine = self.machine(section.on.as_deref().unwrap_or(HERE))?;
        let worker = self.worker(&section.plugin, machine)?;
        let driver = host::LoadBalancer::new(worker).map_err(misused)?;
        let traits = driver.traits(&look("traits")).await.map_err(unusable)?;
        Ok(Some((driver, traits)))
    }

    fn checks(&self, targets: &[Target]) -> Result<Vec<Check>, Problem> {
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

    fn steps(&self, targets: &[Target]) -> Result<Vec<Work>, Problem> {
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

    fn notifiers(&self) -> Result<Vec<Notifier>, Problem> {
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

fn artifacts(site: &Site, known: &[KnownRelease], found: Option<&Found>) -> Artifacts {
    let mut artifacts = Artifacts::new(&site.folder, &site.state, known);
    if let Some(found) = found {
        artifacts.add(found);
    }
    artifacts
}

fn services(site: &Site, artifacts: Arc<Artifacts>, log: Arc<PluginLog>) -> Services {
    let contents = site.contents();
    Services {
        secrets: Arc::new(SecretSources::new(contents, &site.folder)),
        locks: Arc::new(StoreLocks(site.store.clone())),
        notes: Arc::new(StoreNotes(site.store.clone())),
        artifacts: Some(artifacts),
        audit: match &site.heard {
            Some(heard) => heard.clone(),
            None => Arc::new(StoreAudit {
                store: site.store.clone(),
                application: contents.application.clone(),
                environment: contents.environment.clone(),
            }),
        },
        logs: log,
        ..Services::nothing()
    }
}

fn executable() -> Option<String> {
    std::env::current_exe()
        .ok()
        .and_then(|path| path.to_str().map(str::to_owned))
}

/// Every plugin in use, each once however many sections use it.
fn pins(catalogue: &Catalogue) -> Vec<PluginPin> {
    let mut pins = Vec::new();
    for pin in catalogue.iter().map(pin) {
        if !pins.contains(&pin) {
            pins.push(pin);
        }
    }
    pins
}

fn pin(used: &Used) -> PluginPin {
    PluginPin {
        kind: catalogue::kind(used.kind).as_str().to_owned(),
        name: used.plugin.name().to_owned(),
        digest: used.plugin.digest().to_owned(),
    }
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

/// The last digits of a process's number and the artifact's digest: two deployments that begin
/// in the same second are still two.
fn suffix(digest: &str) -> String {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    let start: String = hex.chars().take(4).collect();
    format!("{start}{:04x}", std::process::id() & 0xffff)
}
