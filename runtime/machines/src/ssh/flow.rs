//! How much may be on its way to a machine at a time: enough to fill the line, and no more. An
//! SSH server that gets all that its window allows spends more on buffers than on the work.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use russh::ChannelId;
use tokio::sync::Notify;

use super::transport::Sent;

/// What always may be on its way: measured as the best where the machine is near.
const START_BYTES: u64 = 256 << 10;

/// How fast a line is taken to be until it has shown it: a gigabit a second. Where it is slower,
/// some of the first bytes wait on it.
const LINE_BYTES_A_SECOND: f64 = 125e6;

/// What OpenSSH's window allows.
const MOST_BYTES: u64 = 2 << 20;

/// What all machines together may have on their way, beyond what each may always have: the line
/// out of here is one for all of them.
const ALL_BYTES: u64 = 8 << 20;

/// What may wait in this program until the line takes it, for each machine. All that waits is
/// encrypted at once, into room that is kept.
const WAITING_BYTES: u64 = 64 << 10;

/// How many machines are being sent to.
static SENDING: AtomicU64 = AtomicU64::new(0);

/// Shorter spans, and fewer bytes, say nothing of how fast the line is.
const SAMPLE: Duration = Duration::from_millis(1);
const SAMPLE_BYTES: u64 = 64 << 10;

/// The shortest time in which the other side has answered.
#[derive(Debug)]
pub(super) struct RoundTrip(AtomicU64);

impl Default for RoundTrip {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl RoundTrip {
    pub(super) fn seen(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.fetch_min(micros, Ordering::Relaxed);
    }

    /// Nothing where it is not known.
    pub(super) fn get(&self) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            u64::MAX => Duration::ZERO,
            micros => Duration::from_micros(micros),
        }
    }
}

/// The flows of a connection, by channel.
#[derive(Clone, Debug, Default)]
pub(super) struct Flows {
    by_channel: Arc<Mutex<HashMap<ChannelId, Arc<Flow>>>>,
    pub(super) round_trip: Arc<RoundTrip>,
    /// What has gone out on the connection.
    pub(super) sent: Arc<Sent>,
}

impl Flows {
    pub(super) fn open(&self, channel: ChannelId) -> Arc<Flow> {
        let (round_trip, sent) = (Arc::clone(&self.round_trip), Arc::clone(&self.sent));
        let flow = Arc::new(Flow::new(round_trip, sent));
        self.all().insert(channel, Arc::clone(&flow));
        flow
    }

    pub(super) fn close(&self, channel: ChannelId) {
        self.all().remove(&channel);
    }

