//! Several servers on one database: the owner of a deployment is killed, stopped past its lease,
//! or asked to end, and another one goes on; no request fails, and who was overtaken does nothing
//! any more.

use rustix::process::Signal;
use tests::{Load, Mix, Postgres, wait};

use crate::serving::{Serving, canary, fleet_in, hand_in, holder, ownership, records, shown};

/// Waits until a deployment has that many records.
fn until_records(postgres: &Postgres, id: &str, count: usize) {
    wait::until(&format!("there are {count} records"), || {
        (records(postgres, id) >= count).then_some(())
    });
}

/// Waits until one of these servers holds a deployment's lease, and gives it back first.
fn owner(postgres: &Postgres, id: &str, one: Serving, other: Serving) -> (Serving, Serving) {
    let held = wait::until("somebody took it", || holder(postgres, id));
    if held == one.id() {
        (one, other)
    } else {
        assert_eq!(held, other.id());
        (other, one)
    }
}

#[test]
fn whose_owner_was_killed_goes_on_in_another_server() {
    let postgres = Postgres::start();
    let (world, fleet) = fleet_in(&postgres, &canary("2s"));
    let load = Load::of(Mix::ALL, &fleet.balancer);
    let mut one = Serving::start(&world, "one", &[]);
    // In its first look, between two changes, and in a wait.
    for (round, count) in [1, 6, 12].into_iter().enumerate() {
        let other = Serving::start(&world, &format!("other{round}"), &[]);
        let version = format!("2.{round}");
        let id = hand_in(&world, &version);
        let (owning, idle) = owner(&postgres, &id, one, other);
        until_records(&postgres, &id, count);
        owning.kill();
        let watched = world.run(&["status", "--watch", &id]).expect(0);
        println!("{watched}");
        fleet.all_on(&version);
        assert_eq!(
            ownership(&postgres, &id),
            [
                "deployment_queued",
                "deployment_taken_over",
                "deployment_taken_over",
                "deployment_succeeded"
            ]
        );
        let taken = idle.counts("runtime_deployments_taken_total{state=\"cut-off\"}");
        assert!(taken >= 1.0, "{}", idle.said());
        one = idle;
    }
    load.until_answered(50);
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}");
    println!("{}", one.stop());
}

/// The records that were written under the token of the lease that was lost, with their ends.
fn written_by(postgres: &Postgres, id: &str, token: &str) -> Vec<String> {
    let sql = format!(
        "SELECT sequence || ' ' || attempt || ' ' || coalesce(ended_at::text, '-')
         FROM runtime.records WHERE deployment = '{id}' AND token = {token} ORDER BY sequence"
    );
    postgres.run(&sql).lines().map(str::to_owned).collect()
}

#[test]
fn who_slept_past_its_lease_does_nothing_any_more() {
    let postgres = Postgres::start();
    let (world, fleet) = fleet_in(&postgres, &canary("1s"));
    let load = Load::of(Mix::ALL, &fleet.balancer);
    let mut one = Serving::start(&world, "one", &[]);
    let mut other = Serving::start(&world, "other", &[]);
    let token = |id: &str| {
        let sql = format!("SELECT token FROM runtime.deployments WHERE id = '{id}'");
        postgres.run(&sql)
    };
    for (round, count) in [1, 3, 5, 7, 9, 11, 13, 15].into_iter().enumerate() {
        let version = format!("2.{round}");
        let id = hand_in(&world, &version);
        let (sleeper, awake) = owner(&postgres, &id, one, other);
        until_records(&postgres, &id, count);
        sleeper.signal(Signal::STOP);
        let lost = token(&id);
        let taken = wait::until("the other took it over, or it was over", || {
            let over = shown(&world, &id)["state"] == "succeeded";
            (holder(&postgres, &id) == Some(awake.id()) || over).then_some(!over)
        });
        let before = written_by(&postgres, &id, &lost);
        let woken = postgres.run("SELECT runtime.clock()");
        sleeper.signal(Signal::CONT);
        let watched = world.run(&["status", "--watch", &id]).expect(0);
        fleet.all_on(&version);
        assert!(taken, "round {round} was over before it began\n{watched}");
        // What the other one took up again is its own by now.
        let after = written_by(&postgres, &id, &lost);
        assert!(
            after.iter().all(|row| before.contains(row)),
            "{before:?}\n{after:?}\n{}",
            sleeper.said()
        );
        // What it had done before it slept it may write down only now. Since it was overtaken it
        // has only said that it stopped.
        let by = if sleeper.said().contains("serving as one") {
            "one"
        } else {
            "other"
        };
        let done = postgres.run(&format!(
            "SELECT DISTINCT action FROM runtime.audit WHERE deployment = '{id}' AND actor = '{by}'
             AND at > {woken} AND action NOT IN ('abort', 'deployment_abandoned')"
        ));
        assert_eq!(done, "", "round {round}\n{}", sleeper.said());
        // It serves on.
        wait::until("it is ready again", || {
            (sleeper.get("/readyz").0 == 200).then_some(())
        });
        (one, other) = (sleeper, awake);
    }
    load.until_answered(50);
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}");
    one.stop();
    other.stop();
}

