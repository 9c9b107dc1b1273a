//! Keeps programs from starting while a file is open for writing that may be run one day.
//!
//! Between its fork and its exec a new process has a copy of every file that is open here, and
//! Linux runs no file that anybody has open for writing (`ETXTBSY`). A release that is unpacked
//! while another target's command starts would, by bad luck, not start itself.

use std::sync::{PoisonError, RwLock};

static WRITING: RwLock<()> = RwLock::new(());

/// Calls what opens a file, writes it and closes it; no program starts meanwhile.
pub(crate) fn write<T>(file: impl FnOnce() -> T) -> T {
    let _writing = WRITING.read().unwrap_or_else(PoisonError::into_inner);
    file()
}

/// Calls what starts a program, while nothing is open for writing. Waits for one file at most.
pub(crate) fn start<T>(spawn: impl FnOnce() -> T) -> T {
    let _starting = WRITING.write().unwrap_or_else(PoisonError::into_inner);
    spawn()
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::PermissionsExt,
        process::Command,
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use super::*;

    #[test]
    fn what_was_written_can_be_run_while_others_start() {
        let folder = tempfile::tempdir().unwrap();
        let ended = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !ended.load(Ordering::Relaxed) {
                        start(|| Command::new("true").spawn())
                            .unwrap()
                            .wait()
                            .unwrap();
                    }
                });
            }
            for round in 0..200 {
                let program = folder.path().join(format!("{round}"));
                write(|| fs::write(&program, "#!/bin/sh\n")).unwrap();
                fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
                let ran = start(|| Command::new(&program).spawn()).map(|mut child| child.wait());
                if ran.is_err() {
                    ended.store(true, Ordering::Relaxed);
                }
                ran.unwrap().unwrap();
            }
            ended.store(true, Ordering::Relaxed);
        });
    }
}
