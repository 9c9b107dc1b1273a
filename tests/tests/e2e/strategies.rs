//! Each strategy, behind the embedded proxy, under a constant load of every habit: nobody may
//! notice, but where the strategy says that they will.

use tests::{Mix, load::now_ms, record};

use crate::scene::{CANARY, THREE, behind_the_proxy, deploy, play, shown};

#[test]
fn canary_goes_stage_by_stage_and_nobody_notices() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    fleet.all_on("1.0");
    world.release("2.0");
    let begin = now_ms();
    let played = play(&world, &fleet, Mix::ALL, &deploy("2.0"));
    played.nobody_noticed();
    assert_eq!(played.ran.code(), Some(0), "{}", played.ran);
    fleet.all_on("2.0");

    let periods = record::periods(&shown(&world), begin, now_ms());
    let mut soaked = Vec::new();
    for period in periods {
        let seen = played.counted.between(period.time.clone());
        let share = seen.share("2.0");
        println!(
            "{:?}: {} requests, {share:.1} % of them to 2.0",
            period.shares,
            seen.requests()
        );
        let asked = period.shares.get("canary").copied();
        if let Some(asked @ (10.0 | 50.0)) = asked
            && seen.requests() >= 100
        {
            assert!(
                (share - asked).abs() < 10.0,
                "asked for {asked} %, got {share} %"
            );
            soaked.push(asked);
        }
    }
    assert_eq!(
        soaked,
        [10.0, 50.0],
        "a soak of two seconds sees a hundred requests"
    );
    let last = played.counted.between(now_ms() - 1..now_ms());
    assert_eq!(last.share("1.0"), 0.0);
}

#[test]
fn rolling_goes_batch_by_batch_and_nobody_notices() {
    let members = [
        ("one", "all"),
        ("two", "all"),
        ("three", "all"),
        ("four", "all"),
    ];
    let strategy = "\n[strategy]\nuse = \"rolling\"\nbatch = 1\npause = \"200ms\"\n";
    let (world, fleet) = behind_the_proxy(&members, strategy);
    world.release("2.0");
    let played = play(&world, &fleet, Mix::ALL, &deploy("2.0"));
    played.nobody_noticed();
    assert_eq!(played.ran.code(), Some(0), "{}", played.ran);
    fleet.all_on("2.0");
    let drains = record::entries(&shown(&world))
        .into_iter()
        .filter(|entry| entry.call == "drain");
    assert_eq!(drains.count(), 4, "{}", played.ran);
}

#[test]
fn blue_green_switches_at_once_and_back_and_nobody_notices() {
    let members = [
        ("b1", "blue"),
        ("b2", "blue"),
        ("g1", "green"),
        ("g2", "green"),
    ];
    let strategy = "\n[strategy]\nuse = \"blue-green\"\n";
    let (world, fleet) = behind_the_proxy(&members, strategy);
    world.release("2.0");
    let played = play(&world, &fleet, Mix::ALL, &deploy("2.0"));
    played.nobody_noticed();
    assert_eq!(played.ran.code(), Some(0), "{}", played.ran);
    assert_eq!(
        tests::fleet::version_at(&fleet.balancer).as_deref(),
        Some("2.0")
    );
    // The other group is kept as it was, for the way back.
    let versions = fleet.versions();
    let on = |version: &str| {
        versions
            .values()
            .filter(|v| v.as_deref() == Some(version))
            .count()
    };
    assert_eq!((on("1.0"), on("2.0")), (2, 2), "{versions:?}");

    let back = play(&world, &fleet, Mix::ALL, &["rollback", "--yes", "1.0"]);
    back.nobody_noticed();
    assert_eq!(back.ran.code(), Some(0), "{}", back.ran);
    assert_eq!(
        tests::fleet::version_at(&fleet.balancer).as_deref(),
        Some("1.0")
    );
}

#[test]
fn simple_says_that_it_costs_downtime_and_how_much_is_measured() {
    let members = [("one", "all"), ("two", "all")];
    let strategy = "\n[strategy]\nuse = \"simple\"\n";
    let (world, fleet) = behind_the_proxy(&members, strategy);
    world.release("2.0");
    let played = play(&world, &fleet, Mix::ALL, &deploy("2.0"));
    assert_eq!(played.ran.code(), Some(0), "{}", played.ran);
    fleet.all_on("2.0");
    println!("simple: down for {} ms", played.counted.downtime_ms());
    assert!(played.ran.all().contains("downtime"), "{}", played.ran);
    // It ends: the last requests are answered, by the new version alone.
    let ended = played.counted.between(now_ms() - 500..now_ms());
    assert_eq!(ended.share("1.0"), 0.0);
}

#[test]
fn the_same_release_again_is_said_to_run_already() {
    let rolling = "\n[strategy]\nuse = \"rolling\"\n";
    let (world, fleet) = behind_the_proxy(THREE, rolling);
    let ran = world.deploy("1.0", 0);
    let lines: Vec<&str> = ran.stdout.lines().take(2).collect();
    assert!(lines[1].contains("1.0 is what runs already"), "{ran}");
    fleet.all_on("1.0");
    world.release("2.0");
    let ran = world.deploy("2.0", 0);
    assert!(!ran.stdout.contains("runs already"), "{ran}");
}
