//! A host for tests of a plugin's logic, without a component: it answers as it was told, keeps
//! files in memory, and lets time pass at once.
//!
//! ```
//! use runtime_sdk::{rollout, testing::Fake};
//!
//! let fake = Fake::new().traffic(&[("canary", 0.0), ("stable", 100.0)]);
//! rollout::drain(&["web01"])?;
//! assert_eq!(fake.calls(), ["drain web01"]);
//! # Ok::<(), runtime_sdk::Failure>(())
//! ```

pub(crate) mod imports;
mod records;
mod world;

use std::{cell::RefCell, marker::PhantomData};

pub use records::{deployment, event, occasion, release, target, targets};
use world::World;

use crate::{
    Duration, Failure, Plugin, Result,
    bindings::imports::{
        commands::{Command, Output},
        http::{Request, Response},
        traffic::Share,
    },
};

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// The host of this thread, as long as it lives.
#[derive(Debug)]
pub struct Fake {
    /// Not `Send`: the world is the thread's.
    thread: PhantomData<*const ()>,
}

impl Fake {
    /// A host that does all it is asked to, with nothing in it.
    #[expect(clippy::new_without_default, reason = "it takes hold of the thread")]
    pub fn new() -> Self {
        let before = WORLD.replace(Some(World::default()));
        assert!(before.is_none(), "one fake at a time in each thread");
        Self {
            thread: PhantomData,
        }
    }

    /// What the load balancer does when the test begins.
    #[must_use]
    pub fn traffic(self, shares: &[(&str, f64)]) -> Self {
        let share = |(group, percent): &(&str, f64)| Share {
            group: (*group).into(),
            percent: *percent,
        };
        with(|world| world.shares = shares.iter().map(share).collect());
        self
    }

    /// The call that reads so in [`Fake::calls`] fails, each time it is made.
    #[must_use]
    pub fn fails(self, call: &str, failure: Failure) -> Self {
        with(|world| world.failures.insert(call.into(), failure));
        self
    }

    /// Every analysis comes to this verdict.
    #[must_use]
    pub fn verdict(self, kind: &str) -> Self {
        with(|world| world.verdict = kind.into());
        self
    }

    /// A file that is there when the test begins.
    #[must_use]
    pub fn file(self, path: &str, contents: &str) -> Self {
        with(|world| world.files.write(path, contents.as_bytes()));
        self
    }

    /// A symbolic link that is there when the test begins.
    #[must_use]
    pub fn link(self, path: &str, points_to: &str) -> Self {
        with(|world| world.files.link(path, points_to));
        self
    }

    /// How every program ends; with status 0 and without a word where nothing is said here.
    #[must_use]
    pub fn on_command(self, answer: impl FnMut(&Command) -> Result<Output> + 'static) -> Self {
        with(|world| world.on_command = Box::new(answer));
        self
    }

    /// How every request is answered; with status 200 and an empty body where nothing is said
    /// here.
    #[must_use]
    pub fn on_request(self, answer: impl FnMut(&Request) -> Result<Response> + 'static) -> Self {
        with(|world| world.on_request = Box::new(answer));
        self
    }

    /// Every request takes that long.
    #[must_use]
    pub fn latency(self, latency: Duration) -> Self {
        with(|world| world.latency = latency.as_ms());
        self
    }

    /// What the other side of every socket says.
    #[must_use]
    pub fn on_socket(self, answer: impl FnMut(&str, &[u8]) -> Result<Vec<u8>> + 'static) -> Self {
        with(|world| world.on_socket = Box::new(answer));
        self
    }

    /// Every call so far, one line each, such as `split canary=10 stable=90`.
    pub fn calls(&self) -> Vec<String> {
        with(|world| world.calls.clone())
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        with(|world| world.requests.clone())
    }

    /// Every program that was run or started so far.
    pub fn commands(&self) -> Vec<Command> {
        with(|world| world.commands.clone())
    }

    /// The contents of a file.
    pub fn text(&self, path: &str) -> Option<String> {
        with(|world| String::from_utf8(world.files.read(path)?).ok())
    }

    /// What a symbolic link says.
    pub fn points_to(&self, path: &str) -> Option<String> {
        with(|world| world.files.read_link(path))
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        WORLD.set(None);
    }
}

/// Fails unless the file `settings.json` in the plugin's folder is its settings' JSON Schema.
/// With `UPDATE_SCHEMAS` in the environment it is written instead.
pub fn check_schema<P: Plugin>(folder: &str) {
    let path = std::path::Path::new(folder).join("settings.json");
    let schema = crate::settings::schema::<P>();
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, format!("{schema:#}\n")).expect("the plugin's folder can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let same = serde_json::from_str::<serde_json::Value>(&kept).is_ok_and(|kept| kept == schema);
    assert!(
        same,
        "run the test with UPDATE_SCHEMAS=1 to write {}",
        path.display()
    );
}

/// An output with that status and nothing said.
pub fn output(status: i32, stdout: &str, stderr: &str) -> Output {
    Output {
        status: Some(status),
        stdout: stdout.into(),
        stderr: stderr.into(),
        truncated: false,
    }
}

/// A response with that status and body.
pub fn response(status: u16, body: &str) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: body.into(),
        truncated: false,
    }
}

fn with<T>(act: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(|world| {
        act(world
            .as_mut()
            .expect("a test that calls the host begins with `Fake::new()`"))
    })
}
