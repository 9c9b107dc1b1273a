//! Plans: what is said of a deployment before there is one, that saying it changes nothing, and
//! that a deployment which is held to a plan does what the plan says, or does not begin.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tests::{Fleet, Postgres, Ran, Sink, World, guest};

use crate::{
    nginx::behind_nginx,
    resumed::{share_by_hand, under_way},
    scene::{CANARY, LIMITS, THREE, behind_the_proxy, deploy, shown},
};

const ROLLING: &str = "\n[strategy]\nuse = \"rolling\"\n";
const PLAN: [&str; 3] = ["plan", "--version", "2.0"];

/// Plans 2.0 as JSON, and wants the exit code to be that one.
fn planned(world: &World, code: i32) -> Value {
    let arguments = [&PLAN[..], &["--format", "json"]].concat();
    world.run(&arguments).expect(code).json()
}

/// Plans 2.0 into `plan.json`.
fn written(world: &World, more: &[&str]) -> Ran {
    let arguments = [&PLAN[..], &["--out", "plan.json"], more].concat();
    let ran = world.run(&arguments).expect(0);
    println!("{}", ran.stdout);
    ran
}

/// Every operation of a plan, in its order.
fn operations(plan: &Value) -> Vec<Value> {
    let stages = plan["course"]["stages"].as_array().unwrap();
    let each = stages
        .iter()
        .flat_map(|stage| stage["operations"].as_array().unwrap());
    each.cloned().collect()
}

/// What the strategy asked for and what was done, of every record that is there.
fn asked_and_done(plan: &Value) -> Vec<Value> {
    let each = operations(plan).into_iter();
    each.map(|it| json!([it["number"], it["by"], it["operation"], it["effect"]]))
        .collect()
}

/// The same of a deployment that happened.
fn happened(world: &World) -> Vec<Value> {
    let shown = shown(world);
    let each = shown["records"].as_array().unwrap().iter().map(|record| {
        let intent = &record["intent"];
        let mut effect = intent["effect"].clone();
        if let Some(fields) = effect.as_object_mut() {
            let (since, until) = (fields.remove("since"), fields.remove("until"));
            let number = |value: Option<Value>| value.and_then(|value| value.as_u64());
            if let (Some(since), Some(until)) = (number(since), number(until)) {
                fields.insert("for-ms".to_owned(), json!(until - since));
            }
        }
        let operation = &intent["operation"];
        json!([
            intent["sequence"],
            intent["origin"]["by"],
            operation,
            effect
        ])
    });
    each.collect()
}

/// Every file, directory and link of a world that a deployment could change, with what is in it.
/// What the tests themselves write is not among them.
fn tree(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let mode = entry.metadata().unwrap().permissions().mode();
            let mut seen = format!("{mode:o} ").into_bytes();
            if kind.is_dir() {
                walk(&path, found);
            } else if kind.is_symlink() {
                seen.extend(fs::read_link(&path).unwrap().as_os_str().as_encoded_bytes());
            } else if kind.is_file() {
                seen.extend(fs::read(&path).unwrap());
            }
            found.insert(path, seen);
        }
    }
    let mut found = BTreeMap::new();
    walk(world.path(), &mut found);
    let ours = [world.file("output"), world.file("plan.json")];
    found.retain(|path, _| {
        let log = path.extension().is_some_and(|end| end == "log");
        !log && ours.iter().all(|ours| !path.starts_with(ours))
    });
    found
}

#[track_caller]
fn same(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) {
    let differs = |path: &&PathBuf| before.get(*path) != after.get(*path);
    let paths = before.keys().chain(after.keys());
    let differing: Vec<&PathBuf> = paths.filter(differs).collect();
    assert!(differing.is_empty(), "changed: {differing:#?}");
}

/// A plan, the deployment that is held to it, and that they are the same, record by record.
#[track_caller]
pub(crate) fn does_what_it_says(world: &World) {
    let before = tree(world);
    let ran = written(world, &[]);
    same(&before, &tree(world));
    let plan: Value = serde_json::from_slice(&fs::read(world.file("plan.json")).unwrap()).unwrap();
    assert_eq!(plan["course"]["verdict"], "succeeded", "{ran}");
    let ran = world
        .run(&["deploy", "--yes", "--plan", "plan.json"])
        .expect(0);
    let (said, done) = (asked_and_done(&plan), happened(world));
    for (said, done) in said.iter().zip(&done) {
        assert_eq!(said, done, "{ran}");
    }
    assert_eq!(said.len(), done.len(), "{ran}");
    assert!(said.len() > 4);
}

#[test]
fn a_canary_does_what_its_plan_says() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    world.release("2.0");
    does_what_it_says(&world);
    fleet.all_on("2.0");
}

