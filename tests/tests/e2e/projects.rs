//! A plugin's author, from nothing to a plugin that runs: in Rust for every kind, in Python and in
//! JavaScript; and the kit that tells good plugins from bad ones.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use tests::{
    Fleet, Ran, Running, Sink, World, guest,
    programs::{programs, workspace},
    tools,
};

use crate::scene::{LIMITS, THREE, behind_the_proxy};

const KINDS: [&str; 8] = [
    "strategy",
    "load-balancer",
    "platform",
    "health-check",
    "metric-source",
    "notifier",
    "step",
    "secret-source",
];

/// The kit, as a project's README says it.
fn kit(world: &World, project: &str, more: &[&str]) -> Ran {
    let below = |name: &str| format!("{project}/{name}");
    let (wasm, settings, answers) = (
        below(&format!("{project}.wasm")),
        below("settings.toml"),
        below("answers.toml"),
    );
    let mut arguments = vec![
        "plugin",
        "test",
        &wasm,
        "--settings",
        &settings,
        "--answers",
        &answers,
    ];
    arguments.extend(more);
    world.run(&arguments)
}

/// Runs one of a language's own tools in a project.
fn tool(world: &World, project: &str, program: &str, arguments: &[&str], path: &Path) -> Ran {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(world.file(project));
    for (name, value) in surroundings(path) {
        command.env(name, value);
    }
    Running::start(
        &mut command,
        &world.file(&format!("output/{project}-{}", arguments[0])),
    )
    .wait()
}

/// Where the tools of a language are, and that cargo fetches nothing that is not there.
fn surroundings(path: &Path) -> Vec<(&'static str, String)> {
    let paths = env::var_os("PATH").unwrap_or_default();
    let paths = env::split_paths(&paths);
    let paths = env::join_paths([path.to_owned()].into_iter().chain(paths)).unwrap();
    let target = programs().target.join("tests-projects");
    let mut all = vec![
        ("PATH", paths.into_string().unwrap()),
        ("CARGO_TARGET_DIR", target.display().to_string()),
        ("CARGO_NET_OFFLINE", "true".to_owned()),
    ];
    // The world has a home of its own.
    let home = PathBuf::from(env::var_os("HOME").unwrap_or_default());
    for (name, usual) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let folder = env::var(name).unwrap_or_else(|_| home.join(usual).display().to_string());
        all.push((name, folder));
    }
    // The compiler that builds the tests has the target, too.
    let given = ["CARGO", "RUSTUP_TOOLCHAIN"].into_iter();
    all.extend(given.filter_map(|name| Some((name, env::var(name).ok()?))));
    all
}

fn build(world: &World, project: &str, path: &Path) -> Ran {
    let variables = surroundings(path);
    let variables: Vec<(&str, &str)> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    world
        .start_with(&["plugin", "build", project], &variables)
        .wait()
}

#[test]
fn every_kind_in_rust_is_built_tested_and_fit() {
    let world = World::new();
    let first = format!("own-{}", KINDS[0]);
    for kind in KINDS {
        let name = format!("own-{kind}");
        let sdk = world
            .file(&first)
            .join(".runtime-sdk/sdk")
            .display()
            .to_string();
        let mut arguments = vec!["plugin", "new", kind, &name];
        // The copy of the first one does for all: it is the same, and takes a while to compile.
        if name != first {
            arguments.extend(["--sdk", &sdk]);
        }
        let _ = world
            .run(&arguments)
            .expect(0)
            .says("runtime plugin build")
            .says("cargo test");
        // The same dependencies as here: nothing is fetched that is not there.
        let lock = world.file(&name).join("Cargo.lock");
        fs::copy(workspace().join("Cargo.lock"), lock).unwrap();
        let nowhere = Path::new("/nonexistent");
        let _ = tool(&world, &name, "cargo", &["test", "--quiet"], nowhere)
            .expect(0)
            .says("passed");
        let _ = build(&world, &name, nowhere)
            .expect(0)
            .says(&format!("[plugins.{name}]"));
        let ran = kit(&world, &name, &[]).expect(0).says(", 0 failed\n");
        println!("{kind}: {}", ran.stdout.lines().last().unwrap_or_default());
    }
}

