//! A process that runs deployments for others: it takes those that were handed in, and those whose
//! owner died, from the state store, and leaves what it runs to others when it ends. What becomes
//! of one of them is [`work`]'s; decides nothing about a deployment itself.

mod endpoint;
mod health;
mod manager;
mod metrics;
mod work;

use std::{collections::HashMap, sync::Arc, time::Duration};

use host::Host;
use serde_json::json;
use store::{Store, StoreError, Topic};
use tokio::{
    runtime::Runtime,
    task::{Id, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::task::AbortOnDropHandle;

pub(crate) use self::{endpoint::Address, metrics::Metrics};
use self::{
    endpoint::{Listener, Sources},
    health::Health,
};
use crate::{
    catalogue,
    cli::Format,
    departure::Departure,
    display::{self, Level},
    exit,
    interrupt::Signals,
    report::{Problem, Reason},
    system,
    tenure::renewal,
    terminal::Terminal,
};

/// How long one look for work may take.
const LOOK: Duration = Duration::from_secs(10);
/// Before the next look where the store did not answer.
const RETRY: Duration = Duration::from_secs(1);
/// From news to the look: what comes at the same time is seen in one.
const PAUSE: Duration = Duration::from_millis(50);

/// What the deployments of one server have in common.
pub(crate) struct Seat {
    /// Whether they are to be left to another process.
    pub(crate) departure: Arc<Departure>,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
}

/// How a server works.
pub(crate) struct Options {
    /// How many deployments run at once; the others wait.
    pub(crate) at_once: usize,
    /// How long a lease lasts without being renewed.
    pub(crate) lease: Duration,
    /// How long what is under way may take to end when the server does.
    pub(crate) grace: Duration,
    /// Where it answers for itself.
    pub(crate) listen: Option<Address>,
    /// How it prints.
    pub(crate) format: Format,
}

/// Runs deployments for others.
pub(crate) struct Server {
    options: Options,
    store: Arc<dyn Store>,
    runtime: Arc<Runtime>,
    host: Host,
    terminal: Terminal,
    seat: Arc<Seat>,
    health: Arc<Health>,
}

/// The deployments that are run here.
#[derive(Default)]
struct Hands {
    tasks: JoinSet<()>,
    ids: HashMap<Id, String>,
}

impl Hands {
    fn hold(&self, id: &str) -> bool {
        self.ids.values().any(|held| held == id)
    }

    /// Waits until one of them is over; for ever where there is none.
    async fn next(&mut self) {
        let ended = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => return std::future::pending().await,
        };
        self.ids.remove(&ended);
    }
}

impl Server {
    /// Puts a server together; nothing is taken yet.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        runtime: Arc<Runtime>,
        options: Options,
    ) -> Result<Self, Problem> {
        let health = Health::new(pulse(&options));
        Ok(Self {
            store,
            runtime,
            host: catalogue::host()?,
            // Lines of many deployments: no board.
            terminal: Terminal { interactive: false },
            seat: Arc::new(Seat {
                departure: Arc::default(),
                metrics: Arc::new(Metrics::new()?),
            }),
            health: Arc::new(health),
            options,
        })
    }

    /// Works until it is asked to end. Gives back the exit code.
    pub(crate) fn run(self) -> Result<u8, Problem> {
        let runtime = self.runtime.clone();
        runtime.block_on(Arc::new(self).serve())
    }

    async fn serve(self: Arc<Self>) -> Result<u8, Problem> {
        let mut signals = Signals::new().map_err(|error| {
            Problem::new(Reason::Refused, "no signal can be listened for").cause(error)
        })?;
        let _endpoint = self.open().await?;
        let mut hands = Hands::default();
        let mut news = self.store.watch(Topic::Work);
        let pulse = pulse(&self.options);
        let (mut due, mut ready) = (Instant::now(), false);
        loop {
            tokio::select! {
                biased;
                why = signals.next() => {
                    self.leave(hands, signals, why).await;
                    return Ok(exit::DONE);
                }
                () = hands.next() => due = Instant::now(),
                changed = news.changed() => {
                    changed?;
                    due = due.min(Instant::now() + PAUSE);
                }
                () = sleep_until(due) => {
                    let looked = self.look(&mut hands).await;
                    if looked && !ready {
                        ready = true;
                        manager::ready();
                    }
                    due = Instant::now() + if looked { pulse } else { RETRY };
                }
            }
            self.seat.metrics.in_hand(hands.tasks.len());
            manager::status(&doing(hands.tasks.len()));
        }
    }

    /// Answers for itself from here on, where it is to.
    async fn open(&self) -> Result<Option<AbortOnDropHandle<()>>, Problem> {
        let mut text = format!("serving as {}", system::owner("serve"));
        let Some(address) = &self.options.listen else {
            self.tell(Level::Info, None, &text);
            return Ok(None);
        };
        let listener = Listener::bind(address).await?;
        let at = listener.address();
        let at = at.map_or_else(|| address.to_string(), |at| at.to_string());
        text += &format!(", answering on {at}");
        self.tell(Level::Info, None, &text);
        let sources = Sources {
            health: self.health.clone(),
            metrics: self.seat.metrics.clone(),
            store: self.store.clone(),
        };
        let answering = tokio::spawn(listener.answer(Arc::new(sources)));
        Ok(Some(AbortOnDropHandle::new(answering)))
    }

    /// Looks for work, and takes what it has a hand free for. Whether the store answered.
    async fn look(self: &Arc<Self>, hands: &mut Hands) -> bool {
        let found = timeout(LOOK, self.store.unattended(system::now())).await;
        let found = match found {
            Ok(found) => found.map_err(|error: StoreError| error.to_string()),
            Err(_) => Err(format!(
                "it took longer than {}",
                display::duration(LOOK.as_millis() as u64)
            )),
        };
        self.seat.metrics.looked(found.is_ok());
        let found = match found {
            Ok(found) => found,
            Err(failure) => {
                let text = format!("the state store does not answer: {failure}");
                self.tell(Level::Warn, None, &text);
                self.health.looked(Some(failure));
                return false;
            }
        };
        self.health.looked(None);
        manager::alive();
        let free = self.options.at_once.saturating_sub(hands.tasks.len());
        let new = found.into_iter().filter(|each| !hands.hold(&each.id));
        for deployment in new.take(free).collect::<Vec<_>>() {
            let id = deployment.id.clone();
            let task = hands.tasks.spawn(self.clone().attend(deployment));
            hands.ids.insert(task.id(), id);
        }
        true
    }

    /// Leaves what is run here to others. What is under way when the time is over stays as it is,
    /// under a lease that runs out.
    async fn leave(&self, mut hands: Hands, mut signals: Signals, why: &str) {
        let Options { grace, .. } = self.options;
        self.health.stopping();
        manager::stopping(grace + LOOK);
        self.seat.departure.ask();
        let text = format!("{why}: {}", leaving(hands.tasks.len()));
        self.tell(Level::Info, None, &text);
        let end = Instant::now() + grace;
        let pulse = pulse(&self.options);
        while !hands.tasks.is_empty() {
            tokio::select! {
                biased;
                _ = signals.next() => {
                    let text = "stopped at once: what was under way stays as it is, until its lease runs out";
                    self.tell(Level::Warn, None, text);
                    // The record survives: whatever was done is written down with its undo.
                    std::process::exit(i32::from(exit::FROZEN));
                }
                () = hands.next() => {}
                () = sleep_until(end) => {
                    for id in hands.ids.values() {
                        let text = "did not come to a stop in time; its lease runs out";
                        self.tell(Level::Warn, Some(id), text);
                    }
                    hands.tasks.shutdown().await;
                }
                () = tokio::time::sleep(pulse) => manager::alive(),
            }
            self.seat.metrics.in_hand(hands.tasks.len());
        }
        // What it has for the audit is nobody else's to keep.
        let _gone = timeout(LOOK, self.store.flush()).await;
    }

    /// Says something beside what deployments say of themselves.
    fn tell(&self, level: Level, deployment: Option<&str>, text: &str) {
        match self.options.format {
            Format::Json => {
                let line = json!({
                    "timestamp": system::rfc3339(system::now()),
                    "level": level.word(),
                    "deployment_id": deployment,
                    "message": text,
                });
                self.terminal.line(&line.to_string());
            }
            Format::Human => {
                let label = deployment.map_or_else(String::new, |id| format!("{id}: "));
                self.terminal.line(&format!("{label}{text}"));
            }
        }
    }
}

/// From one look for work to the next. That a lease ran out is no news: it is found by looking.
fn pulse(options: &Options) -> Duration {
    let regular = renewal(options.lease);
    manager::pulse().map_or(regular, |manager| manager.min(regular))
}

fn doing(count: usize) -> String {
    match count {
        0 => "waiting for work".to_owned(),
        count => format!("running {}", display::count(count, "deployment")),
    }
}

fn leaving(count: usize) -> String {
    match count {
        0 => "nothing was running".to_owned(),
        count => format!("leaving {} to others", display::count(count, "deployment")),
    }
}
