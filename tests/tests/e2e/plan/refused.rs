//! A deployment that is held to a plan, and what is no longer so.

use std::fs;

use tests::{Fleet, Sink, World, guest};

use super::{ROLLING, written};
use crate::{
    resumed::share_by_hand,
    scene::{CANARY, LIMITS, THREE, behind_the_proxy, deploy, shown},
};

/// Something that is no longer as it was planned, and what is said of it.
type Change = (
    &'static str,
    fn(&World, &Fleet),
    &'static [&'static str],
    &'static [&'static str],
);

const CHANGES: [Change; 8] = [
    (
        "another version",
        |_, _| {},
        &["--version", "3.0"],
        &["`--version` was \"2.0\", and is now \"3.0\""],
    ),
    (
        "other targets",
        |_, _| {},
        &["--servers", "one,two"],
        &["`--servers` was [], and is now [\"one\",\"two\"]"],
    ),
    (
        "another configuration",
        |world, _| {
            let text = fs::read_to_string(world.file("runtime.toml")).unwrap();
            world.write("runtime.toml", &text.replace("batch = 1", "batch = 2"));
        },
        &[],
        &["strategy.batch was 1, and is now 2"],
    ),
    (
        "another artifact",
        |world, _| world.write("hello-2.0/another", "file"),
        &[],
        &["the artifact hello-2.0/ had the digest sha256:"],
    ),
    (
        "a link that somebody switched",
        |_, fleet| fs::remove_file(fleet.root("two").join("current")).unwrap(),
        &[],
        &["on two ran 1.0-", "and now runs nothing"],
    ),
    (
        "a deployment in between",
        |world, _| drop(world.run(&deploy("3.0")).expect(0)),
        &[],
        &[
            "what was deployed last was",
            "on one ran 1.0-",
            "and now runs 3.0-",
        ],
    ),
    (
        "a target that cannot be reached any more",
        |_, fleet| {
            let root = fleet.root("three");
            fs::rename(root.join("releases"), root.join("aside")).unwrap();
            fs::write(root.join("releases"), "").unwrap();
        },
        &[],
        &["three cannot be reached any more"],
    ),
    (
        "shares that somebody changed",
        |world, fleet| share_by_hand(world, fleet, 60.0),
        &[],
        &["one got 33.3 % of the traffic, and now gets 60 %"],
    ),
];

#[test]
fn what_is_no_longer_planned_is_refused_with_each_difference() {
    for (what, change, arguments, told) in CHANGES {
        let batches = "\n[strategy]\nuse = \"rolling\"\nbatch = 1\n";
        let (world, fleet) = behind_the_proxy(THREE, batches);
        world.release("2.0");
        world.release("3.0");
        written(&world, &[]);
        change(&world, &fleet);
        let (disk, versions) = (fleet.on_disk(), fleet.versions());
        let arguments = [&["deploy", "--yes", "--plan", "plan.json"], arguments].concat();
        let ran = world.run(&arguments).expect(4);
        println!("{what}: {ran}");
        let ran = ran
            .says("nothing was deployed: it is no longer what was planned in plan.json")
            .says("`runtime plan --out plan.json` plans it anew");
        for text in told {
            assert!(ran.all().contains(text), "{what}: {text}\n{ran}");
        }
        assert_eq!(fleet.on_disk(), disk, "{what}");
        assert_eq!(fleet.versions(), versions, "{what}");
    }
}

#[test]
fn a_plugin_that_was_replaced_is_no_longer_what_was_planned() {
    let tickets = guest::build("tickets", include_str!("../../guests/tickets.rs"));
    let careless = guest::build("careless", include_str!("../../guests/careless.rs"));
    let sink = Sink::start(200);
    let more = format!(
        "{ROLLING}\n[[notifiers]]\nuse = \"telling\"\nurl = \"{}\"\nproject = \"OPS\"\n\
         \n[plugins.telling]\nsource = \"telling.wasm\"\n",
        sink.url(),
    );
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    fs::copy(tickets, world.file("telling.wasm")).unwrap();
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, &more]);
    world.release("2.0");
    written(&world, &[]);
    let text = fs::read_to_string(world.file("runtime.toml")).unwrap();
    fs::copy(careless, world.file("telling.wasm")).unwrap();
    world.write("runtime.toml", &text.replace("project = \"OPS\"\n", ""));
    let ran = world
        .run(&["deploy", "--yes", "--plan", "plan.json"])
        .expect(4);
    println!("{ran}");
    ran.says("notifier `telling` had the digest sha256:")
        .says("notifiers.telling.project is gone: it was \"OPS\"");
}

