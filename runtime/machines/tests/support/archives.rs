//! Archives of every format, also such as no honest tool writes.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

/// As much text as makes gzip worth its while.
fn text() -> String {
    "All work and no play makes Jack a dull boy.\n".repeat(1000)
}

/// A small application: a file in a directory, a program, a link.
pub(crate) fn tree(at: &Path) {
    fs::create_dir_all(at.join("bin")).unwrap();
    fs::create_dir_all(at.join("empty")).unwrap();
    fs::write(at.join("bin/hello"), "#!/bin/sh\necho hello\n").unwrap();
    fs::set_permissions(at.join("bin/hello"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(at.join("read me"), "it's \"quoted\"\n").unwrap();
    fs::write(at.join("text"), text()).unwrap();
    symlink("bin/hello", at.join("start")).unwrap();
    symlink("../bin/hello", at.join("empty/back")).unwrap();
}

/// Whether all of the application is there.
pub(crate) fn assert_tree(at: &Path) {
    assert_eq!(
        fs::read_to_string(at.join("read me")).unwrap(),
        "it's \"quoted\"\n"
    );
    assert_eq!(
        fs::read_to_string(at.join("start")).unwrap(),
        "#!/bin/sh\necho hello\n"
    );
    assert_eq!(
        fs::read_to_string(at.join("empty/back")).unwrap(),
        "#!/bin/sh\necho hello\n"
    );
    assert_eq!(fs::read_to_string(at.join("text")).unwrap(), text());
    let mode = at
        .join("bin/hello")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o755);
}

/// The application in every format, by the format's name.
pub(crate) fn every_format(dir: &Path) -> Vec<PathBuf> {
    let source = dir.join("source");
    tree(&source);
    let tar = |to: PathBuf| {
        let mut tar = tar::Builder::new(File::create(&to).unwrap());
        tar.follow_symlinks(false);
        tar.append_dir_all(".", &source).unwrap();
        tar.finish().unwrap();
        to
    };
    let plain = tar(dir.join("app.tar"));
    let bytes = fs::read(&plain).unwrap();
    let gz = dir.join("app.tar.gz");
    let mut encoder = GzEncoder::new(File::create(&gz).unwrap(), Compression::fast());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap();
    let zst = dir.join("app.tar.zst");
    fs::write(&zst, zstd::encode_all(bytes.as_slice(), 3).unwrap()).unwrap();
    let zip = dir.join("app.zip");
    zipped(&zip);
    vec![source, plain, gz, zst, zip]
}

fn zipped(to: &Path) {
    let mut zip = zip::ZipWriter::new(File::create(to).unwrap());
    let options = |mode| zip::write::SimpleFileOptions::default().unix_permissions(mode);
    zip.add_directory("bin/", options(0o755)).unwrap();
    zip.add_directory("empty/", options(0o755)).unwrap();
    zip.start_file("bin/hello", options(0o755)).unwrap();
    zip.write_all(b"#!/bin/sh\necho hello\n").unwrap();
    zip.start_file("read me", options(0o644)).unwrap();
    zip.write_all(b"it's \"quoted\"\n").unwrap();
    zip.start_file("text", options(0o644)).unwrap();
    zip.write_all(text().as_bytes()).unwrap();
    zip.add_symlink("start", "bin/hello", options(0o777))
        .unwrap();
    zip.add_symlink("empty/back", "../bin/hello", options(0o777))
        .unwrap();
    zip.finish().unwrap();
}

/// One entry of a tar, written without any care.
pub(crate) struct Raw<'a> {
    pub(crate) kind: tar::EntryType,
    pub(crate) name: &'a str,
    pub(crate) target: &'a str,
    pub(crate) contents: &'a [u8],
    pub(crate) mode: u32,
}

impl Default for Raw<'_> {
    fn default() -> Self {
        Self {
            kind: tar::EntryType::Regular,
            name: "a",
            target: "",
            contents: b"",
            mode: 0o644,
        }
    }
}

/// A gzipped tar of just these entries.
pub(crate) fn raw(to: &Path, entries: &[Raw<'_>]) {
    let encoder = GzEncoder::new(File::create(to).unwrap(), Compression::fast());
    let mut tar = tar::Builder::new(encoder);
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        header.as_old_mut().linkname[..entry.target.len()].copy_from_slice(entry.target.as_bytes());
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_size(entry.contents.len() as u64);
        header.set_cksum();
        tar.append(&header, entry.contents).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
}

/// Archives that must be refused, and why.
#[expect(clippy::too_many_lines, reason = "a table of archives")]
pub(crate) fn hostile(dir: &Path) -> Vec<(PathBuf, &'static str)> {
    use tar::EntryType::{Block, Char, Directory, Fifo, Link, Symlink};
    let link = |name, target| Raw {
        kind: Symlink,
        name,
        target,
        ..Raw::default()
    };
    let file = |name| Raw {
        name,
        contents: b"x",
        ..Raw::default()
    };
    let of = |kind| Raw {
        kind,
        ..Raw::default()
    };
    let cases: Vec<(&str, Vec<Raw<'_>>)> = vec![
        ("absolute path", vec![file("/tmp/x")]),
        ("`..`", vec![file("../x")]),
        ("`..`", vec![file("a/../../x")]),
        ("leaves it", vec![link("a", "/etc")]),
        ("leaves it", vec![link("a", "..")]),
        ("leaves it", vec![link("d/a", "b/../../..")]),
        ("no directory", vec![link("a", "b"), file("a/x")]),
        ("no directory", vec![file("a"), file("a/x")]),
        ("two things", vec![file("a"), link("a", "b")]),
        ("two things", vec![link("a", "b"), file("a")]),
        (
            "two things",
            vec![
                Raw {
                    kind: Directory,
                    ..Raw::default()
                },
                link("a", "b"),
            ],
        ),
        (
            "leaves it",
            vec![Raw {
                kind: Link,
                target: "../x",
                ..Raw::default()
            }],
        ),
        (
            "no earlier file",
            vec![Raw {
                kind: Link,
                target: "x",
                ..Raw::default()
            }],
        ),
        (
            "no earlier file",
            vec![
                link("l", "b"),
                Raw {
                    kind: Link,
                    target: "l",
                    ..Raw::default()
                },
            ],
        ),
        ("device", vec![of(Block)]),
        ("device", vec![of(Char)]),
        ("pipe", vec![of(Fifo)]),
    ];
    let write = |(index, (why, entries)): (usize, (&'static str, Vec<Raw<'_>>))| {
        let path = dir.join(format!("hostile-{index}.tar.gz"));
        raw(&path, &entries);
        (path, why)
    };
    cases.into_iter().enumerate().map(write).collect()
}

pub(crate) fn incompressible(bytes: usize) -> Vec<u8> {
    incompressible_from(1, bytes)
}

/// The same for the same seed.
pub(crate) fn incompressible_from(mut seed: u64, bytes: usize) -> Vec<u8> {
    let mut next = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}
