//! The way of one deployment through this process: lease, record, listeners, strategy, verdict,
//! and what is tidied up after it.

mod beginning;
mod telling;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use engine::{
    Brief, Deployment, Event, Executor, Failure, Name, Observer, Purpose, Record, Resume,
    Timestamp, Verdict, World, rollback_open,
};
use store::{Lease, LeaseError};

use crate::{
    assemble::System,
    cli::Format,
    departure,
    display::{self, Display},
    download, exit,
    inbox::Inbox,
    notify::Notices,
    plan::{self, Holding, Planned},
    release::Found,
    report::{self, Problem},
    serve::Seat,
    site::Site,
    system,
    tenure::Hold,
    terminal::Terminal,
};

/// What a lease is for under which a deployment is taken back: whoever takes it over from one who
/// died goes on with that.
pub(crate) const UNDO: &str = "undo";
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
    /// The server that runs it, where one does: then nobody is at the terminal.
    pub(crate) seat: Option<Arc<Seat>>,
    /// What it is held to: it begins only where the world is what was planned.
    pub(crate) planned: Option<Arc<Planned>>,
}

/// Which way a deployment goes in this process.
pub(crate) enum Way {
    /// From its beginning.
    Forward,
    /// On from where its record ends.
    On {
        /// How, with the record.
        resume: Resume,
        /// What it had come to before.
        was: Option<Verdict>,
    },
    /// Back, from its record.
    Back {
        /// Everything written so far.
        records: Vec<Record>,
        /// Why.
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
        let brief = Arc::new(self.brief(&system, &found).await?);
        let lease = self.begin(&system, &brief, &found).await?;
        let hold = self.hold(&system, lease);
        let verdict = self.conduct(system, brief, hold, Way::Forward).await?;
        match self.unplanned(&verdict) {
            Some(problem) => Err(problem),
            None => Ok(exit::of(&verdict)),
        }
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
        let hold = self.hold(&system, lease);
        let resume = Resume {
            records: self.site.store.records(&open.id).await?,
            ..resume
        };
        let was = open.verdict.clone();
        let way = Way::On { resume, was };
        match self.conduct(system, brief, hold, way).await? {
            Verdict::Halted { halt } => Err(report::halted(&open.id, &halt)),
            verdict => Ok(exit::of(&verdict)),
        }
    }

    /// Takes an open deployment back from its record. Gives back the exit code.
    pub(crate) async fn take_back(self, system: System, id: &str) -> Result<u8, Problem> {
        system.ready().await?;
        let (brief, lease) = self.reopen(id, UNDO).await?;
        let hold = self.hold(&system, lease);
        let records = self.site.store.records(id).await?;
        let cause = display::taken_back_by(&hold.lease.owner.actor);
        let way = Way::Back { records, cause };
        match self.conduct(system, brief, hold, way).await? {
            // Taking it back was what was asked for, also where there was nothing to do for it.
            Verdict::RolledBack { .. } | Verdict::Refused { .. } => Ok(exit::DONE),
            verdict => Ok(exit::of(&verdict)),
        }
    }

