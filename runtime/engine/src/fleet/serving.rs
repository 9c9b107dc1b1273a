//! Who serves, and how many must.

use super::{Distribution, Fleet};
use crate::rules::Count;

impl Fleet {
    /// Serving: ready, with a share, proven, and not left out.
    pub(crate) fn serves(&self, place: usize, distribution: &Distribution) -> bool {
        let state = &self.states[place];
        let reached = if self.balanced() {
            self.reaches(place, distribution)
        } else {
            state.active.is_some()
        };
        reached && state.proven && state.left_out.is_none()
    }

    pub(crate) fn serving(&self, distribution: &Distribution) -> usize {
        self.places()
            .filter(|place| self.serves(*place, distribution))
            .count()
    }

    pub(crate) fn serving_at_start(&self) -> usize {
        self.states.iter().filter(|state| state.served).count()
    }

    /// How many must serve at any time. Of those serving at the start; where the operator gave
    /// no number, targets that were left out since need not be made up for.
    pub(crate) fn minimum_serving(&self) -> usize {
        let start = self.serving_at_start();
        if start == 0 {
            return 0;
        }
        match self.rules().minimum_serving {
            Some(count) => at_least(count, start),
            None => {
                let lost = self
                    .states
                    .iter()
                    .filter(|state| state.served && state.left_out.is_some());
                start.saturating_sub(lost.count() + 1).max(1)
            }
        }
    }
}

/// The count of `of`, rounded up.
fn at_least(count: Count, of: usize) -> usize {
    match count {
        Count::Number(number) => usize::try_from(number).unwrap_or(usize::MAX).min(of),
        // Less than a millionth of a target is noise of computing with floating point.
        Count::Percent(percent) => ((percent * of as f64 / 100.0) - 1e-6)
            .ceil()
            .clamp(0.0, of as f64) as usize,
    }
}

/// The count of `of`, rounded down.
pub(super) fn at_most(count: Count, of: usize) -> usize {
    match count {
        Count::Number(number) => usize::try_from(number).unwrap_or(usize::MAX),
        Count::Percent(percent) => ((percent * of as f64 / 100.0) + 1e-6)
            .floor()
            .clamp(0.0, of as f64) as usize,
    }
}