    /// The other side has taken something, and says how much it would take now.
    pub(super) fn adjusted(&self, channel: ChannelId, window: u32) {
        let flow = self.all().get(&channel).cloned();
        if let Some(flow) = flow {
            flow.adjusted(u64::from(window), Instant::now());
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<ChannelId, Arc<Flow>>> {
        self.by_channel
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is on its way through one channel.
#[derive(Debug)]
pub(super) struct Flow {
    pushed: AtomicU64,
    state: Mutex<State>,
    moved: Notify,
    round_trip: Arc<RoundTrip>,
    sent: Arc<Sent>,
}

#[derive(Debug)]
struct State {
    /// The largest window seen: that of an idle channel.
    window: u64,
    /// Not taken yet when the other side last spoke, and what had been pushed by then.
    behind: u64,
    pushed: u64,
    limit: u64,
    /// Twice what fits on the line, as far as is known; until it was measured, what is assumed.
    line: u64,
    measured: bool,
    /// When the other side spoke, and what it had taken by then.
    sample: Option<(Instant, u64)>,
    taken: u64,
    /// What had been pushed, and had gone out, when something large began.
    base: (u64, u64),
}

impl Flow {
    fn new(round_trip: Arc<RoundTrip>, sent: Arc<Sent>) -> Self {
        let bytes = LINE_BYTES_A_SECOND * round_trip.get().as_secs_f64();
        let limit = (bytes as u64).clamp(START_BYTES, MOST_BYTES);
        let state = State {
            window: 0,
            behind: 0,
            pushed: 0,
            limit,
            line: limit,
            measured: false,
            sample: None,
            taken: 0,
            base: (0, 0),
        };
        Self {
            pushed: AtomicU64::new(0),
            state: Mutex::new(state),
            moved: Notify::new(),
            round_trip,
            sent,
        }
    }

    /// Waits until so many bytes more may be on their way, and counts them.
    pub(super) async fn admit(&self, bytes: u64) {
        loop {
            let (moved, sent) = (self.moved.notified(), self.sent.moved());
            let pushed = self.pushed.load(Ordering::Relaxed);
            let (under_way, limit, waiting) = {
                let state = self.state();
                let sent = self.sent.bytes() - state.base.1;
                let waiting = (pushed - state.base.0).saturating_sub(sent);
                (
                    state.behind + pushed.saturating_sub(state.pushed),
                    state.limit,
                    waiting,
                )
            };
            let share = ALL_BYTES / SENDING.load(Ordering::Relaxed).max(1);
            let fits = under_way + bytes <= limit.min(share.max(START_BYTES));
            if under_way == 0 || (fits && waiting <= WAITING_BYTES) {
                self.pushed.fetch_add(bytes, Ordering::Relaxed);
                return;
            }
            tokio::select! {
                () = moved => {}
                () = sent => {}
            }
        }
    }

    /// Grows with everything that the other side has taken.
    pub(super) fn taken(&self) -> u64 {
        let state = self.state();
        state.pushed.saturating_sub(state.behind)
    }

    fn adjusted(&self, window: u64, now: Instant) {
        let pushed = self.pushed.load(Ordering::Relaxed);
        let mut state = self.state();
        state.window = state.window.max(window);
        state.behind = (state.window - window).min(pushed);
        state.pushed = pushed;
        let taken = pushed - state.behind;
        let more = taken.saturating_sub(state.taken);
        state.taken = state.taken.max(taken);
        match state.sample {
            Some((at, before)) => {
                let (span, bytes) = (now.duration_since(at), taken.saturating_sub(before));
                if span >= SAMPLE && bytes >= SAMPLE_BYTES {
                    let line = line(bytes, span, self.round_trip.get());
                    let before = if state.measured { state.line } else { 0 };
                    state.line = before.max(line);
                    state.measured = true;
                    state.sample = Some((now, taken));
                }
            }
            None => state.sample = Some((now, taken)),
        }
        // What was taken makes room for itself and for as much again, which doubles what is on
        // the way with each round trip until the line is full.
        state.limit = (state.limit + more).min(state.line);
        drop(state);
        self.moved.notify_one();
    }

    /// Something large is about to be sent. A pause before it says nothing of the line.
    pub(super) fn begin(&self) -> Sending {
        let mut state = self.state();
        state.sample = None;
        state.base = (self.pushed.load(Ordering::Relaxed), self.sent.bytes());
        SENDING.fetch_add(1, Ordering::Relaxed);
        Sending
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts among those that are being sent to until it is dropped.
pub(super) struct Sending;

impl Drop for Sending {
    fn drop(&mut self) {
        SENDING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Twice what is on the line when it takes so many bytes in so long. Answers come as fast as the
/// narrowest place lets through what they answer, however long the line is.
fn line(bytes: u64, span: Duration, round_trip: Duration) -> u64 {
    let rate = bytes as f64 / span.as_secs_f64();
    let bytes = 2.0 * rate * round_trip.as_secs_f64();
    (bytes as u64).clamp(START_BYTES, MOST_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends for so many round trips over a line, of which the other side answers each 96 KiB, and
    /// gives the limit reached.
    fn reached(round_trip_ms: u64, bytes_per_ms: u64, rounds: u64) -> u64 {
        const STEP: u64 = 96 << 10;
        let round_trip = Arc::<RoundTrip>::default();
        round_trip.seen(Duration::from_millis(round_trip_ms));
        let flow = Flow::new(round_trip, Arc::default());
        let mut now = Instant::now();
        let window = MOST_BYTES;
        flow.adjusted(window, now);
        for _ in 0..rounds {
            drop(flow.begin());
            let limit = flow.state.lock().unwrap().limit;
            flow.pushed.fetch_add(limit, Ordering::Relaxed);
            now += Duration::from_millis(round_trip_ms);
            let mut behind = limit;
            while behind > 0 {
                let step = behind.min(STEP);
                behind -= step;
                now += Duration::from_micros(step * 1000 / bytes_per_ms);
                flow.adjusted(window - behind, now);
            }
        }
        flow.state.lock().unwrap().limit
    }

    #[test]
    fn a_long_fat_line_is_filled() {
        assert_eq!(reached(40, 50_000, 4), MOST_BYTES);
        assert_eq!(reached(40, 50_000, 0), MOST_BYTES, "from the beginning");
    }

    #[test]
    fn a_near_machine_is_not_drowned() {
        assert_eq!(reached(0, 100_000, 50), START_BYTES);
        assert_eq!(reached(1, 100_000, 50), START_BYTES);
    }

    #[test]
    fn a_thin_line_is_not_either() {
        assert_eq!(reached(40, 1_000, 50), START_BYTES);
    }

    #[test]
    fn a_line_between_gets_what_fits_on_it_twice() {
        let limit = reached(40, 10_000, 20);
        assert!((700 << 10..900 << 10).contains(&limit), "{limit}");
    }
}
