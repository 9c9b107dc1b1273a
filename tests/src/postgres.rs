//! A PostgreSQL server for one test: on loopback, in a temporary folder, gone with the test
//! however that ends.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
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
    $as "$BIN/postgres" -D data -h 127.0.0.1 -p "$PORT" -k "$DIR" -c fsync=off >log 2>&1 &
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
pub struct Postgres {
    port: u16,
    /// Its input is the life of the server.
    keeper: Child,
}

impl Postgres {
    /// Starts one.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER])
            .env("DIR", &folder)
            .env("BIN", binaries())
            .env("PORT", port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let output = keeper.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n", "PostgreSQL does not start");
        Self { port, keeper }
    }

    /// The address of its database.
    pub fn url(&self) -> String {
        format!("postgres://anna@{}/postgres", self.address())
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Runs a statement, as its owner would by hand; gives back the first value.
    pub fn run(&self, sql: &str) -> String {
        let mut psql = Command::new(binaries().join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set=ON_ERROR_STOP=1", &self.url()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = psql.stdin.take().unwrap();
        input.write_all(sql.as_bytes()).unwrap();
        drop(input);
        let output = psql.wait_with_output().unwrap();
        assert!(output.status.success(), "{sql}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Postgres {
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
    let newest = versions.filter(|path| path.join("postgres").exists()).max();
    newest.expect("the PostgreSQL server is installed; `tests/run` sees to that")
}
