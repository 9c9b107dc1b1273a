//! The functions that a component would import, with the signatures that they have there.

use super::with;
use crate::{Duration, Failure, Result};

pub(crate) mod logs {
    use crate::bindings::imports::logs::Level;

    pub(crate) fn write(level: Level, message: &str, fields: &[(String, String)]) {
        let fields: String = fields
            .iter()
            .map(|(name, value)| format!(" {name}={value}"))
            .collect();
        super::with(|world| world.calls.push(format!("log {level:?} {message}{fields}")));
    }
}

pub(crate) mod clock {
    pub(crate) fn now() -> u64 {
        super::with(|world| world.now)
    }

    pub(crate) fn sleep(duration: u64) {
        super::with(|world| world.now += duration);
    }
}

pub(crate) mod call {
    pub(crate) fn id() -> String {
        "call-1".into()
    }

    pub(crate) fn attempt() -> u32 {
        1
    }

    /// A minute, as a host would give.
    pub(crate) fn deadline() -> u64 {
        super::with(|world| world.now + 60_000)
    }

    pub(crate) fn token() -> u64 {
        1
    }

    pub(crate) fn note(key: &str) -> Option<String> {
        super::with(|world| world.notes.get(key).cloned())
    }

    pub(crate) fn set_note(key: &str, value: &str) {
        super::with(|world| world.notes.insert(key.into(), value.into()));
    }
}

pub(crate) mod http {
    use super::Result;
    use crate::bindings::imports::http::{Request, Response};

    pub(crate) fn send(request: &Request) -> Result<Response> {
        super::with(|world| {
            world.requests.push(request.clone());
            world.now += world.latency;
            world.called(format!("{} {}", request.method, request.url))?;
            (world.on_request)(request)
        })
    }
}

pub(crate) mod files {
    use super::{Failure, Result, with};
    use crate::bindings::imports::files::Entry;

    pub(crate) fn read(path: &str) -> Result<Vec<u8>> {
        with(|world| {
            world.called(format!("read {path}"))?;
            world.files.read(path).ok_or_else(|| Failure::missing(path))
        })
    }

    pub(crate) fn write(path: &str, contents: &[u8]) -> Result<()> {
        with(|world| {
            world.called(format!("write {path}"))?;
            world.files.write(path, contents);
            Ok(())
        })
    }

    pub(crate) fn stat(path: &str) -> Result<Option<Entry>> {
        with(|world| {
            world.called(format!("stat {path}"))?;
            Ok(world.files.stat(path))
        })
    }

    pub(crate) fn list(path: &str) -> Result<Vec<Entry>> {
        with(|world| {
            world.called(format!("list {path}"))?;
            Ok(world.files.list(path))
        })
    }

    pub(crate) fn create_directory(path: &str) -> Result<()> {
        with(|world| {
            world.called(format!("create-directory {path}"))?;
            world.files.create_directory(path);
            Ok(())
        })
    }

    pub(crate) fn link(path: &str, points_to: &str) -> Result<()> {
        with(|world| {
            world.called(format!("link {path} {points_to}"))?;
            world.files.link(path, points_to);
            Ok(())
        })
    }

    pub(crate) fn read_link(path: &str) -> Result<String> {
        with(|world| {
            world.called(format!("read-link {path}"))?;
            world
                .files
                .read_link(path)
                .ok_or_else(|| Failure::missing(path))
        })
    }

    pub(crate) fn rename(from: &str, to: &str) -> Result<()> {
        with(|world| {
            world.called(format!("rename {from} {to}"))?;
            world.files.rename(from, to)
        })
    }

    pub(crate) fn remove(path: &str) -> Result<()> {
        with(|world| {
            world.called(format!("remove {path}"))?;
            world.files.remove(path);
            Ok(())
        })
    }
}

pub(crate) mod commands {
    use super::{Result, line, with};
    use crate::bindings::imports::commands::{Command, Output};

    pub(crate) fn run(command: &Command) -> Result<Output> {
        with(|world| {
            world.called(format!("run {}", line(command)))?;
            world.run(command)
        })
    }
}

pub(crate) mod machine;

pub(crate) mod locks {
    use super::{Failure, Result, with};

    /// A lock that is held.
    #[derive(Debug)]
    pub struct Lock {
        name: String,
    }

    impl Lock {
        /// The lock's name.
        pub fn name(&self) -> String {
            self.name.clone()
        }
    }