#[test]
fn a_rolling_deployment_with_steps_does_what_its_plan_says() {
    let step = |name: &str, at: &str, each: bool| {
        format!(
            "\n[[steps]]\nname = \"{name}\"\nat = \"{at}\"\nuse = \"command\"\nrun = [\"true\"]\n\
             each = {each}\n"
        )
    };
    let more = [
        "\n[strategy]\nuse = \"rolling\"\nbatch = 1\npause = \"200ms\"\n",
        &step("backup", "before-deploy", false),
        &step("migrate", "before-activate", false),
        &step("smoke", "before-traffic", true),
        &step("tell", "after-deploy", false),
    ]
    .concat();
    let (world, fleet) = behind_the_proxy(THREE, &more);
    world.release("2.0");
    let plan = planned(&world, 0);
    let ran: Vec<Value> = operations(&plan)
        .into_iter()
        .filter(|it| !it["step"].is_null())
        .map(|it| it["step"].clone())
        .collect();
    assert_eq!(
        ran,
        ["backup", "migrate", "smoke", "smoke", "smoke", "tell"]
    );
    does_what_it_says(&world);
    fleet.all_on("2.0");
}

#[test]
fn a_blue_green_deployment_does_what_its_plan_says() {
    let members = [("b", "blue"), ("g", "green")];
    let strategy = "\n[strategy]\nuse = \"blue-green\"\n";
    let (world, _fleet) = behind_the_proxy(&members, strategy);
    world.release("2.0");
    let warnings = planned(&world, 0)["warnings"].clone();
    assert_eq!(
        warnings,
        json!([]),
        "groups that take turns are not overloaded"
    );
    does_what_it_says(&world);
    // And back to the other group.
    world.release("3.0");
    let arguments = ["plan", "--version", "3.0", "--out", "plan.json"];
    let plan = world.run(&arguments).expect(0);
    println!("{plan}");
    let ran = world.run(&["deploy", "--yes", "--plan", "plan.json"]);
    ran.expect(0).says("3.0");
}

#[test]
fn a_simple_deployment_does_what_its_plan_says() {
    let (world, fleet) = behind_the_proxy(THREE, "\n[strategy]\nuse = \"simple\"\n");
    world.release("2.0");
    written(&world, &[]).says("accepts a downtime");
    does_what_it_says(&world);
    fleet.all_on("2.0");
}

#[test]
fn behind_nginx_a_canary_does_what_its_plan_says() {
    let (world, fleet, nginx) = behind_nginx(THREE, CANARY);
    world.release("2.0");
    let reloads = nginx.reloads();
    written(&world, &[]).says("each drain lasts 1");
    assert_eq!(nginx.reloads(), reloads);
    does_what_it_says(&world);
    fleet.all_on("2.0");
}

#[test]
fn without_a_load_balancer_a_plan_is_as_true() {
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    world.configure(&[&fleet.toml(), LIMITS, "\n[strategy]\nuse = \"simple\"\n"]);
    world.release("1.0");
    world.deploy("1.0", 0);
    world.release("2.0");
    does_what_it_says(&world);
    fleet.all_on("2.0");
}

#[test]
fn the_very_first_deployment_is_planned_and_nothing_is_made() {
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, CANARY]);
    world.release("2.0");
    let before = tree(&world);
    written(&world, &[])
        .says("nothing: it is the first")
        .says("there was none")
        .says("the load balancer does not run; a deployment starts it")
        .says("proxy asked for commands run `runtime proxy start");
    same(&before, &tree(&world));
    assert!(!world.file(".runtime").exists(), "no state was made");
    let refused = world.run(&["status"]).expect(0);
    println!("{refused}");
    does_what_is_written(&world);
    fleet.all_on("2.0");
}

/// As [`does_what_it_says`], where `plan.json` was written already.
#[track_caller]
fn does_what_is_written(world: &World) {
    let plan: Value = serde_json::from_slice(&fs::read(world.file("plan.json")).unwrap()).unwrap();
    let ran = world.run(&["deploy", "--yes", "--plan", "plan.json"]);
    let ran = ran.expect(0);
    assert_eq!(asked_and_done(&plan), happened(world), "{ran}");
}

