//! Machines behind real SSH servers: the suite, and all that can go wrong on the way.

use std::{fs, path::Path, process::Command as Program, sync::OnceLock, time::Duration};

use machines::{
    Action, Command, Endpoint, ErrorKind, Location, Machine, MachineSpec, Machines, Ssh, SshSpec,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    suite::write,
    support::{
        Only, appears, archives, at, kind, one,
        sshd::{Sshd, key, user},
        unpack,
        wire::Wire,
    },
};

/// One server for all of the suite.
fn machine(_: &Path) -> Box<dyn Machine> {
    static SERVER: OnceLock<Sshd> = OnceLock::new();
    Box::new(SERVER.get_or_init(|| Sshd::start("")).machine())
}

crate::suite!(machine);

fn hello() -> Command {
    Command::new("echo", ["hello"])
}

async fn says_hello(spec: SshSpec) {
    let machine = Ssh::new("web", spec);
    assert_eq!(
        machine.run(&hello(), None).await.unwrap().stdout,
        b"hello\n"
    );
    machine.close().await;
}

async fn fails(spec: SshSpec) -> machines::MachineError {
    Ssh::new("web", spec).run(&hello(), None).await.unwrap_err()
}

#[tokio::test]
async fn one_call_is_one_round_trip() {
    let server = Sshd::start("");
    let wire = Wire::to(server.port()).await;
    let dir = tempfile::tempdir().unwrap();
    let machine = Ssh::new("web", server.spec_at(wire.port()));
    machine.prepare().await.unwrap();
    let connected = wire.turns();
    assert!(connected <= 7, "connecting took {connected} round trips");
    machine.run(&hello(), None).await.unwrap();
    let first = wire.turns();
    assert!(
        first - connected <= 2,
        "the first call took {} round trips",
        first - connected
    );
    let actions = [
        Action::CreateDirectory {
            at: at(dir.path(), "a"),
        },
        write(at(dir.path(), "a/b"), "x"),
        Action::Link {
            at: at(dir.path(), "c"),
            points_to: "a".into(),
        },
        Action::Read {
            at: at(dir.path(), "c/b"),
        },
        Action::Run { command: hello() },
        Action::Remove {
            at: at(dir.path(), "a"),
        },
    ];
    for _ in 0..3 {
        let before = wire.turns();
        machine.perform(&actions, None, None).await.unwrap();
        assert_eq!(wire.turns() - before, 1);
    }
    assert_eq!(wire.connections(), 1);
}

#[tokio::test]
async fn calls_side_by_side_share_a_connection() {
    let server = Sshd::start("");
    let wire = Wire::to(server.port()).await;
    let machine = Ssh::new("web", server.spec_at(wire.port()));
    let calls = (0..20).map(|number| {
        let machine = &machine;
        async move {
            let command = Command::new("echo", [number.to_string()]);
            let output = machine.run(&command, None).await.unwrap();
            assert_eq!(output.stdout, format!("{number}\n").as_bytes());
        }
    });
    futures::future::join_all(calls).await;
    assert_eq!(wire.connections(), 1);
}

#[tokio::test]
async fn what_login_shells_say_is_not_taken_for_an_answer() {
    let server = Sshd::start("");
    let noise = "echo welcome; printf '\\nfake begin\\n'; echo complaint >&2; export NOISE=1\n";
    for name in [".bashrc", ".profile", ".zshenv", ".kshrc"] {
        fs::write(server.path("home").join(name), noise).unwrap();
    }
    let machine = server.machine();
    let output = machine
        .run(&Command::new("env", [""; 0]), None)
        .await
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        !said.contains("welcome") && !said.contains("NOISE"),
        "{said}"
    );
    assert!(output.stderr.is_empty());
}

#[tokio::test]
async fn a_login_shell_that_takes_no_commands_is_quoted() {
    let server = Sshd::start("ForceCommand echo This account is closed.");
    let error = fails(server.spec()).await;
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.message.contains("This account is closed."), "{error}");
}

