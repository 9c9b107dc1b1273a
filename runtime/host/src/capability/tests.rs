//! Files, commands, machine, sockets, locks, mail, logs and notes, on this machine.

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

use bindings::{commands::Command, logs::Level, machine::Action, mail::Message};
use engine::Code;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
};

use crate::{
    CallContext, Kind,
    call::CallState,
    testing::{Guest, TOKEN, World},
};

fn command(program: &str, arguments: &[&str]) -> Command {
    Command {
        program: program.into(),
        arguments: arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect(),
        environment: Vec::new(),
        working_directory: None,
        input: Vec::new(),
        timeout: None,
        options: Vec::new(),
    }
}

fn action(verb: &str, path: &str, argument: &str) -> Action {
    Action {
        verb: verb.into(),
        path: path.into(),
        argument: argument.as_bytes().to_vec(),
        command: None,
    }
}

async fn under_way(guest: Guest, settings: Value, world: World) -> CallState {
    guest.under_way(settings, world).await
}

#[tokio::test]
async fn files_live_below_their_root() {
    let world = World::new();
    let directory = world.audit.directory.path().to_owned();
    let audit = Arc::clone(&world.audit);
    fs::write(directory.join("outside"), "private").unwrap();
    let call = under_way(
        Guest::new(Kind::Step).asking("files", "write:app"),
        json!({}),
        world,
    )
    .await;
    call.change_file("create-directory", "app/deep", Vec::new())
        .await
        .unwrap();
    call.write_file("app/deep/x", b"1".to_vec()).await.unwrap();
    assert_eq!(call.read_file("app/deep/x").await.unwrap(), b"1");
    assert_eq!(
        call.list_directory("app").await.unwrap()[0].kind,
        "directory"
    );
    assert_eq!(call.stat_file("app/deep/x").await.unwrap().unwrap().size, 1);
    assert!(call.stat_file("app/missing").await.unwrap().is_none());
    assert_eq!(
        call.read_file("app/missing").await.unwrap_err().code,
        Code::Missing
    );
    call.change_file("link", "app/current", b"deep".to_vec())
        .await
        .unwrap();
    assert_eq!(call.read_link_file("app/current").await.unwrap(), "deep");
    call.change_file("rename", "app/deep/x", b"app/y".to_vec())
        .await
        .unwrap();
    call.change_file("remove", "app/deep", Vec::new())
        .await
        .unwrap();
    assert_eq!(audit.last().ended, "ok");
    // Out by name, and out by a link that the plugin put there itself.
    assert_eq!(
        call.read_file("app/../outside").await.unwrap_err().code,
        Code::Invalid
    );
    assert_eq!(
        call.read_file("outside").await.unwrap_err().code,
        Code::Denied
    );
    call.change_file("link", "app/out", b"..".to_vec())
        .await
        .unwrap();
    assert!(call.read_file("app/out/outside").await.is_err());
    assert!(call.write_file("app/out/new", b"x".to_vec()).await.is_err());
    assert!(
        call.change_file("rename", "app/y", b"outside".to_vec())
            .await
            .is_err()
    );
    assert!(!directory.join("new").exists());
    assert_eq!(fs::read(directory.join("outside")).unwrap(), b"private");
}

