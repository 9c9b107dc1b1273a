//! What the operator is told of a deployment beside its events: how it begins, how it is ended
//! from the terminal, and what is left to do once it is over.

use std::sync::Arc;

use engine::{Brief, Purpose, Timestamp, Verdict};
use serde_json::json;
use tokio_util::task::AbortOnDropHandle;

use super::{Course, Way};
use crate::{
    assemble::System,
    audit::Auditor,
    cli::Format,
    display::{self, Display, Level},
    interrupt::Signals,
    log::Log,
    system,
};

impl Course<'_> {
    /// The first lines: what is about to happen, and what the operator may not expect of it.
    pub(super) fn announce(&self, display: &Display, brief: &Brief, way: &Way) {
        let previous = brief.previous.as_ref().map(|previous| &previous.id);
        let facts = json!({ "event": "began", "previous": previous });
        display.opening(&opening(brief, way), &facts);
        if !matches!(way, Way::Forward) {
            return;
        }
        if self.purpose == Purpose::Deploy && previous == Some(&brief.release.id) {
            let version = &brief.release.version;
            display.line(&format!(
                "  ! {version} is what runs already; it goes out to every target once more"
            ));
        }
        if brief.rules.downtime && brief.previous.is_some() {
            let warning = format!(
                "  ! {} accepts a downtime while the targets change",
                brief.strategy
            );
            display.line(&warning);
        }
    }

    pub(super) fn log(&self, brief: &Brief, actor: &str) -> Arc<Log> {
        let terminal = (self.format == Format::Json).then_some(self.terminal);
        let folder = self.site.state.join("logs");
        Arc::new(Log::open(&folder, brief, actor, terminal))
    }

    /// Listens for whoever wants the deployment to end. Who does not wait for that is told how to
    /// go on.
    pub(super) fn listen(
        &self,
        system: &System,
        brief: &Brief,
        display: Arc<Display>,
        log: Arc<Log>,
    ) -> Option<AbortOnDropHandle<()>> {
        if self.seat.is_some() {
            // The server listens, for all that it runs.
            return None;
        }
        // Without them a signal ends the process at once, and the record survives that.
        let signals = Signals::new().ok()?;
        let (interrupt, terminal) = (system.interrupt.clone(), self.terminal);
        let words = format!(
            "stopped at once: deployment {id} stays as it is; `runtime resume {id}` goes on with \
             it, `runtime rollback {id}` takes it back",
            id = brief.id
        );
        let last_words = move || {
            display.close();
            log.write(
                system::now(),
                Level::Error,
                &words,
                &json!({ "event": "stopped" }),
            );
            terminal.aside(&words);
        };
        let listening = async move { interrupt.listen(signals, last_words).await };
        Some(AbortOnDropHandle::new(tokio::spawn(listening)))
    }

    /// What its lines begin with where they stand among those of others.
    pub(super) fn label(&self, brief: &Brief) -> String {
        match &self.seat {
            Some(_) => format!("{}: ", brief.id),
            None => String::new(),
        }
    }

    pub(super) fn auditor(&self, brief: &Brief, actor: &str) -> Auditor {
        Auditor {
            store: self.site.store.clone(),
            deployment: brief.id.clone(),
            application: brief.application.clone(),
            environment: brief.environment.clone(),
            actor: actor.to_owned(),
        }
    }

    /// Says how it ended, what is left to do, and what went wrong beside it.
    pub(super) fn conclude(
        &self,
        brief: &Brief,
        verdict: &Verdict,
        asides: &[String],
        started: Timestamp,
    ) {
        let label = self.label(brief);
        let line = |text: &str| self.terminal.line(&format!("{label}{text}"));
        let took = display::duration(system::now().since_ms(started));
        if self.format == Format::Human {
            let what = format!("{} {}", brief.application, brief.release.version);
            line(&format!("{what} {} ({took})", display::closing(verdict)));
            for remedy in display::remedies(&brief.id, verdict) {
                line(&format!("  {remedy}"));
            }
            if self.seat.is_none() {
                line(&format!("  `runtime show {}` has the record", brief.id));
            }
        }
        for aside in asides {
            self.terminal.aside(&format!("{label}warning: {aside}"));
        }
    }
}

fn opening(brief: &Brief, way: &Way) -> String {
    let what = format!("{} {}", brief.application, brief.release.version);
    let Brief {
        environment,
        strategy,
        ..
    } = brief;
    match (way, brief.purpose) {
        (Way::Back { .. }, _) => format!("taking back {what} in {environment}"),
        (Way::On { .. }, _) => format!("going on with {what} in {environment} with {strategy}"),
        (Way::Forward, Purpose::Deploy) => {
            format!("deploying {what} to {environment} with {strategy}")
        }
        (Way::Forward, Purpose::Rollback) => {
            format!("bringing {what} back to {environment} with {strategy}")
        }
    }
}
