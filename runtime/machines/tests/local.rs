//! Every verb on this machine, and every way out of a root that is none.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    time::Duration,
};

use crate::support::{at, kind, one};
use machines::{Action, Command, Endpoint, EntryKind, ErrorKind, Fence, Local, Machine, Place};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn machine() -> (tempfile::TempDir, Local) {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::new("local", dir.path());
    (dir, local)
}

fn write(at: Place, contents: &str) -> Action {
    Action::Write {
        at,
        contents: contents.into(),
        mode: None,
    }
}

#[tokio::test]
async fn files_are_written_read_listed_and_removed() {
    let (dir, local) = machine();
    let root = dir.path().join("root");
    let done = local
        .perform(
            &[
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
            ],
            None,
            None,
        )
        .await
        .unwrap();
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
        local.stat(&at(&root, "moved")).await.unwrap().unwrap().size,
        3
    );
    assert!(local.list(&at(&root, "a")).await.unwrap().is_empty());
    assert_eq!(
        kind(local.read(&at(&root, "a/x")).await),
        ErrorKind::Missing
    );
    assert!(!root.join("a").exists());
}

#[tokio::test]
async fn permissions_are_kept_or_given() {
    let (dir, local) = machine();
    let mode = |name: &str| {
        dir.path()
            .join(name)
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    one(&local, write(at(dir.path(), "new"), "x"))
        .await
        .unwrap();
    assert_eq!(mode("new"), 0o644);
    fs::set_permissions(dir.path().join("new"), fs::Permissions::from_mode(0o640)).unwrap();
    one(&local, write(at(dir.path(), "new"), "y"))
        .await
        .unwrap();
    assert_eq!(mode("new"), 0o640);
    let secret = Action::Write {
        at: at(dir.path(), "s"),
        contents: vec![0, 255],
        mode: Some(0o600),
    };
    one(&local, secret).await.unwrap();
    assert_eq!(mode("s"), 0o600);
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        2,
        "no temporary file stays"
    );
}

#[tokio::test]
async fn no_path_leaves_its_root() {
    let (dir, local) = machine();
    let root = dir.path().join("root");
    let outside = dir.path().join("outside");
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
        ];
        for attempt in attempts {
            let verb = attempt.verb();
            assert_eq!(
                kind(one(&local, attempt).await),
                ErrorKind::Denied,
                "{verb} {path}"
            );
        }
    }
    for path in ["absolute/new", "relative/deep/new"] {
        let made = one(
            &local,
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
                &local,
                Action::Read {
                    at: at(&root, "file")
                }
            )
            .await
        ),
        ErrorKind::Denied
    );
    assert_eq!(
        kind(local.list(&at(&root, "relative")).await),
        ErrorKind::Denied
    );
    let elsewhere = Place::new(&root, outside.join("secret"));
    assert_eq!(kind(local.read(&elsewhere).await), ErrorKind::Denied);
    // A write replaces the link, and never what it points to.
    one(&local, write(at(&root, "file"), "mine")).await.unwrap();
    assert_eq!(
        fs::read_to_string(outside.join("secret")).unwrap(),
        "secret"
    );
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[tokio::test]
async fn a_root_cannot_be_replaced() {
    let (dir, local) = machine();
    let root = Place::exactly(dir.path().join("root"));
    fs::create_dir(&root.path).unwrap();
    let link = Action::Link {
        at: root.clone(),
        points_to: "/etc".into(),
    };
    assert_eq!(kind(one(&local, link).await), ErrorKind::Denied);
    let other = at(dir.path(), "other");
    symlink("/etc", &other.path).unwrap();
    let rename = Action::Rename {
        from: other,
        to: root,
    };
    assert_eq!(kind(one(&local, rename).await), ErrorKind::Denied);
}

