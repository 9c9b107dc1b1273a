//! One release to hosts over SSH: the whole program from its start to its end, record and lease
//! included, beside a bare client in Rust, beside bash with OpenSSH, and over a longer line.
//!
//! The hosts' disks are in memory: one disk for all of them, on which the releases of a minute ago
//! were removed, is slower than the disk of any of them. The record is on a real one.

mod bare;
mod delay;
mod shell;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use figures::{Figure, median};
use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;
use tests::{Hosts, World};
use tokio::runtime::Runtime;

/// What is deployed: as many files as a small application has, 5 MiB which cannot be packed.
const FILES: usize = 300;
const FILE_BYTES: usize = 17_500;

const ROUND_TRIP: Duration = Duration::from_millis(40);

/// One host, how it is reached, and where its releases go.
struct Host {
    name: String,
    address: String,
    user: String,
    key: PathBuf,
    known: PathBuf,
    root: PathBuf,
}

/// Where memory is a file system, on most machines.
const MEMORY: &str = "/dev/shm";

/// Hosts with a release on each.
struct Scene {
    world: World,
    _servers: Hosts,
    _disks: TempDir,
    hosts: Vec<Host>,
    archive: PathBuf,
    releases: u32,
}

pub(crate) fn measure() -> Vec<Figure> {
    let mut figures = Vec::new();
    for (count, runs) in [(1, 15), (5, 9), (20, 5)] {
        let mut scene = Scene::new(count, |_, _, address| address);
        let (mut ours, mut bare, mut bash) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..runs {
            ours.push(scene.by_the_program());
            bare.push(scene.timed(|scene, id| bare::deploy(&scene.hosts, &scene.archive, id)));
            if count == 20 {
                let folder = scene.world.path().to_owned();
                bash.push(scene.timed(|scene, id| {
                    shell::kept_connections(&scene.hosts, &scene.archive, id, &folder);
                }));
            }
        }
        let name = format!("release to {count} SSH hosts");
        let ours = median(ours);
        figures.push(Figure::times(
            &name,
            ours,
            ("bare client", median(bare)),
            1.2,
        ));
        if count == 20 {
            let bash = ("bash and OpenSSH", median(bash));
            figures.push(Figure::times(&name, ours, bash, 0.5));
        }
    }
    figures.push(far());
    figures
}

/// One host at the end of a longer line.
fn far() -> Figure {
    let line = Runtime::new().unwrap();
    let mut scene = Scene::new(1, |world, hosts, address| {
        let port = line.block_on(delay::before(address, ROUND_TRIP / 2));
        let here = format!("127.0.0.1:{port}");
        hosts.known_as(world, "h0", &here);
        here
    });
    let (mut ours, mut ssh) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        ours.push(scene.by_the_program());
        ssh.push(scene.timed(|scene, id| shell::one(&scene.hosts[0], &scene.archive, id)));
    }
    let name = format!("release to 1 SSH host, round trip {ROUND_TRIP:?}");
    Figure::times(name, median(ours), ("one `ssh`", median(ssh)), 1.2)
}

impl Scene {
    /// So many hosts with a first release; `reach` says at which address each is reached.
    fn new(count: usize, reach: impl Fn(&World, &Hosts, String) -> String) -> Self {
        let world = World::new();
        let names: Vec<_> = (0..count).map(|number| format!("h{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let servers = Hosts::start(&world, &names);
        let disks = tempfile::tempdir_in(MEMORY).or_else(|_| tempfile::tempdir());
        let disks = disks.unwrap();
        let host = |name: &&str| Host {
            name: (*name).to_owned(),
            address: reach(&world, &servers, servers.address(name)),
            user: servers.user().to_owned(),
            key: world.file("home/.ssh/id_ed25519"),
            known: world.file("home/.ssh/known_hosts"),
            root: disks.path().join(name),
        };
        let hosts: Vec<_> = names.iter().map(host).collect();
        for host in &hosts {
            fs::create_dir_all(host.root.join("shared/a")).unwrap();
            fs::create_dir_all(host.root.join("shared/b")).unwrap();
            fs::write(host.root.join("shared/env"), "").unwrap();
        }
        let archive = world.file("release.tar.gz");
        pack(&archive);
        world.configure(&[&configuration(disks.path(), &hosts)]);
        let mut scene = Self {
            world,
            _servers: servers,
            _disks: disks,
            hosts,
            archive,
            releases: 0,
        };
        scene.by_the_program();
        scene
    }

    /// `runtime deploy`, from its start to its end.
    fn by_the_program(&mut self) -> Duration {
        self.timed(|scene, id| {
            let mut command = scene.world.command();
            command.args(["deploy", "--yes", "--version", id]);
            let output = command.stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
        })
    }

    fn timed(&mut self, deploy: impl FnOnce(&Self, &str)) -> Duration {
        self.releases += 1;
        let id = self.releases.to_string();
        let begin = Instant::now();
        deploy(self, &id);
        begin.elapsed()
    }
}

fn configuration(disks: &Path, hosts: &[Host]) -> String {
    let mut text = format!(
        "application = \"bench\"\nenvironment = \"bench\"\n\
         [release]\nartifact = \"release.tar.gz\"\nkeep = 3\n\
         [strategy]\nuse = \"simple\"\n\
         [limits]\ndowntime = true\n\
         [[health-checks]]\nuse = \"command\"\nsuccesses = 1\n\
         run = [\"test\", \"-e\", \"{0}/{{target.name}}/restarted\"]\n\
         [platform]\nuse = \"release-directory\"\nroot = \"{0}/{{target}}\"\n\
         shared = [\"a/\", \"b/\", \"env\"]\nrestart = [\"touch\", \"../../restarted\"]\n",
        disks.display(),
    );
    for Host {
        name,
        address,
        user,
        ..
    } in hosts
    {
        text += &format!("[[targets]]\nname = \"{name}\"\naddress = \"{name}:80\"\n");
        text += &format!("[machines.{name}]\nssh = \"{user}@{address}\"\n");
    }
    text
}

/// The steps of a release as lines of a shell, beside the releases of the program, which would
/// prune these, too. The second one reads the archive.
fn steps(host: &Host, id: &str) -> [String; 7] {
    let root = host.root.join("by-hand");
    let root = root.display();
    let new = format!("{root}/releases/{id}");
    [
        format!("mkdir -p {new}"),
        format!("tar -xzf - -C {new}"),
        format!(
            "cd {new} && ln -s ../../../shared/a a && ln -s ../../../shared/b b && ln -s ../../../shared/env env"
        ),
        format!("cd {root} && ln -s releases/{id} new && mv -T new current"),
        format!("touch {root}/restarted"),
        format!("test -e {root}/restarted"),
        format!("cd {root}/releases && ls | sort -V | head -n -3 | xargs -r rm -rf"),
    ]
}

fn pack(to: &Path) {
    let gzip = GzEncoder::new(fs::File::create(to).unwrap(), Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    let mut seed: u64 = 1;
    let noise = |seed: &mut u64| {
        *seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        seed.to_be_bytes()[0]
    };
    for number in 0..FILES {
        let contents: Vec<u8> = (0..FILE_BYTES).map(|_| noise(&mut seed)).collect();
        let mut header = tar::Header::new_gnu();
        header.set_size(FILE_BYTES as u64);
        header.set_mode(0o644);
        let name = format!("directory-{}/file-{number}", number % 10);
        tar.append_data(&mut header, name, contents.as_slice())
            .unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
}
