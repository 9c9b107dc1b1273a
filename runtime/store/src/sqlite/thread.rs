//! Who does the work on the connection: a thread of its own, so that nobody else waits for a
//! disk; or, where the runtime can do without the calling thread meanwhile, that one.

use std::{
    sync::{Arc, Mutex, PoisonError, TryLockError, mpsc},
    thread::JoinHandle,
};

use rusqlite::Connection;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::oneshot,
    task::block_in_place,
};

use super::database::{Change, Database};
use crate::{
    error::StoreError,
    pending::{Pending, Waiting},
    place::Place,
};

/// Work for the thread; none ends it.
type Job = Option<Box<dyn FnOnce(&Shared) + Send>>;

/// The connection; none once it is closed.
type Shared = Mutex<Option<Database>>;

/// Has work done on the connection. Cheap to clone.
#[derive(Clone)]
pub(super) struct Jobs {
    sender: mpsc::Sender<Job>,
    database: Arc<Shared>,
    waiting: Arc<Waiting>,
    pub(super) place: Place,
}

impl Jobs {
    /// Starts the thread.
    pub(super) fn start(
        connection: Connection,
        place: Place,
    ) -> Result<(Self, JoinHandle<()>), StoreError> {
        let waiting = Arc::<Waiting>::default();
        let (sender, receiver) = mpsc::channel();
        let database = Database {
            connection,
            place: place.clone(),
            waiting: Arc::clone(&waiting),
        };
        let database = Arc::new(Mutex::new(Some(database)));
        let shared = Arc::clone(&database);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || run(&receiver, &shared))
            .map_err(|error| StoreError::Unopened {
                place: place.clone(),
                reason: format!("no thread for it: {error}"),
            })?;
        Ok((
            Self {
                sender,
                database,
                waiting,
                place,
            },
            thread,
        ))
    }

    /// Has work done by the thread, and waits for its answer.
    pub(super) async fn call<T, E>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Some(Box::new(move |shared| {
            // Work that panicked before left the connection in doubt: it counts as closed.
            let answer = shared
                .lock()
                .ok()
                .and_then(|mut database| database.as_mut().map(work));
            // The connection is free again before anyone hears of it. An answer that nobody
            // waits for any more is dropped; the work is done.
            if let Some(answer) = answer {
                let _ = sender.send(answer);
            }
        }));
        self.sender.send(job).map_err(|_| self.closed())?;
        receiver.await.map_err(|_| self.closed())?
    }

    /// Has a change made, all of it or nothing.
    ///
    /// Where nobody else is at it and the runtime has other threads for its tasks, right here:
    /// handing a commit to a sleeping thread and back costs as much as a third of the commit.
    pub(super) async fn change<T, E>(
        &self,
        work: impl FnOnce(&mut Change<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let spare = Handle::try_current()
            .is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
        if spare {
            match self.database.try_lock() {
                Ok(mut database) => {
                    let database = database.as_mut().ok_or_else(|| self.closed())?;
                    return block_in_place(|| database.change(work));
                }
                Err(TryLockError::Poisoned(_)) => return Err(self.closed().into()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.call(|database| database.change(work)).await
    }

    /// Adds to what waits for the next change; where that is a lot, it waits no longer.
    pub(super) fn wait(&self, add: impl FnOnce(&mut Pending)) {
        if self.waiting.add(add) {
            // Where this fails it goes on waiting, and the next change fails, too.
            let _ = self.sender.send(Some(Box::new(|shared| {
                if let Ok(Some(database)) = shared.lock().as_deref_mut() {
                    let _ = database.flush();
                }
            })));
        }
    }

    /// Closes the connection after the work that the thread was sent, and ends the thread.
    pub(super) fn close(&self) {
        let _ = self.sender.send(None);
    }

    fn closed(&self) -> StoreError {
        StoreError::Closed {
            place: self.place.clone(),
        }
    }
}

fn run(receiver: &mpsc::Receiver<Job>, shared: &Shared) {
    while let Ok(Some(work)) = receiver.recv() {
        work(shared);
    }
    let database = shared.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(mut database) = database {
        // Whoever cares about the outcome has called flush.
        let _ = database.flush();
    }
}
