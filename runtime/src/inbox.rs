//! What people outside say to the deployment that runs here: followed in the store, held ready
//! for whoever waits for it, and spent once the record shows it. Decides nothing about the
//! deployment; who is asked to end it is [`Interrupt`]'s.

mod said;

use std::{sync::Arc, time::Duration};

use engine::{Control, Event, Failure, Interruption, Observer, Report, Signal, Timestamp, Verdict};
use store::{Lease, Store, StoreError, Topic, Watch};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

pub(crate) use self::said::{Heard, Said, put};
use crate::{
    interrupt::Interrupt,
    system::{self, Clock},
};

/// Before the store is asked again where it did not answer.
const RETRY: Duration = Duration::from_secs(1);
/// From one question to the next: the deployment's own record is news, too.
const PAUSE: Duration = Duration::from_millis(100);

/// What was said so far.
pub(crate) struct Inbox {
    interrupt: Arc<Interrupt>,
    clock: Clock,
    said: watch::Sender<Said>,
    spent: mpsc::UnboundedSender<u64>,
}

/// What a look at it comes to, for whoever waits.
pub(crate) enum Look {
    /// The wait is over.
    Over(Box<Report>),
    /// It goes on until somebody says something, or until then.
    Until(Option<Timestamp>),
}

/// Follows the store for as long as the deployment runs here.
pub(crate) struct Following {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Whose signals are followed, and under which lease they are spent.
struct Place {
    store: Arc<dyn Store>,
    lease: Lease,
    deployment: String,
}

impl Inbox {
    /// Reads what was said to the deployment before, and follows it from now on.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        lease: &Lease,
        deployment: &str,
        interrupt: Arc<Interrupt>,
    ) -> Result<(Arc<Self>, Following), StoreError> {
        let news = store.watch(Topic::Deployment(deployment.to_owned()));
        let (spent, spending) = mpsc::unbounded_channel();
        let inbox = Arc::new(Self {
            interrupt,
            clock: Clock::start(),
            said: watch::Sender::default(),
            spent,
        });
        let place = Place {
            store,
            lease: lease.clone(),
            deployment: deployment.to_owned(),
        };
        inbox.look(&place).await?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(follow(inbox.clone(), place, news, spending, stopped));
        Ok((inbox, Following { stop, task }))
    }

    /// The time as waits have it: a clock that is put forward ends none of them, and one that is
    /// put back makes none longer.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Ends once somebody asked to end the deployment, with the failure that a call under way
    /// then has.
    pub(crate) async fn asked(&self) -> Failure {
        self.interrupt.asked().await
    }

    /// Looks at what was said, and again whenever there is more or the time comes that the look
    /// names, until that is over.
    pub(crate) async fn until(
        &self,
        look: impl Fn(&Said, Timestamp) -> Look + Send + Sync,
    ) -> Report {
        let mut news = self.said.subscribe();
        loop {
            let next = match look(&news.borrow_and_update(), self.now()) {
                Look::Over(report) => return *report,
                Look::Until(next) => next,
            };
            let time = async {
                match next {
                    Some(at) => sleep(Duration::from_millis(at.since_ms(self.now()))).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = time => {}
                _ = news.changed() => {}
            }
        }
    }

    /// The pauses that no record shows yet, and what ended them.
    pub(crate) fn pauses(&self) -> Vec<Signal> {
        self.said.borrow().pauses()
    }

    /// A wait begins: what was to end an earlier one does not end this one.
    pub(crate) fn begin_wait(&self, since: Timestamp) {
        self.spend(|said| said.outdated(since));
    }

    fn spend(&self, which: impl FnOnce(&mut Said) -> Vec<u64>) {
        self.said.send_if_modified(|said| {
            for number in which(said) {
                // Where nobody follows any more, the next process spends it.
                let _ended = self.spent.send(number);
            }
            false
        });
    }

    async fn look(&self, place: &Place) -> Result<(), StoreError> {
        let after = self.said.borrow().last();
        let sent = place.store.signals(&place.deployment, after).await?;
        if sent.is_empty() {
            return Ok(());
        }
        let heard: Vec<Heard> = sent.iter().map(Heard::of).collect();
        for each in &heard {
            if let Some(Interruption { by, reason }) = each.interruption() {
                self.interrupt.ask(&by, &reason);
            }
        }
        self.said.send_modify(|said| said.add(heard));
        Ok(())
    }
}

impl Control for Inbox {
    fn interruption(&self) -> Option<Interruption> {
        self.interrupt.interruption()
    }

    fn pause(&self) -> Option<Signal> {
        self.said.borrow().pause().cloned()
    }
}

impl Observer for Inbox {
    fn event(&self, _: Timestamp, event: &Event<'_>) {
        match event {
            Event::Ended(intent, outcome) => self.spend(|said| said.shown(intent, outcome)),
            // The deployment is open as it was, or another's.
            Event::Closed(Verdict::Halted { .. } | Verdict::Left | Verdict::Abandoned { .. }) => {}
            Event::Closed(_) => self.spend(Said::rest),
            _ => {}
        }
    }
}

impl Following {
    /// Ends it, once everything is spent that is to be.
    pub(crate) async fn end(self) {
        let _ended = self.stop.send(());
        let _ended = self.task.await;
    }

    /// Ends it at once: what is to be spent is the next process's.
    pub(crate) fn abandon(self) {
        self.task.abort();
    }
}

impl Place {
    async fn spend(&self, number: u64) {
        let (deployment, lease) = (&self.deployment, &self.lease);
        let now = system::now();
        // One that stays is shown by the record all the same, and counts once.
        let _stays = self.store.take_signal(deployment, number, lease, now).await;
    }
}

async fn follow(
    inbox: Arc<Inbox>,
    place: Place,
    mut news: Watch,
    mut spending: mpsc::UnboundedReceiver<u64>,
    mut stopped: oneshot::Receiver<()>,
) {
    let (mut due, mut next) = (false, Instant::now());
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(number) = spending.recv() => place.spend(number).await,
            changed = news.changed(), if !due => match changed {
                Ok(()) => due = true,
                Err(_) => break,
            },
            () = sleep_until(next), if due => {
                due = inbox.look(&place).await.is_err();
                next = Instant::now() + if due { RETRY } else { PAUSE };
            }
        }
    }
    while let Ok(number) = spending.try_recv() {
        place.spend(number).await;
    }
}
