//! The way of one deployment through this process: lease, record, listeners, strategy, verdict,
//! and what is tidied up after it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use engine::{
    Brief, Deployment, Event, Failure, Name, Observer, Purpose, Record, Timestamp, Verdict, World,
    rollback_open,
};
use serde_json::json;
use store::{Blob, Lease, LeaseError, NewDeployment, Store};
use tokio::task::JoinHandle;

use crate::{
    assemble::System,
    audit::Auditor,
    cli::Format,
    display::{self, Display, Level},
    exit,
    interrupt::{Interrupt, Signals},
    log::Log,
    notify::Notices,
    release::Found,
    report::Problem,
    site::Site,
    system,
    terminal::Terminal,
};

/// How long a lease lasts without being renewed: longer than any pause of a healthy process,
/// short enough that nobody waits long for a dead one.
const LEASE_MS: u64 = 15_000;
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(5);
/// From one try to get the lease to the next.
const KNOCK: Duration = Duration::from_millis(500);

/// How a deployment is run.
pub(crate) struct Course<'a> {
    /// The configuration and its store.
    pub(crate) site: &'a Site,
    /// Forward or back.
    pub(crate) purpose: Purpose,
    /// Targets that are passed over.
    pub(crate) bystanders: BTreeSet<Name>,
    /// How long to wait for another deployment.
    pub(crate) wait: Duration,
    /// How to print.
    pub(crate) format: Format,
    /// Where to print.
    pub(crate) terminal: Terminal,
}

/// Which way a deployment goes in this process.
enum Way {
    /// From its beginning.
    Forward,
    /// Back, from its record.
    Back {
        records: Vec<Record>,
        cause: Failure,
    },
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
    pub(crate) async fn roll_out(self, system: System, found: Found) -> Result<u8, Problem> {
        system.ready().await?;
        let mut brief = system
            .brief(self.site, self.purpose, &found.release)
            .await?;
        brief.bystanders.clone_from(&self.bystanders);
        let brief = Arc::new(brief);
        let lease = self.begin(&system, &brief, &found).await?;
        self.conduct(system, brief, lease, Way::Forward).await
    }

    /// Takes an open deployment back from its record. Gives back the exit code.
    pub(crate) async fn take_back(self, system: System, id: &str) -> Result<u8, Problem> {
        system.ready().await?;
        let store = &self.site.store;
        let brief = Arc::new(store.pinned(id).await?.brief);
        let owner = self.site.owner("rollback");
        let lease = store
            .reopen_deployment(id, &owner, LEASE_MS, system::now())
            .await?;
        let records = store.records(id).await?;
        let cause = display::taken_back_by(&owner.actor);
        self.conduct(system, brief, lease, Way::Back { records, cause })
            .await
    }

    async fn conduct(
        self,
        mut system: System,
        brief: Arc<Brief>,
        lease: Lease,
        way: Way,
    ) -> Result<u8, Problem> {
        let started = system::now();
        let back = matches!(way, Way::Back { .. });
        let log = self.log(&brief, &lease.owner.actor);
        system.log_to(log.clone());
        let renewal = renew(
            self.site.store.clone(),
            lease.clone(),
            system.interrupt.clone(),
        );
        let display = Arc::new(Display::new(
            &brief,
            self.format,
            self.terminal,
            log.clone(),
            started,
        ));
        let listening = self.listen(&system, &brief, display.clone(), log);
        let actor = lease.owner.actor.clone();
        let (notices, telling) =
            Notices::new(&brief, &actor, std::mem::take(&mut system.notifiers));
        if !back {
            notices.started(started);
        }
        self.announce(&display, &brief, &way);
        let listeners: Arc<dyn Observer> = Arc::new(Listeners(vec![
            display.clone(),
            notices.clone(),
            Arc::new(self.auditor(&brief, &actor)),
        ]));
        let keep = self.site.contents().release.keep;
        let tidying = system.tidying(&brief, &lease, keep);
        let (verdict, found) = self.act(&mut system, &brief, &lease, listeners, way).await;
        let mut asides = Vec::new();
        if let (Verdict::Succeeded { .. }, Some(found)) = (&verdict, found) {
            asides.extend(tidying.prune(&*self.site.store, &brief, &found).await);
        }
        renewal.abort();
        listening.abort();
        self.site.store.flush().await?;
        if !matches!(verdict, Verdict::Abandoned { .. }) {
            self.site.store.release(&lease).await?;
        }
        asides.extend(display.cut_off());
        asides.extend(telling.end(notices).await);
        system.machines.close().await;
        display.close();
        self.conclude(&brief, &verdict, &asides, started);
        match verdict {
            // Taking it back was what was asked for, also where there was nothing to do for it.
            Verdict::RolledBack { .. } | Verdict::Refused { .. } if back => Ok(exit::DONE),
            verdict => Ok(exit::of(&verdict)),
        }
    }

