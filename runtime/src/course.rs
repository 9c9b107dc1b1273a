//! The way of one deployment through this process: lease, record, listeners, strategy, verdict,
//! and what is tidied up after it.

use std::{sync::Arc, time::Duration};

use configuration::Configuration;
use engine::{Brief, Deployment, Event, Failure, Observer, Purpose, Timestamp, Verdict};
use store::{Blob, Lease, LeaseError, NewDeployment, PluginPin, Store};
use tokio::task::JoinHandle;

use crate::{
    assemble::System,
    audit::Auditor,
    cli::Format,
    display::{self, Display},
    exit,
    interrupt::Interrupt,
    log::Log,
    notify::Notices,
    release::Found,
    report::{Problem, Reason},
    site::Site,
    system,
    terminal::Terminal,
};

/// How long a lease lasts without being renewed: longer than any pause of a healthy process,
/// short enough that nobody waits long for a dead one.
const LEASE_MS: u64 = 30_000;
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(10);
/// From one try to get the lease to the next.
const KNOCK: Duration = Duration::from_millis(500);

/// Leaves only the targets that the command line names.
pub(crate) fn only(configuration: &mut Configuration, names: &[String]) -> Result<(), Problem> {
    if names.is_empty() {
        return Ok(());
    }
    let targets = &mut configuration.contents.targets;
    if let Some(unknown) = names.iter().find(|name| targets.iter().all(|target| target.name != **name))
    {
        let known: Vec<_> = targets.iter().map(|target| target.name.as_str()).collect();
        return Err(Problem::new(Reason::Usage, format!("there is no target `{unknown}`"))
            .hint(format!("the configuration has {}", known.join(", "))));
    }
    targets.retain(|target| names.contains(&target.name));
    Ok(())
}

/// How a deployment is run.
pub(crate) struct Course<'a> {
    /// The configuration and its store.
    pub(crate) site: &'a Site,
    /// Forward or back.
    pub(crate) purpose: Purpose,
    /// How long to wait for another deployment.
    pub(crate) wait: Duration,
    /// How to print.
    pub(crate) format: Format,
    /// Where to print.
    pub(crate) terminal: Terminal,
}

/// Hands each event to every listener.
struct Listeners(Vec<Arc<dyn Observer>>);

impl Observer for Listeners {
    fn event(&self, at: Timestamp, event: &Event<'_>) {
        for listener in &self.0 {
            listener.event(at, event);
        }
    }
}