#[tokio::test]
async fn a_link_that_is_swapped_in_leads_nowhere() {
    let (dir, local) = machine();
    let root = dir.path().join("root");
    let outside = dir.path().join("outside");
    for path in [&root, &outside] {
        fs::create_dir_all(path.join("sub")).unwrap();
    }
    fs::write(root.join("sub/file"), "inside").unwrap();
    fs::write(outside.join("sub/file"), "outside").unwrap();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let swapped = root.clone();
    let swapper = std::thread::spawn(move || {
        while stopped.try_recv().is_err() {
            fs::rename(swapped.join("sub"), swapped.join("kept")).unwrap();
            symlink("../outside/sub", swapped.join("sub")).unwrap();
            fs::remove_file(swapped.join("sub")).unwrap();
            fs::rename(swapped.join("kept"), swapped.join("sub")).unwrap();
        }
    });
    for _ in 0..2000 {
        if let Ok(contents) = local.read(&at(&root, "sub/file")).await {
            assert_eq!(contents, b"inside");
        }
        let _ = one(&local, write(at(&root, "sub/new"), "x")).await;
    }
    stop.send(()).unwrap();
    swapper.join().unwrap();
    assert!(!outside.join("sub/new").exists());
}

#[tokio::test]
async fn a_failure_says_which_action_it_was() {
    let (dir, local) = machine();
    let fails = Command::new("sh", ["-c", "echo out; echo err >&2; exit 3"]);
    let actions = [
        Action::CreateDirectory {
            at: at(dir.path(), "a"),
        },
        Action::Run {
            command: fails.clone(),
        },
        Action::CreateDirectory {
            at: at(dir.path(), "b"),
        },
    ];
    let error = local.perform(&actions, None, None).await.unwrap_err();
    assert_eq!((error.kind, error.index), (ErrorKind::Rejected, Some(1)));
    assert!(error.message.contains("err"), "{error}");
    assert_eq!(error.output.unwrap().stdout, b"out\n");
    assert!(dir.path().join("a").exists() && !dir.path().join("b").exists());
    assert_eq!(local.run(&fails, None).await.unwrap().status, Some(3));
}

