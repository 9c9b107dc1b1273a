//! Weights for load balancers: from percentages of the traffic to whole numbers.

use crate::Pool;

/// Whole numbers that stand to each other as `percents` do and add up to `total`, by the
/// method of the largest remainder. 0 stays 0, and what is more than 0 never becomes 0.
///
/// All are 0 where all percentages are.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "parts of `total`, which is a u32"
)]
pub fn weights(percents: &[f64], total: u32) -> Vec<u32> {
    let sum: f64 = percents
        .iter()
        .copied()
        .filter(|percent| *percent > 0.0)
        .sum();
    if sum <= 0.0 {
        return vec![0; percents.len()];
    }
    let exact = |percent: f64| (percent.max(0.0) / sum) * f64::from(total);
    let floor = |percent: f64| match exact(percent).floor() as u32 {
        0 if percent > 0.0 => 1,
        weight => weight,
    };
    let mut weights: Vec<u32> = percents.iter().map(|percent| floor(*percent)).collect();
    let remainders: Vec<f64> = percents
        .iter()
        .zip(&weights)
        .map(|(percent, weight)| exact(*percent) - f64::from(*weight))
        .collect();
    let mut raised = vec![false; percents.len()];
    for _ in weights.iter().sum::<u32>()..total {
        // The first of equal ones, so the same percentages always give the same weights.
        let open = (0..percents.len()).filter(|i| percents[*i] > 0.0 && !raised[*i]);
        let best = open.reduce(|best, i| {
            if remainders[i] > remainders[best] {
                i
            } else {
                best
            }
        });
        let Some(best) = best else { break };
        raised[best] = true;
        weights[best] += 1;
    }
    // Where tiny parts were lifted to 1, the largest pays.
    let mut excess = weights.iter().sum::<u32>().saturating_sub(total);
    while excess > 0 {
        let Some(largest) = weights.iter_mut().max().filter(|weight| **weight > 1) else {
            break;
        };
        *largest -= 1;
        excess -= 1;
    }
    weights
}

/// What each member gets of all traffic, in percent, in the order of pools and members: its
/// group's share, split evenly among the members that are `ready`.
pub fn member_percents(pools: &[Pool]) -> Vec<f64> {
    let part = |pool: &Pool| {
        let ready = pool
            .members
            .iter()
            .filter(|member| member.admission == "ready")
            .count();
        if ready == 0 {
            0.0
        } else {
            pool.percent / f64::from(u32::try_from(ready).unwrap_or(u32::MAX))
        }
    };
    let members = pools.iter().flat_map(|pool| {
        let part = part(pool);
        pool.members.iter().map(move |member| {
            if member.admission == "ready" {
                part
            } else {
                0.0
            }
        })
    });
    members.collect()
}

#[cfg(test)]
mod tests {
    use super::weights;

    #[test]
    fn weights_stand_as_percentages_do() {
        for (percents, total, expected) in [
            (&[90.0, 10.0][..], 1000, &[900, 100][..]),
            (&[33.3, 33.3, 33.4], 100, &[33, 33, 34]),
            (&[100.0 / 3.0; 3], 100, &[34, 33, 33]),
            (&[100.0, 0.0], 256, &[256, 0]),
            (&[0.0, 0.0], 100, &[0, 0]),
            (&[99.99, 0.01], 100, &[99, 1]),
            (&[50.0; 2], 1, &[1, 1]),
            (&[], 100, &[]),
        ] {
            assert_eq!(
                weights(percents, total),
                expected,
                "{percents:?} of {total}"
            );
        }
    }

    #[test]
    fn every_sum_is_the_total() {
        for first in 0..=1000_u32 {
            let first = f64::from(first) / 10.0;
            let weights = weights(
                &[first, (100.0 - first) / 3.0, (100.0 - first) * 2.0 / 3.0],
                1000,
            );
            assert_eq!(weights.iter().sum::<u32>(), 1000, "{first}: {weights:?}");
            assert_eq!(weights[0] == 0, first == 0.0);
        }
    }
}
