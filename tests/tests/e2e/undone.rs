//! The process dies on the way back of a deployment that turned back by itself; and processes
//! that go on with what others left die, too, one after the other. Under load, and no request
//! fails.

use crate::{
    crashes::{BLUE_GREEN, CANARY, SIMPLE},
    crashes::{
        POINTS_MAX,
        trial::{Front, Trial},
    },
    scene::{ROLLING, shown},
};

/// Finds everything in place and the release bad for as long as the file `bad` is there: the
/// way back is the longest that there is.
const VERDICT: &str = "\n[[steps]]\nname = \"is it good\"\nat = \"after-deploy\"\nuse = \"command\"\n\
                       run = [\"test\", \"!\", \"-e\", \"bad\"]\n";

/// A bad release, and the process dies at each point of the way back, which is seen through by
/// `resume` and by `rollback` in turn.
fn dies_on_its_way_back(trial: &Trial) {
    trial.world.write("bad", "");
    for point in 1..POINTS_MAX {
        let turn = format!("point {point} of the way back");
        let before = trial.before(&turn);
        if let Err(ran) = trial.deploy_dies_at(&format!("undo:{point}"), &before) {
            let _ = ran.expect(1);
            trial.ended_as_before(&before, &turn);
            println!("{} points", point - 1);
            assert!(point > 20, "{point}");
            return;
        }
        if shown(&trial.world)["state"] != "rolled-back" {
            let (verb, code) = match point % 2 {
                // It was going back: that is where it goes on to.
                0 => ("resume", 1),
                _ => ("rollback", 0),
            };
            let ran = trial.world.run(&[verb]);
            assert_eq!(ran.code(), Some(code), "{turn}\n{ran}");
        }
        trial.ended_as_before(&before, &turn);
    }
    panic!("a way back with more than {POINTS_MAX} points");
}

#[test]
fn rolling() {
    let strategy = [ROLLING, VERDICT].concat();
    let trial = Trial::new(Front::Proxy, ["all", "all"], &strategy);
    dies_on_its_way_back(&trial);
    trial.nobody_noticed();
}

#[test]
fn canary() {
    let strategy = [CANARY, VERDICT].concat();
    let trial = Trial::new(Front::Proxy, ["canary", "stable"], &strategy);
    dies_on_its_way_back(&trial);
    trial.nobody_noticed();
}

#[test]
fn canary_behind_nginx() {
    let strategy = [CANARY, VERDICT].concat();
    let trial = Trial::new(Front::Nginx, ["canary", "stable"], &strategy);
    dies_on_its_way_back(&trial);
    trial.nobody_noticed();
}

#[test]
fn blue_green() {
    let strategy = [BLUE_GREEN, VERDICT].concat();
    let trial = Trial::new(Front::Proxy, ["blue", "green"], &strategy);
    dies_on_its_way_back(&trial);
    trial.nobody_noticed();
}

#[test]
fn simple() {
    let strategy = [SIMPLE, VERDICT].concat();
    let trial = Trial::new(Front::Proxy, ["all", "all"], &strategy);
    dies_on_its_way_back(&trial);
    trial.somebody_noticed();
}

/// Every process that takes the deployment up dies a point later than the one before it, until
/// one comes to the end. Gives back how many died.
fn one_after_the_other(trial: &Trial, verb: &str) -> u32 {
    for point in 1..POINTS_MAX {
        if let Err(ran) = trial.dies_at(&point.to_string(), &[verb]) {
            let _ = ran.expect(0);
            return point - 1;
        }
        // It may have died with its verdict written.
        let state = shown(&trial.world)["state"].clone();
        if state == "succeeded" || state == "rolled-back" || state == "refused" {
            return point;
        }
    }
    panic!("more than {POINTS_MAX} processes died");
}

/// From every sixteenth point on; what goes on and what goes back, in turn.
fn die_one_after_the_other(trial: &Trial) {
    for point in (3..POINTS_MAX).step_by(16) {
        let turn = format!("many that died after point {point}");
        let before = trial.before(&turn);
        if let Err(ran) = trial.deploy_dies_at(&point.to_string(), &before) {
            let _ = ran.expect(0);
            return;
        }
        let verb = match point % 32 < 16 {
            true => "resume",
            false => "rollback",
        };
        let died = one_after_the_other(trial, verb);
        println!("{verb} after point {point}: {died} more processes died");
        match verb {
            "resume" => trial.ended_as_uncut(&before, &turn),
            _ => trial.ended_as_before(&before, &turn),
        }
    }
}

#[test]
fn processes_die_one_after_the_other() {
    let trial = Trial::new(Front::Proxy, ["all", "all"], ROLLING);
    die_one_after_the_other(&trial);
    trial.nobody_noticed();
}

#[test]
fn processes_die_one_after_the_other_behind_nginx() {
    let trial = Trial::new(Front::Nginx, ["canary", "stable"], CANARY);
    die_one_after_the_other(&trial);
    trial.nobody_noticed();
}
