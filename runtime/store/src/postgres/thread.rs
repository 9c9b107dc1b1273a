//! Who talks to the database: a thread of its own, so that a call that its caller gave up still
//! comes to its end, and dropping the store can wait for what was not written yet.
//!
//! A call whose connection was lost is made again on another one, for a bounded time. A
//! transaction of which it is not known whether it was committed is looked up first.

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{Arc, mpsc as blocking},
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::LocalSet,
    time::{Instant, sleep, timeout},
};

use super::{
    Clock,
    address::Address,
    change::{Change, Kind, Trace},
    failure::Remedy,
    listen::listen,
    migrate::migrate,
    session::{Session, silent},
};
use crate::{
    error::StoreError,
    pending::{Pending, Waiting},
    place::Place,
    watch::Topics,
};

/// How long opening the store goes on trying.
const OPENING: Duration = Duration::from_secs(5);

/// How long the database may take for one call before its connection counts as lost: a
/// fraction of a lease, so that a connection that stalled can be replaced before one runs out.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);

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

/// Work for the thread; none ends it.
type Job = Option<Box<dyn for<'a> FnOnce(&'a mut Link) -> Work<'a> + Send>>;
type Work<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Has work done on the connection. Cheap to clone.
#[derive(Clone)]
pub(super) struct Calls {
    sender: mpsc::UnboundedSender<Job>,
    waiting: Arc<Waiting>,
    patience: Duration,
    pub(super) place: Place,
}

impl Calls {
    /// Starts the thread, connects, and brings the schema up to date.
    pub(super) fn start(
        address: Address,
        clock: Clock,
        patience: Duration,
        topics: Arc<Topics>,
    ) -> Result<(Self, JoinHandle<()>), StoreError> {
        let place = address.place.clone();
        let unopened = |error: &std::io::Error| StoreError::Unopened {
            place: place.clone(),
            reason: format!("no thread for it: {error}"),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| unopened(&error))?;
        let waiting = Arc::<Waiting>::default();
        let (sender, receiver) = mpsc::unbounded_channel();
        let (opened, opening) = blocking::channel();
        let shared = Arc::clone(&waiting);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                let link = Link {
                    address,
                    clock,
                    session: None,
                    met: None,
                    waiting: shared,
                };
                LocalSet::new().block_on(&runtime, run(link, receiver, topics, &opened));
            })
            .map_err(|error| unopened(&error))?;
        let calls = Self {
            sender,
            waiting,
            patience,
            place: place.clone(),
        };
        match opening.recv() {
            Ok(Ok(())) => Ok((calls, thread)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StoreError::Closed { place }),
        }
    }

    /// Has a question answered.
    pub(super) async fn ask<T, E>(
        &self,
        size: Size,
        question: impl AsyncFn(&Session) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let by = self.deadline();
        self.call(move |link, sender| {
            Box::pin(async move {
                let _ = sender.send(link.ask(by, size, &question).await);
            })
        })
        .await
    }

    /// Has a change made, all of it or nothing, and once.
    pub(super) async fn change<T, E>(
        &self,
        kind: Kind,
        size: Size,
        work: impl AsyncFn(&Change) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let by = self.deadline();
        self.call(move |link, sender| {
            Box::pin(async move {
                // An answer that nobody waits for any more is dropped; the work is done.
                let _ = sender.send(link.change(by, kind, size, &work).await);
            })
        })
        .await
    }

    /// Has one statement run that does no harm when it is run again. What waits for a change
    /// makes a transaction of it.
    pub(super) async fn statement<T, E>(
        &self,
        work: impl AsyncFn(&Session) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let by = self.deadline();
        self.call(move |link, sender| {
            Box::pin(async move {
                let done = if link.waiting.is_empty() {
                    link.ask(by, Size::Small, &work).await
                } else {
                    let work = async |change: &Change| work(change).await;
                    link.change(by, Kind::Plain, Size::Small, &work).await
                };
                let _ = sender.send(done);
            })
        })
        .await
    }

    async fn call<T, E>(
        &self,
        work: impl for<'a> FnOnce(&'a mut Link, oneshot::Sender<Result<T, E>>) -> Work<'a>
        + Send
        + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Some(Box::new(move |link| work(link, sender)));
        self.sender.send(job).map_err(|_| self.closed())?;
        receiver.await.map_err(|_| self.closed())?
    }

    /// Makes durable what waits for the next change.
    pub(super) async fn flush(&self) -> Result<(), StoreError> {
        let by = self.deadline();
        self.call(move |link, sender| {
            Box::pin(async move {
                let _ = sender.send(link.flush(by).await);
            })
        })
        .await
    }

    /// What waits for the next change.
    pub(super) fn waiting(&self) -> Arc<Waiting> {
        Arc::clone(&self.waiting)
    }

    /// Adds to what waits for the next change; where that is a lot, it waits no longer.
    pub(super) fn wait(&self, add: impl FnOnce(&mut Pending)) {
        if self.waiting.add(add) {
            let by = self.deadline();
            // Where this fails it goes on waiting, and the next change fails, too.
            let job: Job = Some(Box::new(move |link| {
                Box::pin(async move {
                    let _ = link.flush(by).await;
                })
            }));
            let _ = self.sender.send(job);
        }
    }

    /// Ends the thread after the work that it was sent.
    pub(super) fn close(&self) {
        let _ = self.sender.send(None);
    }

    /// Until when a call that is made now goes on trying. The caller's runtime may have a time of
    /// its own.
    fn deadline(&self) -> Instant {
        Instant::from_std(std::time::Instant::now() + self.patience)
    }

    fn closed(&self) -> StoreError {
        StoreError::Closed {
            place: self.place.clone(),
        }
    }
}

async fn run(
    mut link: Link,
    mut receiver: mpsc::UnboundedReceiver<Job>,
    topics: Arc<Topics>,
    opened: &blocking::Sender<Result<(), StoreError>>,
) {
    let opening = link.open(Instant::now() + OPENING).await;
    let failed = opening.is_err();
    let _ = opened.send(opening);
    if failed {
        return;
    }
    tokio::task::spawn_local(listen(link.address.clone(), link.clock, topics));
    while let Some(Some(work)) = receiver.recv().await {
        work(&mut link).await;
    }
    // Whoever cares about the outcome has called flush.
    let _ = link.flush(Instant::now() + ANSWER_TIMEOUT).await;
}

/// The connection, or the way to another one.
struct Link {
    address: Address,
    clock: Clock,
    session: Option<Rc<Session>>,
    /// What the last try to get a connection met.
    met: Option<StoreError>,
    waiting: Arc<Waiting>,
}

/// What came of one try.
enum Try<T> {
    Done(T),
    /// It has to be made again; this is what it met.
    Again(StoreError),
}

impl Link {
    async fn open(&mut self, by: Instant) -> Result<(), StoreError> {
        let mut pauses = Pauses::until(by);
        loop {
            let session = self.session(&mut pauses).await?;
            let migrated = within(&session, Size::Large, migrate(&session)).await;
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

    async fn ask<T, E: From<StoreError>>(
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

    async fn change<T, E: From<StoreError>>(
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

    async fn flush(&mut self, by: Instant) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.change(by, Kind::Plain, Size::Small, &async |_: &Change| Ok(()))
            .await
    }
}

/// Waits for an answer, but not for ever.
async fn within<T>(
    session: &Session,
    size: Size,
    answer: impl Future<Output = T>,
) -> Result<T, StoreError> {
    timeout(size.timeout(), answer)
        .await
        .map_err(|_| silent(&session.place))
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