/// A project of that kind in a language that brings its own tools there, built and held against
/// the kit.
fn built_and_fit(world: &World, kind: &str, name: &str, language: &str, path: &Path) {
    let new = ["plugin", "new", kind, name, "--language", language];
    let _ = world.run(&new).expect(0).says("runtime plugin build");
    let (program, arguments): (&str, &[&str]) = match language {
        "python" => ("python3", &["-m", "unittest"]),
        _ => ("npm", &["test"]),
    };
    let _ = tool(world, name, program, arguments, path).expect(0);
    let _ = build(world, name, path)
        .expect(0)
        .says(&format!("{kind} {name} 0.1.0"));
    // Each rehearsal of a strategy starts its engine anew.
    let few: &[&str] = if kind == "strategy" {
        &["--runs", "100"]
    } else {
        &[]
    };
    let ran = kit(world, name, few).expect(0).says(", 0 failed\n");
    println!("{name}: {}", ran.stdout.lines().last().unwrap_or_default());
}

#[test]
fn every_kind_in_python_is_built_tested_and_fit() {
    let world = World::new();
    for kind in KINDS {
        built_and_fit(
            &world,
            kind,
            &format!("py-{kind}"),
            "python",
            &tools::python(),
        );
    }
}

#[test]
fn every_kind_in_javascript_is_built_tested_and_fit() {
    let world = World::new();
    for kind in KINDS {
        let name = format!("js-{kind}");
        built_and_fit(&world, kind, &name, "javascript", &tools::javascript());
    }
}

