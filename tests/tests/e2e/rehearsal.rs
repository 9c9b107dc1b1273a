//! Rehearsals through the program: what is reported, in every form, and that nothing is touched.

use std::{fs, path::PathBuf, sync::OnceLock};

use serde_json::Value;
use tests::{Picture, Ran, World, guest};

/// Four targets that nobody will ever reach.
const FLEET: &str = r#"
application = "shop"
environment = "production"

[release]
artifact = "nowhere/shop-{version}.tar.gz"

[[targets]]
name = "web01"
address = "10.255.255.1:8080"
group = "canary"
[[targets]]
name = "web02"
address = "10.255.255.2:8080"
group = "stable"
[[targets]]
name = "web03"
address = "10.255.255.3:8080"
group = "stable"
[[targets]]
name = "web04"
address = "10.255.255.4:8080"
group = "stable"

[machines.web01]
ssh = "deploy@10.255.255.1"

[platform]
use = "release-directory"
root = "/srv/{target}"

[load-balancer]
use = "proxy"

[[health-checks]]
use = "http"
path = "/"
start-period = "30s"

[rehearsal]
rate = 250
"#;

const CANARY: &str = "\n[strategy]\nuse = \"canary\"\nstages = [10, 50]\nsoak = \"5m\"\n";

fn world(parts: &[&str]) -> World {
    let world = World::new();
    let mut all = vec![FLEET];
    all.extend(parts);
    world.configure(&all);
    world
}

fn rehearse(world: &World, arguments: &[&str]) -> Ran {
    let mut all = vec!["rehearse", "--runs", "200"];
    all.extend(arguments);
    world.run(&all)
}

#[test]
fn a_canary_is_rehearsed_and_nothing_is_touched() {
    let world = world(&[CANARY]);
    let before = listed(&world);
    let ran = rehearse(&world, &["--version", "2.0"]).expect(0);
    println!("{}", ran.stdout);
    ran.says("shop in production: 4 targets with `canary`, 200 runs from seed 1")
        .says("succeeded")
        .says("rolled back")
        .says("with nothing going wrong: succeeded after")
        .says("had a bad release")
        .says("the load balancer lies")
        .says("In 200 runs no rule was broken.");
    assert_eq!(listed(&world), before, "nothing was written");
}

