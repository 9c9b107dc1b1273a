//! Measures one release over SSH, to servers that it starts itself: by this crate, by a bare SSH
//! client that runs each step on its own, and by one `ssh` with the whole script. Prints seconds,
//! round trips and ratios.
//!
//!     cargo run --release -p machines --example ssh -- [HOSTS] [ROUND-TRIP-MS] [RUNS]

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that meets a failure has failed"
)]
#![expect(clippy::print_stdout, reason = "what was measured is what this is for")]

#[path = "ssh/bare.rs"]
mod bare;
#[path = "ssh/delay.rs"]
mod delay;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../tests/support/sshd.rs"]
mod sshd;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::FutureExt;
use machines::{Action, Artifact, ArtifactSource, Command, Machine, MachineError, Place, Ssh};
use sshd::Sshd;

use self::delay::Delay;

/// What is deployed: as many files as a small application has, which cannot be packed.
const FILES: usize = 300;
const FILE_BYTES: usize = 17_500;

/// One host, where it deploys to, and how to reach it.
struct Host {
    server: Sshd,
    delay: Delay,
    root: PathBuf,
}

#[derive(Clone)]
struct Release(Arc<Artifact>);

#[async_trait]
impl ArtifactSource for Release {
    async fn artifact(&self, _: &str) -> Result<Arc<Artifact>, MachineError> {
        Ok(Arc::clone(&self.0))
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|text| text.parse::<usize>().unwrap());
    let count = arguments.next().unwrap_or(1);
    let round_trip = Duration::from_millis(arguments.next().unwrap_or(0) as u64);
    let runs = arguments.next().unwrap_or(5);
    // 1 for this crate, 2 for the bare client, 4 for `ssh`, or a sum of these.
    let which = arguments.next().unwrap_or(7);
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("release.tar.gz");
    pack(&archive);
    let mut hosts = Vec::new();
    for number in 0..count {
        let server = Sshd::start("");
        let delay = Delay::to(server.port(), round_trip / 2).await;
        let root = dir.path().join(format!("host-{number}"));
        fs::create_dir_all(root.join("shared/a")).unwrap();
        fs::create_dir_all(root.join("shared/b")).unwrap();
        fs::write(root.join("shared/env"), "").unwrap();
        hosts.push(Host {
            server,
            delay,
            root,
        });
    }
    println!("{count} hosts, round trip {round_trip:?}, medians of {runs} runs, in seconds");
    let mut times = [const { Vec::new() }; 3];
    for run in 0..runs {
        if which & 1 > 0 {
            times[0].push(all_by_us(&hosts, &archive, run).await);
        }
        if which & 2 > 0 {
            let deploy = |host| bare::deploy(host, &archive, format!("b{run}"));
            times[1].push(timed(&hosts, deploy).await);
        }
        if which & 4 > 0 {
            times[2].push(timed(&hosts, |host| by_ssh(host, &archive, format!("c{run}"))).await);
        }
    }
    let [ours, bare, one] = times.map(least_and_median);
    println!("this crate          {:.3} (least {:.3})", ours[1], ours[0]);
    for (name, other) in [("a bare client", bare), ("one `ssh`", one)] {
        let ratios = (ours[1] / other[1], ours[0] / other[0]);
        println!(
            "{name:<19} {:.3} (least {:.3})  this crate is {:.2} ({:.2}) of it",
            other[1], other[0], ratios.0, ratios.1
        );
    }
    for host in &hosts {
        let expected = runs * which.count_ones() as usize;
        assert_eq!(
            fs::read_dir(host.root.join("releases")).unwrap().count(),
            expected
        );
    }
    if which == 7 {
        each_part(&hosts[0], &archive).await;
    }
}

/// The artifact is looked through once, while the connections are made.
async fn all_by_us(hosts: &[Host], archive: &Path, run: usize) -> f64 {
    let began = Instant::now();
    let open = archive.to_owned();
    let release = tokio::task::spawn_blocking(move || Artifact::open(&open).unwrap());
    let release = release
        .map(|artifact| Release(Arc::new(artifact.unwrap())))
        .shared();
    timed(hosts, |host| {
        by_us(host, release.clone(), format!("a{run}"))
    })
    .await;
    began.elapsed().as_secs_f64()
}

/// All hosts side by side.
async fn timed<'a, F: Future<Output = ()>>(
    hosts: &'a [Host],
    deploy: impl Fn(&'a Host) -> F,
) -> f64 {
    let began = Instant::now();
    futures::future::join_all(hosts.iter().map(deploy)).await;
    began.elapsed().as_secs_f64()
}

fn least_and_median(mut times: Vec<f64>) -> [f64; 2] {
    times.sort_by(f64::total_cmp);
    [0, times.len() / 2].map(|place| times.get(place).copied().unwrap_or(f64::NAN))
}

