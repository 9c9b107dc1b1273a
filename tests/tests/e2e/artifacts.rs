//! What is deployed: archives of every kind, one that is broken, one that is not there, and
//! the same release a second time.

use std::{fs, path::Path, process::Command};

use tests::{Fleet, World, artifact};

use crate::scene::{LIMITS, ROLLING};

/// Two targets behind the proxy, whose releases come as archives of that ending.
fn archived(ending: &str) -> (World, Fleet) {
    let world = World::new();
    let fleet = Fleet::new(&world, &[("one", "all"), ("two", "all")]);
    let base = fleet.toml_with(&format!("hello-{{version}}{ending}"), "");
    world.configure(&[&base, &fleet.proxy(), LIMITS, ROLLING]);
    (world, fleet)
}

/// Packs a release directory with the system's own tools, which know nothing of ours.
fn pack(folder: &Path, release: &str, ending: &str) {
    let archive = format!("{release}{ending}");
    let command = match ending {
        ".zip" => "import shutil, sys; shutil.make_archive(sys.argv[2], 'zip', sys.argv[1])",
        _ => {
            "import tarfile, sys\n\
             mode = 'w:gz' if sys.argv[3].endswith('gz') else 'w'\n\
             with tarfile.open(sys.argv[3], mode) as archive:\n\
             \x20   archive.add(sys.argv[1], arcname='.')"
        }
    };
    let packed = Command::new("python3")
        .args(["-c", command, release, release, &archive])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        packed.status.success(),
        "{}",
        String::from_utf8_lossy(&packed.stderr)
    );
}

#[test]
fn archives_of_other_makers_are_unpacked() {
    for ending in [".tar", ".tar.gz"] {
        let (world, fleet) = archived(ending);
        world.release("1.0");
        pack(world.path(), "hello-1.0", ending);
        world.deploy("1.0", 0);
        fleet.all_on("1.0");
    }
}

#[test]
fn a_broken_archive_changes_nothing() {
    let (world, fleet) = archived(".tar.gz");
    artifact::archive(&world.release("1.0")).unwrap();
    world.deploy("1.0", 0);
    let disk = fleet.on_disk();
    let archive = artifact::archive(&world.release("2.0")).unwrap();
    artifact::cut(&archive).unwrap();
    let ran = world.run(&["deploy", "--yes", "--version", "2.0"]);
    assert!(matches!(ran.code(), Some(1 | 4)), "{ran}");
    let ran = ran.says("hello-2.0.tar.gz");
    println!("{ran}");
    fleet.all_on("1.0");
    assert_eq!(fleet.on_disk(), disk);
}

#[test]
fn what_is_no_archive_is_refused_before_anything_is_changed() {
    for (ending, contents, said) in [
        (
            ".tar.gz",
            &b"junk, whatever it is called"[..],
            "no tar archive",
        ),
        (".tar", b"", "hello-2.0.tar is empty"),
        (".rar", b"Rar!\x1a\x07\x01\x00", "no zip archive"),
    ] {
        let (world, fleet) = archived(ending);
        fs::write(world.file(&format!("hello-2.0{ending}")), contents).unwrap();
        let ran = world.deploy("2.0", 4).says(&format!("hello-2.0{ending}"));
        let ran = ran.says(said).says("nothing was deployed");
        assert!(
            fleet
                .on_disk()
                .values()
                .all(|disk| disk.releases.is_empty()),
            "{ran}"
        );
    }
}

#[test]
fn an_archive_that_climbs_out_of_its_directory_is_refused() {
    let (world, fleet) = archived(".tar");
    let script = "import tarfile, io\n\
                  archive = tarfile.open('hello-1.0.tar', 'w')\n\
                  for name in ['VERSION', '../../escaped']:\n\
                  \x20   entry = tarfile.TarInfo(name); entry.size = 3\n\
                  \x20   archive.addfile(entry, io.BytesIO(b'1.0'))\n\
                  archive.close()";
    let made = Command::new("python3")
        .args(["-c", script])
        .current_dir(world.path())
        .status();
    assert!(made.unwrap().success());
    let ran = world.run(&["deploy", "--yes", "--version", "1.0"]);
    assert!(matches!(ran.code(), Some(1 | 4)), "{ran}");
    println!("{ran}");
    assert!(
        world
            .files_with("1.0")
            .iter()
            .all(|path| !path.ends_with("escaped")),
        "{ran}"
    );
    assert!(fleet.on_disk().values().all(|disk| disk.current.is_none()));
}

#[test]
fn an_artifact_that_is_missing_is_refused_by_name() {
    let (world, _fleet) = archived(".tar.gz");
    let ran = world.run(&["deploy", "--yes", "--version", "9.9"]);
    assert!(matches!(ran.code(), Some(3 | 4)), "{ran}");
    ran.says("hello-9.9.tar.gz");
}

#[test]
fn the_same_again_is_the_same_release_unless_asked_otherwise() {
    let (world, fleet) = archived("/");
    world.release("1.0");
    world.deploy("1.0", 0);
    let disk = fleet.on_disk();
    world.deploy("1.0", 0);
    assert_eq!(fleet.on_disk(), disk);
    world
        .run(&["deploy", "--yes", "--version", "1.0", "--new-release"])
        .expect(0);
    assert_ne!(fleet.on_disk(), disk);
    for (target, disk) in fleet.on_disk() {
        assert_eq!(disk.releases.len(), 2, "{target}: {disk:?}");
    }
}

#[test]
fn old_releases_go_but_never_the_active_one_or_the_one_before() {
    let world = World::new();
    let fleet = Fleet::new(&world, &[("one", "all"), ("two", "all")]);
    let base = fleet.toml().replace("[release]\n", "[release]\nkeep = 2\n");
    world.configure(&[&base, &fleet.proxy(), LIMITS, ROLLING]);
    for version in ["1.0", "2.0", "3.0", "4.0"] {
        world.release(version);
        world.deploy(version, 0);
    }
    for (target, disk) in fleet.on_disk() {
        assert_eq!(disk.releases.len(), 2, "{target}: {disk:?}");
        let kept = |version: &str| disk.releases.iter().any(|id| id.starts_with(version));
        assert!(kept("3.0") && kept("4.0"), "{target}: {disk:?}");
    }
    let shared = fs::read_dir(fleet.root("one")).unwrap().count();
    assert!(shared >= 2);
    world.run(&["rollback", "--yes", "3.0"]).expect(0);
    fleet.all_on("3.0");
}
