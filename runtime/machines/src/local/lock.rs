//! The fence on this machine: a locked file that carries the newest token.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    error::{ErrorKind, MachineError},
    fence::Fence,
};

/// How long an earlier holder's last action is waited for: as long as the slowest command that
/// takes the default time.
pub(crate) const FENCE_WAIT: Duration = Duration::from_secs(90);

const FENCE_POLL: Duration = Duration::from_millis(20);

/// Locked for as long as this is kept.
pub(super) struct Held {
    _file: File,
}

/// Takes the lock, shared with those who carry the same token, or says who is newer.
pub(super) async fn take(fence: Option<&Fence>, base: &Path) -> Result<Option<Held>, MachineError> {
    let Some(fence) = fence else { return Ok(None) };
    let path = base.join(fence.path());
    let attempt = async {
        loop {
            if let Some(held) = attempt(&path, fence.token)? {
                return Ok(Some(held));
            }
            tokio::time::sleep(FENCE_POLL).await;
        }
    };
    tokio::time::timeout(FENCE_WAIT, attempt)
        .await
        .unwrap_or_else(|_| {
            let text = format!(
                "an earlier deployment of {} still works here: {} is locked",
                fence.key,
                path.display()
            );
            Err(MachineError::new(ErrorKind::Timeout, text))
        })
}

/// None where someone else holds the lock in a way that excludes us.
fn attempt(path: &PathBuf, token: u64) -> Result<Option<Held>, MachineError> {
    let failed = |error: io::Error| {
        let text = format!("could not use the lock {}: {error}", path.display());
        let denied = error.kind() == io::ErrorKind::PermissionDenied;
        MachineError::new(
            if denied {
                ErrorKind::Denied
            } else {
                ErrorKind::Rejected
            },
            text,
        )
    };
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(failed)?;
    match file.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    match read(&mut file).map_err(failed)? {
        Some(newest) if newest > token => return Err(older(path, token, newest)),
        Some(newest) if newest == token => return Ok(Some(Held { _file: file })),
        _ => {}
    }
    // To raise the token, those with an older one must have finished. Changing the kind of lock
    // lets others in between, so everything is looked at again.
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let newest = read(&mut file).map_err(failed)?;
    if newest.is_none_or(|newest| newest < token) {
        let raised = file
            .rewind()
            .and_then(|()| file.write_all(format!("{token:020}\n").as_bytes()));
        raised.and_then(|()| file.sync_all()).map_err(failed)?;
    }
    drop(file);
    attempt(path, token)
}

fn read(file: &mut File) -> io::Result<Option<u64>> {
    let mut text = String::new();
    file.rewind()?;
    file.take(64).read_to_string(&mut text)?;
    Ok(text.trim().parse().ok())
}

/// The refusal, by what a file on the machine says.
pub(crate) fn older(file: &Path, token: u64, newest: u64) -> MachineError {
    let text = format!(
        "this deployment's lease is no longer the newest: it has token {token}, and token \
         {newest} was here since, of a deployment that came later. Only where the state store was \
         lost, or put back from a copy: remove {} on that machine",
        file.display(),
    );
    MachineError::new(ErrorKind::Conflict, text)
}
