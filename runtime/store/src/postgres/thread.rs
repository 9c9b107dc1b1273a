//! Who talks to the database: a thread of its own, so that a call that its caller gave up still
//! comes to its end, and dropping the store can wait for what was not written yet.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, mpsc as blocking},
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::LocalSet,
    time::Instant,
};

use super::{
    Clock,
    address::Address,
    change::{Change, Kind},
    link::{ANSWER_TIMEOUT, Link, Size},
    listen::listen,
    session::Session,
};
use crate::{
    error::StoreError,
    pending::{Pending, Waiting},
    place::Place,
    watch::Topics,
};

/// How long opening the store goes on trying.
const OPENING: Duration = Duration::from_secs(5);

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
                let link = Link::new(address, clock, shared);
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
