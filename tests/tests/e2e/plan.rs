//! Plans: what is said of a deployment before there is one, that saying it changes nothing, and
//! that a deployment which is held to a plan does what the plan says, or does not begin.

mod refused;
mod told;
mod unchanged;

use std::fs;

use serde_json::{Value, json};
use tests::{
    Fleet, Ran, World,
    tree::{same, tree},
};

use crate::{
    nginx::behind_nginx,
    scene::{CANARY, LIMITS, ROLLING, THREE, behind_the_proxy, shown},
};

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

/// As [`does_what_it_says`], where `plan.json` was written already.
#[track_caller]
fn does_what_is_written(world: &World) {
    let plan: Value = serde_json::from_slice(&fs::read(world.file("plan.json")).unwrap()).unwrap();
    let ran = world.run(&["deploy", "--yes", "--plan", "plan.json"]);
    let ran = ran.expect(0);
    assert_eq!(asked_and_done(&plan), happened(world), "{ran}");
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