impl Course<'_> {
    /// Rolls the release out. Gives back the exit code.
    pub(crate) fn roll_out(self, system: System, found: Found) -> Result<u8, Problem> {
        let site = self.site;
        site.wait(async { Ok::<_, Problem>(self.run(system, found).await) })?
    }

    async fn run(&self, mut system: System, found: Found) -> Result<u8, Problem> {
        let brief = Arc::new(system.brief(self.site, self.purpose, &found).await?);
        let lease = self.begin(&system, &brief, &found).await?;
        let started = system::now();
        let log = self.log(&brief);
        system.follow(&lease, &brief, &found, log.clone()).await?;
        let renewal = renew(self.site.store.clone(), lease.clone(), system.interrupt.clone());
        let listening = listen(system.interrupt.clone());

        let display = Arc::new(Display::new(&brief, self.format, self.terminal, log, started));
        let actor = lease.owner.actor.clone();
        let (notices, telling) = Notices::new(&brief, &actor, std::mem::take(&mut system.notifiers));
        notices.started(started);
        display.line(&format!(
            "{} {} {} to {} with {}",
            match self.purpose {
                Purpose::Deploy => "deploying",
                Purpose::Rollback => "bringing back",
            },
            brief.application,
            brief.release.version,
            brief.environment,
            brief.strategy,
        ));
        let listeners = Listeners(vec![
            display.clone(),
            notices.clone(),
            Arc::new(self.auditor(&brief, &actor)),
        ]);
        let tidying = system.tidying();
        let verdict = {
            let journal = self.site.store.journal(&brief.id, &lease);
            let executor = system.executor(&brief, lease.token);
            let control = system.interrupt.clone();
            let mut deployment =
                Deployment::new(brief.clone(), executor, journal, Arc::new(listeners), control);
            let result = match deployment.begin().await {
                Ok(()) => system.strategy.run(&brief, &mut deployment).await,
                Err(failure) => Err(failure),
            };
            deployment.finish(result).await
        };
        let mut asides = Vec::new();
        if matches!(verdict, Verdict::Succeeded { .. }) {
            asides.extend(tidying.prune(&*self.site.store, &brief).await);
        }
        renewal.abort();
        listening.abort();
        self.site.store.flush().await?;
        if !matches!(verdict, Verdict::Abandoned { .. }) {
            self.site.store.release(&lease).await?;
        }
        asides.extend(telling.end(notices).await);
        system.machines.close().await;
        display.close();
        self.conclude(&brief, &verdict, &asides, started);
        Ok(exit::of(&verdict))
    }

    /// Writes the deployment down and takes its lease; waits for it where the operator does.
    async fn begin(
        &self,
        system: &System,
        brief: &Arc<Brief>,
        found: &Found,
    ) -> Result<Lease, Problem> {
        let end = tokio::time::Instant::now() + self.wait;
        let mut told = false;
        loop {
            let new = NewDeployment {
                brief: Brief::clone(brief),
                artifact: found.artifact.clone(),
                configuration: system.configuration.clone(),
                strategy: Blob {
                    digest: system.strategy.digest().to_owned(),
                    bytes: system.strategy.bytes(),
                },
                plugins: system.pins.clone(),
                owner: self.site.owner("deploy"),
                over_unfinished: false,
            };
            match self.site.store.begin_deployment(new, LEASE_MS, system::now()).await {
                Err(LeaseError::Held { scope, held }) if tokio::time::Instant::now() < end => {
                    if !told && self.format == Format::Human {
                        self.terminal.line(&format!("waiting for {scope}: held by {}", held.owner));
                    }
                    told = true;
                    tokio::time::sleep(KNOCK).await;
                }
                result => return Ok(result?),
            }
        }
    }

    fn log(&self, brief: &Brief) -> Arc<Log> {
        let terminal = (self.format == Format::Json).then_some(self.terminal);
        let folder = self.site.state.join("logs");
        Arc::new(Log::open(&folder, &brief.id, &brief.environment, terminal))
    }

    fn auditor(&self, brief: &Brief, actor: &str) -> Auditor {
        Auditor {
            store: self.site.store.clone(),
            deployment: brief.id.clone(),
            application: brief.application.clone(),
            environment: brief.environment.clone(),
            actor: actor.to_owned(),
        }
    }

    /// Says how it ended, what is left to do, and what went wrong beside it.
    fn conclude(&self, brief: &Brief, verdict: &Verdict, asides: &[String], started: Timestamp) {
        let took = display::duration(system::now().since_ms(started));
        if self.format == Format::Human {
            let what = format!("{} {}", brief.application, brief.release.version);
            self.terminal.line(&format!("{what} {} ({took})", display::closing(verdict)));
            if let Verdict::Stuck { differences, .. } | Verdict::Frozen { differences, .. } = verdict {
                for difference in differences {
                    self.terminal.line(&format!("  - {difference}"));
                }
            }
            self.terminal.line(&format!("  `runtime show {}` has the record", brief.id));
        }
        for aside in asides {
            self.terminal.aside(&format!("warning: {aside}"));
        }
    }
}

/// Renews the lease for as long as the deployment runs. Losing it ends the deployment: the record
/// refuses the next effect.
fn renew(store: Arc<dyn Store>, lease: Lease, interrupt: Arc<Interrupt>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut lease = lease;
        loop {
            tokio::time::sleep(RENEWAL).await;
            match store.renew(&lease, LEASE_MS, system::now()).await {
                Ok(renewed) => lease = renewed,
                Err(LeaseError::Lost { holder, .. }) => {
                    interrupt.ask(&holder, "the lease was taken");
                    return;
                }
                // A store that is away for a moment is asked again at the next turn.
                Err(_) => {}
            }
        }
    })
}

fn listen(interrupt: Arc<Interrupt>) -> JoinHandle<()> {
    tokio::spawn(async move { interrupt.listen().await })
}