#[tokio::test]
async fn what_runs_on_writes_into_no_answer() {
    let server = Sshd::start("");
    let machine = server.machine();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "contents").unwrap();
    let go = dir.path().join("go");
    // It writes all the time, to the output that it got.
    let script = format!(
        "while [ ! -e {} ]; do echo noise; done & echo started",
        go.display()
    );
    machine
        .run(&Command::new("sh", ["-c", &script]), None)
        .await
        .unwrap();
    for _ in 0..20 {
        match machine.read(&at(dir.path(), "file")).await {
            Ok(contents) => assert_eq!(contents, b"contents"),
            Err(error) => assert!(error.retryable, "{error}"),
        }
    }
    fs::write(go, "").unwrap();
}

#[tokio::test]
async fn an_upload_that_was_cut_off_leaves_nothing_that_counts() {
    let server = Sshd::start("");
    let wire = Wire::to(server.port()).await;
    let machine = Ssh::new("web", server.spec_at(wire.port()));
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("large.tar.gz");
    let contents = archives::incompressible(3 << 20);
    archives::raw(
        &archive,
        &[archives::Raw {
            contents: &contents,
            ..Default::default()
        }],
    );
    let only = Only::open(&archive);
    machine.prepare().await.unwrap();
    wire.cut_after(1 << 20);
    let error = unpack(&machine, at(dir.path(), "release"), &only)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.retryable),
        (ErrorKind::Unavailable, true),
        "{error}"
    );
    assert!(error.message.contains("web"), "{error}");
    assert!(!dir.path().join("release").exists());
    wire.mend();
    unpack(&machine, at(dir.path(), "release"), &only)
        .await
        .unwrap();
    assert!(fs::read(dir.path().join("release/a")).unwrap() == contents);
    assert!(!dir.path().join("release.partial").exists());
    assert_eq!(wire.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_was_lost_is_made_again() {
    let server = Sshd::start("");
    let wire = Wire::to(server.port()).await;
    let machine = Ssh::new("web", server.spec_at(wire.port()));
    let dir = tempfile::tempdir().unwrap();
    machine.run(&hello(), None).await.unwrap();
    let begun = dir.path().join("begun");
    let script = format!("echo $$ > {}; exec sleep 1000", begun.display());
    let long = Command::new("sh", ["-c", &script]);
    let call = machine.run(&long, None);
    let cut = async {
        appears(&begun).await;
        wire.cut();
    };
    let (called, ()) = tokio::join!(call, cut);
    assert_eq!(kind(called), ErrorKind::Unavailable);
    machine.run(&hello(), None).await.unwrap();
    assert_eq!(wire.connections(), 2);
    let left = fs::read_to_string(&begun).unwrap();
    machine
        .run(&Command::new("kill", [left.trim()]), None)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_artifact_that_changes_on_its_way_does_not_appear() {
    let server = Sshd::start("");
    let machine = server.machine();
    let dir = tempfile::tempdir().unwrap();
    // Larger than what is kept in memory.
    let archive = dir.path().join("large.tar.gz");
    let contents = archives::incompressible(18 << 20);
    archives::raw(
        &archive,
        &[archives::Raw {
            contents: &contents,
            ..Default::default()
        }],
    );
    let only = Only::open(&archive);
    unpack(&machine, at(dir.path(), "before"), &only)
        .await
        .unwrap();
    assert!(fs::read(dir.path().join("before/a")).unwrap() == contents);
    // Its length and all that tar looks at stay the same.
    archives::raw(
        &archive,
        &[archives::Raw {
            contents: &archives::incompressible_from(7, 18 << 20),
            ..Default::default()
        }],
    );
    let error = unpack(&machine, at(dir.path(), "after"), &only)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
    assert!(!dir.path().join("after").exists() && !dir.path().join("after.partial").exists());
}

#[tokio::test]
async fn a_disk_that_is_full_is_said_to_be() {
    let server = Sshd::start("");
    let machine = server.machine();
    let dir = tempfile::tempdir().unwrap();
    let limited = dir.path().join("archive.tar.gz");
    archives::raw(
        &limited,
        &[archives::Raw {
            contents: &archives::incompressible(64 << 10),
            ..Default::default()
        }],
    );
    // A file where a directory should be made stands for every reason that tar may have.
    let only = Only::open(&limited);
    let full = machines::Place::new("/proc", "/proc/release");
    let error = unpack(&machine, full, &only).await.unwrap_err();
    assert!(matches!(
        error.kind,
        ErrorKind::Rejected | ErrorKind::Denied | ErrorKind::Missing
    ));
    assert!(
        error.message.contains("/proc/release") && error.message.contains("mkdir"),
        "{error}"
    );
}

#[tokio::test]
async fn hosts_that_are_not_known_are_not_trusted() {
    let server = Sshd::start("");
    let empty = server.path("empty");
    fs::write(&empty, "").unwrap();
    let spec = SshSpec {
        known_hosts: Some(empty.clone()),
        ..server.spec()
    };
    let error = fails(spec.clone()).await;
    assert_eq!((error.kind, error.retryable), (ErrorKind::Denied, false));
    assert!(error.message.contains("ssh-keyscan"), "{error}");
    says_hello(SshSpec {
        accept_new: true,
        ..spec.clone()
    })
    .await;
    says_hello(spec).await;
    let other = server.path("other");
    key(&other, "ed25519", "");
    let wrong = fs::read_to_string(server.path("other.pub")).unwrap();
    let known = server.path("wrong");
    fs::write(&known, format!("[127.0.0.1]:{} {wrong}", server.port())).unwrap();
    let spec = SshSpec {
        known_hosts: Some(known),
        accept_new: true,
        ..server.spec()
    };
    let error = fails(spec).await;
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.message.contains("in between"), "{error}");
}

#[tokio::test]
async fn hashed_entries_are_found() {
    let server = Sshd::start("");
    let spec = server.spec();
    let known = spec.known_hosts.clone().unwrap();
    let hashed = Program::new("ssh-keygen")
        .args(["-q", "-H", "-f"])
        .arg(&known)
        .output()
        .unwrap();
    assert!(hashed.status.success());
    assert!(fs::read_to_string(&known).unwrap().starts_with("|1|"));
    says_hello(spec).await;
}

#[tokio::test]
async fn the_key_that_is_known_is_the_one_asked_for() {
    let server = Sshd::start("");
    let more = server.path("rsa");
    key(&more, "rsa", "");
    let both = Sshd::start(&format!("HostKey {}", more.display()));
    let spec = both.spec();
    let rsa = fs::read_to_string(server.path("rsa.pub")).unwrap();
    let known = both.path("known-rsa");
    fs::write(&known, format!("[127.0.0.1]:{} {rsa}", both.port())).unwrap();
    says_hello(SshSpec {
        known_hosts: Some(known),
        ..spec
    })
    .await;
}

#[tokio::test]
async fn keys_of_every_kind_are_used() {
    let server = Sshd::start("");
    for kind in ["rsa", "ecdsa", "ed25519"] {
        let path = server.path(&format!("user-{kind}"));
        key(&path, kind, "");
        let public = server.path(&format!("user-{kind}.pub"));
        fs::copy(public, server.path("authorized")).unwrap();
        says_hello(SshSpec {
            identity_files: vec![path],
            ..server.spec()
        })
        .await;
    }
    let stranger = server.path("stranger");
    key(&stranger, "ed25519", "");
    let error = fails(SshSpec {
        identity_files: vec![stranger],
        ..server.spec()
    })
    .await;
    assert_eq!((error.kind, error.retryable), (ErrorKind::Denied, false));
    assert!(error.message.contains("stranger was refused"), "{error}");
}

#[tokio::test]
async fn an_encrypted_key_needs_the_agent() {
    let server = Sshd::start("");
    let path = server.path("encrypted");
    key(&path, "ed25519", "a passphrase");
    fs::copy(server.path("encrypted.pub"), server.path("authorized")).unwrap();
    let spec = SshSpec {
        identity_files: vec![path.clone()],
        ..server.spec()
    };
    let error = fails(spec.clone()).await;
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.message.contains("ssh-add"), "{error}");
    let agent = Agent::start(&server.path("agent"));
    let ask = server.path("ask");
    fs::write(&ask, "#!/bin/sh\necho a passphrase\n").unwrap();
    Program::new("chmod").arg("+x").arg(&ask).status().unwrap();
    let added = Program::new("ssh-add")
        .arg(&path)
        .envs([("SSH_AUTH_SOCK", &agent.socket), ("SSH_ASKPASS", &ask)])
        .env("SSH_ASKPASS_REQUIRE", "force")
        .output()
        .unwrap();
    assert!(added.status.success(), "{added:?}");
    let config = server.path("with-agent");
    fs::write(
        &config,
        format!("Host *\n IdentityAgent {}\n", agent.socket.display()),
    )
    .unwrap();
    says_hello(SshSpec {
        config_file: Some(config.clone()),
        ..spec.clone()
    })
    .await;
    // Without being named, too.
    says_hello(SshSpec {
        config_file: Some(config),
        identity_files: Vec::new(),
        ..spec
    })
    .await;
}