#[test]
fn plugins_in_other_languages_take_part_in_a_deployment() {
    let author = World::new();
    built_and_fit(&author, "strategy", "stroll", "python", &tools::python());
    built_and_fit(
        &author,
        "notifier",
        "crier",
        "javascript",
        &tools::javascript(),
    );
    let sink = Sink::start(200);
    let rolling = "\n[strategy]\nuse = \"rolling\"\n";
    let (world, fleet): (World, Fleet) = behind_the_proxy(THREE, rolling);
    let own = format!(
        "\n[strategy] # on foot\nuse = \"stroll\"\n[[notifiers]]\nuse = \"crier\"\nurl = \"{}/new\"\n",
        sink.url()
    );
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, &own]);
    let _ = world.run(&["validate"]).expect(3).says("`stroll`");
    for name in ["stroll", "crier"] {
        let file = author.file(&format!("{name}/{name}.wasm"));
        let file = file.to_str().unwrap();
        let _ = world
            .run(&["plugin", "add", file])
            .expect(0)
            .says(&format!("`{name}` 0.1.0 is in runtime.toml"));
        let _ = world
            .run(&["plugin", "add", file])
            .expect(0)
            .says("was already in");
    }
    let written = fs::read_to_string(world.file("runtime.toml")).unwrap();
    assert!(written.contains(&own), "what was there stays: {written}");
    world.release("2.0");
    let _ = world.deploy("2.0", 0);
    fleet.all_on("2.0");
    let bodies: Vec<String> = sink
        .received()
        .into_iter()
        .map(|request| request.body)
        .collect();
    for event in ["started", "succeeded"] {
        assert!(
            bodies.iter().any(|body| body.contains(event)),
            "{event}: {bodies:?}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_plugin_is_told() {
    let world = World::new();
    let plugin = guest::build("careless", include_str!("../guests/careless.rs"));
    let plugin = plugin.display().to_string();
    let junit = world.file("report.xml");
    let arguments = [
        "plugin",
        "test",
        &plugin,
        "--set",
        "url=https://example.com/x",
        "--junit",
    ];
    let arguments: Vec<&str> = arguments
        .into_iter()
        .chain([junit.to_str().unwrap()])
        .collect();
    let ran = world.run(&arguments).expect(9);
    println!("{ran}");
    let ran = ran
        // It never looks at what it was answered.
        .says("FAILED  `notify` where the HTTP server answers with status 500")
        .says("it says that all is well")
        // It unwraps what it reads.
        .says("FAILED  `notify` where the HTTP server answers with garbage")
        .says("broke off")
        // It writes where it never said that it would.
        .says("FAILED  it uses nothing that its manifest does not ask for")
        .says("files `write:/tmp/careless` is used")
        // Its settings may have anything in them.
        .says("FAILED  a setting that there is not is told at its place")
        .says("there is no capability `disk`");
    let xml = fs::read_to_string(junit).unwrap();
    let failures = xml.matches("<failure ").count();
    assert!(ran.all().contains(&format!("{failures} failed")), "{xml}");
}

#[test]
fn a_mistake_of_a_strategy_is_found_by_the_rule_that_it_breaks() {
    let world = World::new();
    let plugin = guest::build("wayward", include_str!("../guests/wayward.rs"));
    let plugin = plugin.display().to_string();
    let tried = |mistake: &str| {
        let set = format!("mistake={mistake}");
        let mut arguments = vec!["plugin", "test", &plugin, "--set", &set, "--runs", "60"];
        for target in [
            "one=192.0.2.1:80:canary",
            "two=192.0.2.2:80:stable",
            "three=192.0.2.3:80:stable",
            "four=192.0.2.4:80:stable",
        ] {
            arguments.extend(["--target", target]);
        }
        world.run(&arguments)
    };
    for (mistake, rule) in [
        ("skips-health", "unproven"),
        ("splits-first", "unproven"),
        ("forgets-group", "incomplete"),
        ("undoes-by-hand", "failure-ignored"),
        ("never-ends", "never-ends"),
        ("asks-the-clock", "branches-on-the-clock"),
    ] {
        let ran = tried(mistake).expect(9).says(&format!("{rule}: "));
        println!(
            "{mistake}: {}",
            ran.stdout.lines().last().unwrap_or_default()
        );
    }
}

#[test]
fn a_driver_is_tried_on_its_real_server() {
    let world = World::new();
    let listen = world.at(8088);
    let targets = [
        "one=127.0.0.1:9:blue",
        "two=127.0.0.1:10:blue",
        "three=127.0.0.1:11:green",
    ];
    let set = format!("listen={listen}");
    let mut arguments = vec![
        "plugin",
        "test",
        "load-balancer/proxy",
        "--live",
        "--set",
        &set,
    ];
    for target in targets {
        arguments.extend(["--target", target]);
    }
    let ran = world.run(&arguments).expect(0);
    println!("{ran}");
    let _ = ran
        .says("ok      all targets ready, and all traffic on the first group")
        .says("ok      25 % on the second group")
        .says("ok      the same once more changes nothing")
        .says("ok      two is taken out")
        .says("ok      a revision that is no longer the one is a conflict");
    // The second time there is something to be put back.
    let _ = world
        .run(&arguments)
        .expect(0)
        .says("ok      what was there before is there again");
}

#[test]
fn a_plugin_is_added_to_no_configuration_that_cannot_have_it() {
    let world = World::new();
    let guest = guest::build("careless", include_str!("../guests/careless.rs"));
    let guest = guest.display().to_string();
    let add = |file: &str, code| world.run(&["plugin", "add", file]).expect(code);
    let _ = add(&guest, 2).says("runtime.toml cannot be read");
    for (wrong, why) in [
        ("plugins = 1\n", "`plugins` in it is no table"),
        ("application = hello\n", "line 1, column 15"),
    ] {
        fs::write(world.file("runtime.toml"), wrong).unwrap();
        let _ = add(&guest, 2).says(why);
        let there = fs::read_to_string(world.file("runtime.toml")).unwrap();
        assert_eq!(there, wrong);
    }
    let _ = add("load-balancer/proxy", 2).says("`use = \"proxy\"` is enough");
    let _ = add("none.wasm", 2).says("none.wasm cannot be read");
    fs::write(world.file("none.wasm"), "nothing").unwrap();
    let _ = add("none.wasm", 2);
}

#[test]
fn a_project_is_not_written_over_anything() {
    let world = World::new();
    let _ = world.run(&["plugin", "new", "step", "once"]).expect(0);
    let _ = world
        .run(&["plugin", "new", "step", "once"])
        .expect(2)
        .says("not empty");
    let _ = world
        .run(&["plugin", "new", "step", "No_Name"])
        .expect(2)
        .says("small letters");
    let _ = world
        .run(&["plugin", "build", "output"])
        .expect(2)
        .says("no project");

    // What is missing is said, with what to type.
    for (language, name, install) in [
        ("python", "snake", "pip install"),
        ("javascript", "script", "npm install"),
    ] {
        let new = ["plugin", "new", "notifier", name, "--language", language];
        let _ = world.run(&new).expect(0);
        let _ = world
            .run(&["plugin", "build", name])
            .expect(4)
            .says(install);
    }
}
