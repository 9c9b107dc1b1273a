//! What the program asks the operating system about itself: the time, the user, the host.

use std::{
    path::PathBuf,
    time::{Instant, SystemTime},
};

use engine::Timestamp;

/// The time now.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Time that goes by evenly from its start on, whatever is done to the machine's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Timestamp,
    at: Instant,
}

impl Clock {
    /// One that starts with the time now.
    pub(crate) fn start() -> Self {
        Self {
            started: now(),
            at: Instant::now(),
        }
    }

    /// The time now by it.
    pub(crate) fn now(&self) -> Timestamp {
        let passed = self.at.elapsed().as_millis();
        self.started
            .after_ms(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

/// `2026-11-21T08:00:00.123Z`.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    zoned(at).map_or_else(String::new, |at| format!("{at:.3}"))
}

/// `20261121T080000Z`: sorts as text, and is safe in a file's name.
pub(crate) fn compact(at: Timestamp) -> String {
    zoned(at).map_or_else(String::new, |at| at.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// `2026-11-21 08:00:00` in UTC, for tables.
pub(crate) fn readable(at: Timestamp) -> String {
    zoned(at).map_or_else(String::new, |at| {
        at.strftime("%Y-%m-%d %H:%M:%S").to_string()
    })
}

fn zoned(at: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(i64::try_from(at.0).ok()?).ok()
}

/// Who runs the program: `USER`, else the number of the user.
pub(crate) fn user() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let uid = rustix::process::getuid().as_raw();
    named
        .or_else(|| in_passwd(uid))
        .unwrap_or_else(|| format!("uid {uid}"))
}

/// The name of a user in the system's own list.
fn in_passwd(uid: u32) -> Option<String> {
    let list = std::fs::read_to_string("/etc/passwd").ok()?;
    let uid = uid.to_string();
    let named = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        (fields.nth(1) == Some(&uid)).then_some(name)
    };
    list.lines().find_map(named)
}

/// The name of this host.
pub(crate) fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// This process, as an owner of leases.
pub(crate) fn owner(purpose: &str) -> store::Owner {
    store::Owner {
        actor: user(),
        host: host(),
        process: std::process::id(),
        purpose: purpose.to_owned(),
        deployment: None,
    }
}

/// Whether this process was started to ignore that its terminal goes away, as `nohup` does it.
pub(crate) fn ignores_hangup() -> bool {
    /// HUP is signal 1: the lowest bit of the mask.
    const HANGUP: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & HANGUP != 0)
}

/// Whether the process of an owner of a lease is known to be gone: it was on this host, and there
/// is no such process any more.
pub(crate) fn is_gone(owner: &store::Owner) -> bool {
    let pid = i32::try_from(owner.process)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let missing = |pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH);
    owner.host == host() && pid.is_some_and(missing)
}

/// Where compiled plugins are kept: `$XDG_CACHE_HOME/runtime` or `~/.cache/runtime`.
pub(crate) fn cache_directory() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = folder("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| folder("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(base.join("runtime"))
}