fn listed(world: &World) -> Vec<PathBuf> {
    let entries = fs::read_dir(world.path()).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn the_same_seed_is_the_same_report() {
    let world = world(&[CANARY]);
    let json = |arguments: &[&str]| {
        let mut all = vec!["--format", "json"];
        all.extend(arguments);
        rehearse(&world, &all).expect(0).json()
    };
    let (one, two) = (json(&["--jobs", "1"]), json(&["--jobs", "2"]));
    assert_eq!(one, two);
    assert_ne!(one, json(&["--seed", "9"]));
    let endings: u64 = one["endings"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!((one["runs"].as_u64(), endings), (Some(200), 200));
    assert_eq!(one["calm"]["ending"], "succeeded");
    assert_eq!(one["findings"], serde_json::json!([]));
    assert!(one["met-requests"]["max"].as_f64().unwrap() > 0.0, "{one}");
    // One of them is told as it goes.
    let ran = world
        .run(&["rehearse", "--runs", "1", "--seed", "3"])
        .expect(0);
    println!("{}", ran.stdout);
    ran.says("stage: install")
        .says("What went wrong in it:")
        .says("1 run from seed 3");
}

/// Each fault as it is written, and how a run with it ends.
const EVERY: [(&str, &str, &str); 20] = [
    ("install-fails:web02", "install-fails", "rolled-back"),
    (
        "activate-fails:web01,times=1",
        "activate-fails",
        "rolled-back",
    ),
    ("slow-start:web02,by=1s", "slow-start", "succeeded"),
    ("never-up:web03", "never-up", "rolled-back"),
    ("falls-over:web01,after=1m", "falls-over", "rolled-back"),
    (
        "unreachable:web04,from=0s,for=10s",
        "unreachable",
        "refused",
    ),
    ("no-way-back:web04", "no-way-back", "succeeded"),
    ("bad-release", "bad-release", "rolled-back"),
    ("bad-under-load,above=20", "bad-under-load", "rolled-back"),
    ("bad-for-some,users=5", "bad-for-some", "succeeded"),
    (
        "balancer-refuses,after=1,times=1",
        "balancer-refuses",
        "rolled-back",
    ),
    (
        "balancer-hangs,happens=true",
        "balancer-hangs",
        "rolled-back",
    ),
    ("balancer-late,by=1s", "balancer-late", "succeeded"),
    ("balancer-lies", "balancer-lies", "succeeded"),
    ("step-fails,step=smoke", "step-fails", "rolled-back"),
    ("metrics,flaw=late", "metrics", "succeeded"),
    (
        "killed,at=9,moment=halfway,then=resumed",
        "killed",
        "succeeded",
    ),
    ("killed,at=9,then=taken-back", "killed", "rolled-back"),
    ("lease-lost,at=9", "lease-lost", "succeeded"),
    ("aborted,after=2m", "aborted", "rolled-back"),
];

/// What one run with just these faults comes to.
fn played(world: &World, faults: &[&str]) -> Ran {
    let mut arguments = vec!["rehearse", "--format", "json"];
    arguments.extend(faults.iter().flat_map(|fault| ["--fault", fault]));
    world.run(&arguments)
}

#[test]
fn one_run_has_just_the_faults_that_it_is_told() {
    let step = "\n[[steps]]\nname = \"smoke\"\nat = \"before-traffic\"\nuse = \"command\"\nrun = [\"true\"]\n";
    let world = world(&[CANARY, step]);
    let calm = played(&world, &["none"]).expect(0).json();
    assert_eq!(calm["ending"], "succeeded");
    assert_eq!(calm["faults"], serde_json::json!([]));
    let records = calm["records"].as_array().unwrap();
    assert_eq!(records[0]["intent"]["effect"]["effect"], "observe");
    for (written, kind, ending) in EVERY {
        let run = played(&world, &[written]).expect(0).json();
        assert_eq!(run["faults"][0]["fault"], kind, "{written}");
        assert_eq!(run["ending"], ending, "{written}: {}", run["cause"]);
    }
}

#[test]
fn one_run_is_told_as_it_goes_and_a_fault_that_is_none_with_its_reason() {
    let world = world(&[CANARY]);
    let told = world.run(&[
        "rehearse",
        "--fault",
        "never-up:web03",
        "--fault",
        "aborted,after=1h",
    ]);
    told.expect(0)
        .says("stage: install")
        .says("web03: the release never comes up")
        .says("somebody aborts after 60 min")
        .says("failed and was rolled back")
        .says("no rule was broken");
    for (written, why) in [
        ("hail", "nothing is called `hail`"),
        ("never-up", "say on which target"),
        ("never-up:web09", "there is no target `web09`, but web01"),
        ("bad-release:web01", "is not of a target"),
        ("falls-over:web01,after=soon", "is not a span of time"),
        ("falls-over:web01,at=3", "nothing that is called `at`"),
        ("step-fails", "say which"),
        ("killed,at=0", "records count from 1"),
        ("metrics,flaw=odd", "one of missing, late, noisy"),
        ("aborted,after", "is not KEY=VALUE"),
    ] {
        played(&world, &[written]).expect(2).says(why);
    }
}

#[test]
fn the_page_stands_alone() {
    let world = world(&[CANARY]);
    let page = world.file("report.html");
    rehearse(&world, &["--html", page.to_str().unwrap()])
        .expect(0)
        .says("wrote");
    let text = fs::read_to_string(&page).unwrap();
    for (needed, why) in [
        ("<!doctype html>", "it is a page"),
        ("<svg", "it has plots"),
        ("role=\"img\" aria-labelledby", "plots say what they are"),
        ("prefers-color-scheme: dark", "it can be read in the dark"),
        ("@media print", "it can be printed"),
        ("no rule was broken", "it says how it went"),
    ] {
        assert!(text.contains(needed), "{why}");
    }
    for never in [
        "http://", "https://", "<script", "src=", "@import", "url(", "NaN", "inf\"",
    ] {
        assert!(!text.contains(never), "{never}");
    }
    assert_eq!(
        text.matches("<section").count(),
        text.matches("</section>").count()
    );
    assert_eq!(text.matches("<svg").count(), text.matches("</svg>").count());
    // What a browser makes of it: bars in the colours of their endings, on paper or in the dark,
    // and nothing that runs off the page.
    let colours = [
        (
            false,
            [0xff, 0xff, 0xff],
            [0x1a, 0x7f, 0x64],
            [0x3a, 0x6f, 0xb0],
        ),
        (
            true,
            [0x14, 0x18, 0x1d],
            [0x44, 0xb8, 0x92],
            [0x6e, 0xa5, 0xe8],
        ),
    ];
    for (dark, paper, succeeded, rolled_back) in colours {
        let picture = Picture::of(&page, dark);
        assert_eq!(picture.corner(), paper);
        for bar in [succeeded, rolled_back] {
            let count = picture.count(bar);
            assert!(count > 5_000, "{count} pixels of {bar:02x?}");
        }
        assert_eq!(picture.at_the_edge(), 0, "it fits");
    }
}

fn wayward() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| guest::build("wayward", include_str!("../guests/wayward.rs")))
        .clone()
}

