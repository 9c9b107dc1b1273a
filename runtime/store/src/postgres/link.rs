//! The connection, or the way to another one.
//!
//! A call whose connection was lost is made again on another one, for a bounded time. A
//! transaction of which it is not known whether it was committed is looked up first.

use std::{future::Future, rc::Rc, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::{
    Clock,
    address::Address,
    change::{Change, Kind, Trace},
    failure::Remedy,
    migrate::{current, migrate},
    session::{Session, silent},
};
use crate::{error::StoreError, pending::Waiting};

/// How long the database may take for one call before its connection counts as lost: a
/// fraction of a lease, so that a connection that stalled can be replaced before one runs out.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);

/// The same where much is sent or read.
const LONG_ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Pauses between tries: the first, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];

/// How much a call moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// A few rows.
    Small,
    /// Blobs, or a whole record.
    Large,
}

impl Size {
    fn timeout(self) -> Duration {
        match self {
            Self::Small => ANSWER_TIMEOUT,
            Self::Large => LONG_ANSWER_TIMEOUT,
        }
    }
}

/// One connection, and another one where it was lost.
pub(super) struct Link {
    pub(super) address: Address,
    pub(super) clock: Clock,
    session: Option<Rc<Session>>,
    /// What the last try to get a connection met.
    met: Option<StoreError>,
    pub(super) waiting: Arc<Waiting>,
}

/// What came of one try.
enum Try<T> {
    Done(T),
    /// It has to be made again; this is what it met.
    Again(StoreError),
}

impl Link {
    pub(super) fn new(address: Address, clock: Clock, waiting: Arc<Waiting>) -> Self {
        Self {
            address,
            clock,
            session: None,
            met: None,
            waiting,
        }
    }

    /// Connects, and brings the schema up to date; where nothing may be changed, it must be.
    pub(super) async fn open(&mut self, by: Instant) -> Result<(), StoreError> {
        let mut pauses = Pauses::until(by);
        loop {
            let session = self.session(&mut pauses).await?;
            let reading = self.address.reading;
            let schema = async {
                match reading {
                    true => current(&session).await,
                    false => migrate(&session).await,
                }
            };
            let migrated = within(&session, Size::Large, schema).await;
            match self.again(migrated, &session) {
                Try::Done(result) => return result,
                Try::Again(met) => pauses.pause(met).await?,
            }
        }
    }

