//! Fetches an artifact that lies on a web server into the state folder, before anything else
//! happens, or where it is not there any more: a deployment only ever works with files.

use std::{
    collections::BTreeSet,
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use sha2::{Digest, Sha256};
use store::{Filter, ReleaseQuery, State, StoreError};
use tokio::{fs::File, io::AsyncWriteExt};

use crate::{
    report::{Problem, Reason},
    site::Site,
    system,
};

/// How long the server may stay silent.
const SILENCE: Duration = Duration::from_secs(30);
/// The largest artifact that is fetched: more is a mistake in the address.
const BYTES_MAX: u64 = 16 << 30;

/// For so long nothing is removed that was fetched: it may be for a deployment that waits for
/// another one to end.
const AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Where they lie, below the state folder.
const DOWNLOADS: &str = "downloads";

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
    let name = without_query(artifact)
        .rsplit('/')
        .next()
        .unwrap_or_default();
    state.join(DOWNLOADS).join(format!("{hex}-{name}"))
}

fn without_query(address: &str) -> &str {
    address.split(['?', '#']).next().unwrap_or_default()
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
    // What is in the query may be a secret.
    let whence = without_query(address);
    let failed = || Problem::new(Reason::Refused, format!("{whence} could not be fetched"));
    let unread = |error: reqwest::Error| failed().caused(&error.without_url());
    let unwritten = |error: std::io::Error| failed().cause(format!("{}: {error}", place.display()));
    // Somebody else may have chosen already; either is fine.
    let _chosen_before = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .https_only(true)
        .connect_timeout(SILENCE)
        .read_timeout(SILENCE)
        .build()
        .map_err(unread)?;
    let response = client.get(address).send().await;
    let response = response.and_then(reqwest::Response::error_for_status);
    let mut response = response.map_err(unread)?;
    let folder = place.parent().unwrap_or(Path::new("."));
    tokio::fs::create_dir_all(folder).await.map_err(unwritten)?;
    // A server may fetch the same for several deployments at once, each into a file of its own.
    let partial = tempfile::Builder::new()
        .suffix(".partial")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(unwritten)?;
    let mut file = File::from_std(partial.reopen().map_err(unwritten)?);
    let mut size = 0;
    while let Some(chunk) = response.chunk().await.map_err(unread)? {
        size += chunk.len() as u64;
        if size > BYTES_MAX {
            let most = format!("it is larger than {} GiB", BYTES_MAX >> 30);
            return Err(failed().cause(most));
        }
        file.write_all(&chunk).await.map_err(unwritten)?;
    }
    // The last write is still under way, and tells only this what became of it.
    file.flush().await.map_err(unwritten)?;
    file.sync_all().await.map_err(unwritten)?;
    let renamed = partial.persist(place);
    renamed.map(drop).map_err(|error| unwritten(error.error))
}

/// Removes what was fetched a while ago and nobody needs soon; whatever is needed again is fetched
/// again. Gives back what went wrong.
pub(crate) async fn tidy(site: &Site, keep: u32) -> Option<String> {
    let stays = |error: &dyn std::fmt::Display| {
        Some(format!("what was fetched for old releases stays: {error}"))
    };
    let old = match old(&site.state.join(DOWNLOADS)).await {
        Ok(old) if old.is_empty() => return None,
        Ok(old) => old,
        Err(error) => return stays(&error),
    };
    let needed = match needed(site, keep).await {
        Ok(needed) => needed,
        Err(error) => return stays(&error),
    };
    for place in old.difference(&needed) {
        match tokio::fs::remove_file(place).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return stays(&format!("{}: {error}", place.display()));
            }
            _ => {}
        }
    }
    None
}

/// What was fetched, whole or in part, so long ago that no deployment can be about to begin with it.
async fn old(folder: &Path) -> std::io::Result<BTreeSet<PathBuf>> {
    let mut old = BTreeSet::new();
    let mut entries = match tokio::fs::read_dir(folder).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(old),
        entries => entries?,
    };
    while let Some(entry) = entries.next_entry().await? {
        let fetched = entry.metadata().await?.modified()?;
        if fetched.elapsed().is_ok_and(|age| age > AGE) {
            old.insert(entry.path());
        }
    }
    Ok(old)
}

/// Where the artifacts lie of what was current last, wherever that was, and of what is running.
async fn needed(site: &Site, keep: u32) -> Result<BTreeSet<PathBuf>, StoreError> {
    // The one before stays on the targets, however few are kept.
    let keep = keep.max(2);
    let (all, now) = (Filter::default(), system::now());
    let deployments = site.store.deployments(&all, now).await?;
    let mut known = Vec::new();
    let scopes: BTreeSet<_> = deployments.iter().map(|it| it.scope.clone()).collect();
    for scope in scopes {
        known.extend(site.store.current_releases(&scope, keep).await?);
    }
    for running in deployments.iter().filter(|it| it.state == State::Running) {
        let release = ReleaseQuery::Id(running.release.clone());
        let application = &running.scope.application;
        known.extend(site.store.releases(application, &release).await?);
    }
    let places = known.iter();
    Ok(places
        .map(|known| place(&site.folder, &site.state, &known.artifact))
        .collect())
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