struct Agent {
    socket: std::path::PathBuf,
    child: std::process::Child,
}

impl Agent {
    fn start(socket: &Path) -> Self {
        let mut agent = Program::new("ssh-agent");
        agent
            .arg("-D")
            .arg("-a")
            .arg(socket)
            .stdout(std::process::Stdio::null());
        let child = agent.spawn().unwrap();
        while !socket.exists() {
            std::thread::yield_now();
        }
        Self {
            socket: socket.to_owned(),
            child,
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_way_may_lead_through_other_hosts() {
    let (jump, server) = (Sshd::start(""), Sshd::start(""));
    let known = server.path("all-known");
    let both = [&jump, &server].map(|each| fs::read_to_string(each.path("known")).unwrap());
    fs::write(&known, both.concat()).unwrap();
    let lines = format!(
        "Host inner\n HostName 127.0.0.1\n Port {}\n User {user}\n IdentityFile {}\n ProxyJump outer\n\
         Host outer\n HostName 127.0.0.1\n Port {}\n User {user}\n IdentityFile {}\n\
         Host *\n UserKnownHostsFile {}\n",
        server.port(),
        server.path("user").display(),
        jump.port(),
        jump.path("user").display(),
        known.display(),
        user = user(),
    );
    let spec = SshSpec {
        destination: "inner".into(),
        config_file: Some(server.config(&lines)),
        ..SshSpec::default()
    };
    says_hello(spec.clone()).await;
    // The same through a program.
    let proxy = format!(
        "ssh -F none -i {} -o IdentityAgent=none -o UserKnownHostsFile={} -p {} -W %h:%p {}@127.0.0.1",
        jump.path("user").display(),
        known.display(),
        jump.port(),
        user(),
    );
    let lines = lines.replace("ProxyJump outer", &format!("ProxyCommand {proxy}"));
    says_hello(SshSpec {
        config_file: Some(server.config(&lines)),
        ..spec.clone()
    })
    .await;
    // And where only `ssh` itself understands the configuration.
    let lines = format!("Match host inner\n ServerAliveInterval 5\n{lines}");
    says_hello(SshSpec {
        config_file: Some(server.config(&lines)),
        ..spec
    })
    .await;
}

#[tokio::test]
async fn a_host_that_accepts_and_never_answers_is_given_up() {
    let server = Sshd::start("");
    for greeting in ["", "SSH-2.0-Tarpit\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let spec = SshSpec {
            connect_timeout: Some(Duration::from_millis(200)),
            ..server.spec_at(port)
        };
        let tarpit = async {
            let mut kept = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(greeting.as_bytes()).await.unwrap();
                kept.push(stream);
            }
        };
        let error = tokio::select! {
            error = fails(spec) => error,
            () = tarpit => unreachable!("it never ends"),
        };
        assert_eq!((error.kind, error.retryable), (ErrorKind::Timeout, true));
        assert!(error.message.contains("does not greet"), "{error}");
    }
}

#[tokio::test]
async fn a_host_that_refuses_is_unavailable() {
    let server = Sshd::start("");
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = fails(server.spec_at(port)).await;
    assert_eq!(
        (error.kind, error.retryable),
        (ErrorKind::Unavailable, true)
    );
    assert!(error.message.contains("refused"), "{error}");
}

#[tokio::test]
async fn what_waits_for_the_same_attempt_shares_its_end() {
    let server = Sshd::start("");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let spec = SshSpec {
        connect_timeout: Some(Duration::from_millis(200)),
        ..server.spec_at(port)
    };
    let machine = Ssh::new("web", spec);
    let command = hello();
    let (first, last) = (machine.run(&command, None), machine.run(&command, None));
    let (a, b, c) = tokio::join!(first, machine.prepare(), last);
    assert_eq!(kind(a), ErrorKind::Timeout);
    assert_eq!(kind(b), ErrorKind::Timeout);
    assert_eq!(kind(c), ErrorKind::Timeout);
    let (_first, _) = listener.accept().await.unwrap();
    assert!(
        futures::FutureExt::now_or_never(listener.accept()).is_none(),
        "one attempt only"
    );
}

#[tokio::test]
async fn streams_lead_where_the_machine_can_see() {
    let server = Sshd::start("");
    let machine = server.machine();
    let path = server.path("socket");
    let unix = tokio::net::UnixListener::bind(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let limit = Duration::from_secs(10);
    let serve = async {
        let (mut a, _) = unix.accept().await.unwrap();
        let mut asked = String::new();
        a.read_to_string(&mut asked).await.unwrap();
        a.write_all(asked.to_uppercase().as_bytes()).await.unwrap();
        drop(a);
        let (mut b, _) = tcp.accept().await.unwrap();
        b.write_all(b"banner").await.unwrap();
    };
    let ask = async {
        let answer = machine
            .exchange(&Endpoint::Unix(path), b"hello", limit)
            .await;
        assert_eq!(answer.unwrap(), b"HELLO");
        let endpoint = Endpoint::Tcp {
            host: "127.0.0.1".into(),
            port,
        };
        assert_eq!(
            machine.exchange(&endpoint, b"", limit).await.unwrap(),
            b"banner"
        );
        endpoint
    };
    let (endpoint, ()) = tokio::join!(ask, serve);
    drop(tcp);
    let refused = machine.exchange(&endpoint, b"", limit).await;
    assert_eq!(kind(refused), ErrorKind::Unavailable);
}

#[tokio::test]
async fn relative_paths_start_in_the_home_directory() {
    let server = Sshd::start("");
    let machine = server.machine();
    let place = machines::Place::new("site", "site/a/b");
    one(&machine, Action::CreateDirectory { at: place })
        .await
        .unwrap();
    assert!(server.path("home/site/a/b").is_dir());
    let socket = tokio::net::UnixListener::bind(server.path("home/site/socket")).unwrap();
    let endpoint = Endpoint::Unix("site/socket".into());
    let ask = machine.exchange(&endpoint, b"", Duration::from_secs(10));
    let answer = async {
        let (mut stream, _) = socket.accept().await.unwrap();
        stream.write_all(b"at home").await.unwrap();
    };
    let (said, ()) = tokio::join!(ask, answer);
    assert_eq!(said.unwrap(), b"at home");
}

#[tokio::test]
async fn a_pool_knows_its_machines() {
    let server = Sshd::start("");
    let spec = |name: &str, location| MachineSpec {
        name: name.into(),
        location,
    };
    let machines = Machines::new([
        spec("here", Location::Local("/".into())),
        spec("there", Location::Ssh(Box::new(server.spec()))),
    ]);
    assert_eq!(machines.names().collect::<Vec<_>>(), ["here", "there"]);
    for name in ["here", "there"] {
        let machine = machines.get(name).unwrap();
        assert_eq!(
            machine.run(&hello(), None).await.unwrap().stdout,
            b"hello\n"
        );
    }
    assert!(machines.get("nowhere").is_none());
    machines.close().await;
}
