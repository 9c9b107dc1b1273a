//! From a checked configuration to a running system: the only place that knows every part.

pub(crate) mod rules;
mod workers;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use engine::{BalancerTraits, Brief, Executor, Name, Purpose, Release, Target};
use host::{Services, Worker};
use machines::{Fence, Machines};
use store::{Blob, KnownRelease, Lease, PluginPin, ReleaseQuery};

pub(crate) use self::workers::granted;
use self::workers::{Maker, Work};
use crate::{
    catalogue::{self, Catalogue, Used},
    fleet,
    inbox::Inbox,
    interrupt::Interrupt,
    live::{Balancer, Check, Live, Step, Subject},
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
        let (platforms, platform_traits) = maker.platforms(&targets).await?;
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
    fn parts(&self) -> Vec<(String, &Worker)> {
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

    /// Reads the code of those that are called after the first look, beside that look.
    pub(crate) fn read_ahead(&self) {
        let checks = self.checks.iter().filter_map(|check| {
            let worker = check.workers.values().next()?.worker();
            Some(worker.plugin().clone())
        });
        catalogue::read_ahead(checks.chain([self.strategy.plugin().clone()]));
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

/// A look that belongs to no deployment.
pub(crate) fn look(what: &str) -> host::CallContext {
    host::CallContext {
        reading: true,
        ..host::CallContext::new(format!("look/{what}"))
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

/// The last digits of a process's number and the artifact's digest: two deployments that begin
/// in the same second are still two.
fn suffix(digest: &str) -> String {
    let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
    let start: String = hex.chars().take(4).collect();
    format!("{start}{:04x}", std::process::id() & 0xffff)
}