#[test]
fn who_is_asked_to_end_hands_over() {
    let postgres = Postgres::start();
    let (world, fleet) = fleet_in(&postgres, &canary("6s"));
    let load = Load::of(Mix::ALL, &fleet.balancer);
    // Its lease would last for long: nobody waits for that.
    let long = ["--lease", "10m"];
    let serve = |name: &str| {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"][..], &long].concat();
        let mut running = world.start_with(&arguments, &[("USER", name)]);
        running.until_printed("answering on ");
        running
    };
    let (one, other) = (serve("one"), serve("other"));
    let id = hand_in(&world, "2.0");
    let held = wait::until("somebody took it", || holder(&postgres, &id));
    let (owning, idle) = if held == one.id() {
        (one, other)
    } else {
        (other, one)
    };
    until_records(&postgres, &id, 8);
    owning.signal(Signal::TERM);
    let ended = owning.wait().expect(0);
    println!("{ended}");
    ended.says("was left to another process");
    wait::until("the other took it", || {
        (holder(&postgres, &id) == Some(idle.id())).then_some(())
    });
    // With nobody left it waits in the store.
    idle.signal(Signal::TERM);
    let _ = idle.wait().expect(0);
    assert_eq!(shown(&world, &id)["state"], "queued");
    world.run(&["status"]).expect(0).says("handed over");
    let on_top = world
        .run(&["deploy", "--yes", "--version", "1.0"])
        .expect(4);
    on_top.says(&format!("`runtime resume {id}`"));
    let last = serve("last");
    let watched = world.run(&["status", "--watch", &id]).expect(0);
    println!("{watched}");
    fleet.all_on("2.0");
    load.until_answered(50);
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}");
    last.signal(Signal::TERM);
    let _ = last.wait().expect(0);
}

#[test]
fn a_deployment_may_pass_through_many_hands() {
    let postgres = Postgres::start();
    let (world, fleet) = fleet_in(&postgres, &canary("1s"));
    let load = Load::of(Mix::ALL, &fleet.balancer);
    let id = hand_in(&world, "2.0");
    // Going on reads and checks anew: that alone is no progress.
    let progress = || -> usize {
        let sql = format!(
            "SELECT count(*) FROM runtime.records
             WHERE deployment = '{id}' AND operation IS NOT NULL AND ended_at IS NOT NULL"
        );
        postgres.run(&sql).parse().unwrap()
    };
    let over = || shown(&world, &id)["state"] == "succeeded";
    let mut hands = 0;
    let mut seen = 0;
    while shown(&world, &id)["state"] == "queued" {
        let server = Serving::start(&world, &format!("hand{hands}"), &[]);
        wait::until("it did something", || {
            (progress() > seen || over()).then_some(())
        });
        let said = server.stop();
        seen = progress();
        hands += 1;
        assert!(hands < 100, "it comes to no end\n{said}");
    }
    println!("{hands} servers, {seen} operations");
    assert!(hands > 3);
    let shown = shown(&world, &id);
    assert_eq!(shown["state"], "succeeded", "{shown}");
    fleet.all_on("2.0");
    load.until_answered(50);
    let counted = load.end();
    assert_eq!(counted.failures().len(), 0, "{counted}");
}
