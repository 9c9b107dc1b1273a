//! The process dies before and after every write of its record and every effect, one run a
//! point, whatever the strategy and whatever stands in front; another one goes on, or takes
//! everything back; and it all ends as if nothing had happened. Under load, and no request fails.
//!
//! A point after something and the one before the next thing find the same record and the same
//! world. Where every other point is gone on from and every other one taken back, each of the two
//! is done from every such state.

mod stand;
pub(crate) mod trial;

use tests::Mix;

use self::trial::{Before, Front, Trial};
use crate::scene::ROLLING;

pub(crate) const SIMPLE: &str = "\n[strategy]\nuse = \"simple\"\n";

pub(crate) const BLUE_GREEN: &str = "\n[strategy]\nuse = \"blue-green\"\n";

pub(crate) const CANARY: &str = "\n[strategy]\nuse = \"canary\"\nstages = [50]\nsoak = \"200ms\"\n";

/// More points than that would be a deployment that does not end.
pub(crate) const POINTS_MAX: u32 = 500;

/// One point after the other, until a deployment comes to its end before it comes by its point.
fn at_every_point(trial: &Trial, then: impl Fn(u32, &Before)) {
    for point in 1..POINTS_MAX {
        let before = trial.before(&format!("point {point}"));
        match trial.deploy_dies_at(&point.to_string(), &before) {
            Ok(()) => then(point, &before),
            Err(ran) => {
                let _ = ran.expect(0);
                println!("{} points", point - 1);
                assert!(point > 20, "{point}");
                return;
            }
        }
    }
    panic!("a deployment with more than {POINTS_MAX} points");
}

/// Goes on from every other point, and is taken back from the others.
fn both_ways(trial: &Trial) {
    at_every_point(trial, |point, before| {
        let turn = format!("point {point}");
        match point % 2 {
            0 => trial.goes_on(before, &turn),
            _ => trial.is_taken_back(before, &turn),
        }
    });
}

#[test]
fn rolling_goes_on_from_every_point() {
    let trial = Trial::with_clients(Front::Proxy, Mix::ALL, ["all", "all"], ROLLING);
    at_every_point(&trial, |point, before| {
        trial.goes_on(before, &format!("point {point}"));
    });
    trial.nobody_noticed();
}

#[test]
fn rolling_is_taken_back_from_every_point() {
    let trial = Trial::new(Front::Proxy, ["all", "all"], ROLLING);
    at_every_point(&trial, |point, before| {
        trial.is_taken_back(before, &format!("point {point}"));
    });
    trial.nobody_noticed();
}

#[test]
fn rolling_behind_nginx() {
    let trial = Trial::new(Front::Nginx, ["all", "all"], ROLLING);
    both_ways(&trial);
    trial.nobody_noticed();
}

#[test]
fn canary() {
    let trial = Trial::new(Front::Proxy, ["canary", "stable"], CANARY);
    both_ways(&trial);
    trial.nobody_noticed();
}

#[test]
fn canary_behind_nginx() {
    let trial = Trial::new(Front::Nginx, ["canary", "stable"], CANARY);
    both_ways(&trial);
    trial.nobody_noticed();
}

#[test]
fn blue_green() {
    let trial = Trial::new(Front::Proxy, ["blue", "green"], BLUE_GREEN);
    both_ways(&trial);
    trial.nobody_noticed();
}

#[test]
fn blue_green_behind_nginx() {
    let trial = Trial::new(Front::Nginx, ["blue", "green"], BLUE_GREEN);
    both_ways(&trial);
    trial.nobody_noticed();
}

#[test]
fn simple() {
    let trial = Trial::new(Front::Proxy, ["all", "all"], SIMPLE);
    both_ways(&trial);
    trial.somebody_noticed();
}

#[test]
fn simple_behind_nginx() {
    let trial = Trial::new(Front::Nginx, ["all", "all"], SIMPLE);
    both_ways(&trial);
    trial.somebody_noticed();
}
