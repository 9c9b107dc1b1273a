//! A proxy of a test's own: its directory, its process, and the states it is given.

use std::{
    future::Future,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use http::{Method, StatusCode};
use proxy::{Admin, Admission, MemberStatus, Options, Started, Status};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{client, upstream::Upstream};

/// How long anything may take that is waited for; only what is broken takes that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A proxy, ended with this.
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) directory: TempDir,
}

/// Runs a test on a runtime with as many threads as a proxy in the wild would meet clients with.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let output = runtime.block_on(async { tokio::time::timeout(PATIENCE * 4, future).await });
    output.expect("the test takes too long")
}

/// This program, as the proxy.
pub(crate) fn program() -> PathBuf {
    std::env::current_exe().unwrap()
}

impl World {
    /// Nothing runs yet.
    pub(crate) fn prepared() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let admin = Admin::Unix(directory.path().join("admin.sock"));
        let state = directory.path().join("state.json");
        let mut options = Options::new(vec![any_port()], admin, state);
        options.workers = std::num::NonZero::new(2);
        options.grace = Duration::from_secs(5);
        Self { options, directory }
    }

    /// A proxy runs, with nothing behind it.
    pub(crate) async fn started() -> Self {
        let world = Self::prepared();
        world.start().await;
        world
    }

    /// A proxy runs, with these groups behind it.
    pub(crate) async fn serving(pools: &[(&str, f64, &[&Upstream])]) -> Self {
        let world = Self::started().await;
        world.apply(&state(pools)).await;
        world
    }

    pub(crate) async fn start(&self) {
        let started = proxy::start(&self.options, &program()).await.unwrap();
        assert!(matches!(started, Started::New(_)), "{started:?}");
    }

    pub(crate) async fn status(&self) -> Status {
        proxy::status(&self.options.admin).await.unwrap()
    }

    /// Where clients connect.
    pub(crate) async fn address(&self) -> SocketAddr {
        self.status().await.process.listen[0]
    }

    /// The admin API's.
    pub(crate) fn socket(&self) -> &Path {
        match &self.options.admin {
            Admin::Unix(socket) => socket,
            Admin::Tcp(_) => unreachable!("worlds have a Unix socket"),
        }
    }

    pub(crate) fn state_file(&self) -> &Path {
        &self.options.state
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> (StatusCode, Value) {
        client::admin(self.socket(), method, path, headers, body).await
    }

    pub(crate) async fn put(&self, state: &Value, headers: &[(&str, &str)]) -> (StatusCode, Value) {
        self.ask(Method::PUT, "/v1/state", headers, state.to_string())
            .await
    }

    /// Applies a state that is right.
    pub(crate) async fn apply(&self, state: &Value) {
        let (status, answer) = self.put(state, &[]).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }

    pub(crate) async fn member(&self, target: &str) -> MemberStatus {
        let status = self.status().await;
        let members = status.pools.into_iter().flat_map(|pool| pool.members);
        members
            .into_iter()
            .find(|member| member.target == target)
            .unwrap()
    }

    /// Asks until it is so.
    pub(crate) async fn until(&self, what: &str, so: impl Fn(&Status) -> bool) {
        let asked = async {
            loop {
                if so(&self.status().await) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, asked).await;
        in_time.unwrap_or_else(|_| panic!("not so in time: {what}"));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let admin = self.options.admin.clone();
        // On a thread of its own, since this may be dropped within a runtime.
        let stopped = std::thread::spawn(move || block_on(proxy::stop(&admin)));
        let stopped = stopped.join();
        if std::thread::panicking() {
            let log = self.directory.path().join("state.json.log");
            let log = std::fs::read_to_string(log).unwrap_or_default();
            let _ = writeln!(std::io::stderr(), "stopped: {stopped:?}; its log:\n{log}");
        }
    }
}

/// All members ready.
pub(crate) fn state(pools: &[(&str, f64, &[&Upstream])]) -> Value {
    admitting(pools, |_| Admission::Ready)
}

/// The admission by the target's name.
pub(crate) fn admitting(
    pools: &[(&str, f64, &[&Upstream])],
    admission: impl Fn(&str) -> Admission,
) -> Value {
    let member = |upstream: &&Upstream| {
        json!({
            "target": upstream.name,
            "address": upstream.address.to_string(),
            "admission": admission(&upstream.name),
        })
    };
    let pool = |(group, percent, members): &(&str, f64, &[&Upstream])| {
        json!({
            "group": group,
            "percent": percent,
            "members": members.iter().map(member).collect::<Vec<_>>(),
        })
    };
    json!({"version": 1, "pools": pools.iter().map(pool).collect::<Vec<_>>()})
}

pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
