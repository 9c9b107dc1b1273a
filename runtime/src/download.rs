//! Fetches an artifact that lies on a web server into the state folder, before anything else
//! happens, or where it is not there any more: a deployment only ever works with files.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::report::{Problem, Reason};

/// How long the server may stay silent.
const SILENCE: Duration = Duration::from_secs(30);
/// The largest artifact that is fetched: more is a mistake in the address.
const BYTES_MAX: u64 = 16 << 30;

/// How often something was fetched: a server may fetch the same for several deployments at once,
/// each into a file of its own.
static FETCHED: AtomicU64 = AtomicU64::new(0);

/// Whether the artifact is an address, not a path.
pub(crate) fn is_address(artifact: &str) -> bool {
    artifact.starts_with("https://")
}

/// Where an artifact lies on this machine: an address has its place below the state folder.
pub(crate) fn place(folder: &Path, state: &Path, artifact: &str) -> PathBuf {
    if !is_address(artifact) {
        return folder.join(artifact);
    }
    let hash = Sha256::digest(artifact.as_bytes());
    let hex: String = hash
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    // The name's end tells the archive's format.
    let path = artifact.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    state.join("downloads").join(format!("{hex}-{name}"))
}

/// Lets an artifact be fetched to where it does not stay: it is gone with what this gives back.
pub(crate) fn fleeting(place: &mut PathBuf) -> Result<tempfile::TempDir, Problem> {
    let folder = tempfile::Builder::new()
        .prefix("runtime-artifact-")
        .tempdir()
        .map_err(|error| {
            let title = "there is no folder for what is fetched only to be looked at";
            Problem::new(Reason::Refused, title)
                .cause(error)
                .hint("`TMPDIR` names the folder for such things")
        })?;
    *place = folder.path().join(place.file_name().unwrap_or_default());
    Ok(folder)
}

/// Fetches the artifact to `place`: written beside it, and renamed when it is complete.
pub(crate) async fn fetch(address: &str, place: &Path) -> Result<(), Problem> {
    let failed = |cause: &dyn std::fmt::Display| {
        Problem::new(
            Reason::Refused,
            format!("{address} could not be fetched; nothing was deployed"),
        )
        .cause(cause)
    };
    // Somebody else may have chosen already; either is fine.
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .https_only(true)
        .connect_timeout(SILENCE)
        .read_timeout(SILENCE)
        .build()
        .map_err(|error| failed(&error))?;
    let response = client
        .get(address)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status);
    let mut response = response.map_err(|error| failed(&error))?;
    let number = FETCHED.fetch_add(1, Ordering::Relaxed);
    let partial = place.with_extension(format!("{}-{number}.partial", std::process::id()));
    let write = |error: std::io::Error| failed(&format!("{}: {error}", partial.display()));
    if let Some(folder) = place.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(write)?;
    }
    let mut file = tokio::fs::File::create(&partial).await.map_err(write)?;
    let mut size = 0;
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
        size += chunk.len() as u64;
        if size > BYTES_MAX {
            return Err(failed(&format!(
                "it is larger than {} GiB",
                BYTES_MAX >> 30
            )));
        }
        file.write_all(&chunk).await.map_err(write)?;
    }
    file.sync_all().await.map_err(write)?;
    tokio::fs::rename(&partial, place).await.map_err(write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_place_below_the_state() {
        let check = |artifact: &str, ending: &str| {
            let place = place(Path::new("/folder"), Path::new("/state"), artifact);
            assert!(
                place.to_string_lossy().ends_with(ending),
                "{}",
                place.display()
            );
            place
        };
        check("dist/a-1.tar.gz", "/folder/dist/a-1.tar.gz");
        let one = check("https://example.com/a-1.tar.gz?token=x", "-a-1.tar.gz");
        let other = check("https://example.org/a-1.tar.gz", "-a-1.tar.gz");
        assert!(one.starts_with("/state/downloads"));
        assert_ne!(one, other);
    }
}