#[test]
fn a_driver_that_changes_what_it_is_to_look_at_is_refused() {
    let driver = guest::build("meddler", include_str!("../guests/meddler.rs"));
    let sink = Sink::start(200);
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    let there = world.file("meddled-with");
    fs::create_dir(&there).unwrap();
    let balancer = format!(
        "\n[load-balancer]\nuse = \"meddler\"\nfolder = \"{there}\"\nurl = \"{}\"\n\
         run = [\"touch\", \"{there}/touched\"]\n\
         \n[plugins.meddler]\nsource = \"{}\"\ngrants = {{ locks = [\"meddler\"] }}\n",
        sink.url(),
        driver.display(),
        there = there.display(),
    );
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, ROLLING]);
    world.release("1.0");
    world.deploy("1.0", 0);
    world.release("2.0");
    world.configure(&[&fleet.toml(), &balancer, LIMITS, ROLLING]);
    let before = tree(&world);
    let plan = planned(&world, 0);
    same(&before, &tree(&world));
    assert!(sink.received().is_empty(), "{:?}", sink.received());
    let warnings = plan["warnings"].to_string();
    for asked in [
        "meddler asked for files write",
        "meddler asked for files create-directory",
        "meddler asked for machine perform",
        "meddler asked for http PUT",
        "meddler asked for locks acquire",
        "meddler asked for commands run",
    ] {
        assert!(warnings.contains(asked), "{asked}: {warnings}");
    }
    // It could, where it is not only asked to look.
    let _ = world.run(&["deploy", "--yes", "--version", "2.0"]);
    assert!(there.join("meddled").exists() && there.join("touched").exists());
    assert!(!sink.received().is_empty());
}

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
    let tickets = guest::build("tickets", include_str!("../guests/tickets.rs"));
    let careless = guest::build("careless", include_str!("../guests/careless.rs"));
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
    let mut other = world.start(&deploy("3.0"));
    other.until_printed("stage");
    let mut held = world.start(&["deploy", "--yes", "--plan", "plan.json", "--wait", "2m"]);
    held.until_printed("waiting for");
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
fn where_a_deployment_would_not_begin_nor_is_one_planned() {
    let (world, fleet) = behind_the_proxy(THREE, "\n[strategy]\nuse = \"canary\"\nsoak = \"4s\"\n");
    world.release("2.0");
    let mut deploying = world.start(&deploy("2.0"));
    deploying.until_printed("stage");
    let ran = world.run(&PLAN).expect(5);
    ran.says("is being worked on by tester");
    under_way(&world, "wait");
    deploying.signal(Signal::KILL);
    assert_eq!(deploying.wait().signal(), Some(9));
    let ran = world.run(&PLAN).expect(5);
    ran.says("whose process is gone");
    let _ = world.run(&["unlock", "--reason", "it is gone"]).expect(0);
    let before = tree(&world);
    let ran = world.run(&PLAN).expect(4);
    ran.says("was cut off and is not finished")
        .says("--recover");
    same(&before, &tree(&world));
    let _ = world.run(&["rollback", "--yes"]).expect(0);
    fleet.all_on("1.0");
    let _ = world.run(&PLAN).expect(0);
}

#[test]
fn over_one_that_is_frozen_it_says_so() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    let toml = fleet
        .toml()
        .replace("successes = 2", "successes = 2\nfailures = 2");
    let automatic = "\n[rollback]\nautomatic = false\n";
    world.configure(&[&toml, &fleet.proxy(), LIMITS, ROLLING, automatic]);
    world.bad_release("2.0", "never-healthy");
    world.deploy("2.0", 6).says("frozen");
    world.release("3.0");
    let ran = world.run(&["plan", "--version", "3.0"]);
    println!("{ran}");
    ran.says("of 2.0 is frozen, and this one would go over it")
        .says("`runtime resume ")
        .says("is not well now");
}

#[test]
fn over_one_that_is_stuck_it_says_so() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    let toml = fleet
        .toml()
        .replace("successes = 2", "successes = 2\nfailures = 2");
    world.configure(&[&toml, &fleet.proxy(), LIMITS, ROLLING]);
    // The old release does not come back once it was stopped.
    let current = fs::canonicalize(fleet.root("one").join("current")).unwrap();
    fs::write(current.join("BEHAVIOUR"), "never-healthy\n").unwrap();
    world.bad_release("2.0", "never-healthy");
    world.deploy("2.0", 7).says("stuck");
    world.release("3.0");
    let before = tree(&world);
    let ran = world.run(&["plan", "--version", "3.0"]);
    println!("{ran}");
    same(&before, &tree(&world));
    ran.says("of 2.0 is stuck, and this one would go over it")
        .says("`runtime retry ")
        .says("one is not well now");
}

#[test]
fn what_the_guard_would_refuse_on_the_way_is_known_before() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    let limits = LIMITS.to_owned() + "minimum-serving = 2\n";
    let batches = "\n[strategy]\nuse = \"rolling\"\nbatch = 2\n";
    world.configure(&[&fleet.toml(), &fleet.proxy(), &limits, batches]);
    world.release("2.0");
    let plan = planned(&world, 1);
    assert_eq!(plan["course"]["verdict"], "rolled-back");
    let ran = world.run(&deploy("2.0")).expect(1);
    let cause = plan["course"]["cause"]["message"].as_str().unwrap();
    let _ = ran.says(cause);
    // That it turns back is in the record alone.
    let done: Vec<Value> = happened(&world)
        .into_iter()
        .filter(|it| it[1] != "turn")
        .collect();
    assert_eq!(asked_and_done(&plan), done);
    fleet.all_on("1.0");
}

