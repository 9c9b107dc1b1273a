//! What a server counts, in the text that Prometheus reads. Counts what it is told; asks nobody.

use engine::{Effect, Event, Intent, Observer, Outcome, Timestamp, Verdict};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use store::{Deployment, Lease, LeaseError, State};

use crate::report::{Problem, Reason};

/// Upper bounds in seconds: from a look at the balancer to a canary of six hours.
const SECONDS: [f64; 12] = [
    0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0,
];
/// Those that somebody still has to bring to an end.
const OPEN: [State; 5] = [
    State::Queued,
    State::Running,
    State::CutOff,
    State::Stuck,
    State::Frozen,
];

/// What is counted.
pub(crate) struct Metrics {
    registry: Registry,
    in_hand: IntGauge,
    open: IntGaugeVec,
    ended: IntCounterVec,
    taken: IntCounterVec,
    operations: IntCounterVec,
    durations: HistogramVec,
    refusals: IntCounterVec,
    renewals: IntCounterVec,
    looks: IntCounterVec,
}

impl Metrics {
    /// Nothing counted yet.
    pub(crate) fn new() -> Result<Self, Problem> {
        Self::registered().map_err(|error| Problem::new(Reason::Bug, error.to_string()))
    }

    fn registered() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            prometheus::Result::Ok(counter)
        };
        let ended = counter(
            "runtime_deployments_ended_total",
            "Deployments that came to an end or a stop in this process, by verdict.",
            &["verdict"],
        )?;
        let taken = counter(
            "runtime_deployments_taken_total",
            "Deployments that this process took: queued ones, and those whose owner died.",
            &["state"],
        )?;
        let operations = counter(
            "runtime_operations_total",
            "Effects that ended, by kind and result.",
            &["effect", "result"],
        )?;
        let refusals = counter(
            "runtime_guard_refusals_total",
            "Operations that the guard refused, by rule.",
            &["rule"],
        )?;
        let renewals = counter(
            "runtime_lease_renewals_total",
            "Tries to renew a lease, by result.",
            &["result"],
        )?;
        let looks = counter(
            "runtime_store_looks_total",
            "Looks for work in the store, by result.",
            &["result"],
        )?;
        let seconds = HistogramOpts::new(
            "runtime_operation_duration_seconds",
            "How long effects took, waits included.",
        );
        let durations = HistogramVec::new(seconds.buckets(SECONDS.to_vec()), &["effect"])?;
        registry.register(Box::new(durations.clone()))?;
        let in_hand = IntGauge::new(
            "runtime_deployments_in_hand",
            "Deployments that this process runs now.",
        )?;
        registry.register(Box::new(in_hand.clone()))?;
        let open = Opts::new(
            "runtime_deployments_open",
            "Deployments in the store that are not over, by state.",
        );
        let open = IntGaugeVec::new(open, &["state"])?;
        registry.register(Box::new(open.clone()))?;
        Ok(Self {
            registry,
            in_hand,
            open,
            ended,
            taken,
            operations,
            durations,
            refusals,
            renewals,
            looks,
        })
    }

    /// So many deployments run here now.
    pub(crate) fn in_hand(&self, count: usize) {
        self.in_hand.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A deployment that was in this state is this process's.
    pub(crate) fn took(&self, state: State) {
        self.taken.with_label_values(&[state.as_str()]).inc();
    }

    /// A deployment came to an end, or to a stop, before it was run.
    pub(crate) fn gave_up(&self, refused: bool) {
        let verdict = if refused { "refused" } else { "halted" };
        self.ended.with_label_values(&[verdict]).inc();
    }

    /// It was tried to renew a lease.
    pub(crate) fn renewed(&self, result: &Result<Lease, LeaseError>) {
        let result = match result {
            Ok(_) => "renewed",
            Err(LeaseError::Lost { .. }) => "lost",
            Err(_) => "failed",
        };
        self.renewals.with_label_values(&[result]).inc();
    }

    /// It was looked for work.
    pub(crate) fn looked(&self, found: bool) {
        let result = if found { "ok" } else { "failed" };
        self.looks.with_label_values(&[result]).inc();
    }

    /// Everything that was counted; with what the store has that is not over, where it answered.
    pub(crate) fn text(&self, open: Option<&[Deployment]>) -> String {
        self.open.reset();
        for state in OPEN.iter().filter(|_| open.is_some()) {
            let deployments = open.unwrap_or_default().iter();
            let count = deployments.filter(|each| each.state == *state).count();
            let gauge = self.open.with_label_values(&[state.as_str()]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut text = Vec::new();
        // Fails for metrics without a name only.
        let _encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    fn effect_ended(&self, intent: &Intent, outcome: &Outcome) {
        let Some(effect) = &intent.effect else {
            let failure = outcome.result.as_ref().err();
            if let Some(rule) = failure.and_then(|failure| failure.details["rule"].as_str()) {
                self.refusals.with_label_values(&[rule]).inc();
            }
            return;
        };
        let kind = kind(effect);
        let result = match &outcome.result {
            Ok(_) => "ok",
            Err(failure) => failure.code.as_str(),
        };
        self.operations.with_label_values(&[kind, result]).inc();
        let seconds = std::time::Duration::from_millis(outcome.ended.since_ms(intent.started));
        self.durations
            .with_label_values(&[kind])
            .observe(seconds.as_secs_f64());
    }
}

impl Observer for Metrics {
    fn event(&self, _: Timestamp, event: &Event<'_>) {
        match event {
            Event::Ended(intent, outcome) => self.effect_ended(intent, outcome),
            Event::Closed(verdict) => {
                let word = word(verdict);
                self.ended.with_label_values(&[word]).inc();
            }
            _ => {}
        }
    }
}

fn kind(effect: &Effect) -> &'static str {
    match effect {
        Effect::Observe => "observe",
        Effect::Install { .. } => "install",
        Effect::Activate { .. } => "activate",
        Effect::Deactivate { .. } => "deactivate",
        Effect::Remove { .. } => "remove",
        Effect::ReadTraffic => "read-traffic",
        Effect::Apply { .. } => "apply",
        Effect::AwaitHealthy { .. } => "await-healthy",
        Effect::Watch { .. } => "watch",
        Effect::Wait { .. } => "wait",
        Effect::Hold { .. } => "hold",
        Effect::Approval { .. } => "approval",
        Effect::Step { .. } => "step",
        Effect::UndoStep { .. } => "undo-step",
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded { .. } => "succeeded",
        Verdict::RolledBack { .. } => "rolled-back",
        Verdict::Stuck { .. } => "stuck",
        Verdict::Frozen { .. } => "frozen",
        Verdict::Refused { .. } => "refused",
        Verdict::Halted { .. } => "halted",
        Verdict::Left => "left",
        Verdict::Abandoned { .. } => "abandoned",
    }
}