/// Installs, switches, restarts, checks, prunes: three calls.
async fn by_us(host: &Host, release: impl Future<Output = Release>, id: String) {
    let machine = Ssh::new("host", host.server.spec_at(host.delay.port()));
    let (release, prepared) = tokio::join!(release, machine.prepare());
    prepared.unwrap();
    for actions in [install(host, &id), activate(host, &id), prune(host)] {
        machine
            .perform(&actions, None, Some(&release))
            .await
            .unwrap();
    }
    machine.close().await;
}

fn at(host: &Host, path: &str) -> Place {
    Place::new(&host.root, host.root.join(path))
}

fn install(host: &Host, id: &str) -> Vec<Action> {
    let link = |name: &str| Action::Link {
        at: at(host, &format!("releases/{id}/{name}")),
        points_to: format!("../../shared/{name}"),
    };
    vec![
        Action::CreateDirectory {
            at: at(host, "releases"),
        },
        Action::Unpack {
            at: at(host, &format!("releases/{id}")),
            release: id.to_owned(),
        },
        link("a"),
        link("b"),
        link("env"),
    ]
}

fn activate(host: &Host, id: &str) -> Vec<Action> {
    let marker = host.root.join("restarted");
    vec![
        Action::Link {
            at: at(host, "current"),
            points_to: format!("releases/{id}"),
        },
        Action::Run {
            command: Command::new("touch", [marker.to_str().unwrap()]),
        },
        Action::Run {
            command: Command::new("test", ["-e", marker.to_str().unwrap()]),
        },
    ]
}

fn prune(host: &Host) -> Vec<Action> {
    vec![
        Action::List {
            at: at(host, "releases"),
        },
        Action::Remove {
            at: at(host, "none"),
        },
    ]
}

/// The same steps as lines of a shell.
pub(crate) fn steps(host: &Host, id: &str) -> [String; 7] {
    let root = host.root.display();
    let new = format!("{root}/releases/{id}");
    [
        format!("mkdir -p {new}"),
        format!("tar -xzf - -C {new}"),
        format!(
            "cd {new} && ln -s ../../shared/a a && ln -s ../../shared/b b && ln -s ../../shared/env env"
        ),
        format!("cd {root} && ln -s releases/{id} current.new && mv -T current.new current"),
        format!("touch {root}/restarted"),
        format!("test -e {root}/restarted"),
        format!("ls {root}/releases >/dev/null; rm -rf {root}/none"),
    ]
}

async fn by_ssh(host: &Host, archive: &Path, id: String) {
    let spec = host.server.spec_at(host.delay.port());
    let known = format!("UserKnownHostsFile={}", spec.known_hosts.unwrap().display());
    let ended = tokio::process::Command::new("ssh")
        .args([
            "-F",
            "none",
            "-o",
            "IdentityAgent=none",
            "-o",
            "BatchMode=yes",
            "-o",
            &known,
            "-i",
        ])
        .arg(host.server.path("user"))
        .args([
            "-p",
            &host.delay.port().to_string(),
            &format!("{}@127.0.0.1", sshd::user()),
        ])
        .arg(format!("set -e\n{}", steps(host, &id).join("\n")))
        .stdin(Stdio::from(fs::File::open(archive).unwrap()))
        .status();
    assert!(ended.await.unwrap().success());
}

/// What each part of our way costs.
async fn each_part(host: &Host, archive: &Path) {
    let machine = Ssh::new("host", host.server.spec_at(host.delay.port()));
    let open = archive.to_owned();
    let began = Instant::now();
    let artifact = tokio::task::spawn_blocking(move || Artifact::open(&open).unwrap()).await;
    let release = Release(Arc::new(artifact.unwrap()));
    println!("looking through     {:.3}", began.elapsed().as_secs_f64());
    let parts: [(&str, Vec<Action>); 5] = [
        ("connect", Vec::new()),
        ("first small call", activate(host, "a0")),
        ("next small call", activate(host, "a0")),
        ("unpack 5 MiB", install(host, "z")),
        ("prune", prune(host)),
    ];
    for (name, actions) in parts {
        let (began, before) = (Instant::now(), host.delay.turns());
        if actions.is_empty() {
            machine.prepare().await.unwrap();
        } else {
            machine
                .perform(&actions, None, Some(&release))
                .await
                .unwrap();
        }
        let turns = host.delay.turns() - before;
        println!(
            "{name:<19} {:.3}  turns of the talk: {turns}",
            began.elapsed().as_secs_f64()
        );
    }
    machine.close().await;
}

fn pack(to: &Path) {
    let gzip = flate2::Compression::fast();
    let gzip = flate2::write::GzEncoder::new(fs::File::create(to).unwrap(), gzip);
    let mut tar = tar::Builder::new(gzip);
    let mut seed: u64 = 1;
    for number in 0..FILES {
        let contents: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 56) as u8
        })
        .take(FILE_BYTES)
        .collect();
        let mut header = tar::Header::new_gnu();
        header.set_size(FILE_BYTES as u64);
        header.set_mode(0o644);
        let name = format!("directory-{}/file-{number}", number % 10);
        tar.append_data(&mut header, name, contents.as_slice())
            .unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
}