#[test]
fn what_the_command_line_leaves_open_is_as_it_was_planned() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    world.release("2.0");
    let more = [
        "--strategy",
        "rolling",
        "--set",
        "strategy.pause=10ms",
        "--servers",
        "two,three",
        "--new-release",
    ];
    written(&world, &more)
        .says("with rolling")
        .says("passed over");
    does_what_is_written(&world);
    let shown = shown(&world);
    assert_eq!(shown["strategy"], "rolling");
    let versions = fleet.versions();
    assert_eq!(versions["one"].as_deref(), Some("1.0"), "{versions:?}");
    assert_eq!(versions["three"].as_deref(), Some("2.0"), "{versions:?}");
    // A plan is good for once.
    let again = world
        .run(&["deploy", "--yes", "--plan", "plan.json"])
        .expect(4);
    again.says("what was deployed last was");
}

#[test]
fn targets_that_cannot_be_reached_refuse_it_or_are_left_out() {
    let (world, fleet) = behind_the_proxy(THREE, ROLLING);
    world.release("2.0");
    let root = fleet.root("two");
    fs::rename(root.join("releases"), root.join("aside")).unwrap();
    fs::write(root.join("releases"), "").unwrap();
    let arguments = [&PLAN[..], &["--out", "plan.json"]].concat();
    let ran = world.run(&arguments).expect(4);
    println!("{ran}");
    ran.says("It would be refused, with nothing changed")
        .says("cannot be reached")
        .says("plan.json was not written");
    assert!(!world.file("plan.json").exists(), "nobody deploys that");
    assert_eq!(planned(&world, 4)["course"]["verdict"], "refused");

    let limits = LIMITS.to_owned() + "tolerate = 1\n";
    world.configure(&[&fleet.toml(), &fleet.proxy(), &limits, ROLLING]);
    let ran = world.run(&arguments).expect(8);
    println!("{ran}");
    ran.says("without two");
    let ran = world.run(&["deploy", "--yes", "--plan", "plan.json"]);
    println!("{ran}");
    let plan: Value = serde_json::from_slice(&fs::read(world.file("plan.json")).unwrap()).unwrap();
    let _ = ran.expect(8);
    assert_eq!(asked_and_done(&plan), happened(&world));
}

#[test]
fn what_differs_is_told_in_the_words_of_the_configuration() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    let again = world.run(&["plan", "--version", "1.0"]).expect(0);
    println!("{again}");
    again
        .says("1.0 is what runs already")
        .says("nothing: the same release in the same way");
    world.release("2.0");
    let canary = CANARY.replace("50", "60").replace("2s", "1s");
    let balancer = fleet.proxy() + "response-timeout = \"5s\"\n";
    world.configure(&[&fleet.toml(), &balancer, LIMITS, &canary]);
    let mut narrow = World::command(&world);
    narrow.env("COLUMNS", "60").args(PLAN);
    let output = narrow.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    println!("{text}");
    for told in [
        "~ release: \"1.0-",
        "~ strategy.soak: \"2s\" → \"1s\"",
        "~ strategy.stages: [10,50] → [10,60]",
        "+ load-balancer.response-timeout = \"5s\"",
        "canary 33.3 % → 0 %",
        "canary gets 60 %",
    ] {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&text).contains(&words(told)), "{told}");
    }
    let long = |line: &&str| line.chars().count() > 60 && line.trim().contains(' ');
    let breakable = |line: &&str| {
        line.split_whitespace()
            .all(|word| word.chars().count() < 40)
    };
    let lines: Vec<&str> = text.lines().filter(long).filter(breakable).collect();
    assert!(lines.is_empty(), "longer than the terminal: {lines:#?}");
}

#[test]
fn a_shared_database_is_only_read() {
    let postgres = Postgres::start();
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    let state = format!("\n[state]\nurl = \"{}\"\n", postgres.url());
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, ROLLING, &state]);
    world.release("1.0");
    let _ = world.run(&["plan", "--version", "1.0"]).expect(0);
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'runtime'";
    assert_eq!(postgres.run(schemas), "0", "no schema was made");
    world.deploy("1.0", 0);
    world.release("2.0");
    let rows = "SELECT (SELECT count(*) FROM runtime.audit), (SELECT count(*) FROM runtime.deployments), \
                (SELECT string_agg(l::text, ' ') FROM runtime.leases l)";
    let before = postgres.run(rows);
    written(&world, &[]);
    assert_eq!(postgres.run(rows), before);
    does_what_it_says(&world);
    fleet.all_on("2.0");
}
