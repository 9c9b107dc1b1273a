//! Who listens to a run, and who speaks in it.

use std::sync::Arc;

use engine::{
    Code, Control, Effect, Event, Interruption, Observer, Operation, Origin, Signal, Timestamp,
};

use crate::world::Model;

/// Listens to what a deployment tells.
pub(crate) struct Watcher {
    pub(crate) model: Model,
    /// Hears it, too.
    pub(crate) listener: Option<Arc<dyn Observer>>,
}

impl Observer for Watcher {
    fn event(&self, at: Timestamp, event: &Event<'_>) {
        if let Some(listener) = &self.listener {
            listener.event(at, event);
        }
        match event {
            Event::LeftOut { target, .. } => {
                let mut inner = self.model.lock();
                if let Some(place) = inner.scene.places.get(*target).copied() {
                    inner.sites[place].left_out = true;
                }
            }
            Event::Ended(intent, outcome) if intent.origin == Origin::Strategy => {
                let mut inner = self.model.lock();
                inner.calls += 1;
                inner.clock_asked |= matches!(intent.operation, Some(Operation::Now));
                // What changed while nobody looked is not for a strategy to know, that is told from
                // the record of another process.
                if let (Err(failure), None, false) =
                    (&outcome.result, &intent.effect, inner.ledger.is_handed_on())
                    && matches!(failure.code, Code::Refused | Code::Invalid)
                {
                    inner.refused.push(failure.clone());
                }
                if let (Some(asked), Some(operation)) = (&mut inner.asked, &intent.operation) {
                    asked.push(operation.clone());
                }
            }
            _ => {}
        }
    }
}

/// Speaks from outside.
pub(crate) struct People(pub(crate) Model);

impl Control for People {
    fn interruption(&self) -> Option<Interruption> {
        let inner = self.0.lock();
        let (at, interruption) = inner.plight.abort()?;
        (at <= inner.now).then_some(interruption)
    }

    /// The pause at which something is to be otherwise, until it is.
    fn pause(&self) -> Option<Signal> {
        let inner = self.0.lock();
        match &inner.expected.as_ref()?.effect {
            Some(Effect::Hold { pause }) => Some(pause.clone()),
            _ => None,
        }
    }
}