#[tokio::test]
async fn programs_get_just_what_they_are_given() {
    let (dir, local) = machine();
    fs::create_dir(dir.path().join("bin")).unwrap();
    fs::write(
        dir.path().join("bin/say"),
        "#!/bin/sh\npwd -P; echo \"$1\"; cat; env\n",
    )
    .unwrap();
    fs::set_permissions(
        dir.path().join("bin/say"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    let command = Command {
        program: "./say".into(),
        arguments: vec!["it's $HOME; `id`".into()],
        environment: vec![("GIVEN".into(), "a 'b' \"c\"\n".into())],
        working_directory: Some("bin".into()),
        input: b"input\n".to_vec(),
        timeout: None,
    };
    let output = local.run(&command, None).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let bin = dir.path().canonicalize().unwrap().join("bin");
    assert!(
        said.starts_with(&format!("{}\nit's $HOME; `id`\ninput\n", bin.display())),
        "{said}"
    );
    assert!(said.contains("GIVEN=a 'b' \"c\"\n"), "{said}");
    assert!(!said.contains("CARGO_MANIFEST_DIR"), "{said}");
    let missing = local
        .run(&Command::new("no-such-program", [""; 0]), None)
        .await;
    assert_eq!(kind(missing), ErrorKind::Missing);
}

#[tokio::test]
async fn a_program_that_takes_too_long_ends_with_all_its_children() {
    let (dir, local) = machine();
    let pid = dir.path().join("pid");
    let script = format!(
        "trap '' TERM; sleep 1000 & echo $! > {}; echo said; wait; wait",
        pid.display()
    );
    let mut command = Command::new("sh", ["-c", &script]);
    command.timeout = Some(Duration::from_millis(300));
    let error = local.run(&command, None).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert_eq!(error.output.unwrap().stdout, b"said\n");
    assert!(ended(fs::read_to_string(&pid).unwrap().trim()).await);
}

#[tokio::test]
async fn what_a_program_leaves_behind_does_not_hold_it_up() {
    let (_dir, local) = machine();
    let command = Command::new("sh", ["-c", "echo $$; sleep 1000 & echo $!"]);
    let output = local.run(&command, None).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let left = said.lines().nth(1).unwrap().parse().unwrap();
    assert_eq!(output.status, Some(0));
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(left).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_its_program() {
    let (dir, local) = machine();
    let pid = dir.path().join("pid");
    let script = format!(
        "echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000",
        pid.display()
    );
    let command = Command::new("sh", ["-c", &script]);
    tokio::select! {
        _ = local.run(&command, None) => panic!("it ended by itself"),
        () = appears(&pid) => {}
    }
    assert!(ended(fs::read_to_string(&pid).unwrap().trim()).await);
}

#[tokio::test]
async fn output_is_bounded() {
    let (_dir, local) = machine();
    let command = Command::new("head", ["-c", "3000000", "/dev/zero"]);
    let output = local.run(&command, None).await.unwrap();
    assert_eq!(
        (output.stdout.len(), output.truncated),
        (machines::OUTPUT_BYTES_MAX, true)
    );
}

fn start(dir: &Path, script: &str) -> Action {
    Action::Start {
        command: Command::new("sh", ["-c", script]),
        pid_file: at(dir, "pid"),
        log_file: at(dir, "log"),
    }
}

#[tokio::test]
async fn a_started_program_runs_once_until_it_is_stopped() {
    let (dir, local) = machine();
    let stop = Action::Stop {
        pid_file: at(dir.path(), "pid"),
        grace: Duration::from_secs(10),
    };
    one(&local, stop.clone()).await.unwrap();
    let script = "echo up; trap 'echo down; exit' TERM; sleep 1000 & echo $! > child; wait";
    one(&local, start(dir.path(), script)).await.unwrap();
    let noted = fs::read_to_string(dir.path().join("pid")).unwrap();
    one(&local, start(dir.path(), script)).await.unwrap();
    assert_eq!(
        fs::read_to_string(dir.path().join("pid")).unwrap(),
        noted,
        "it runs already"
    );
    appears(&dir.path().join("child")).await;
    let child = fs::read_to_string(dir.path().join("child")).unwrap();
    one(&local, stop.clone()).await.unwrap();
    assert_eq!(
        fs::read_to_string(dir.path().join("log")).unwrap(),
        "up\ndown\n"
    );
    assert!(!dir.path().join("pid").exists());
    assert!(ended(noted.split(' ').next().unwrap()).await);
    assert!(ended(child.trim()).await, "its session ends with it");
    one(&local, stop).await.unwrap();
}

#[tokio::test]
async fn a_program_that_does_not_want_to_end_is_killed() {
    let (dir, local) = machine();
    let script = "trap '' TERM; echo up; while :; do sleep 1; done";
    one(&local, start(dir.path(), script)).await.unwrap();
    let noted = fs::read_to_string(dir.path().join("pid")).unwrap();
    let stop = Action::Stop {
        pid_file: at(dir.path(), "pid"),
        grace: Duration::from_millis(50),
    };
    one(&local, stop).await.unwrap();
    assert!(ended(noted.split(' ').next().unwrap()).await);
}

#[tokio::test]
async fn a_number_that_another_process_got_is_left_alone() {
    let (dir, local) = machine();
    let mut other = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    fs::write(dir.path().join("pid"), format!("{} 12345\n", other.id())).unwrap();
    let stop = Action::Stop {
        pid_file: at(dir.path(), "pid"),
        grace: Duration::ZERO,
    };
    one(&local, stop).await.unwrap();
    assert!(other.try_wait().unwrap().is_none(), "it must not be killed");
    assert!(!dir.path().join("pid").exists());
    fs::write(dir.path().join("pid"), format!("{} 12345\n", other.id())).unwrap();
    one(&local, start(dir.path(), "exec sleep 1000"))
        .await
        .unwrap();
    let noted = fs::read_to_string(dir.path().join("pid")).unwrap();
    assert!(!noted.starts_with(&other.id().to_string()), "{noted}");
    other.kill().unwrap();
    other.wait().unwrap();
    let stop = Action::Stop {
        pid_file: at(dir.path(), "pid"),
        grace: Duration::from_secs(5),
    };
    one(&local, stop).await.unwrap();
}

#[tokio::test]
async fn a_program_that_cannot_start_is_a_failure() {
    let (dir, local) = machine();
    let error = one(&local, start(dir.path(), "echo no port >&2; exit 4"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(
        error.message.contains("status 4") && error.message.contains("no port"),
        "{error}"
    );
    let missing = Action::Start {
        command: Command::new("no-such-program", [""; 0]),
        pid_file: at(dir.path(), "pid"),
        log_file: at(dir.path(), "log"),
    };
    assert_eq!(kind(one(&local, missing).await), ErrorKind::Missing);
}

#[tokio::test]
async fn an_older_token_is_refused() {
    let (dir, local) = machine();
    let fence = |token| Fence {
        directory: "fences".into(),
        key: "shop/production".into(),
        token,
    };
    let act = |token: u64, name: &str| {
        let action = Action::CreateDirectory {
            at: at(dir.path(), name),
        };
        let local = &local;
        async move { local.perform(&[action], Some(&fence(token)), None).await }
    };
    act(3, "a").await.unwrap();
    act(3, "b").await.unwrap();
    act(5, "c").await.unwrap();
    let error = act(4, "d").await.unwrap_err();
    assert_eq!((error.kind, error.retryable), (ErrorKind::Conflict, false));
    assert!(error.message.contains('5'), "{error}");
    assert!(!dir.path().join("d").exists());
    let other = Fence {
        key: "shop/staging".into(),
        ..fence(1)
    };
    let action = Action::CreateDirectory {
        at: at(dir.path(), "d"),
    };
    local.perform(&[action], Some(&other), None).await.unwrap();
}

#[tokio::test]
async fn a_newer_token_waits_for_what_an_older_one_has_under_way() {
    let (dir, local) = machine();
    let fence = |token| Fence {
        directory: ".".into(),
        key: "k".into(),
        token,
    };
    let (begun, go) = (dir.path().join("begun"), dir.path().join("go"));
    let script = format!(
        "touch {}; while [ ! -e {} ]; do sleep 0.01; done",
        begun.display(),
        go.display()
    );
    let (old, same, new) = (fence(1), fence(1), fence(2));
    let slow = Command::new("sh", ["-c", &script]);
    let quick = Command::new("true", [""; 0]);
    let first = async {
        local.run(&slow, Some(&old)).await.unwrap();
        assert!(
            !dir.path().join("second").exists(),
            "the newer one did not wait"
        );
    };
    let second = async {
        appears(&begun).await;
        local.run(&quick, Some(&same)).await.unwrap();
        let waiting = local.run(&quick, Some(&new));
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        fs::write(&go, "").unwrap();
        waiting.await.unwrap();
        fs::write(dir.path().join("second"), "").unwrap();
    };
    tokio::join!(first, second);
}

#[tokio::test]
async fn streams_are_connected_and_exchanged() {
    let (dir, local) = machine();
    let path = dir.path().join("socket");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = String::new();
        stream.read_to_string(&mut asked).await.unwrap();
        stream
            .write_all(asked.to_uppercase().as_bytes())
            .await
            .unwrap();
    };
    let endpoint = Endpoint::Unix(path);
    let ask = local.exchange(&endpoint, b"hello", Duration::from_secs(10));
    let (answer, ()) = tokio::join!(ask, serve);
    assert_eq!(answer.unwrap(), b"HELLO");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let endpoint = Endpoint::Tcp {
        host: "127.0.0.1".into(),
        port,
    };
    let waited = local
        .exchange(&endpoint, b"", Duration::from_millis(50))
        .await;
    assert_eq!(kind(waited), ErrorKind::Timeout);
    drop(silent);
    let refused = local
        .exchange(&endpoint, b"", Duration::from_secs(10))
        .await;
    assert_eq!(kind(refused), ErrorKind::Unavailable);
}

/// Waits until the process is gone; a defunct one that nobody asked after counts as gone.
async fn ended(pid: &str) -> bool {
    let stat = format!("/proc/{pid}/stat");
    let there = || fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    for _ in 0..500 {
        if !there() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

async fn appears(path: &Path) {
    while fs::read(path).map_or(true, |contents| {
        contents.is_empty() && !path.ends_with("begun")
    }) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