    /// Runs it to its end, or to where this process stops, and tells whoever listens. The lease is
    /// let go of then, unless it or the store was lost.
    pub(crate) async fn conduct(
        &self,
        mut system: System,
        brief: Arc<Brief>,
        hold: Hold,
        way: Way,
    ) -> Result<Verdict, Problem> {
        let started = system::now();
        let lease = hold.lease.clone();
        let log = self.log(&brief, &lease.owner.actor);
        system.log_to(log.clone());
        let (store, interrupt) = (&self.site.store, system.interrupt.clone());
        let (inbox, following) = Inbox::open(store.clone(), &lease, &brief.id, interrupt).await?;
        let display = Display::new(&brief, self.format, self.terminal, log.clone(), started);
        let display = Arc::new(display.labelled(self.label(&brief)));
        let listening = self.listen(&system, &brief, display.clone(), log);
        let actor = lease.owner.actor.clone();
        let (notices, telling) =
            Notices::new(&brief, &actor, std::mem::take(&mut system.notifiers));
        if matches!(way, Way::Forward) {
            notices.started(started);
        }
        self.announce(&display, &brief, &way);
        let mut listeners: Vec<Arc<dyn Observer>> = vec![
            display.clone(),
            notices.clone(),
            Arc::new(self.auditor(&brief, &actor)),
            inbox.clone(),
        ];
        if let Some(seat) = &self.seat {
            listeners.push(seat.metrics.clone());
        }
        let keep = self.site.contents().release.keep;
        let tidying = system.tidying(&brief, &lease, keep);
        let was = match &way {
            Way::On { was, .. } => was.clone(),
            Way::Forward | Way::Back { .. } => None,
        };
        let held = Held {
            brief: &brief,
            hold: &hold,
            inbox,
        };
        let listeners = Arc::new(Listeners(listeners));
        let (verdict, found) = self.act(&mut system, held, listeners, way).await;
        let mut asides = Vec::new();
        if let (Verdict::Succeeded { .. }, Some(found), Ok(())) =
            (&verdict, found, hold.tenure.holds(system::now()))
        {
            asides.extend(tidying.prune(&**store, &brief, &found).await);
            asides.extend(download::tidy(self.site, keep).await);
        }
        match verdict {
            Verdict::Abandoned { .. } => following.abandon(),
            _ => following.end().await,
        }
        drop(hold);
        drop(listening);
        self.let_go(&brief, &lease, &verdict, was.as_ref()).await?;
        asides.extend(display.cut_off());
        asides.extend(telling.end(notices).await);
        system.machines.close().await;
        display.close();
        if !matches!(verdict, Verdict::Halted { .. }) && self.unplanned(&verdict).is_none() {
            self.conclude(&brief, &verdict, &asides, started);
        }
        Ok(verdict)
    }

    /// The problem of one that ended because it is no longer what was planned.
    fn unplanned(&self, verdict: &Verdict) -> Option<Problem> {
        plan::unplanned(self.planned.as_ref()?, verdict)
    }

    /// Lets go of the lease. One that did not go on is what it was.
    async fn let_go(
        &self,
        brief: &Brief,
        lease: &Lease,
        verdict: &Verdict,
        was: Option<&Verdict>,
    ) -> Result<(), Problem> {
        let (store, now) = (&self.site.store, system::now());
        match verdict {
            Verdict::Abandoned { .. } => {
                // It lost the lease, or the store, and nobody waits for that once more.
                let _gone = tokio::time::timeout(FAREWELL, store.flush()).await;
                return Ok(());
            }
            Verdict::Left => {
                store.flush().await?;
                if lease.owner.purpose == UNDO {
                    // The record may not say yet that it is taken back: whoever finds this lease
                    // run out knows.
                    return Ok(());
                }
                return match store.hand_over(&brief.id, lease, now).await {
                    // Somebody else has it already.
                    Ok(()) | Err(LeaseError::Lost { .. }) => Ok(()),
                    Err(error) => Err(error.into()),
                };
            }
            _ => {}
        }
        store.flush().await?;
        store.release(lease).await?;
        if let (Verdict::Halted { .. }, Some(was)) = (verdict, was) {
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
        let Held { brief, hold, inbox } = held;
        let (lease, tenure) = (&hold.lease, hold.tenure.clone());
        let journal = self.site.store.journal(&brief.id, lease);
        let executor = system.executor(brief, lease, inbox.clone(), tenure);
        let (executor, journal) = match &self.seat {
            Some(seat) => departure::heeding(&seat.departure, executor, journal),
            None => (executor, journal),
        };
        let executor: Box<dyn Executor> = match &self.planned {
            Some(planned) => Box::new(Holding::new(executor, self.site, brief, planned.clone())),
            None => executor,
        };
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
        // What is read beside the first look does not hold it up.
        let (begun, ()) = tokio::join!(deployment.begin(), async { system.read_ahead() });
        let result = match begun {
            Ok(()) => system.strategy.run(&brief, &mut deployment).await,
            Err(failure) => Err(failure),
        };
        let found = deployment.found().cloned();
        (deployment.finish(result).await, found)
    }
}

/// A deployment in the hands of this process.
struct Held<'a> {
    brief: &'a Arc<Brief>,
    hold: &'a Hold,
    inbox: Arc<Inbox>,
}
