//! Tells people and other systems what becomes of a deployment. A notifier that fails is tried
//! again, never fails the deployment, and is named at the end.

use std::{sync::Arc, time::Duration};

use configuration::Occasion;
use engine::{Brief, Effect, Event, Failure, Observer, Timestamp, Verdict};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle, time::sleep};

use crate::{display::closing, system};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(15);
/// How long the program stays at the end for what was not told yet.
const PATIENCE: Duration = Duration::from_secs(60);
/// Before the first new attempt; twice as long before each further one.
const PAUSE: Duration = Duration::from_millis(500);

/// One of the operator's notifiers.
pub(crate) struct Notifier {
    /// Tells.
    pub(crate) worker: host::Notifier,
    /// What it is called in messages.
    pub(crate) name: String,
    /// What it is told.
    pub(crate) on: Vec<Occasion>,
    /// How often it is tried again.
    pub(crate) retries: u32,
}

/// Something to tell.
#[derive(Clone)]
struct Notice {
    occasion: Occasion,
    message: String,
    at: Timestamp,
    details: Value,
}

/// The deployment's notices on their way. Each notifier has a queue of its own, so that a slow one
/// keeps nobody waiting, and hears everything in order.
pub(crate) struct Notices {
    queues: Vec<(Vec<Occasion>, mpsc::UnboundedSender<Notice>)>,
    subject: String,
}

/// What is still being told.
pub(crate) struct Telling(Vec<(String, JoinHandle<Vec<String>>)>);

impl Notices {
    /// Starts a queue for each notifier. Must be called within the runtime.
    pub(crate) fn new(
        brief: &Arc<Brief>,
        actor: &str,
        notifiers: Vec<Notifier>,
    ) -> (Arc<Self>, Telling) {
        let mut queues = Vec::new();
        let mut telling = Vec::new();
        for notifier in notifiers {
            let (sender, receiver) = mpsc::unbounded_channel();
            queues.push((notifier.on.clone(), sender));
            let name = notifier.name.clone();
            let work = tell_all(notifier, receiver, brief.clone(), actor.to_owned());
            telling.push((name, tokio::spawn(work)));
        }
        let subject = format!(
            "{} {} to {}",
            brief.application, brief.release.version, brief.environment
        );
        (Arc::new(Self { queues, subject }), Telling(telling))
    }

    /// Says that the deployment began.
    pub(crate) fn started(&self, at: Timestamp) {
        let message = format!("deploying {}", self.subject);
        self.send(Notice {
            occasion: Occasion::Started,
            message,
            at,
            details: json!({}),
        });
    }

    fn send(&self, notice: Notice) {
        for (on, queue) in &self.queues {
            if on.contains(&notice.occasion) {
                let _ended = queue.send(notice.clone());
            }
        }
    }
}

impl Observer for Notices {
    fn event(&self, at: Timestamp, event: &Event<'_>) {
        let subject = &self.subject;
        let (occasion, message, details) = match event {
            Event::Stage(stage) => (
                Occasion::Stage,
                format!("{subject}: {stage}"),
                json!({ "stage": stage }),
            ),
            Event::Waiting {
                effect: Effect::Approval { question, .. },
                until,
            } => (
                Occasion::ApprovalNeeded,
                format!("{subject}: {question}"),
                json!({ "question": question, "until": until.map(system::rfc3339) }),
            ),
            Event::Waiting { until, .. } => {
                let until = until.map(system::rfc3339);
                (
                    Occasion::Waiting,
                    format!("{subject}: waiting"),
                    json!({ "until": until }),
                )
            }
            Event::Undoing { cause } => (
                Occasion::RollingBack,
                format!("{subject} is being taken back: {cause}"),
                json!({ "cause": cause }),
            ),
            // It is not over.
            Event::Closed(Verdict::Left) => return,
            Event::Closed(verdict) => {
                let details = json!({ "verdict": verdict });
                let message = format!("{subject} {}", closing(verdict));
                let occasion = match verdict {
                    Verdict::Succeeded { .. } => Occasion::Succeeded,
                    Verdict::RolledBack { .. } => Occasion::RolledBack,
                    Verdict::Stuck { .. } => Occasion::Stuck,
                    Verdict::Frozen { .. } => Occasion::Frozen,
                    Verdict::Refused { .. }
                    | Verdict::Halted { .. }
                    | Verdict::Left
                    | Verdict::Abandoned { .. } => Occasion::Failed,
                };
                if matches!(
                    verdict,
                    Verdict::RolledBack { .. } | Verdict::Stuck { .. } | Verdict::Frozen { .. }
                ) {
                    let failed = Notice {
                        occasion: Occasion::Failed,
                        message: message.clone(),
                        at,
                        details: details.clone(),
                    };
                    self.send_unless(failed, occasion);
                }
                (occasion, message, details)
            }
            _ => return,
        };
        self.send(Notice {
            occasion,
            message,
            at,
            details,
        });
    }
}

impl Notices {
    /// Sends to those who do not hear of `other` anyway: one ending, one message.
    fn send_unless(&self, notice: Notice, other: Occasion) {
        for (on, queue) in &self.queues {
            if on.contains(&notice.occasion) && !on.contains(&other) {
                let _ended = queue.send(notice.clone());
            }
        }
    }
}

impl Telling {
    /// Waits until all is told. Gives back, for each notifier, what could not be.
    pub(crate) async fn end(self, notices: Arc<Notices>) -> Vec<String> {
        drop(notices);
        let mut untold = Vec::new();
        for (name, handle) in self.0 {
            match tokio::time::timeout(PATIENCE, handle).await {
                Ok(Ok(problems)) => untold.extend(problems),
                _ => untold.push(format!("notifier `{name}` did not come to an end")),
            }
        }
        untold
    }
}

async fn tell_all(
    notifier: Notifier,
    mut queue: mpsc::UnboundedReceiver<Notice>,
    brief: Arc<Brief>,
    actor: String,
) -> Vec<String> {
    let mut untold = Vec::new();
    let mut count = 0_u64;
    while let Some(notice) = queue.recv().await {
        count += 1;
        if let Err(failure) = tell(&notifier, &notice, &brief, &actor, count).await {
            let what = notice.occasion.as_str();
            untold.push(format!(
                "notifier `{}` could not tell `{what}`: {failure}",
                notifier.name
            ));
        }
    }
    untold
}

async fn tell(
    notifier: &Notifier,
    notice: &Notice,
    brief: &Arc<Brief>,
    actor: &str,
    count: u64,
) -> Result<(), Failure> {
    let event = host::Notice {
        kind: notice.occasion.as_str().to_owned(),
        deployment: brief.id.clone(),
        application: brief.application.clone(),
        environment: brief.environment.clone(),
        release: brief.release.clone(),
        previous: brief.previous.clone(),
        strategy: brief.strategy.clone(),
        actor: actor.to_owned(),
        message: notice.message.clone(),
        at: notice.at,
        details: notice.details.clone(),
    };
    let mut pause = PAUSE;
    let mut attempt = 1;
    loop {
        let context = host::CallContext {
            deployment: brief.id.clone(),
            application: brief.application.clone(),
            environment: brief.environment.clone(),
            attempt,
            timeout: Some(ATTEMPT),
            ..host::CallContext::new(format!("{}/notice/{}/{count}", brief.id, notifier.name))
        };
        match notifier.worker.notify(&event, &context).await {
            Err(_) if attempt <= notifier.retries => {}
            result => return result,
        }
        sleep(pause).await;
        pause *= 2;
        attempt += 1;
    }
}
