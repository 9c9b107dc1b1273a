//! The way of one deployment through this process: lease, record, listeners, strategy, verdict,
//! and what is tidied up after it.

mod telling;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use engine::{
    Brief, Deployment, Event, Failure, Name, Observer, Purpose, Record, Resume, Timestamp, Verdict,
    World, rollback_open,
};
use store::{Blob, Lease, LeaseError, NewDeployment};

use crate::{
    assemble::System,
    cli::Format,
    display::{self, Display},
    exit,
    inbox::Inbox,
    notify::Notices,
    release::Found,
    report::{self, Problem},
    site::Site,
    system,
    tenure::{LEASE_MS, Tenure},
    terminal::Terminal,
};

/// From one try to get the lease to the next.
const KNOCK: Duration = Duration::from_millis(500);
/// How long a process that has no say any more tries to keep what it has for the audit.
const FAREWELL: Duration = Duration::from_secs(2);

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
    /// On from where its record ends; the verdict is what it had come to before.
    On {
        resume: Resume,
        was: Option<Verdict>,
    },
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

    /// Goes on with an open deployment where its record ends; `resume` says how, but for the
    /// record. Gives back the exit code.
    pub(crate) async fn go_on(
        self,
        system: System,
        open: &store::Deployment,
        resume: Resume,
    ) -> Result<u8, Problem> {
        system.ready().await?;
        let (brief, lease) = self.reopen(&open.id, "resume").await?;
        let resume = Resume {
            records: self.site.store.records(&open.id).await?,
            ..resume
        };
        let was = open.verdict.clone();
        self.conduct(system, brief, lease, Way::On { resume, was })
            .await
    }

    /// Takes an open deployment back from its record. Gives back the exit code.
    pub(crate) async fn take_back(self, system: System, id: &str) -> Result<u8, Problem> {
        system.ready().await?;
        let (brief, lease) = self.reopen(id, "rollback").await?;
        let records = self.site.store.records(id).await?;
        let cause = display::taken_back_by(&lease.owner.actor);
        self.conduct(system, brief, lease, Way::Back { records, cause })
            .await
    }

    async fn reopen(&self, id: &str, purpose: &str) -> Result<(Arc<Brief>, Lease), Problem> {
        let store = &self.site.store;
        let brief = Arc::new(store.pinned(id).await?.brief);
        let owner = self.site.owner(purpose);
        let now = system::now();
        let lease = store.reopen_deployment(id, &owner, LEASE_MS, now).await?;
        Ok((brief, lease))
    }

    async fn conduct(
        self,
        mut system: System,
        brief: Arc<Brief>,
        lease: Lease,
        way: Way,
    ) -> Result<u8, Problem> {
        let started = system::now();
        let (back, was) = match &way {
            Way::Forward => (false, None),
            Way::On { was, .. } => (false, was.clone()),
            Way::Back { .. } => (true, None),
        };
        let log = self.log(&brief, &lease.owner.actor);
        system.log_to(log.clone());
        let (store, interrupt) = (&self.site.store, system.interrupt.clone());
        let tenure = Tenure::new(&lease);
        let renewal = tenure
            .clone()
            .keep(store.clone(), lease.clone(), interrupt.clone());
        let (inbox, following) = Inbox::open(store.clone(), &lease, &brief.id, interrupt).await?;
        let (format, terminal) = (self.format, self.terminal);
        let display = Display::new(&brief, format, terminal, log.clone(), started);
        let display = Arc::new(display);
        let listening = self.listen(&system, &brief, display.clone(), log);
        let actor = lease.owner.actor.clone();
        let (notices, telling) =
            Notices::new(&brief, &actor, std::mem::take(&mut system.notifiers));
        if matches!(way, Way::Forward) {
            notices.started(started);
        }
        self.announce(&display, &brief, &way);
        let listeners: Arc<dyn Observer> = Arc::new(Listeners(vec![
            display.clone(),
            notices.clone(),
            Arc::new(self.auditor(&brief, &actor)),
            inbox.clone(),
        ]));
        let keep = self.site.contents().release.keep;
        let tidying = system.tidying(&brief, &lease, keep);
        let held = Held {
            brief: &brief,
            lease: &lease,
            inbox,
            tenure: tenure.clone(),
        };
        let (verdict, found) = self.act(&mut system, held, listeners, way).await;
        let mut asides = Vec::new();
        if let (Verdict::Succeeded { .. }, Some(found), Ok(())) =
            (&verdict, found, tenure.holds(system::now()))
        {
            asides.extend(tidying.prune(&**store, &brief, &found).await);
        }
        match verdict {
            Verdict::Abandoned { .. } => following.abandon(),
            _ => following.end().await,
        }
        renewal.abort();
        listening.abort();
        self.let_go(&brief, &lease, &verdict, was.as_ref()).await?;
        asides.extend(display.cut_off());
        asides.extend(telling.end(notices).await);
        system.machines.close().await;
        display.close();
        if let Verdict::Halted { halt } = &verdict {
            return Err(report::halted(&brief.id, halt));
        }
        self.conclude(&brief, &verdict, &asides, started);
        match verdict {
            // Taking it back was what was asked for, also where there was nothing to do for it.
            Verdict::RolledBack { .. } | Verdict::Refused { .. } if back => Ok(exit::DONE),
            verdict => Ok(exit::of(&verdict)),
        }
    }

    /// Lets go of the lease. One that did not go on is what it was.
    async fn let_go(
        &self,
        brief: &Brief,
        lease: &Lease,
        verdict: &Verdict,
        was: Option<&Verdict>,
    ) -> Result<(), Problem> {
        let store = &self.site.store;
        if matches!(verdict, Verdict::Abandoned { .. }) {
            // It lost the lease, or the store, and nobody waits for that once more.
            let _gone = tokio::time::timeout(FAREWELL, store.flush()).await;
            return Ok(());
        }
        store.flush().await?;
        store.release(lease).await?;
        if let (Verdict::Halted { .. }, Some(was)) = (verdict, was) {
            let now = system::now();
            store
                .settle_deployment(&brief.id, was, &lease.owner, now)
                .await?;
        }
        Ok(())
    }

    async fn act(
        &self,
        system: &mut System,
        held: Held<'_>,
        listeners: Arc<dyn Observer>,
        way: Way,
    ) -> (Verdict, Option<World>) {
        let Held {
            brief,
            lease,
            inbox,
            tenure,
        } = held;
        let journal = self.site.store.journal(&brief.id, lease);
        let executor = system.executor(brief, lease, inbox.clone(), tenure);
        #[cfg(debug_assertions)]
        let (executor, journal) = crate::crash::with_points(executor, journal);
        let brief = brief.clone();
        let mut deployment = match way {
            Way::Back { records, cause } => {
                let taken = rollback_open(brief, records, executor, journal, listeners, cause);
                return (taken.await, None);
            }
            Way::Forward => Deployment::new(brief.clone(), executor, journal, listeners, inbox),
            Way::On { resume, .. } => {
                Deployment::resume(brief.clone(), resume, executor, journal, listeners, inbox)
            }
        };
        let result = match deployment.begin().await {
            Ok(()) => system.strategy.run(&brief, &mut deployment).await,
            Err(failure) => Err(failure),
        };
        let found = deployment.found().cloned();
        (deployment.finish(result).await, found)
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
}

/// A deployment in the hands of this process.
struct Held<'a> {
    brief: &'a Arc<Brief>,
    lease: &'a Lease,
    inbox: Arc<Inbox>,
    tenure: Arc<Tenure>,
}
