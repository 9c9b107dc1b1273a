//! Releases of the small application, made on the fly: as directories, as archives, and as
//! archives that are none.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use flate2::{Compression, write::GzEncoder};

/// Makes the release `NAME-VERSION/` in `folder`, misbehaving as `behaviour` says.
pub fn directory(
    hello: &Path,
    folder: &Path,
    version: &str,
    behaviour: &str,
) -> io::Result<PathBuf> {
    let release = folder.join(format!("hello-{version}"));
    fs::create_dir_all(release.join("bin"))?;
    let program = release.join("bin/hello");
    // A copy onto a link that is there already would empty what both are.
    if program.exists() {
        fs::remove_file(&program)?;
    }
    // A link costs nothing; between two file systems there is none.
    if fs::hard_link(hello, &program).is_err() {
        copy(hello, &program)?;
    }
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    fs::write(release.join("VERSION"), format!("{version}\n"))?;
    if !behaviour.is_empty() {
        fs::write(release.join("BEHAVIOUR"), behaviour)?;
    }
    Ok(release)
}

/// Copies a program that is run from here: by another process, since what a process has open for
/// writing while one of its threads starts a program cannot be run.
pub(crate) fn copy(program: &Path, to: &Path) -> io::Result<()> {
    let status = Command::new("cp").arg(program).arg(to).status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "`cp` to {}: {status}",
        to.display()
    )))
}

/// Packs a release directory as `NAME-VERSION.tar.gz` beside it.
pub fn archive(release: &Path) -> io::Result<PathBuf> {
    let mut name = release.as_os_str().to_owned();
    name.push(".tar.gz");
    let path = PathBuf::from(name);
    let packed = GzEncoder::new(fs::File::create(&path)?, Compression::fast());
    let mut archive = tar::Builder::new(packed);
    archive.append_dir_all(".", release)?;
    archive.into_inner()?.finish()?.flush()?;
    Ok(path)
}

/// Cuts an archive off in its middle: a copy that was interrupted.
pub fn cut(archive: &Path) -> io::Result<()> {
    let whole = fs::metadata(archive)?.len();
    fs::File::options()
        .write(true)
        .open(archive)?
        .set_len(whole / 2)
}