#[tokio::test]
async fn a_file_with_a_secret_is_its_owners_alone() {
    let world = World::new();
    let (directory, audit) = (
        world.audit.directory.path().to_owned(),
        Arc::clone(&world.audit),
    );
    let settings = json!({
        "marked": { "secret": "TOKEN", "use": ["file"] },
        "unmarked": { "secret": "HOOK" },
    });
    *audit.hook.lock().unwrap() = "https://hooks.example.com/T0/abcdefgh".into();
    let guest = Guest::new(Kind::Step).asking("files", "write:app");
    let call = under_way(guest, settings, world).await;
    let marked = call.sealed.settings["marked"].as_str().unwrap().to_owned();
    let unmarked = call.sealed.settings["unmarked"]
        .as_str()
        .unwrap()
        .to_owned();
    call.change_file("create-directory", "app", Vec::new())
        .await
        .unwrap();
    let text = format!("{marked} {unmarked}");
    call.write_file("app/x", text.clone().into_bytes())
        .await
        .unwrap();
    assert_eq!(
        fs::read_to_string(directory.join("app/x")).unwrap(),
        format!("{TOKEN} {unmarked}")
    );
    let mode = fs::metadata(directory.join("app/x"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(audit.last().secrets, ["TOKEN"]);
    assert_eq!(
        call.read_file("app/x").await.unwrap(),
        text.as_bytes(),
        "reads back as written"
    );
}

#[tokio::test]
async fn programs_run_without_a_shell() {
    let world = World::new();
    let audit = Arc::clone(&world.audit);
    let guest = Guest::new(Kind::Step)
        .asking("commands", "printf *")
        .asking("commands", "false");
    let call = under_way(guest, json!({}), world).await;
    let output = call
        .run_command(command("printf", &["%s|", "$HOME; ls", "b c"]))
        .await
        .unwrap();
    assert_eq!(output.stdout, b"$HOME; ls|b c|");
    assert_eq!(
        call.run_command(command("false", &[]))
            .await
            .unwrap()
            .status,
        Some(1)
    );
    assert_eq!(audit.last().ended, "status 1");
    let denied = call
        .run_command(command("sh", &["-c", "true"]))
        .await
        .unwrap_err();
    assert_eq!(denied.code, Code::Denied);
    let with_option = Command {
        options: vec![("x".into(), "y".into())],
        ..command("false", &[])
    };
    assert_eq!(
        call.run_command(with_option).await.unwrap_err().code,
        Code::Invalid
    );
}

#[tokio::test]
async fn variables_and_directories_are_the_operators() {
    let world = World::new();
    let settings = json!({
        "environment": { "PATH": "/usr/bin:/bin" },
        "token": { "secret": "TOKEN", "use": ["environment"] },
        "directory": "work/{target}",
    });
    fs::create_dir_all(world.audit.directory.path().join("work/one")).unwrap();
    let guest = Guest::new(Kind::Step)
        .asking("commands", "env")
        .asking("commands", "cat");
    let call = under_way(guest, settings, world).await;
    let with = |name: &str, value: &str| Command {
        environment: vec![(name.into(), value.into())],
        ..command("env", &[])
    };
    let denied = call
        .run_command(with("LD_PRELOAD", "/tmp/x.so"))
        .await
        .unwrap_err();
    assert_eq!(denied.code, Code::Denied);
    assert_eq!(
        call.run_command(with("A=B", "x")).await.unwrap_err().code,
        Code::Invalid
    );
    call.run_command(with("PATH", "/usr/bin:/bin"))
        .await
        .unwrap();
    // A secret goes into a variable and into the input, and comes back as its placeholder.
    let token = call.sealed.settings["token"].as_str().unwrap();
    let output = call.run_command(with("TOKEN", token)).await.unwrap();
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains(&format!("TOKEN={token}\n"))
    );
    let input = Command {
        input: token.into(),
        ..command("cat", &[])
    };
    let checked = call.command(input, &mut Vec::new()).unwrap();
    assert_eq!(checked.input, TOKEN.as_bytes());
    // Nor is a placeholder in an argument anything but text.
    let within = |directory: &str| Command {
        working_directory: Some(directory.into()),
        ..command("env", &[])
    };
    call.run_command(within("work/one")).await.unwrap();
    assert_eq!(
        call.run_command(within("work")).await.unwrap_err().code,
        Code::Denied
    );
    assert_eq!(
        call.run_command(within("work/one/../.."))
            .await
            .unwrap_err()
            .code,
        Code::Invalid
    );
}

#[tokio::test]
async fn this_program_has_a_name() {
    let guest = Guest::new(Kind::LoadBalancer).asking("commands", "runtime proxy start *");
    let call = under_way(guest, json!({}), World::new()).await;
    let checked = call.command(
        command("runtime", &["proxy", "start", "-x"]),
        &mut Vec::new(),
    );
    assert_eq!(checked.unwrap().program, "/opt/runtime");
    let other = call
        .command(command("runtime", &["deploy"]), &mut Vec::new())
        .unwrap_err();
    assert_eq!(other.code, Code::Denied);
}

#[tokio::test]
async fn all_is_checked_before_the_first_step_runs() {
    let world = World::new();
    let directory = world.audit.directory.path().to_owned();
    let guest = Guest::new(Kind::Step)
        .asking("files", "write:app")
        .asking("commands", "false");
    let call = under_way(guest, json!({}), world).await;
    let denied = call
        .perform_actions(vec![
            action("create-directory", "app", ""),
            action("write", "elsewhere", "x"),
        ])
        .await
        .unwrap_err();
    assert_eq!(denied.code, Code::Denied);
    assert_eq!(denied.details["index"], 1);
    assert!(!directory.join("app").exists(), "nothing ran");
    let run = Action {
        command: Some(command("false", &[])),
        ..action("run", "", "")
    };
    let failed = call
        .perform_actions(vec![
            action("create-directory", "app", ""),
            action("write", "app/x", "1"),
            run,
            action("remove", "app/x", ""),
        ])
        .await
        .unwrap_err();
    assert_eq!(failed.details["index"], 2, "{failed}");
    assert!(directory.join("app/x").exists(), "it stopped there");
    let outputs = call
        .perform_actions(vec![
            action("read", "app/x", ""),
            action("read", "app/missing", ""),
            action("list", "app", ""),
        ])
        .await
        .unwrap();
    assert_eq!(outputs[0].stdout, b"1");
    assert_eq!(outputs[1].status, Some(1));
    let listed: Value = serde_json::from_slice(&outputs[2].stdout).unwrap();
    assert_eq!(listed[0]["name"], "x");
    for (wrong, code) in [
        (action("dance", "app/x", ""), Code::Invalid),
        (action("stop", "app/pid", "soon"), Code::Invalid),
        (action("start", "", ""), Code::Invalid),
        (action("unpack", "app/r", "5-1"), Code::Missing),
    ] {
        assert_eq!(
            call.perform_actions(vec![wrong]).await.unwrap_err().code,
            code
        );
    }
}

#[tokio::test]
async fn a_program_in_the_background_is_started_and_stopped() {
    let world = World::new();
    let directory = world.audit.directory.path().to_owned();
    let guest = Guest::new(Kind::Step)
        .asking("files", "write:app")
        .asking("commands", "sleep 1000");
    let call = under_way(guest, json!({}), world).await;
    let start = |pid_file: &str| {
        let options = vec![
            ("pid-file".to_owned(), pid_file.to_owned()),
            ("log-file".to_owned(), "app/log".to_owned()),
        ];
        let command = Command {
            options,
            ..command("sleep", &["1000"])
        };
        Action {
            command: Some(command),
            ..action("start", "", "")
        }
    };
    let denied = call
        .perform_actions(vec![start("../pid")])
        .await
        .unwrap_err();
    assert_eq!(denied.code, Code::Invalid);
    let denied = call
        .perform_actions(vec![start("other/pid")])
        .await
        .unwrap_err();
    assert_eq!(denied.code, Code::Denied);
    call.perform_actions(vec![
        action("create-directory", "app", ""),
        start("app/pid"),
    ])
    .await
    .unwrap();
    assert!(directory.join("app/pid").exists());
    call.perform_actions(vec![action("stop", "app/pid", "1000")])
        .await
        .unwrap();
    assert!(!directory.join("app/pid").exists());
}

#[tokio::test]
async fn byte_streams_go_where_they_were_granted() {
    let world = World::new();
    let path = world.audit.directory.path().join("s.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4];
            if stream.read_exact(&mut asked).await.is_err() {
                continue;
            }
            stream.write_all(b"pong\n> ").await.unwrap();
            if &asked == b"stay" {
                // Until the other side goes.
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        }
    });
    let endpoint = format!("unix:{}", path.display());
    let guest = Guest::new(Kind::HealthCheck).asking("sockets", "{endpoint}");
    let call = under_way(guest, json!({ "endpoint": endpoint }), world).await;
    call.connect_socket(&endpoint, 1_000).await.unwrap();
    assert_eq!(
        call.talk(&endpoint, b"ping", None, 1_000).await.unwrap(),
        b"pong\n> "
    );
    let until = Some(b"\n> ".as_slice());
    assert_eq!(
        call.talk(&endpoint, b"stay", until, 1_000).await.unwrap(),
        b"pong\n> "
    );
    let late = call
        .talk(&endpoint, b"stay", Some(b"never"), 100)
        .await
        .unwrap_err();
    assert_eq!(
        (late.code, late.details["received"].as_str()),
        (Code::Timeout, Some("pong\n> "))
    );
    for (elsewhere, code) in [
        ("unix:/run/other.sock", Code::Denied),
        ("tcp:127.0.0.1:22", Code::Denied),
        ("unix:/run/../run/x", Code::Invalid),
        ("nonsense", Code::Invalid),
    ] {
        let failure = call.connect_socket(elsewhere, 1_000).await.unwrap_err();
        assert_eq!(failure.code, code, "{elsewhere}");
    }
}