    async fn act(
        &self,
        system: &mut System,
        brief: &Arc<Brief>,
        lease: &Lease,
        listeners: Arc<dyn Observer>,
        way: Way,
    ) -> (Verdict, Option<World>) {
        let journal = self.site.store.journal(&brief.id, lease);
        let executor = system.executor(brief, lease);
        match way {
            Way::Back { records, cause } => {
                let brief = brief.clone();
                let taken = rollback_open(brief, records, executor, journal, listeners, cause);
                (taken.await, None)
            }
            Way::Forward => {
                let control = system.interrupt.clone();
                let mut deployment =
                    Deployment::new(brief.clone(), executor, journal, listeners, control);
                let result = match deployment.begin().await {
                    Ok(()) => system.strategy.run(brief, &mut deployment).await,
                    Err(failure) => Err(failure),
                };
                let found = deployment.found().cloned();
                (deployment.finish(result).await, found)
            }
        }
    }

    /// The first lines: what is about to happen, and what the operator may not expect of it.
    fn announce(&self, display: &Display, brief: &Brief, way: &Way) {
        let previous = brief.previous.as_ref().map(|previous| &previous.id);
        let facts = json!({ "event": "began", "previous": previous });
        display.opening(&self.opening(brief, way), &facts);
        if matches!(way, Way::Back { .. }) {
            return;
        }
        if self.purpose == Purpose::Deploy && previous == Some(&brief.release.id) {
            let version = &brief.release.version;
            display.line(&format!(
                "  ! {version} is what runs already; it goes out to every target once more"
            ));
        }
        if brief.rules.downtime && brief.previous.is_some() {
            let warning = format!(
                "  ! {} accepts a downtime while the targets change",
                brief.strategy
            );
            display.line(&warning);
        }
    }

    fn opening(&self, brief: &Brief, way: &Way) -> String {
        let what = format!("{} {}", brief.application, brief.release.version);
        match (way, brief.purpose) {
            (Way::Back { .. }, _) => format!("taking back {what} in {}", brief.environment),
            (_, Purpose::Deploy) => {
                format!(
                    "deploying {what} to {} with {}",
                    brief.environment, brief.strategy
                )
            }
            (_, Purpose::Rollback) => {
                format!(
                    "bringing {what} back to {} with {}",
                    brief.environment, brief.strategy
                )
            }
        }
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
                owner: self.site.owner(match self.purpose {
                    Purpose::Deploy => "deploy",
                    Purpose::Rollback => "rollback",
                }),
                over_unfinished: false,
            };
            match self
                .site
                .store
                .begin_deployment(new, LEASE_MS, system::now())
                .await
            {
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

    fn log(&self, brief: &Brief, actor: &str) -> Arc<Log> {
        let terminal = (self.format == Format::Json).then_some(self.terminal);
        let folder = self.site.state.join("logs");
        Arc::new(Log::open(&folder, brief, actor, terminal))
    }

    /// Listens for whoever wants the deployment to end. Who does not wait for that is told how it
    /// is taken back.
    fn listen(
        &self,
        system: &System,
        brief: &Brief,
        display: Arc<Display>,
        log: Arc<Log>,
    ) -> JoinHandle<()> {
        let Ok(signals) = Signals::new() else {
            // Then a signal ends the process at once, and the record survives that.
            return tokio::spawn(async {});
        };
        let (interrupt, terminal) = (system.interrupt.clone(), self.terminal);
        let words = format!(
            "stopped at once: deployment {id} stays as it is; `runtime rollback {id}` takes it back",
            id = brief.id
        );
        let last_words = move || {
            display.close();
            log.write(
                system::now(),
                Level::Error,
                &words,
                &json!({ "event": "stopped" }),
            );
            terminal.aside(&words);
        };
        tokio::spawn(async move { interrupt.listen(signals, last_words).await })
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
            self.terminal
                .line(&format!("{what} {} ({took})", display::closing(verdict)));
            if let Verdict::Stuck { differences, .. } | Verdict::Frozen { differences, .. } =
                verdict
            {
                for difference in differences {
                    self.terminal.line(&format!("  - {difference}"));
                }
            }
            self.terminal
                .line(&format!("  `runtime show {}` has the record", brief.id));
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
