//! What every machine does alike. The machine's files must be this machine's.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    time::Duration,
};

use machines::{Action, Command, EntryKind, ErrorKind, Fence, Machine, Place};

use crate::support::{Only, appears, archives, at, ended, kind, one, unpack};

pub(crate) fn write(at: Place, contents: &str) -> Action {
    Action::Write {
        at,
        contents: contents.into(),
        mode: None,
    }
}

/// Every test of the suite on a machine, each in a directory of its own.
#[macro_export]
macro_rules! suite {
    ($machine:expr) => {
        $crate::suite!($machine;
            files_are_written_read_listed_and_removed, permissions_are_kept_or_given,
            no_path_leaves_its_root, a_root_cannot_be_replaced, odd_names_are_names,
            a_failure_says_which_action_it_was, programs_get_just_what_they_are_given,
            a_program_that_takes_too_long_ends_with_all_its_children,
            a_call_that_is_dropped_ends_its_program, output_is_bounded, large_contents_arrive,
            what_a_program_leaves_behind_does_not_hold_it_up,
            a_started_program_runs_once_until_it_is_stopped,
            a_program_that_does_not_want_to_end_is_killed,
            a_number_that_another_process_got_is_left_alone,
            a_program_that_cannot_start_is_a_failure, an_older_token_is_refused,
            a_newer_token_waits_for_what_an_older_one_has_under_way,
            every_format_unpacks_to_the_same_tree, what_gzip_makes_no_shorter_unpacks,
            what_is_there_is_not_unpacked_again, a_file_can_be_copied,
        );
    };
    ($machine:expr; $($name:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path().canonicalize().unwrap();
                let machine = $machine(&path);
                $crate::suite::$name(machine.as_ref(), &path).await;
                machine.as_ref().close().await;
            }
        )*
    };
}

#[expect(
    clippy::too_many_lines,
    reason = "one case after the other on the same machine"
)]
pub(crate) async fn files_are_written_read_listed_and_removed(machine: &dyn Machine, dir: &Path) {
    let root = dir.join("root");
    let actions = [
        Action::CreateDirectory {
            at: at(&root, "a/b"),
        },
        write(at(&root, "a/b/file"), "one"),
        write(at(&root, "a/b/file"), "two"),
        Action::Read {
            at: at(&root, "a/b/file"),
        },
        Action::Read {
            at: at(&root, "a/none"),
        },
        Action::Link {
            at: at(&root, "current"),
            points_to: "a/b".into(),
        },
        Action::Link {
            at: at(&root, "current"),
            points_to: "a".into(),
        },
        Action::ReadLink {
            at: at(&root, "current"),
        },
        Action::Read {
            at: at(&root, "current/b/file"),
        },
        Action::Rename {
            from: at(&root, "a/b/file"),
            to: at(&root, "moved"),
        },
        Action::List {
            at: Place::exactly(&root),
        },
        Action::Stat {
            at: at(&root, "moved"),
        },
        Action::Stat {
            at: at(&root, "gone"),
        },
        Action::Remove { at: at(&root, "a") },
        Action::Remove { at: at(&root, "a") },
        Action::Remove {
            at: at(&root, "not/there"),
        },
    ];
    let done = machine.perform(&actions, None, None).await.unwrap();
    assert_eq!(done[3].stdout, b"two");
    assert_eq!(done[4].status, Some(1));
    assert_eq!(done[7].stdout, b"a");
    assert_eq!(done[8].stdout, b"two");
    let list: Vec<machines::Entry> = serde_json::from_slice(&done[10].stdout).unwrap();
    let names: Vec<(&str, EntryKind)> = list.iter().map(|e| (e.name.as_str(), e.kind)).collect();
    let expected = [
        ("a", EntryKind::Directory),
        ("current", EntryKind::Symlink),
        ("moved", EntryKind::File),
    ];
    assert_eq!(names, expected);
    assert_eq!(done[12].status, Some(1));
    assert_eq!(
        machine
            .stat(&at(&root, "moved"))
            .await
            .unwrap()
            .unwrap()
            .size,
        3
    );
    assert_eq!(
        machine
            .stat(&Place::exactly(&root))
            .await
            .unwrap()
            .unwrap()
            .name,
        "root"
    );
    assert!(machine.list(&at(&root, "a")).await.unwrap().is_empty());
    assert_eq!(
        kind(machine.read(&at(&root, "a/x")).await),
        ErrorKind::Missing
    );
    assert_eq!(
        kind(machine.read_link(&at(&root, "x")).await),
        ErrorKind::Missing
    );
    assert_eq!(
        kind(machine.read(&Place::exactly(&root)).await),
        ErrorKind::Rejected
    );
    assert!(!root.join("a").exists());
    let nowhere = write(at(&root, "no/such/file"), "x");
    assert_eq!(kind(one(machine, nowhere).await), ErrorKind::Missing);
}