#[tokio::test]
async fn what_nobody_provides_says_so() {
    let guest = Guest::new(Kind::Step)
        .asking("locks", "a")
        .asking("mail", "{to}")
        .asking("secrets", "TOKEN");
    let world = World::new();
    let audit = Arc::clone(&world.audit);
    let call = under_way(guest, json!({ "to": "ops@example.com" }), world).await;
    assert_eq!(
        call.take_lock("a", 0).await.err().unwrap().code,
        Code::Unavailable
    );
    assert_eq!(
        call.take_lock("b", 0).await.err().unwrap().code,
        Code::Denied
    );
    let mail = |to: &str| Message {
        to: vec![to.into()],
        subject: "s".into(),
        text: "t".into(),
        html: None,
        options: Vec::new(),
    };
    assert_eq!(
        call.send_mail(mail("ops@example.com"))
            .await
            .unwrap_err()
            .code,
        Code::Unavailable
    );
    assert_eq!(
        call.send_mail(mail("x@example.com"))
            .await
            .unwrap_err()
            .code,
        Code::Denied
    );
    assert_eq!(
        call.send_mail(mail("a@b\r\nBcc: c@d"))
            .await
            .unwrap_err()
            .code,
        Code::Invalid
    );
    // A value that was shown is known from then on.
    assert_eq!(call.reveal_secret("TOKEN").await.unwrap(), TOKEN);
    assert_eq!(audit.last().secrets, ["TOKEN"]);
    assert_eq!(
        call.reveal_secret("HOOK").await.unwrap_err().code,
        Code::Denied
    );
    call.write_log(Level::Info, format!("it is {TOKEN}"), Vec::new());
    assert_eq!(
        audit.lines.lock().unwrap()[0].message,
        "it is [secret TOKEN]"
    );
}

