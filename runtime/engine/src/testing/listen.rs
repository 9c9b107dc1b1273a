//! Who listens, and who asks to stop.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    event::{Event, Observer},
    executor::{Control, Interruption},
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
    interruption: Arc<Mutex<Option<Interruption>>>,
}

impl Asked {
    /// Asks for the end of the deployment.
    pub fn abort(&self) {
        let interruption = Interruption {
            by: "alice".into(),
            reason: "enough".into(),
        };
        *self
            .interruption
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(interruption);
    }
}

impl Control for Asked {
    fn interruption(&self) -> Option<Interruption> {
        self.interruption
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