/// The rules that a strategy with that mistake breaks, each with the fewest faults that show it.
fn mistaken(mistake: &str, code: i32) -> Vec<(String, usize)> {
    let source = wayward();
    let strategy = format!(
        "\n[strategy]\nuse = \"wayward\"\nmistake = \"{mistake}\"\n\n[plugins.wayward]\nsource = \"{}\"\n",
        source.display()
    );
    let world = world(&[&strategy]);
    let ran = world
        .run(&["rehearse", "--runs", "60", "--format", "json"])
        .expect(code);
    let mut broken: Vec<(String, usize)> = Vec::new();
    for finding in ran.json()["findings"].as_array().unwrap() {
        let faults = finding["faults"].as_array().unwrap().len();
        for each in finding["broken"].as_array().unwrap() {
            assert_eq!(each["by"], "strategy", "{each}");
            let rule = each["rule"].as_str().unwrap().to_owned();
            match broken.iter_mut().find(|(known, _)| *known == rule) {
                Some((_, least)) => *least = faults.min(*least),
                None => broken.push((rule, faults)),
            }
        }
    }
    broken.sort();
    println!("{mistake}: {broken:?}");
    broken
}

#[test]
fn each_mistake_of_a_strategy_is_found_by_its_rule() {
    for (mistake, rule, faults) in [
        ("skips-health", "unproven", 0),
        ("splits-first", "unproven", 0),
        ("forgets-group", "incomplete", 0),
        ("undoes-by-hand", "failure-ignored", 1),
        ("never-ends", "never-ends", 0),
        ("polls-for-ever", "never-ends", 0),
        ("asks-the-clock", "branches-on-the-clock", 0),
    ] {
        let broken = mistaken(mistake, 9);
        let found = broken.iter().find(|(found, _)| found == rule);
        let (_, least) = found.unwrap_or_else(|| panic!("{mistake}: {broken:?}"));
        assert_eq!(*least, faults, "{mistake}");
    }
    assert_eq!(mistaken("none", 0), []);
}

#[test]
fn what_is_broken_is_told_with_what_repeats_it() {
    let source = wayward();
    let strategy = format!(
        "\n[strategy]\nuse = \"wayward\"\nmistake = \"undoes-by-hand\"\n\n[plugins.wayward]\nsource = \"{}\"\n",
        source.display()
    );
    let world = world(&[&strategy]);
    let page = world.file("report.html");
    let ran = world
        .run(&["rehearse", "--runs", "40", "--html", page.to_str().unwrap()])
        .expect(9);
    println!("{}", ran.stdout);
    let again = ran
        .stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("again: runtime "));
    let again: Vec<&str> = again.unwrap().split(' ').collect();
    world.run(&again).expect(9).says(", by the strategy: ");
    ran.says("a rule was broken")
        .says("failure-ignored, by the strategy");
    assert!(
        fs::read_to_string(page)
            .unwrap()
            .contains("failure-ignored")
    );
}
