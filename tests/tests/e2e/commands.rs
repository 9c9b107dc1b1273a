//! The command line: what each verb prints, and the exit codes that programs go by. Snapshots
//! are refreshed with `INSTA_UPDATE=always`, and read before they are kept.

use std::{io::Read, process::Stdio};

use tests::{Fleet, Ran, World, process, wait};

use crate::scene::{CANARY, LIMITS, THREE};

const VERBS: [&[&str]; 33] = [
    &[],
    &["init"],
    &["validate"],
    &["plan"],
    &["rehearse"],
    &["deploy"],
    &["status"],
    &["history"],
    &["show"],
    &["replay"],
    &["audit"],
    &["rollback"],
    &["resume"],
    &["retry"],
    &["pause"],
    &["continue"],
    &["promote"],
    &["abort"],
    &["approve"],
    &["reject"],
    &["serve"],
    &["unlock"],
    &["plugin"],
    &["plugin", "list"],
    &["plugin", "inspect"],
    &["plugin", "new"],
    &["plugin", "build"],
    &["plugin", "test"],
    &["schema"],
    &["completions"],
    &["proxy"],
    &["proxy", "run"],
    &["proxy", "start"],
];

/// Exit code, output and complaints, with what differs from run to run taken out.
fn snapshot(world: &World, ran: &Ran) -> String {
    let ip = world.at(0);
    let ip = ip.trim_end_matches(":0");
    let text = format!("exit code {:?}\n{}{}", ran.code(), ran.stdout, ran.stderr);
    text.replace(&world.path().display().to_string(), "[WORLD]")
        .replace(ip, "[IP]")
}

#[test]
fn help_of_every_verb() {
    let world = World::new();
    let mut text = String::new();
    for verb in VERBS {
        let mut arguments = verb.to_vec();
        arguments.push("--help");
        let ran = world.run(&arguments).expect(0);
        text.push_str(&format!(
            "$ runtime {}\n{}\n",
            arguments.join(" "),
            ran.stdout
        ));
    }
    insta::assert_snapshot!(text);
}

/// A configuration with three targets behind the proxy, and one thing wrong with it.
fn wrong(from: &str, to: &str) -> (World, Ran) {
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    let text = [&fleet.toml(), &fleet.proxy(), LIMITS, CANARY].concat();
    assert!(text.contains(from), "{from:?} is not in the configuration");
    world.write("runtime.toml", &text.replacen(from, to, 1));
    let ran = world.run(&["validate"]).expect(3);
    (world, ran)
}