    impl Drop for Lock {
        fn drop(&mut self) {
            with(|world| world.locks.remove(&self.name));
        }
    }

    pub(crate) fn acquire(name: &str, _wait: u64) -> Result<Lock> {
        with(|world| {
            world.called(format!("acquire {name}"))?;
            if world.locks.insert(name.into()) {
                Ok(Lock { name: name.into() })
            } else {
                Err(Failure::timeout(format!("`{name}` is held")))
            }
        })
    }
}

pub(crate) mod sockets {
    use super::{Result, with};

    pub(crate) fn connect(endpoint: &str, _timeout: u64) -> Result<()> {
        with(|world| world.called(format!("connect {endpoint}")))
    }

    pub(crate) fn exchange(endpoint: &str, payload: &[u8], _timeout: u64) -> Result<Vec<u8>> {
        with(|world| {
            world.called(format!("exchange {endpoint}"))?;
            (world.on_socket)(endpoint, payload)
        })
    }

    pub(crate) fn converse(
        endpoint: &str,
        payload: &[u8],
        _until: &[u8],
        _timeout: u64,
    ) -> Result<Vec<u8>> {
        with(|world| {
            world.called(format!("converse {endpoint}"))?;
            (world.on_socket)(endpoint, payload)
        })
    }
}

pub(crate) mod releases {
    use super::{Result, with};

    pub(crate) fn install(targets: &[String]) -> Result<()> {
        with(|world| world.called(format!("install {}", targets.join(" "))))
    }

    pub(crate) fn activate(targets: &[String]) -> Result<()> {
        with(|world| world.called(format!("activate {}", targets.join(" "))))
    }
}

pub(crate) mod traffic {
    use super::{Result, with};
    use crate::bindings::imports::traffic::Share;

    pub(crate) fn current() -> Result<Vec<Share>> {
        with(|world| {
            world.called("current".into())?;
            Ok(world.shares.clone())
        })
    }

    pub(crate) fn split(shares: &[Share]) -> Result<()> {
        let line: String = shares
            .iter()
            .map(|share| {
                format!(
                    " {}={}",
                    share.group,
                    (share.percent * 100.0).round() / 100.0
                )
            })
            .collect();
        with(|world| {
            world.called(format!("split{line}"))?;
            world.shares = shares.to_vec();
            Ok(())
        })
    }

    pub(crate) fn drain(targets: &[String], _timeout: Option<u64>) -> Result<()> {
        with(|world| world.called(format!("drain {}", targets.join(" "))))
    }

    pub(crate) fn restore(targets: &[String]) -> Result<()> {
        with(|world| world.called(format!("restore {}", targets.join(" "))))
    }
}

pub(crate) mod health {
    use super::{Result, with};

    pub(crate) fn wait(targets: &[String], _timeout: Option<u64>) -> Result<()> {
        with(|world| world.called(format!("await-healthy {}", targets.join(" "))))
    }
}

pub(crate) mod analysis {
    use super::{Duration, Result, with};
    use crate::bindings::imports::analysis::Verdict;

    pub(crate) fn watch(
        candidate: &[String],
        baseline: &[String],
        duration: u64,
    ) -> Result<Verdict> {
        let (candidate, baseline) = (candidate.join(" "), baseline.join(" "));
        with(|world| {
            world.called(format!(
                "watch {candidate} | {baseline} for {}",
                Duration(duration)
            ))?;
            world.now += duration;
            Ok(Verdict {
                kind: world.verdict.clone(),
                details: "{}".into(),
            })
        })
    }
}

pub(crate) mod course {
    use super::{Duration, Result, with};

    pub(crate) fn begin(stage: &str) {
        with(|world| world.calls.push(format!("begin {stage}")));
    }

    pub(crate) fn wait(duration: Option<u64>) -> Result<()> {
        with(|world| match duration {
            Some(duration) => {
                world.now += duration;
                world.called(format!("wait {}", Duration(duration)))
            }
            None => world.called("wait".into()),
        })
    }

    pub(crate) fn approval(question: &str, _timeout: Option<u64>) -> Result<()> {
        with(|world| world.called(format!("approval {question}")))
    }

    pub(crate) fn now() -> u64 {
        with(|world| world.now)
    }
}

fn line(command: &crate::bindings::imports::commands::Command) -> String {
    let mut line = command.program.clone();
    for argument in &command.arguments {
        line.push(' ');
        line.push_str(argument);
    }
    line
}
