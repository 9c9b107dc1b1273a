//! Every format unpacks to the same tree; nothing hostile or broken gets that far.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use crate::support::{
    Only,
    archives::{self, Raw},
    at, unpack,
};
use flate2::{Compression, write::GzEncoder};
use machines::{Artifact, ArtifactError, ErrorKind, Local, artifact::digest};

#[test]
fn what_is_hostile_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (path, why) in archives::hostile(dir.path()) {
        let error = Artifact::open(&path).expect_err(why);
        assert!(
            matches!(error, ArtifactError::Hostile { .. }),
            "{why}: {error}"
        );
        assert!(error.to_string().contains(why), "{why}: {error}");
    }
}

#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bomb.tar.gz");
    let encoder = GzEncoder::new(File::create(&path).unwrap(), Compression::best());
    let mut tar = tar::Builder::new(encoder);
    let mut header = tar::Header::new_gnu();
    header.set_size(80 << 20);
    header.set_mode(0o644);
    tar.append_data(
        &mut header,
        "zeros",
        std::io::Read::take(std::io::repeat(0), 80 << 20),
    )
    .unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    let error = Artifact::open(&path).unwrap_err();
    assert!(
        error.to_string().contains("more than any release holds"),
        "{error}"
    );
}

#[test]
fn a_broken_archive_says_where() {
    let dir = tempfile::tempdir().unwrap();
    for path in archives::every_format(dir.path()).into_iter().skip(1) {
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(bytes.len() * 2 / 3);
        fs::write(&path, bytes).unwrap();
        let error = Artifact::open(&path).unwrap_err();
        assert!(matches!(error, ArtifactError::Broken { .. }), "{error}");
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
    let path = dir.path().join("flipped.tar.gz");
    archives::raw(
        &path,
        &[Raw {
            contents: &[7; 5000],
            ..Raw::default()
        }],
    );
    let mut bytes = fs::read(&path).unwrap();
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(matches!(
        Artifact::open(&path),
        Err(ArtifactError::Broken { .. })
    ));
    assert!(matches!(
        Artifact::open(&dir.path().join("none")),
        Err(ArtifactError::Missing(_))
    ));
}

#[test]
fn a_file_is_known_by_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let open = |name: &str, contents: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, contents).unwrap();
        Artifact::open(&path).unwrap().unpackable()
    };
    let junk = open("a.tar.gz", b"junk").unwrap_err();
    assert!(matches!(junk, ArtifactError::Unknown(_)), "{junk}");
    let empty = open("a.tar", b"").unwrap_err();
    assert!(matches!(empty, ArtifactError::Empty(_)), "{empty}");
    open("without-entries", &[0; 10_240]).unwrap();
    let mut old = tar::Header::new_old();
    old.set_path("VERSION").unwrap();
    old.set_mode(0o644);
    old.set_size(0);
    old.set_cksum();
    open("old", &[&old.as_bytes()[..], &[0; 1_024]].concat()).unwrap();
    // The image of a disk begins with zeros, too.
    let disk = open("disk", &vec![0; 1 << 20]).unwrap_err();
    assert!(matches!(disk, ArtifactError::Unknown(_)), "{disk}");
}

#[tokio::test]
async fn special_permissions_do_not_survive() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("setuid.tar.gz");
    archives::raw(
        &path,
        &[Raw {
            mode: 0o6777,
            contents: b"x",
            ..Raw::default()
        }],
    );
    let local = Local::new("local", dir.path());
    unpack(&local, at(dir.path(), "out"), &Only::open(&path))
        .await
        .unwrap();
    let mode = dir
        .path()
        .join("out/a")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[tokio::test]
async fn what_changed_since_is_not_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::new("local", dir.path());
    for (index, path) in archives::every_format(dir.path()).into_iter().enumerate() {
        let artifact = Only::open(&path);
        if path.is_dir() {
            fs::write(path.join("new"), "new").unwrap();
        } else {
            fs::write(&path, "something else").unwrap();
        }
        let name = format!("out-{index}");
        match unpack(&local, at(dir.path(), &name), &artifact).await {
            // It was kept in memory.
            Ok(()) => archives::assert_tree(&dir.path().join(&name)),
            Err(error) => {
                assert_eq!(
                    error.kind,
                    ErrorKind::Conflict,
                    "{}: {error}",
                    path.display()
                );
                assert!(!dir.path().join(&name).exists(), "{}", path.display());
            }
        }
        assert!(
            !dir.path().join(format!("{name}.partial")).exists(),
            "{}",
            path.display()
        );
    }
}

#[tokio::test]
async fn a_large_file_that_changed_since_is_not_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    let local = Local::new("local", dir.path());
    let path = dir.path().join("large.tar");
    let write = |contents: u8| {
        let mut tar = tar::Builder::new(File::create(&path).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(20 << 20);
        header.set_mode(0o644);
        tar.append_data(&mut header, "a", vec![contents; 20 << 20].as_slice())
            .unwrap();
        tar.finish().unwrap();
    };
    write(1);
    let artifact = Only::open(&path);
    unpack(&local, at(dir.path(), "before"), &artifact)
        .await
        .unwrap();
    write(2);
    let refused = unpack(&local, at(dir.path(), "after"), &artifact)
        .await
        .unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict, "{refused}");
    assert!(!dir.path().join("after").exists() && !dir.path().join("after.partial").exists());
}

#[test]
fn digests_are_of_contents_and_not_of_places() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("elsewhere/b"));
    archives::tree(&a);
    archives::tree(&b);
    assert_eq!(digest(&a).unwrap(), digest(&b).unwrap());
    let changes: [fn(&Path); 4] = [
        |tree| fs::write(tree.join("read me"), "other").unwrap(),
        |tree| fs::rename(tree.join("bin/hello"), tree.join("bin/hallo")).unwrap(),
        |tree| {
            fs::set_permissions(tree.join("bin/hallo"), fs::Permissions::from_mode(0o644)).unwrap()
        },
        |tree| fs::create_dir(tree.join("another")).unwrap(),
    ];
    let mut last = digest(&b).unwrap();
    for change in changes {
        change(&b);
        let next = digest(&b).unwrap();
        assert_ne!(next, last);
        last = next;
    }
    let file = dir.path().join("file");
    fs::write(&file, "abc").unwrap();
    let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(digest(&file).unwrap(), abc);
    assert_eq!(Artifact::open(&file).unwrap().digest(), abc);
}
