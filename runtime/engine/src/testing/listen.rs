//! Who listens, and who asks to stop.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    event::{Event, Observer},
    executor::{Control, Interruption},
    signal::Signal,
    subject::Timestamp,
};

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _at: Timestamp, _event: &Event<'_>) {}
}

/// Asks for nothing until told to.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    interruption: Option<Interruption>,
    pause: Option<Signal>,
}

impl Asked {
    /// Asks for the end of the deployment.
    pub fn abort(&self) {
        self.lock().interruption = Some(Interruption {
            by: "alice".into(),
            reason: "enough".into(),
        });
    }

    /// Pauses the deployment, or lets it go on.
    pub fn pause(&self, pause: Option<Signal>) {
        self.lock().pause = pause;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Control for Asked {
    fn interruption(&self) -> Option<Interruption> {
        self.lock().interruption.clone()
    }

    fn pause(&self) -> Option<Signal> {
        self.lock().pause.clone()
    }
}
