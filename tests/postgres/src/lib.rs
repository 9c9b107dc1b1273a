//! A PostgreSQL server of this process's own: on loopback, in a temporary folder, gone with the
//! process however that ends.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that has no server has failed"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Runs the server until its input ends, then takes everything away.
const KEEPER: &str = r#"
    set -e
    trap 'rm -rf "$DIR"' EXIT
    cd "$DIR"
    as=
    if [ "$(id -u)" = 0 ]; then
        chown -R postgres .
        as="setpriv --reuid=postgres --regid=postgres --clear-groups"
    fi
    $as "$BIN/initdb" --pgdata=data --username=anna --auth=trust --encoding=UTF8 \
        --locale=C.UTF-8 --no-sync >log 2>&1 || { cat log >&2; exit 1; }
    $as "$BIN/postgres" -D data -h 127.0.0.1 -p "$PORT" -k "$DIR" -c max_connections=300 \
        -c fsync="$FSYNC" $SETTINGS >log 2>&1 &
    until "$BIN/pg_isready" --quiet --host=127.0.0.1 --port="$PORT"; do
        kill -0 $! 2>/dev/null || { cat log >&2; exit 1; }
        sleep 0.05
    done
    echo ready
    cat >/dev/null
    kill -INT $!
    wait $! || :
"#;

/// A running server.
#[derive(Debug)]
pub struct Server {
    port: u16,
    folder: PathBuf,
    databases: AtomicU32,
    /// Its input is the life of the server.
    keeper: Child,
}

impl Server {
    /// The server that all of this process share.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| Self::start("off", &[], &[]))
    }

    /// Starts one that waits for its disk (`fsync`) or does not, with these settings, in a folder
    /// that has these files.
    pub fn start(fsync: &str, settings: &[(&str, &str)], files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        for (name, content) in files {
            fs::write(folder.join(name), content).unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let settings: Vec<String> = settings
            .iter()
            .map(|(name, value)| format!("-c {name}={value}"))
            .collect();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER])
            .env("DIR", &folder)
            .env("BIN", binaries())
            .env("PORT", port.to_string())
            .env("FSYNC", fsync)
            .env("SETTINGS", settings.join(" "))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let output = keeper.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n", "PostgreSQL does not start");
        Self {
            port,
            folder,
            databases: AtomicU32::new(0),
            keeper,
        }
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that it lies in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes an empty database; gives back its name.
    pub fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("state{number}");
        self.run("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// The address of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://anna@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs statements in a database, as its owner would by hand; gives back the first value.
    pub fn run(&self, database: &str, sql: &str) -> String {
        let url = self.url(database);
        let mut psql = Command::new(binaries().join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set=ON_ERROR_STOP=1", &url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        psql.stdin
            .take()
            .unwrap()
            .write_all(sql.as_bytes())
            .unwrap();
        let output = psql.wait_with_output().unwrap();
        assert!(output.status.success(), "{sql}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Where Debian keeps the programs of its newest version.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is installed; `tests/run` sees to that")
        .map(|entry| entry.unwrap().path().join("bin"));
    let newest = versions
        .filter(|path| fs::metadata(path.join("postgres")).is_ok_and(|it| it.size() > 0))
        .max();
    newest.expect("the PostgreSQL server is installed; `tests/run` sees to that")
}
