//! Hears of what others commit, on a connection of its own, and wakes those who wait for it.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::timeout};

use super::{Clock, address::Address, session::Session};
use crate::{
    error::StoreError,
    watch::{Topic, Topics},
};

/// What is notified of work is called so; every other payload is a deployment's id.
pub(super) const WORK: &str = "";

/// Without news for so long, the connection is tried: one that was cut says nothing.
const SILENCE: Duration = Duration::from_secs(5);

/// How long it may take to answer then.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// From one try to get a connection to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// Listens for as long as anybody could wait for news. Connects when somebody first does.
pub(super) async fn listen(address: Address, clock: Clock, topics: Arc<Topics>) {
    loop {
        topics.wanted().await;
        // What went wrong shows with the next call of the store; here there is nobody to tell.
        let _ = hear(&address, clock, &topics).await;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn hear(address: &Address, clock: Clock, topics: &Topics) -> Result<(), StoreError> {
    let (sender, mut notices) = mpsc::unbounded_channel();
    let session = Session::connect(address, clock, Some(sender)).await?;
    session.batch("LISTEN runtime").await?;
    // Whatever happened before is seen by whoever looks now.
    topics.wake_all();
    loop {
        match timeout(SILENCE, notices.recv()).await {
            Ok(Some(notice)) => topics.wake(&topic(notice)),
            Ok(None) => return Ok(()),
            Err(_) => {
                let answer = timeout(ANSWER_TIMEOUT, session.batch("SELECT 1")).await;
                if !matches!(answer, Ok(Ok(()))) {
                    return Ok(());
                }
            }
        }
    }
}

fn topic(notice: String) -> Topic {
    if notice == WORK {
        Topic::Work
    } else {
        Topic::Deployment(notice)
    }
}