#[test]
fn problems_of_a_configuration_have_their_place() {
    let mut text = String::new();
    for (from, to) in [
        ("[platform]", "[platfrom]"),
        ("group = \"canary\"", "grup = \"canary\""),
        ("application = \"hello\"", "application = hello"),
        ("use = \"canary\"", "use = \"cannary\""),
        ("stages = [10, 50]", "stages = [50, 10]"),
        ("soak = \"2s\"", "soak = \"2 fortnights\""),
        ("use = \"proxy\"", "use = \"proxy\"\nlisten-on = 1"),
        ("name = \"two\"", "name = \"one\""),
        ("drain = \"1s\"", "drain = 1"),
        ("soak = \"2s\"", "soak = \"2s\"\napprove = true"),
        (
            "[[health-checks]]\nuse = \"http\"",
            "[[health-check]]\nuse = \"http\"",
        ),
        ("path = \"/health\"", "path = \"health\""),
        ("group = \"canary\"", "group = \"stable\""),
        (
            "use = \"canary\"\nstages = [10, 50]\nsoak = \"2s\"",
            "use = \"blue-green\"\ngroups = [\"canary\", \"blue\"]",
        ),
        (
            "use = \"canary\"\nstages = [10, 50]\nsoak = \"2s\"",
            "use = \"rolling\"\norder = [\"stable\", \"canry\"]",
        ),
    ] {
        let (world, ran) = wrong(from, to);
        text.push_str(&format!(
            "── {to:?} in place of {from:?}\n{}\n",
            snapshot(&world, &ran)
        ));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_a_target_needs_for_itself_is_shared_with_nobody() {
    let (_world, ran) = wrong("/{target}\"\nstart", "/./same/\"\nstart");
    let _ = ran
        .says("error[config::shared-place]: `one` and `two` are on one machine, and would share")
        .says("`two` and `three` are on one machine")
        .says("apps/same\n");
    // Users would be sent round in a circle.
    let (_world, ran) = wrong(":9101\"", ":9100\"");
    let _ = ran.says("error[config::same-address]: `one` answers where the load balancer listens");
}

#[test]
fn validate_takes_what_deploy_takes() {
    let world = World::new();
    let fleet = Fleet::new(&world, &[("one", "all"), ("two", "all")]);
    world.configure(&[
        &fleet.toml(),
        &fleet.proxy(),
        LIMITS,
        "[strategy]\nuse = \"rolling\"\n",
    ]);
    let _ = world.run(&["validate"]).expect(0).says("2 targets");
    let ran = world.run(&["validate", "--servers", "two"]).expect(0);
    let _ = ran.says("1 target,");
    let _ = world.run(&["validate", "--servers", "six"]).expect(2);
    // It needs a group that goes first, and others that do not.
    for group in ["canary", "all"] {
        let set = format!("strategy.group={group}");
        let arguments = ["--strategy", "canary", "--set", &set];
        let ran = world.run(&[&["validate"], &arguments[..]].concat());
        let ran = ran.expect(3).says(&format!("`{group}`"));
        println!("{ran}");
    }
    let _ = world
        .run(&["validate", "--strategy", "simple"])
        .expect(0)
        .says("`simple`");
}

#[test]
fn usage_errors_have_their_exit_code() {
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    let good = [&fleet.toml(), &fleet.proxy(), LIMITS, CANARY].concat();
    world.write("good.toml", &good);
    std::fs::create_dir(world.file("folder")).unwrap();
    std::fs::write(world.file("binary.toml"), b"\xff\xfe").unwrap();
    let mut text = String::new();
    for arguments in [
        &["deploi"][..],
        &["deploy", "--verion", "1"],
        &["deploy", "--config", "nowhere.toml", "--version", "1"],
        &["show", "--format", "yaml"],
        &["unlock"],
        &["deploy", "--wait", "nonsense"],
        &["validate", "--config", "good.toml", "--set", "foo"],
        &["validate", "--config", "good.toml", "--set", "foo=1"],
        &["validate", "--config", "folder"],
        &["validate", "--config", "binary.toml"],
        &["deploy", "--config", "good.toml", "--version", ""],
        &["deploy", "--config", "good.toml", "--version", "1\n2"],
    ] {
        let ran = world.run(arguments);
        assert!(matches!(ran.code(), Some(2 | 3)), "{ran}");
        text.push_str(&format!(
            "$ runtime {}\n{}\n",
            arguments.join(" "),
            snapshot(&world, &ran)
        ));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn errors_for_programs_are_one_line_of_json() {
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    let text = [&fleet.toml(), &fleet.proxy(), LIMITS, CANARY].concat();
    world.write("runtime.toml", &text);
    world.write("wrong.toml", &text.replace("[platform]", "[platfrom]"));
    for (arguments, code, message) in [
        (
            &["show", "nothing"][..],
            2,
            "there is no deployment `nothing`",
        ),
        (
            &["status", "--config", "wrong.toml"],
            3,
            "2 problems in wrong.toml",
        ),
        (
            &["deploy", "--version", "9"],
            4,
            "the artifact cannot be used",
        ),
    ] {
        let ran = world
            .run(&[arguments, &["--format", "json"]].concat())
            .expect(code);
        let line = ran.json();
        assert_eq!(line["code"], code, "{ran}");
        let said = line["message"].as_str().unwrap();
        assert!(said.contains(message), "{ran}");
        assert!(ran.stderr.contains("error"), "{ran}");
    }
}

#[test]
fn what_init_writes_is_valid() {
    let world = World::new();
    world.run(&["init"]).expect(0);
    world.run(&["validate"]).expect(0);
    world.run(&["init"]).expect(2).says("already there");
}

#[test]
fn the_examples_are_valid() {
    let world = World::new();
    let folder = tests::programs::workspace().join("config");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // What others extend is no configuration by itself.
        let whole = path.file_stem().is_some_and(|name| name != "base");
        if whole && path.extension().is_some_and(|end| end == "toml") {
            world
                .run(&["validate", "--config", path.to_str().unwrap()])
                .expect(0);
            count += 1;
        }
    }
    assert!(count > 3, "{count}");
}

#[test]
fn before_anything_was_deployed() {
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, CANARY]);
    let mut text = String::new();
    for arguments in [
        &["validate"][..],
        &["history"],
        &["show"],
        &["rollback", "--yes"],
    ] {
        let ran = world.run(arguments);
        text.push_str(&format!(
            "$ runtime {}\n{}\n",
            arguments.join(" "),
            snapshot(&world, &ran)
        ));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_schema_is_one_and_completions_complete() {
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, CANARY]);
    let schema = world.run(&["schema"]).expect(0).json();
    assert!(schema["properties"]["targets"].is_object(), "{schema}");
    // The settings of the plugins in use are part of it.
    assert!(schema.to_string().contains("soak"), "{schema}");
    for shell in ["bash", "zsh", "fish"] {
        world
            .run(&["completions", shell])
            .expect(0)
            .says("rollback");
    }
}

#[test]
fn plugins_say_what_they_may_do() {
    let world = World::new();
    let mut text = world.run(&["plugin", "list"]).expect(0).stdout;
    for plugin in ["nginx", "canary", "load-balancer/proxy", "slack"] {
        let inspected = world.run(&["plugin", "inspect", plugin]).expect(0).stdout;
        // The settings are in the documentation, and a digest changes with every compiler.
        let what = inspected.split("\nIts settings").next().unwrap();
        let lines = what
            .lines()
            .filter(|line| !line.trim().starts_with("sha256:"));
        text.push_str(&lines.fold(
            format!("\n$ runtime plugin inspect {plugin}\n"),
            |text, line| text + line + "\n",
        ));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_deployment_as_json_lines_in_the_log_s_format() {
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    let labelled = fleet.toml().replacen(
        "[release]\n",
        "[release]\nlabels = { commit = \"0a1b2c3\" }\n",
        1,
    );
    let base = labelled.replace("successes = 2", "successes = 2\nfailures = 2");
    world.configure(&[&base, &fleet.proxy(), LIMITS, CANARY]);
    world.release("1.0");
    world.bad_release("2.0", "never-healthy");
    for (version, code, ending) in [("1.0", 0, "succeeded"), ("2.0", 1, "rolled back")] {
        let arguments = ["deploy", "--yes", "--version", version, "--format", "json"];
        let ran = world.run(&arguments).expect(code);
        let lines = ran.json_lines();
        assert!(lines.len() > 3, "{ran}");
        for line in &lines {
            well_formed(line);
            let context = &line["context"];
            assert_eq!(line["environment"], "test");
            assert_eq!(context["version"], version, "{line}");
            assert_eq!(context["strategy"], "canary", "{line}");
            assert_eq!(context["user"], "tester", "{line}");
            assert_eq!(context["commit"], "0a1b2c3", "{line}");
        }
        let (first, last) = (&lines[0], &lines[lines.len() - 1]);
        let begin = format!("deploying hello {version} to test with canary");
        assert_eq!(first["message"], begin.as_str(), "{ran}");
        assert_eq!(first["context"]["event"], "began");
        let end = last["message"].as_str().unwrap();
        let begin = format!("hello {version} ");
        assert!(end.starts_with(&begin) && end.contains(ending), "{last}");
        assert!(last["context"]["duration_ms"].is_u64(), "{last}");
        // The file has the same lines.
        let file = format!(
            ".runtime/logs/{}.jsonl",
            first["deployment_id"].as_str().unwrap()
        );
        let kept = std::fs::read_to_string(world.file(&file)).unwrap();
        assert_eq!(kept, ran.stdout);
    }
}

/// Panics unless the line has what every line has, and nothing in a programmer's words: times
/// are text, and no key is that of a Rust value.
fn well_formed(line: &serde_json::Value) {
    for key in [
        "timestamp",
        "level",
        "deployment_id",
        "environment",
        "message",
        "context",
    ] {
        assert!(!line[key].is_null(), "{key} is missing: {line}");
    }
    let stamp = line["timestamp"].as_str().unwrap();
    assert!(
        stamp.len() == "2025-11-16T10:30:45.123Z".len() && stamp.ends_with('Z'),
        "{stamp}"
    );
    let text = line.to_string();
    for shape in ["\"Ok\"", "\"Err\"", "\"answer\"", "\"secs\""] {
        assert!(!text.contains(shape), "{shape} in {line}");
    }
    assert!(!has_epoch(line), "a time as a number in {line}");
}

/// Whether a number is there that can only be milliseconds since 1970.
fn has_epoch(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Array(items) => items.iter().any(has_epoch),
        serde_json::Value::Object(entries) => entries.values().any(has_epoch),
        number => number
            .as_u64()
            .is_some_and(|number| number > 1_000_000_000_000),
    }
}

/// `runtime deploy | tee log` must end when the program does, although the proxy it started in
/// the background goes on.
#[test]
fn nothing_in_the_background_holds_the_output_open() {
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, CANARY]);
    world.release("1.0");
    let mut command = world.command();
    command
        .args(["deploy", "--yes", "--version", "1.0"])
        .stdin(Stdio::null());
    let mut deploying = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert!(deploying.wait().unwrap().success());
    let mut printed = String::new();
    // Both would block for ever.
    deploying
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut printed)
        .unwrap();
    deploying
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut printed)
        .unwrap();
    fleet.all_on("1.0");
}