    /// The connection; another one where it was lost.
    async fn session(&mut self, pauses: &mut Pauses) -> Result<Rc<Session>, StoreError> {
        loop {
            if let Some(session) = &self.session {
                return Ok(Rc::clone(session));
            }
            // Whoever waited behind another call until there was no time left need not try.
            if let Some(met) = self.met.clone().filter(|_| pauses.over()) {
                return Err(met);
            }
            match Session::connect(&self.address, self.clock, None).await {
                Ok(session) => {
                    self.session = Some(Rc::new(session));
                    self.met = None;
                }
                Err(met) if met.is_transient() => {
                    self.met = Some(met.clone());
                    pauses.pause(met).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sorts out what came of a try. A connection that is no good any more is let go.
    fn again<T, E>(
        &mut self,
        outcome: Result<Result<T, E>, StoreError>,
        session: &Session,
    ) -> Try<Result<T, E>> {
        let remedy = session.remedy();
        match outcome {
            Ok(Ok(value)) => Try::Done(Ok(value)),
            Ok(Err(error)) => match remedy {
                Remedy::Tell => Try::Done(Err(error)),
                Remedy::Repeat => Try::Again(StoreError::Busy {
                    place: session.place.clone(),
                }),
                Remedy::Reconnect => {
                    self.session = None;
                    Try::Again(StoreError::Away {
                        place: session.place.clone(),
                        reason: "the connection was lost".to_owned(),
                    })
                }
            },
            Err(silent) => {
                self.session = None;
                Try::Again(silent)
            }
        }
    }

    /// Has a question answered.
    pub(super) async fn ask<T, E: From<StoreError>>(
        &mut self,
        by: Instant,
        size: Size,
        question: &impl AsyncFn(&Session) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut pauses = Pauses::until(by);
        loop {
            let session = self.session(&mut pauses).await?;
            let answer = within(&session, size, question(&session)).await;
            match self.again(answer, &session) {
                Try::Done(result) => return result,
                Try::Again(met) => pauses.pause(met).await?,
            }
        }
    }

    /// Has a change made, all of it or nothing, and once. What waits for it goes along, and goes
    /// on waiting where it fails.
    pub(super) async fn change<T, E: From<StoreError>>(
        &mut self,
        by: Instant,
        kind: Kind,
        size: Size,
        work: &impl AsyncFn(&Change) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut pauses = Pauses::until(by);
        loop {
            let session = match self.session(&mut pauses).await {
                Ok(session) => session,
                Err(error) => return Err(error.into()),
            };
            let pending = self.waiting.take();
            let prepared = async {
                let (change, trace) = Change::begin(Rc::clone(&session), kind, &pending).await?;
                Ok::<_, E>((work(&change).await?, trace))
            };
            let prepared = within(&session, size, prepared).await;
            let met = match self.again(prepared, &session) {
                Try::Done(Ok((value, trace))) => {
                    match self.commit(&session, &trace, &mut pauses).await {
                        Ok(true) => return Ok(value),
                        Ok(false) => session.repeat(),
                        Err(error) => {
                            self.waiting.put_back(pending);
                            return Err(error.into());
                        }
                    }
                }
                Try::Done(Err(error)) => {
                    self.waiting.put_back(pending);
                    self.roll_back(&session).await;
                    return Err(error);
                }
                Try::Again(met) => met,
            };
            self.waiting.put_back(pending);
            self.roll_back(&session).await;
            pauses.pause(met).await?;
        }
    }

    /// Ends a transaction that was not committed. A session on which that does not work is of
    /// no use, and the database ends the transaction with it.
    async fn roll_back(&mut self, session: &Rc<Session>) {
        let current = self.session.as_ref();
        if current.is_some_and(|current| Rc::ptr_eq(current, session)) {
            let ended = within(session, Size::Small, session.batch("ROLLBACK")).await;
            if !matches!(ended, Ok(Ok(()))) {
                self.session = None;
            }
            session.remedy();
        }
    }

    /// Commits; says whether that succeeded, also where its answer was lost.
    async fn commit(
        &mut self,
        session: &Session,
        trace: &Trace,
        pauses: &mut Pauses,
    ) -> Result<bool, StoreError> {
        let committed = within(session, Size::Small, session.batch("COMMIT")).await;
        let mut met = match self.again(committed, session) {
            Try::Done(Ok(())) => return Ok(true),
            Try::Done(Err(error)) => return Err(error),
            Try::Again(StoreError::Busy { .. }) => return Ok(false),
            Try::Again(met) => met,
        };
        loop {
            pauses.pause(met).await?;
            let session = self.session(pauses).await?;
            let fate = within(&session, Size::Small, trace.fate(&session)).await;
            met = match self.again(fate, &session) {
                Try::Done(Ok(Some(committed))) => return Ok(committed),
                Try::Done(Ok(None)) => silent(&session.place),
                Try::Done(Err(error)) => return Err(error),
                Try::Again(met) => met,
            };
        }
    }

    /// Makes durable what waits for the next change.
    pub(super) async fn flush(&mut self, by: Instant) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.change(by, Kind::Plain, Size::Small, &async |_: &Change| Ok(()))
            .await
    }
}

/// Waits for an answer, but not for ever. One that comes late does not count, either: where this
/// process was stopped meanwhile, what it says may be long past.
async fn within<T>(
    session: &Session,
    size: Size,
    answer: impl Future<Output = T>,
) -> Result<T, StoreError> {
    let asked = Instant::now();
    match timeout(size.timeout(), answer).await {
        Ok(answer) if asked.elapsed() <= size.timeout() => Ok(answer),
        _ => Err(silent(&session.place)),
    }
}

/// Pauses between tries, each longer than the one before, until there is no time left.
struct Pauses {
    by: Instant,
    next: Duration,
}

impl Pauses {
    fn until(by: Instant) -> Self {
        Self {
            by,
            next: PAUSES[0],
        }
    }

    fn over(&self) -> bool {
        Instant::now() > self.by
    }

    /// Waits; fails with what the last try met where there is no time left.
    async fn pause(&mut self, met: StoreError) -> Result<(), StoreError> {
        if Instant::now() + self.next > self.by {
            return Err(met);
        }
        sleep(self.next).await;
        self.next = (self.next * 2).min(PAUSES[1]);
        Ok(())
    }
}