#[test]
fn what_a_deployment_finds_under_its_lease_is_what_counts() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    world.release("2.0");
    world.release("3.0");
    written(&world, &[]);
    // When this one looks for the first time all is as planned; by the time that it may begin it
    // is not.
    let longer = ["--set", "strategy.soak=5m"];
    let mut other = world.start(&[&deploy("3.0")[..], &longer].concat());
    other.until_printed("stage");
    let mut held = world.start(&["deploy", "--yes", "--plan", "plan.json", "--wait", "2m"]);
    held.until_printed("waiting for");
    let _ = world.run(&["promote", "--full"]).expect(0);
    other.wait().expect(0);
    let ran = held.wait().expect(4);
    println!("{ran}");
    ran.says("what was deployed last was")
        .says("on one ran 1.0-")
        .says("and now runs 3.0-");
    fleet.all_on("3.0");
    let shown = shown(&world);
    assert_eq!(shown["state"], "refused");
    let records = shown["records"].as_array().unwrap();
    assert_eq!(records.len(), 1, "it looked, and did nothing: {shown}");
}

#[test]
fn a_file_that_is_no_plan_says_where() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    world.release("2.0");
    written(&world, &[]);
    let good = fs::read_to_string(world.file("plan.json")).unwrap();
    let line = |of: &str, text: &str| {
        let at = text.lines().position(|line| line.contains(of));
        at.unwrap() + 1
    };
    let cut = &good[..good.len() / 2];
    let changed = good.replacen("\"least-serving\": 2", "\"least-serving\": 3", 1);
    assert_ne!(changed, good);
    let sealed = good.replacen("\"course\": \"sha256:", "\"course\": \"sha256:0", 1);
    let newer = good.replacen("\"runtime-plan\": 1", "\"runtime-plan\": 2", 1);
    let broken = good.replacen("\"warnings\":", "\"warnings\"", 1);
    for (text, told) in [
        (cut, format!("plan.json:{}:", cut.lines().count())),
        (cut, "it ends too early".to_owned()),
        (
            &changed,
            format!(
                "plan.json:{}:13: `course` was changed",
                line("\"course\": {", &good)
            ),
        ),
        (
            &sealed,
            format!("plan.json:{}:12: the seals", line("\"seals\"", &good)),
        ),
        (&newer, "plan.json:2:19: it has the form 2".to_owned()),
        (
            &broken,
            format!("plan.json:{}:", line("\"warnings\" ", &broken)),
        ),
        ("{}", "it has no `runtime-plan`".to_owned()),
        ("[1, 2]", "plan.json:1:".to_owned()),
        ("", "it ends too early".to_owned()),
    ] {
        world.write("plan.json", text);
        let ran = world
            .run(&["deploy", "--yes", "--plan", "plan.json"])
            .expect(4);
        println!("{ran}");
        ran.says(&told).says("nothing was deployed");
    }
    let missing = world
        .run(&["deploy", "--yes", "--plan", "none.json"])
        .expect(2);
    missing.says("none.json cannot be read");
    fleet.all_on("1.0");
    world.write("plan.json", &good);
    let _ = world
        .run(&["deploy", "--yes", "--plan", "plan.json"])
        .expect(0);
}

#[test]
fn of_another_configuration_it_says_how_to_deploy_it() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    world.release("2.0");
    fs::rename(world.file("runtime.toml"), world.file("production.toml")).unwrap();
    let ran = written(&world, &["--config", "production.toml"]);
    ran.says("`runtime deploy --config production.toml --plan plan.json` does just this");
    let arguments = ["deploy", "--yes", "--plan", "plan.json", "--config"];
    let arguments = [&arguments[..], &["production.toml"]].concat();
    fs::write(world.file("hello-2.0/another"), "file").unwrap();
    let ran = world.run(&arguments).expect(4);
    ran.says("`runtime plan --config production.toml --out plan.json` plans it anew");
    fs::remove_file(world.file("hello-2.0/another")).unwrap();
    let _ = world.run(&arguments).expect(0);
    fleet.all_on("2.0");
}
