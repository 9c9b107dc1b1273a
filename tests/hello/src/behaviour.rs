//! How a release misbehaves: one line each in the file `BEHAVIOUR`.

use std::{num::ParseFloatError, path::PathBuf, process, thread, time::Duration};

/// The exit code of a release that was told to crash.
const CRASHED: i32 = 101;

/// What is wrong with a release; nothing, unless told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Behaviour {
    /// `never-healthy`: `/health` never answers 200.
    pub(crate) never_healthy: bool,
    /// `slow-start=1s`: `/health` answers 200 only after so long.
    pub(crate) slow_start: Duration,
    /// `unhealthy-after=2s`: `/health` answers 200 only for so long.
    pub(crate) unhealthy_after: Option<Duration>,
    /// `unhealthy-with=FILE`: `/health` answers 200 only as long as there is no such file.
    pub(crate) unhealthy_with: Option<PathBuf>,
    /// `crash-after=2s`: the program ends at once, in the middle of whatever it does.
    pub(crate) crash_after: Option<Duration>,
    /// `error-rate=0.25`: such a part of the requests other than `/health` is answered with
    /// 500; `always-500` is all of them.
    pub(crate) error_rate: f64,
}

/// A line that means nothing.
#[derive(Debug, thiserror::Error)]
#[error("cannot make sense of `{0}`")]
pub(crate) struct Unknown(String);

impl Behaviour {
    /// Reads the file's lines.
    pub(crate) fn parse(text: &str) -> Result<Self, Unknown> {
        let mut behaviour = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            behaviour
                .apply(line)
                .ok_or_else(|| Unknown(line.to_owned()))?;
        }
        Ok(behaviour)
    }

    fn apply(&mut self, line: &str) -> Option<()> {
        match line.split_once('=') {
            None if line == "never-healthy" => self.never_healthy = true,
            None if line == "always-500" => self.error_rate = 1.0,
            Some(("slow-start", value)) => self.slow_start = duration(value).ok()?,
            Some(("unhealthy-after", value)) => self.unhealthy_after = Some(duration(value).ok()?),
            Some(("unhealthy-with", value)) => self.unhealthy_with = Some(value.into()),
            Some(("crash-after", value)) => self.crash_after = Some(duration(value).ok()?),
            Some(("error-rate", value)) => self.error_rate = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }

    /// Whether `/health` answers 200 so long after the start.
    pub(crate) fn healthy(&self, age: Duration) -> bool {
        !self.never_healthy
            && age >= self.slow_start
            && self.unhealthy_after.is_none_or(|limit| age < limit)
            && self
                .unhealthy_with
                .as_ref()
                .is_none_or(|file| !file.exists())
    }

    /// Whether the request of that number, counted from 0, is answered with 500: evenly spread,
    /// so that any window of requests shows the rate.
    pub(crate) fn fails(&self, request: u64) -> bool {
        let failed_before = |count: u64| (count as f64 * self.error_rate).floor();
        failed_before(request + 1) > failed_before(request)
    }

    /// Ends the program when its time has come, whatever else it does.
    pub(crate) fn schedule_crash(&self) {
        if let Some(delay) = self.crash_after {
            thread::spawn(move || {
                thread::sleep(delay);
                process::exit(CRASHED);
            });
        }
    }
}

fn duration(text: &str) -> Result<Duration, ParseFloatError> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.trim_end_matches('s'), 1.0),
    };
    number
        .parse::<f64>()
        .map(|number| Duration::from_secs_f64(number.max(0.0) * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_understood() {
        let text = "never-healthy\nslow-start=250ms\n\nunhealthy-after=2s\nunhealthy-with=/tmp/ill\ncrash-after=1.5s\nerror-rate=0.25\n";
        let expected = Behaviour {
            never_healthy: true,
            slow_start: Duration::from_millis(250),
            unhealthy_after: Some(Duration::from_secs(2)),
            unhealthy_with: Some("/tmp/ill".into()),
            crash_after: Some(Duration::from_millis(1500)),
            error_rate: 0.25,
        };
        assert_eq!(Behaviour::parse(text).unwrap(), expected);
        let unknown = Behaviour::parse("always-501").unwrap_err();
        assert_eq!(unknown.to_string(), "cannot make sense of `always-501`");
    }

    #[test]
    fn errors_are_spread_evenly() {
        let quarter = Behaviour {
            error_rate: 0.25,
            ..Behaviour::default()
        };
        let failed =
            |requests: std::ops::Range<u64>| requests.filter(|n| quarter.fails(*n)).count();
        assert_eq!((failed(0..4), failed(4..8), failed(0..100)), (1, 1, 25));
        assert_eq!(
            (0..10).filter(|n| Behaviour::default().fails(*n)).count(),
            0
        );
    }
}
