//! Whether a server is ready: it takes work, and the store answered not long ago.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// What is known of it.
pub(crate) struct Health {
    inner: Mutex<Inner>,
    /// A look that is older says nothing any more.
    patience: Duration,
}

#[derive(Default)]
struct Inner {
    looked: Option<Instant>,
    failure: Option<String>,
    stopping: bool,
}

impl Health {
    /// Nothing is known yet. One look after `pulse` follows another.
    pub(crate) fn new(pulse: Duration) -> Self {
        Self {
            inner: Mutex::default(),
            patience: pulse * 3,
        }
    }

    /// The store answered, or why it did not.
    pub(crate) fn looked(&self, failure: Option<String>) {
        let mut inner = self.lock();
        if failure.is_none() {
            inner.looked = Some(Instant::now());
        }
        inner.failure = failure;
    }

    /// No work is taken any more.
    pub(crate) fn stopping(&self) {
        self.lock().stopping = true;
    }

    /// Fails with the reason where the server takes no work.
    pub(crate) fn ready(&self) -> Result<(), String> {
        let inner = self.lock();
        if inner.stopping {
            return Err("it is stopping".to_owned());
        }
        if let Some(failure) = &inner.failure {
            return Err(format!("the state store does not answer: {failure}"));
        }
        match inner.looked {
            Some(looked) if looked.elapsed() < self.patience => Ok(()),
            Some(_) => Err("the state store has not answered for a while".to_owned()),
            None => Err("the state store was not asked yet".to_owned()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_as_long_as_the_store_answers() {
        let health = Health::new(Duration::from_secs(60));
        assert!(health.ready().is_err());
        health.looked(None);
        assert_eq!(health.ready(), Ok(()));
        health.looked(Some("it is away".to_owned()));
        assert!(health.ready().unwrap_err().contains("it is away"));
        health.looked(None);
        assert_eq!(health.ready(), Ok(()));
        health.stopping();
        assert!(health.ready().is_err());
        let late = Health::new(Duration::ZERO);
        late.looked(None);
        assert!(late.ready().is_err());
    }
}
