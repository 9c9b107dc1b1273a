//! The shortest list of faults that still breaks the same rule: delta debugging, one at a time
//! once no half will do.

use crate::{fault::Fault, run::Run};

/// How many runs one list is worth.
const RUNS_MAX: u32 = 200;

/// Leaves out whatever `again` can do without. `run` is the run with all of them.
pub(crate) fn shrink(run: Run, again: impl Fn(&[Fault]) -> Run) -> Run {
    let rules: Vec<String> = run
        .broken
        .iter()
        .map(|broken| broken.rule.clone())
        .collect();
    let breaks = |run: &Run| run.broken.iter().any(|broken| rules.contains(&broken.rule));
    // Most of what a strategy does wrong it does with nothing going wrong.
    let calm = again(&[]);
    if breaks(&calm) {
        return calm;
    }
    let mut least = run;
    let mut runs = 1;
    let mut parts = 2;
    while least.faults.len() > 1 && runs < RUNS_MAX {
        let length = least.faults.len().div_ceil(parts).max(1);
        let chunks = least.faults.len().div_ceil(length);
        let without = |chunk: usize| -> Vec<Fault> {
            let gone = chunk * length..(chunk + 1) * length;
            let faults = least.faults.iter().enumerate();
            faults
                .filter(|(place, _)| !gone.contains(place))
                .map(|(_, fault)| fault.clone())
                .collect()
        };
        let shorter = (0..chunks).find_map(|chunk| {
            runs += 1;
            Some(again(&without(chunk))).filter(breaks)
        });
        match shorter {
            Some(run) => {
                least = run;
                parts = 2.max(parts - 1);
            }
            None if length == 1 => break,
            None => parts *= 2,
        }
    }
    least
}
