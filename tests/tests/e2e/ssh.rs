//! Five hosts over SSH, each a real sshd: all well; one that refuses; one that never says a
//! word; one whose disk is full.

use std::{path::Path, process::Command};

use tests::{Fleet, Hosts, Ran, World, sshd::Nature};

use crate::scene::LIMITS;

const HOSTS: [&str; 5] = ["h1", "h2", "h3", "h4", "h5"];
const ROLLING: &str = "\n[strategy]\nuse = \"rolling\"\nbatch = 2\n";
const TOLERANT: &str = "tolerate = 1\n";

struct Scene {
    world: World,
    fleet: Fleet,
    hosts: Hosts,
}

/// Five hosts behind the proxy, with 1.0 on all of them, deployed from an archive.
fn five(limits: &str, prepare: impl Fn(&Path)) -> Scene {
    let world = World::new();
    let hosts = Hosts::start(&world, &HOSTS);
    let members = HOSTS.map(|name| (name, "all"));
    let folder = world.file("remote");
    for name in HOSTS {
        prepare(&folder.join(name));
    }
    let fleet = Fleet::new(&world, &members).in_folder(folder);
    let base = fleet.toml_with("hello-{version}.tar.gz", "");
    let limits = format!("{LIMITS}minimum-serving = 2\n{limits}");
    world.configure(&[&base, &hosts.toml(), &fleet.proxy(), &limits, ROLLING]);
    for version in ["1.0", "2.0"] {
        tests::artifact::archive(&world.release(version)).unwrap();
    }
    world.deploy("1.0", 0);
    fleet.all_on("1.0");
    Scene {
        world,
        fleet,
        hosts,
    }
}

impl Scene {
    fn deploy(&self, code: i32) -> Ran {
        let ran = self.world.deploy("2.0", code);
        println!("{} hosts: {:.1?}", HOSTS.len(), ran.took);
        ran
    }

    /// Nothing was switched, and nothing is left over.
    fn nothing_switched(
        &self,
        ran: &Ran,
        disk: &std::collections::BTreeMap<&str, tests::fleet::OnDisk>,
    ) {
        self.fleet.all_on("1.0");
        assert_eq!(&self.fleet.on_disk(), disk, "{ran}");
    }

    /// All but `h3` have the new release.
    fn others_went_on(&self, ran: &Ran) {
        for (name, version) in self.fleet.versions() {
            let expected = if name == "h3" { "1.0" } else { "2.0" };
            assert_eq!(version.as_deref(), Some(expected), "{name}: {ran}");
        }
    }
}

#[test]
fn what_is_planned_over_ssh_is_what_happens() {
    let scene = five("", |_| ());
    crate::plan::does_what_it_says(&scene.world);
    scene.fleet.all_on("2.0");
}

#[test]
fn five_hosts() {
    let scene = five("", |_| ());
    let load = tests::Load::on(&scene.fleet.balancer);
    load.until_answered(50);
    let ran = scene.deploy(0);
    let counted = load.end();
    println!("{counted}");
    assert_eq!(counted.failures().len(), 0, "{counted}\n{ran}");
    scene.fleet.all_on("2.0");
}

#[test]
fn a_release_that_lies_on_every_host_comes_back_without_its_artifact() {
    let scene = five("", |_| ());
    scene.deploy(0);
    std::fs::remove_file(scene.world.file("hello-1.0.tar.gz")).unwrap();
    scene.world.run(&["rollback", "--yes"]).expect(0);
    scene.fleet.all_on("1.0");
}

#[test]
fn one_host_refuses_and_nothing_is_switched() {
    let mut scene = five("", |_| ());
    let disk = scene.fleet.on_disk();
    scene.hosts.become_of("h3", Nature::Refusing);
    let ran = scene.world.run(&["deploy", "--yes", "--version", "2.0"]);
    assert!(matches!(ran.code(), Some(1 | 4)), "{ran}");
    let ran = ran.says("h3");
    scene.nothing_switched(&ran, &disk);
}

#[test]
fn one_host_never_answers_and_nothing_is_switched() {
    let mut scene = five("", |_| ());
    let disk = scene.fleet.on_disk();
    scene.hosts.become_of("h3", Nature::Silent);
    let ran = scene.world.run(&["deploy", "--yes", "--version", "2.0"]);
    println!("a silent host: ended after {:.1?}", ran.took);
    assert!(matches!(ran.code(), Some(1 | 4)), "{ran}");
    let ran = ran.says("h3");
    scene.nothing_switched(&ran, &disk);
}

#[test]
fn a_host_that_refuses_is_left_out_where_that_is_tolerated() {
    let mut scene = five(TOLERANT, |_| ());
    scene.hosts.become_of("h3", Nature::Refusing);
    let ran = scene.deploy(8).says("h3").says("left out");
    scene.others_went_on(&ran);
    // Who it is, whose words they are and where it is: once each.
    let left_out = |line: &&str| line.contains("left out h3: ");
    let line = ran.stdout.lines().find(left_out).unwrap();
    assert_eq!(line.matches("h3").count(), 1, "{ran}");
    assert!(line.contains("release-directory: "), "{ran}");
}

#[test]
fn a_host_that_never_answers_is_left_out_where_that_is_tolerated() {
    let mut scene = five(TOLERANT, |_| ());
    scene.hosts.become_of("h3", Nature::Silent);
    let ran = scene.deploy(8).says("h3").says("left out");
    scene.others_went_on(&ran);
}

#[test]
fn a_host_with_a_new_key_is_not_trusted() {
    let mut scene = five("", |_| ());
    let disk = scene.fleet.on_disk();
    scene.hosts.become_of("h3", Nature::Impostor);
    let ran = scene.world.run(&["deploy", "--yes", "--version", "2.0"]);
    assert!(matches!(ran.code(), Some(1 | 4)), "{ran}");
    let ran = ran.says("h3").says("key");
    scene.nothing_switched(&ran, &disk);
}

#[test]
fn a_full_disk_on_one_host_is_said_and_nothing_is_switched() {
    let full = SmallDisk::default();
    let scene = five("", |root| full.mount_for(root));
    let disk = scene.fleet.on_disk();
    let ran = scene.deploy(1).says("h3").says("No space left");
    scene.nothing_switched(&ran, &disk);
}

#[test]
fn a_host_with_a_full_disk_is_left_out_where_that_is_tolerated() {
    let full = SmallDisk::default();
    let scene = five(TOLERANT, |root| full.mount_for(root));
    let ran = scene.deploy(8).says("h3").says("left out");
    scene.others_went_on(&ran);
}

/// A file system in memory, large enough for one release and too small for two.
#[derive(Default)]
struct SmallDisk {
    mounted: std::cell::RefCell<Option<std::path::PathBuf>>,
}

impl SmallDisk {
    fn mount_for(&self, root: &Path) {
        if !root.ends_with("h3") {
            return;
        }
        std::fs::create_dir_all(root).unwrap();
        let options = ["-t", "tmpfs", "-o", "size=7m", "runtime-test"];
        let mounted = Command::new("mount")
            .args(options)
            .arg(root)
            .output()
            .unwrap();
        assert!(
            mounted.status.success(),
            "a small disk can only be made by root: run the tests as root, or leave this one out \
             with `-- --skip full_disk`\n{}",
            String::from_utf8_lossy(&mounted.stderr)
        );
        *self.mounted.borrow_mut() = Some(root.to_owned());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Some(root) = self.mounted.borrow().as_deref() {
            // What runs there belongs to the world, and ends after this.
            tests::process::end_strays(root);
            let _ = Command::new("umount").arg("--lazy").arg(root).status();
        }
    }
}
