//! Waiting for news: of one deployment, or of work that somebody could take over.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, watch};

use crate::{error::StoreError, place::Place};

/// What there can be news of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The deployment with that id: its record, its state, signals for it. That its lease runs
    /// out is no news: it happens with time alone.
    Deployment(String),
    /// Deployments that wait to be taken over, or that could be from now on. One whose owner's
    /// lease runs out is no news.
    Work,
}

/// Waits for news of a topic. Begins when it is made: make it first, then look, then wait.
#[derive(Debug)]
pub struct Watch {
    receiver: watch::Receiver<()>,
    place: Place,
}

impl Watch {
    /// Waits until there may be news since the last time, or since the watch was made; that is
    /// known within a second of its commit, whichever process made it. There may be none: whoever
    /// is woken looks. Nothing is lost by dropping it half way.
    ///
    /// Fails with [`StoreError::Closed`] where the store was closed.
    pub async fn changed(&mut self) -> Result<(), StoreError> {
        let closed = |_| StoreError::Closed {
            place: self.place.clone(),
        };
        self.receiver.changed().await.map_err(closed)
    }
}

/// Who waits for what.
#[derive(Default)]
pub(crate) struct Topics {
    senders: Mutex<HashMap<Topic, watch::Sender<()>>>,
    wanted: Notify,
}

impl Topics {
    pub(crate) fn watch(&self, topic: Topic, place: &Place) -> Watch {
        let mut topics = self.lock();
        // Those that nobody waits for any more.
        topics.retain(|_, sender| !sender.is_closed());
        let sender = topics
            .entry(topic)
            .or_insert_with(|| watch::Sender::new(()));
        self.wanted.notify_one();
        Watch {
            receiver: sender.subscribe(),
            place: place.clone(),
        }
    }

    /// Waits until somebody waits for something.
    pub(crate) async fn wanted(&self) {
        while self.watched().is_empty() {
            self.wanted.notified().await;
        }
    }

    /// What somebody waits for.
    pub(crate) fn watched(&self) -> Vec<Topic> {
        let topics = self.lock();
        let watched = topics.iter().filter(|(_, sender)| !sender.is_closed());
        watched.map(|(topic, _)| topic.clone()).collect()
    }

    pub(crate) fn wake(&self, topic: &Topic) {
        if let Some(sender) = self.lock().get(topic) {
            sender.send_replace(());
        }
    }

    pub(crate) fn wake_all(&self) {
        for sender in self.lock().values() {
            sender.send_replace(());
        }
    }

    /// Nobody will be woken any more.
    pub(crate) fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, watch::Sender<()>>> {
        // Nothing that is done under it can panic half way.
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