#[tokio::test]
async fn lines_of_a_log_are_lines() {
    let world = World::new();
    let audit = Arc::clone(&world.audit);
    let call = under_way(Guest::new(Kind::Step), json!({}), world).await;
    let nasty = "one\ntwo\u{1b}[2J\u{202e}evil".to_owned();
    call.write_log(Level::Warn, nasty.clone(), vec![("k\n".into(), nasty)]);
    call.write_log(
        Level::Info,
        "x".repeat(1 << 20),
        vec![(String::new(), String::new()); 1_000],
    );
    let lines = audit.lines.lock().unwrap();
    assert_eq!(lines[0].message, "one\\ntwo\\u{1b}[2J\\u{202e}evil");
    assert_eq!(lines[0].fields[0].0, "k\\n");
    assert_eq!(lines[0].plugin, "guest");
    assert!(lines[1].message.len() < 10_000 && lines[1].fields.len() < 100);
}

#[tokio::test]
async fn a_fence_keeps_out_who_lost_the_lease() {
    let fenced = async |token: u64, directory: &std::path::Path| {
        let world = World {
            context: CallContext {
                fence: Some(machines::Fence {
                    directory: directory.join("fences"),
                    key: "shop/production".into(),
                    token,
                }),
                ..CallContext::new("1")
            },
            ..World::new()
        };
        let guest = Guest::new(Kind::Step).asking("files", "write:app");
        let call = under_way(guest, json!({}), world).await;
        let changed = call
            .change_file("create-directory", "app", Vec::new())
            .await;
        // What only looks is not kept out.
        call.perform_actions(vec![action("list", "app", "")])
            .await
            .unwrap();
        changed
    };
    let shared = tempfile::tempdir().unwrap();
    fenced(2, shared.path()).await.unwrap();
    fenced(3, shared.path()).await.unwrap();
    assert_eq!(
        fenced(2, shared.path()).await.unwrap_err().code,
        Code::Conflict
    );
}