#[test]
fn status_tells_what_is_down_and_what_is_no_target() {
    let (world, fleet) = crate::scene::behind_the_proxy(THREE, CANARY);
    let status = || world.run(&["status", "--format", "json"]).expect(0).json();
    process::end_strays(&fleet.root("two"));
    // The balancer knows once it tried.
    wait::until("the balancer misses it", || {
        wait::get(&fleet.balancer, "/");
        (status()["targets"][1]["up"] == false).then_some(())
    });
    let told = world.run(&["status"]).expect(0);
    let two = |line: &&str| line.starts_with("two ");
    assert!(
        told.stdout.lines().find(two).unwrap().ends_with("no"),
        "{told}"
    );

    let fewer = Fleet::new(&world, &THREE[..2]);
    world.configure(&[&fewer.toml(), &fewer.proxy(), LIMITS, CANARY]);
    let told = world.run(&["status"]).expect(0);
    let _ = told.says("the load balancer also has three");

    let admin = format!("unix:.runtime/proxy/{}.sock", fleet.balancer);
    world.run(&["proxy", "stop", "--admin", &admin]).expect(0);
    let told = world.run(&["status"]).expect(0);
    let _ = told.says("the load balancer cannot be asked: it does not run");
    assert!(status()["load-balancer-error"].is_string());
}

