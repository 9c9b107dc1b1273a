//! Looks for what other processes wrote, and wakes those who wait for it: a thread with a
//! connection of its own, which asks only whether anything was written at all.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension, params};

use super::open::connect;
use crate::watch::{Topic, Topics};

/// From one look to the next: often enough that what is found is acted on within a second.
const PAUSE: Duration = Duration::from_millis(250);

/// What tells one state of a deployment from another.
const DEPLOYMENT: &str = "
    SELECT concat_ws(' ', d.state, d.token, d.ended_at, l.token, l.until_at IS NULL,
                     (SELECT max(number) FROM signals WHERE deployment = d.id),
                     r.sequence, r.attempt, r.ended_at)
    FROM deployments d
    LEFT JOIN leases l ON l.application = d.application AND l.environment = d.environment
    LEFT JOIN records r ON r.deployment = d.id
         AND r.sequence = (SELECT max(sequence) FROM records WHERE deployment = d.id)
    WHERE d.id = ?1
    ";

/// What tells whether there could be other work: what is queued, and whether its lease is free.
const WORK: &str = "
    SELECT group_concat(d.id || coalesce(l.until_at IS NULL, TRUE))
    FROM deployments d
    LEFT JOIN leases l ON l.application = d.application AND l.environment = d.environment
    WHERE d.state = 'queued'
    ";

/// The thread, once somebody waits for something.
pub(super) struct Look {
    path: Arc<Path>,
    topics: Arc<Topics>,
    thread: Mutex<Option<(mpsc::Sender<()>, JoinHandle<()>)>>,
}

impl Look {
    pub(super) fn new(path: &Path, topics: Arc<Topics>) -> Self {
        Self {
            path: path.into(),
            topics,
            thread: Mutex::default(),
        }
    }

    /// Somebody waits for something from now on.
    pub(super) fn wanted(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((sender, _)) = &*thread {
            // It only ends with this.
            let _ = sender.send(());
            return;
        }
        let (path, topics) = (Arc::clone(&self.path), Arc::clone(&self.topics));
        let (sender, receiver) = mpsc::channel();
        let look = move || run(&path, &topics, &receiver);
        // Without a thread, whoever waits is woken by nothing; the machine has other troubles.
        *thread = std::thread::Builder::new()
            .name("store-look".to_owned())
            .spawn(look)
            .ok()
            .map(|handle| (sender, handle));
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        let thread = self.thread.get_mut();
        let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
        if let Some((sender, handle)) = thread {
            drop(sender);
            // A panic in it was a bug, and ends with it.
            let _ = handle.join();
        }
    }
}

fn run(path: &Path, topics: &Topics, receiver: &mpsc::Receiver<()>) {
    let mut connection = None;
    let mut seen = Seen::default();
    loop {
        let watched = topics.watched();
        if watched.is_empty() {
            // Nobody waits: neither does this.
            if receiver.recv().is_err() {
                return;
            }
            continue;
        }
        if connection.is_none() {
            connection = connect(path).ok();
        }
        if let Some(open) = &connection {
            match seen.look(open, watched) {
                Ok(changed) => changed.iter().for_each(|topic| topics.wake(topic)),
                // What is wrong with the file is said by the next call that needs it.
                Err(_) => connection = None,
            }
        }
        match receiver.recv_timeout(PAUSE) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// What was found the last time.
#[derive(Default)]
struct Seen {
    version: Option<i64>,
    states: HashMap<Topic, Option<String>>,
}

impl Seen {
    /// The topics of which there is news. One that was not watched before may have some: whoever
    /// waits for it looked before this did.
    fn look(
        &mut self,
        connection: &Connection,
        watched: Vec<Topic>,
    ) -> rusqlite::Result<Vec<Topic>> {
        let version = connection.query_row("PRAGMA data_version", [], |row| row.get(0))?;
        let written = self.version.replace(version) != Some(version);
        self.states.retain(|topic, _| watched.contains(topic));
        let mut changed = Vec::new();
        for topic in watched {
            if !written && self.states.contains_key(&topic) {
                continue;
            }
            let state = state(connection, &topic)?;
            if self.states.get(&topic) != Some(&state) {
                self.states.insert(topic.clone(), state);
                changed.push(topic);
            }
        }
        Ok(changed)
    }
}

fn state(connection: &Connection, topic: &Topic) -> rusqlite::Result<Option<String>> {
    let state = match topic {
        Topic::Deployment(id) => connection
            .prepare_cached(DEPLOYMENT)?
            .query_row(params![id], |row| row.get(0)),
        Topic::Work => connection
            .prepare_cached(WORK)?
            .query_row([], |row| row.get(0)),
    };
    Ok(state.optional()?.flatten())
}