pub(crate) async fn permissions_are_kept_or_given(machine: &dyn Machine, dir: &Path) {
    let mode = |name: &str| dir.join(name).metadata().unwrap().permissions().mode() & 0o777;
    one(machine, write(at(dir, "new"), "x")).await.unwrap();
    assert_eq!(mode("new"), 0o644);
    fs::set_permissions(dir.join("new"), fs::Permissions::from_mode(0o640)).unwrap();
    one(machine, write(at(dir, "new"), "y")).await.unwrap();
    assert_eq!(mode("new"), 0o640);
    let secret = Action::Write {
        at: at(dir, "s"),
        contents: vec![0, 255, 10],
        mode: Some(0o600),
    };
    one(machine, secret).await.unwrap();
    assert_eq!(mode("s"), 0o600);
    assert_eq!(machine.read(&at(dir, "s")).await.unwrap(), [0, 255, 10]);
    assert_eq!(
        fs::read_dir(dir).unwrap().count(),
        2,
        "no temporary file stays"
    );
}

#[expect(
    clippy::too_many_lines,
    reason = "one case after the other on the same machine"
)]
pub(crate) async fn no_path_leaves_its_root(machine: &dyn Machine, dir: &Path) {
    let root = dir.join("root");
    let outside = dir.join("outside");
    fs::create_dir_all(root.join("in")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    symlink(&outside, root.join("absolute")).unwrap();
    symlink("../outside", root.join("relative")).unwrap();
    symlink(outside.join("secret"), root.join("file")).unwrap();
    for path in [
        "absolute/secret",
        "relative/secret",
        "in/../../outside/secret",
    ] {
        let place = at(&root, path);
        let attempts = [
            Action::Read { at: place.clone() },
            write(place.clone(), "mine"),
            Action::Remove { at: place.clone() },
            Action::Link {
                at: place.clone(),
                points_to: "x".into(),
            },
            Action::Stat { at: place.clone() },
            Action::ReadLink { at: place.clone() },
            Action::Rename {
                from: place.clone(),
                to: at(&root, "in/x"),
            },
            Action::Rename {
                from: at(&root, "in"),
                to: place.clone(),
            },
            Action::CreateDirectory { at: place.clone() },
            Action::List { at: place.clone() },
            Action::Stop {
                pid_file: place.clone(),
                grace: Duration::ZERO,
            },
        ];
        for attempt in attempts {
            let verb = attempt.verb();
            assert_eq!(
                kind(one(machine, attempt).await),
                ErrorKind::Denied,
                "{verb} {path}"
            );
        }
    }
    for path in ["absolute/new", "relative/deep/new"] {
        let made = one(
            machine,
            Action::CreateDirectory {
                at: at(&root, path),
            },
        )
        .await;
        assert_eq!(kind(made), ErrorKind::Denied, "{path}");
    }
    assert_eq!(
        kind(
            one(
                machine,
                Action::Read {
                    at: at(&root, "file")
                }
            )
            .await
        ),
        ErrorKind::Denied
    );
    assert_eq!(
        kind(machine.list(&at(&root, "relative")).await),
        ErrorKind::Denied
    );
    let elsewhere = Place::new(&root, outside.join("secret"));
    assert_eq!(kind(machine.read(&elsewhere).await), ErrorKind::Denied);
    // A write replaces the link, and never what it points to.
    one(machine, write(at(&root, "file"), "mine"))
        .await
        .unwrap();
    assert_eq!(
        fs::read_to_string(outside.join("secret")).unwrap(),
        "secret"
    );
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

pub(crate) async fn a_root_cannot_be_replaced(machine: &dyn Machine, dir: &Path) {
    let root = Place::exactly(dir.join("root"));
    fs::create_dir(&root.path).unwrap();
    let link = Action::Link {
        at: root.clone(),
        points_to: "/etc".into(),
    };
    assert_eq!(kind(one(machine, link).await), ErrorKind::Denied);
    let other = at(dir, "other");
    symlink("/etc", &other.path).unwrap();
    let rename = Action::Rename {
        from: other,
        to: root,
    };
    assert_eq!(kind(one(machine, rename).await), ErrorKind::Denied);
}

pub(crate) async fn odd_names_are_names(machine: &dyn Machine, dir: &Path) {
    let names = [
        "-rf",
        "a b",
        "it's",
        "$(touch x)",
        "new\nline",
        "*",
        ".hidden",
        "..x",
        "ä",
    ];
    let directory = at(dir, "odd 'dir'");
    let mut actions = vec![Action::CreateDirectory {
        at: directory.clone(),
    }];
    let place = |name: &str| Place::new(dir, directory.path.join(name));
    actions.extend(names.iter().map(|name| write(place(name), name)));
    actions.push(Action::Link {
        at: place("link"),
        points_to: "it's \"$HOME\"\n".into(),
    });
    machine.perform(&actions, None, None).await.unwrap();
    for name in names {
        assert_eq!(fs::read_to_string(directory.path.join(name)).unwrap(), name);
        assert_eq!(machine.read(&place(name)).await.unwrap(), name.as_bytes());
    }
    assert_eq!(
        machine.read_link(&place("link")).await.unwrap(),
        "it's \"$HOME\"\n"
    );
    let mut listed = names.to_vec();
    listed.push("link");
    listed.sort_unstable();
    let found = machine.list(&directory).await.unwrap();
    assert_eq!(
        found
            .iter()
            .map(|entry| entry.name.as_str())
            .collect::<Vec<_>>(),
        listed
    );
    for name in names {
        one(machine, Action::Remove { at: place(name) })
            .await
            .unwrap();
    }
    assert_eq!(machine.list(&directory).await.unwrap().len(), 1);
}

pub(crate) async fn a_failure_says_which_action_it_was(machine: &dyn Machine, dir: &Path) {
    let fails = Command::new("sh", ["-c", "echo out; echo err >&2; exit 3"]);
    let actions = [
        Action::CreateDirectory { at: at(dir, "a") },
        Action::Run {
            command: Command::new("sh", ["-c", "echo before >&2"]),
        },
        Action::Run {
            command: fails.clone(),
        },
        Action::CreateDirectory { at: at(dir, "b") },
    ];
    let error = machine.perform(&actions, None, None).await.unwrap_err();
    assert_eq!((error.kind, error.index), (ErrorKind::Rejected, Some(2)));
    assert!(error.message.contains("status 3: err"), "{error}");
    let output = error.output.unwrap();
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (&b"out\n"[..], &b"err\n"[..])
    );
    assert!(dir.join("a").exists() && !dir.join("b").exists());
    let output = machine.run(&fails, None).await.unwrap();
    assert_eq!(
        (output.status, output.stderr.as_slice()),
        (Some(3), &b"err\n"[..])
    );
    let killed = Command::new("sh", ["-c", "kill -9 $$"]);
    assert_eq!(machine.run(&killed, None).await.unwrap().status, None);
    fs::write(dir.join("file"), "").unwrap();
    let under_file = one(
        machine,
        Action::CreateDirectory {
            at: at(dir, "file/x"),
        },
    )
    .await;
    assert_eq!(kind(under_file), ErrorKind::Rejected);
}

pub(crate) async fn programs_get_just_what_they_are_given(machine: &dyn Machine, dir: &Path) {
    // Written by another process: what this one has open for writing cannot be run.
    let mut write = Command::new("sh", ["-c", "mkdir bin; cat >bin/say; chmod 755 bin/say"]);
    write.working_directory = Some(dir.to_owned());
    write.input = b"#!/bin/sh\npwd -P; echo \"$1\"; cat; env\n".to_vec();
    assert_eq!(machine.run(&write, None).await.unwrap().status, Some(0));
    let command = Command {
        program: "./say".into(),
        arguments: vec!["it's $HOME; `id`".into()],
        environment: vec![("GIVEN".into(), "a 'b' \"c\"\n".into())],
        working_directory: Some(dir.join("bin")),
        input: b"input\n".to_vec(),
        timeout: None,
    };
    let output = machine.run(&command, None).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let bin = dir.join("bin");
    assert!(
        said.starts_with(&format!("{}\nit's $HOME; `id`\ninput\n", bin.display())),
        "{said}"
    );
    assert!(said.contains("GIVEN=a 'b' \"c\"\n"), "{said}");
    let allowed = [
        "PATH", "HOME", "USER", "LANG", "GIVEN", "PWD", "OLDPWD", "SHLVL", "_",
    ];
    let variables = said.lines().skip(3).filter_map(|line| line.split_once('='));
    for (name, _) in variables {
        assert!(allowed.contains(&name), "{name} in {said}");
    }
    let missing = machine
        .run(&Command::new("no-such-program", [""; 0]), None)
        .await;
    assert_eq!(kind(missing), ErrorKind::Missing);
    let nowhere = Command {
        working_directory: Some(dir.join("none")),
        ..command
    };
    assert_eq!(kind(machine.run(&nowhere, None).await), ErrorKind::Missing);
}

pub(crate) async fn a_program_that_takes_too_long_ends_with_all_its_children(
    machine: &dyn Machine,
    dir: &Path,
) {
    let pid = dir.join("pid");
    let script = format!(
        "sleep 1000 & echo $! > {}; echo said; wait; wait",
        pid.display()
    );
    let mut command = Command::new("sh", ["-c", &script]);
    command.timeout = Some(Duration::from_millis(1500));
    let error = machine.run(&command, None).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
    assert_eq!(error.output.unwrap().stdout, b"said\n");
    assert!(ended(fs::read_to_string(&pid).unwrap().trim()).await);
    let error = one(machine, Action::Run { command }).await.unwrap_err();
    assert_eq!((error.kind, error.index), (ErrorKind::Timeout, Some(0)));
}

pub(crate) async fn what_a_program_leaves_behind_does_not_hold_it_up(
    machine: &dyn Machine,
    _: &Path,
) {
    let command = Command::new("sh", ["-c", "echo $$; sleep 1000 & echo $!"]);
    let output = machine.run(&command, None).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let left = said.lines().nth(1).unwrap().parse().unwrap();
    assert_eq!(output.status, Some(0));
    let left = rustix::process::Pid::from_raw(left).unwrap();
    rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
}

pub(crate) async fn a_call_that_is_dropped_ends_its_program(machine: &dyn Machine, dir: &Path) {
    let pid = dir.join("pid");
    let script = format!(
        "echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000",
        pid.display()
    );
    let command = Command::new("sh", ["-c", &script]);
    tokio::select! {
        ended = machine.run(&command, None) => panic!("it ended by itself: {ended:?}"),
        () = appears(&pid) => {}
    }
    assert!(ended(fs::read_to_string(&pid).unwrap().trim()).await);
}

pub(crate) async fn output_is_bounded(machine: &dyn Machine, dir: &Path) {
    let command = Command::new("head", ["-c", "3000000", "/dev/zero"]);
    let output = machine.run(&command, None).await.unwrap();
    assert_eq!(
        (output.stdout.len(), output.truncated),
        (machines::OUTPUT_BYTES_MAX, true)
    );
    fs::write(dir.join("large"), vec![1; machines::READ_BYTES_MAX + 1]).unwrap();
    assert_eq!(
        kind(machine.read(&at(dir, "large")).await),
        ErrorKind::Rejected
    );
}

pub(crate) async fn large_contents_arrive(machine: &dyn Machine, dir: &Path) {
    let contents: Vec<u8> = (0..1_500_000_u32).map(|n| (n % 251) as u8).collect();
    let cat = Command {
        input: contents.clone(),
        ..Command::new(
            "sh",
            [
                "-c".to_owned(),
                format!("cat > {}", dir.join("b").display()),
            ],
        )
    };
    let actions = [
        Action::Write {
            at: at(dir, "a"),
            contents: contents.clone(),
            mode: None,
        },
        Action::Run { command: cat },
        Action::Read { at: at(dir, "a") },
    ];
    let done = machine.perform(&actions, None, None).await.unwrap();
    assert!(done[2].stdout == contents);
    assert!(fs::read(dir.join("b")).unwrap() == contents);
    assert_eq!(fs::read_dir(dir).unwrap().count(), 2);
}

fn start(dir: &Path, script: &str) -> Action {
    let mut command = Command::new("sh", ["-c", script]);
    command.working_directory = Some(dir.to_owned());
    Action::Start {
        command,
        pid_file: at(dir, "pid"),
        log_file: at(dir, "log"),
    }
}

pub(crate) async fn a_started_program_runs_once_until_it_is_stopped(
    machine: &dyn Machine,
    dir: &Path,
) {
    let stop = Action::Stop {
        pid_file: at(dir, "pid"),
        grace: Duration::from_secs(10),
    };
    one(machine, stop.clone()).await.unwrap();
    let script = "echo up; trap 'echo down; exit' TERM; sleep 1000 & echo $! > child; wait";
    one(machine, start(dir, script)).await.unwrap();
    let noted = fs::read_to_string(dir.join("pid")).unwrap();
    one(machine, start(dir, script)).await.unwrap();
    assert_eq!(
        fs::read_to_string(dir.join("pid")).unwrap(),
        noted,
        "it runs already"
    );
    appears(&dir.join("child")).await;
    machine.close().await;
    let child = fs::read_to_string(dir.join("child")).unwrap();
    one(machine, stop.clone()).await.unwrap();
    assert_eq!(fs::read_to_string(dir.join("log")).unwrap(), "up\ndown\n");
    assert!(!dir.join("pid").exists());
    assert!(ended(noted.split(' ').next().unwrap()).await);
    assert!(ended(child.trim()).await, "its session ends with it");
    one(machine, stop).await.unwrap();
}

pub(crate) async fn a_program_that_does_not_want_to_end_is_killed(
    machine: &dyn Machine,
    dir: &Path,
) {
    let script = "trap '' TERM; echo up; while :; do sleep 1; done";
    one(machine, start(dir, script)).await.unwrap();
    let noted = fs::read_to_string(dir.join("pid")).unwrap();
    let stop = Action::Stop {
        pid_file: at(dir, "pid"),
        grace: Duration::from_millis(50),
    };
    one(machine, stop).await.unwrap();
    assert!(ended(noted.split(' ').next().unwrap()).await);
}

pub(crate) async fn a_number_that_another_process_got_is_left_alone(
    machine: &dyn Machine,
    dir: &Path,
) {
    let mut other = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    fs::write(dir.join("pid"), format!("{} 12345\n", other.id())).unwrap();
    let stop = Action::Stop {
        pid_file: at(dir, "pid"),
        grace: Duration::ZERO,
    };
    one(machine, stop).await.unwrap();
    assert!(other.try_wait().unwrap().is_none(), "it must not be killed");
    assert!(!dir.join("pid").exists());
    fs::write(dir.join("pid"), format!("{} 12345\n", other.id())).unwrap();
    one(machine, start(dir, "exec sleep 1000")).await.unwrap();
    let noted = fs::read_to_string(dir.join("pid")).unwrap();
    assert!(!noted.starts_with(&format!("{} ", other.id())), "{noted}");
    other.kill().unwrap();
    other.wait().unwrap();
    let stop = Action::Stop {
        pid_file: at(dir, "pid"),
        grace: Duration::from_secs(5),
    };
    one(machine, stop).await.unwrap();
}

pub(crate) async fn a_program_that_cannot_start_is_a_failure(machine: &dyn Machine, dir: &Path) {
    fs::write(dir.join("log"), "of before\n").unwrap();
    let error = one(machine, start(dir, "echo no port >&2; exit 4"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.message.contains("ended at once"), "{error}");
    let said = error.output.unwrap().stdout;
    assert_eq!(String::from_utf8(said).unwrap(), "no port\n");
    let missing = Action::Start {
        command: Command::new("no-such-program", [""; 0]),
        pid_file: at(dir, "pid"),
        log_file: at(dir, "log"),
    };
    assert_eq!(kind(one(machine, missing).await), ErrorKind::Missing);
}

pub(crate) async fn an_older_token_is_refused(machine: &dyn Machine, dir: &Path) {
    let directory = dir.join("fences/of");
    let fence = |token| Fence {
        directory: directory.clone(),
        key: "shop/production".into(),
        token,
    };
    let act = |token: u64, name: &str| {
        let action = Action::CreateDirectory { at: at(dir, name) };
        let fence = fence(token);
        async move { machine.perform(&[action], Some(&fence), None).await }
    };
    act(3, "a").await.unwrap();
    act(3, "b").await.unwrap();
    act(5, "c").await.unwrap();
    let error = act(4, "d").await.unwrap_err();
    assert_eq!((error.kind, error.retryable), (ErrorKind::Conflict, false));
    assert!(error.message.contains("token 5"), "{error}");
    let file = fs::read_dir(&directory).unwrap().next().unwrap().unwrap();
    let way_out = format!("remove {} on that machine", file.path().display());
    assert!(error.message.contains(&way_out), "{error}");
    assert!(!dir.join("d").exists());
    let quick = Command::new("true", [""; 0]);
    assert_eq!(
        kind(machine.run(&quick, Some(&fence(2))).await),
        ErrorKind::Conflict
    );
    let other = Fence {
        key: "shop/staging".into(),
        ..fence(1)
    };
    let action = Action::CreateDirectory { at: at(dir, "d") };
    machine
        .perform(&[action], Some(&other), None)
        .await
        .unwrap();
}

pub(crate) async fn a_newer_token_waits_for_what_an_older_one_has_under_way(
    machine: &dyn Machine,
    dir: &Path,
) {
    let fence = |token| Fence {
        directory: dir.to_owned(),
        key: "k".into(),
        token,
    };
    let (begun, go) = (dir.join("begun"), dir.join("go"));
    let script = format!(
        "echo x > {}; while [ ! -e {} ]; do sleep 0.01; done",
        begun.display(),
        go.display()
    );
    let (old, same, new) = (fence(1), fence(1), fence(2));
    let slow = Command::new("sh", ["-c", &script]);
    let quick = Command::new("true", [""; 0]);
    let order = std::sync::Mutex::new(Vec::new());
    let first = async {
        machine.run(&slow, Some(&old)).await.unwrap();
        order.lock().unwrap().push("old");
    };
    let second = async {
        appears(&begun).await;
        machine.run(&quick, Some(&same)).await.unwrap();
        order.lock().unwrap().push("same");
        let newer = async {
            let touched = Action::Run {
                command: Command::new("rm", [go.to_str().unwrap()]),
            };
            machine.perform(&[touched], Some(&new), None).await.unwrap();
            order.lock().unwrap().push("new");
        };
        // The newer one removes what the older one waits for: had it not waited, that would
        // fail, or the older one would wait for ever.
        let release = async {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            fs::write(&go, "x").unwrap();
        };
        tokio::join!(newer, release);
    };
    tokio::join!(first, second);
    assert_eq!(order.lock().unwrap().first(), Some(&"same"));
}

pub(crate) async fn every_format_unpacks_to_the_same_tree(machine: &dyn Machine, dir: &Path) {
    let root = dir.join("root");
    fs::create_dir(&root).unwrap();
    for (index, path) in archives::every_format(dir).into_iter().enumerate() {
        let name = format!("release {index}");
        // What a cut-off attempt left behind is replaced.
        fs::create_dir_all(root.join(format!("{name}.partial/left"))).unwrap();
        unpack(machine, at(&root, &name), &Only::open(&path))
            .await
            .unwrap();
        archives::assert_tree(&root.join(&name));
        assert!(!root.join(&name).join("left").exists());
        assert!(!root.join(format!("{name}.partial")).exists());
    }
}

pub(crate) async fn what_gzip_makes_no_shorter_unpacks(machine: &dyn Machine, dir: &Path) {
    let contents = archives::incompressible(100 << 10);
    let archive = dir.join("archive.tar.gz");
    let entry = archives::Raw {
        contents: &contents,
        ..Default::default()
    };
    archives::raw(&archive, &[entry]);
    unpack(machine, at(dir, "out"), &Only::open(&archive))
        .await
        .unwrap();
    assert!(fs::read(dir.join("out/a")).unwrap() == contents);
    // With permissions that nobody gets.
    let entry = archives::Raw {
        contents: &contents,
        mode: 0o6777,
        ..Default::default()
    };
    archives::raw(&archive, &[entry]);
    unpack(machine, at(dir, "special"), &Only::open(&archive))
        .await
        .unwrap();
    let there = fs::metadata(dir.join("special/a")).unwrap();
    assert_eq!(there.permissions().mode() & 0o7777, 0o755);
}

pub(crate) async fn what_is_there_is_not_unpacked_again(machine: &dyn Machine, dir: &Path) {
    let archive = archives::every_format(dir).remove(2);
    let only = Only::open(&archive);
    fs::create_dir(dir.join("there")).unwrap();
    let again = Action::Unpack {
        at: at(dir, "there"),
        release: "r".into(),
    };
    let next = Action::Unpack {
        at: at(dir, "next"),
        release: "r".into(),
    };
    let touch = write(at(dir, "last"), "x");
    let actions = [again.clone(), touch.clone(), next, again, touch];
    machine.perform(&actions, None, Some(&only)).await.unwrap();
    machine.perform(&actions, None, Some(&only)).await.unwrap();
    assert_eq!(fs::read_dir(dir.join("there")).unwrap().count(), 0);
    archives::assert_tree(&dir.join("next"));
}

pub(crate) async fn a_file_can_be_copied(machine: &dyn Machine, dir: &Path) {
    let path = dir.join("program");
    fs::write(&path, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4775)).unwrap();
    let artifact = Only::open(&path);
    let unpacked = unpack(machine, at(dir, "out"), &artifact).await;
    assert_eq!(kind(unpacked), ErrorKind::Invalid);
    let copy = Action::Copy {
        at: at(dir, "copy"),
        release: "r".into(),
    };
    machine
        .perform(&[copy], None, Some(&artifact))
        .await
        .unwrap();
    assert_eq!(fs::read_to_string(dir.join("copy")).unwrap(), "#!/bin/sh\n");
    assert_eq!(
        dir.join("copy").metadata().unwrap().permissions().mode() & 0o7777,
        0o755
    );
}