#[test]
fn the_audit_is_listed_and_a_change_in_it_shows() {
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, CANARY]);
    world.release("1.0");
    world.deploy("1.0", 0);
    let id = crate::scene::shown(&world)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let rows = world
        .run(&["audit", &id, "--format", "json"])
        .expect(0)
        .json_lines();
    for action in [
        "install",
        "activate",
        "traffic_shift",
        "deployment_succeeded",
    ] {
        let row = rows.iter().find(|row| row["action"] == action);
        let row = row.unwrap_or_else(|| panic!("no {action}"));
        assert_eq!(row["user"], "tester", "{row}");
        assert_eq!(row["deployment_id"], id.as_str(), "{row}");
    }
    let last = world.run(&["audit", "--limit", "2"]).expect(0);
    assert_eq!(last.stdout.lines().count(), 3, "{last}");
    let _ = world.run(&["audit", "nothing"]).expect(2);
    let _ = world
        .run(&["audit", "--verify"])
        .expect(0)
        .says("as it was written");

    let file = world.file(".runtime/state.db");
    let (from, to) = (b"deployment_succeeded", b"deployment_succeedef");
    let mut bytes = std::fs::read(&file).unwrap();
    let places: Vec<usize> = (0..bytes.len() - from.len())
        .filter(|at| bytes[*at..].starts_with(from))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    std::fs::write(&file, bytes).unwrap();
    let tampered = world.run(&["audit", "--verify"]).expect(4);
    let _ = tampered.says("does not follow from the rows before it");
}
