//! Whose turn it is: weighted round robin with even gaps, worked out once per change of the
//! shares, so that a request costs one addition.

/// Into how many steps all traffic is cut: a share is exact to a hundredth of a percent.
const STEPS: u32 = 10_000;

/// The places of the groups in the order of their turns: within one round each group has exactly
/// its share, as evenly spread as it can be. Empty where no group has a share.
pub(super) fn schedule(percents: &[f64]) -> Box<[u16]> {
    let weights = weights(percents);
    let divisor = weights.iter().copied().fold(0, gcd);
    if divisor == 0 {
        return Box::default();
    }
    let weights: Vec<u32> = weights.iter().map(|weight| weight / divisor).collect();
    let mut given = vec![0_u32; weights.len()];
    let turns = (0..weights.iter().sum()).map(|_| {
        // Webster's way of dealing out seats, one after the other: whose next turn, seen from its
        // middle, is due first. Counts stay within one of what is due, and gaps even.
        let due = |place: usize| (2 * u64::from(given[place]) + 1, u64::from(weights[place]));
        let sharing = (0..weights.len()).filter(|place| weights[*place] > 0);
        let next = sharing.reduce(|first, other| {
            let ((first_due, first_weight), (other_due, other_weight)) = (due(first), due(other));
            if other_due * first_weight < first_due * other_weight {
                other
            } else {
                first
            }
        });
        let next = next.expect("some weight is above 0, or the divisor were 0");
        given[next] += 1;
        u16::try_from(next).expect("there are at most a thousand groups")
    });
    turns.collect()
}

/// Whole steps for each share, by the largest remainder; what is above 0 gets at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "parts of STEPS, which fits"
)]
fn weights(percents: &[f64]) -> Vec<u32> {
    let sum: f64 = percents.iter().sum();
    if sum <= 0.0 {
        return vec![0; percents.len()];
    }
    let exact: Vec<f64> = percents
        .iter()
        .map(|percent| percent / sum * f64::from(STEPS))
        .collect();
    let floor = |exact: &f64| {
        if *exact > 0.0 {
            (*exact as u32).max(1)
        } else {
            0
        }
    };
    let mut weights: Vec<u32> = exact.iter().map(floor).collect();
    let remainder = |place: &usize, weights: &[u32]| exact[*place] - f64::from(weights[*place]);
    let mut order: Vec<usize> = (0..exact.len())
        .filter(|place| exact[*place] > 0.0)
        .collect();
    order.sort_by(|a, b| remainder(b, &weights).total_cmp(&remainder(a, &weights)));
    let given: u32 = weights.iter().sum();
    for place in order.iter().take(STEPS.saturating_sub(given) as usize) {
        weights[*place] += 1;
    }
    weights
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(percents: &[f64]) -> (usize, Vec<usize>) {
        let schedule = schedule(percents);
        let count = |place| {
            schedule
                .iter()
                .filter(|each| usize::from(**each) == place)
                .count()
        };
        (schedule.len(), (0..percents.len()).map(count).collect())
    }

    #[test]
    fn a_round_is_exact() {
        for (percents, round, turns) in [
            (&[100.0][..], 1, &[1][..]),
            (&[90.0, 10.0], 10, &[9, 1]),
            (&[50.0, 25.0, 25.0], 4, &[2, 1, 1]),
            (&[99.99, 0.01], 10_000, &[9_999, 1]),
            (&[0.0, 100.0], 1, &[0, 1]),
            (&[0.0, 10.0], 1, &[0, 1]),
            (&[33.33, 33.33, 33.34], 10_000, &[3_333, 3_333, 3_334]),
            (&[0.0, 0.0], 0, &[0, 0]),
            (&[], 0, &[]),
        ] {
            assert_eq!(counted(percents), (round, turns.to_vec()), "{percents:?}");
        }
    }

    #[test]
    fn turns_are_spread_over_the_round() {
        assert_eq!(&*schedule(&[75.0, 25.0]), &[0, 0, 1, 0]);
        let percents = [90.0, 9.0, 1.0];
        let schedule = schedule(&percents);
        let mut given = [0.0; 3];
        for (turn, place) in schedule.iter().enumerate() {
            given[usize::from(*place)] += 1.0;
            for (given, percent) in given.iter().zip(percents) {
                let due = percent / 100.0 * (turn + 1) as f64;
                assert!((given - due).abs() <= 1.0, "{given} of {due} after {turn}");
            }
        }
    }
}
