//! The application, started as a deployment starts it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A running release; ended when dropped.
struct Hello {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
    address: String,
    _release: TempDir,
}

impl Hello {
    fn start(behaviour: &str) -> Self {
        // Linked: a process that is just starting would hold a copy open that is being written,
        // and then it cannot be run.
        let release = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let program = release.path().join("bin/hello");
        fs::create_dir(release.path().join("bin")).unwrap();
        fs::hard_link(env!("CARGO_BIN_EXE_hello"), &program).unwrap();
        fs::write(release.path().join("VERSION"), "1.2.3\n").unwrap();
        fs::write(release.path().join("BEHAVIOUR"), behaviour).unwrap();
        let mut process = Command::new(&program)
            .args(["--listen", "127.0.0.1:0"])
            .current_dir(Path::new("/"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        Self {
            process,
            output,
            address,
            _release: release,
        }
    }

    fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn get(&self, path: &str) -> String {
        answer(self.send(&format!("GET {path} HTTP/1.1\r\nconnection: close\r\n\r\n")))
    }
}

impl Drop for Hello {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn says_its_version_and_its_health() {
    let hello = Hello::start("");
    let page = hello.get("/");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("\r\nx-version: 1.2.3\r\n"), "{page}");
    assert!(
        page.ends_with(&format!("hello 1.2.3, process {}\n", hello.process.id())),
        "{page}"
    );
    assert!(hello.get("/health").contains(r#""status":"ok""#));
    assert!(hello.get("/elsewhere").starts_with("HTTP/1.1 404"));
}

#[test]
fn a_bad_release_is_bad() {
    let hello = Hello::start("never-healthy\nerror-rate=0.5\n");
    assert!(hello.get("/health").starts_with("HTTP/1.1 503"));
    let bad = (0..10)
        .filter(|_| hello.get("/").starts_with("HTTP/1.1 500"))
        .count();
    assert_eq!(bad, 5);
}

#[test]
fn it_falls_ill_when_it_is_told() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let ill = folder.path().join("ill");
    let hello = Hello::start(&format!("unhealthy-with={}", ill.display()));
    assert!(hello.get("/health").starts_with("HTTP/1.1 200"));
    fs::write(&ill, "").unwrap();
    assert!(hello.get("/health").starts_with("HTTP/1.1 503"));
}

#[test]
fn a_request_under_way_is_answered_before_it_stops() {
    let mut hello = Hello::start("");
    let head = "POST /echo HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    let mut under_way = hello.send(head);
    // Whoever is asked for the rest has arrived.
    let mut rest = [0; 25];
    under_way.read_exact(&mut rest).unwrap();
    assert_eq!(&rest, b"HTTP/1.1 100 Continue\r\n\r\n");
    let mut idle = hello.send("GET / HTTP/1.1\r\n\r\n");
    // Answered: this connection is kept open.
    idle.read_exact(&mut [0; 15]).unwrap();
    kill_process(Pid::from_child(&hello.process), Signal::TERM).unwrap();
    let mut last = String::new();
    hello.output.read_line(&mut last).unwrap();
    assert!(last.ends_with(" stops\n"), "{last}");
    under_way.write_all(b"done\n").unwrap();
    assert!(answer(under_way).ends_with("done\n"));
    answer(idle);
    assert!(hello.process.wait().unwrap().success());
    assert_eq!(hello.output.read_to_string(&mut last).unwrap(), 0);
}
