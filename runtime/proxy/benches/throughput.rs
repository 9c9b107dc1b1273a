//! The proxy beside nginx: the same upstreams, the same number of workers, the same load by wrk,
//! one after the other in the same run.
//!
//! Needs `nginx` and `wrk`. `THROUGHPUT_SECONDS` is how long one measurement takes.

#[path = "../tests/proxy/as_proxy.rs"]
mod as_proxy;

use std::{
    fs,
    io::{self, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    num::NonZero,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::Duration,
};

use figures::{Bar, Figure};
use proxy::{Admin, Options};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Workers of the proxy and of nginx.
const WORKERS: usize = 2;

/// How often each is measured; the median counts.
const ROUNDS: usize = 3;

/// At least this part of nginx's requests per second.
const RATE_MIN: f64 = 0.5;

/// At most that many times nginx's p99.
const P99_MAX: f64 = 2.0;

/// What is asked, and whether the bars hold for it.
const LOADS: [Load; 4] = [
    Load {
        name: "GET, 100 bytes, kept alive",
        path: "/small",
        connections: 32,
        header: None,
        counts: true,
    },
    Load {
        name: "GET, 16 KiB, kept alive",
        path: "/medium",
        connections: 32,
        header: None,
        counts: true,
    },
    Load {
        name: "GET, 100 bytes, 256 connections",
        path: "/small",
        connections: 256,
        header: None,
        counts: true,
    },
    Load {
        name: "GET, 100 bytes, a connection each",
        path: "/small",
        connections: 32,
        header: Some("Connection: close"),
        counts: false,
    },
];

struct Load {
    name: &'static str,
    path: &'static str,
    connections: u32,
    header: Option<&'static str>,
    counts: bool,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    rate: f64,
    p99_ms: f64,
}

/// A process, ended with this: asked to, so that nginx's workers end with it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["proxy", "run", options @ ..] = &arguments[..] {
        return as_proxy::run(options);
    }
    if !figures::wanted() {
        return ExitCode::SUCCESS;
    }
    match compare() {
        Ok(measured) => {
            figures::print(&measured);
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "throughput: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> io::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let upstreams = [free_port()?, free_port()?];
    let _upstreams = start_upstreams(&folder, upstreams)?;
    let (nginx, _nginx) = start_nginx(&folder, upstreams)?;
    let (proxy, _proxy) = start_proxy(&folder, upstreams)?;
    let mut measured = Vec::new();
    for load in &LOADS {
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            theirs.push(load.measure(nginx)?);
            ours.push(load.measure(proxy)?);
        }
        measured.extend(load.figures(median(ours), median(theirs)));
    }
    Ok(measured)
}

impl Load {
    fn figures(&self, ours: Measured, nginx: Measured) -> [Figure; 2] {
        let figure = |what: &str, measured, baseline, ratio: f64, text, kept| Figure {
            name: format!("proxy: {}, {what}", self.name),
            measured,
            baseline: format!("nginx: {baseline}"),
            ratio: Some(ratio),
            bar: self.counts.then_some(Bar { text, kept }),
        };
        let rate = |measured: Measured| format!("{:.0}/s", measured.rate);
        let p99 = |measured: Measured| format!("{:.2} ms", measured.p99_ms);
        let rates = ours.rate / nginx.rate;
        let p99s = ours.p99_ms / nginx.p99_ms;
        let (least, most) = (format!(">= {RATE_MIN}x"), format!("<= {P99_MAX}x"));
        [
            figure(
                "requests",
                rate(ours),
                rate(nginx),
                rates,
                least,
                rates >= RATE_MIN,
            ),
            figure("p99", p99(ours), p99(nginx), p99s, most, p99s <= P99_MAX),
        ]
    }

    fn measure(&self, address: SocketAddr) -> io::Result<Measured> {
        let seconds = std::env::var("THROUGHPUT_SECONDS").unwrap_or_else(|_| "4".into());
        let mut wrk = Command::new("wrk");
        wrk.args(["--threads", "1", "--latency", "--duration", &seconds]);
        wrk.args(["--connections", &self.connections.to_string()]);
        if let Some(header) = self.header {
            wrk.args(["--header", header]);
        }
        let output = wrk.arg(format!("http://{address}{}", self.path)).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.contains("Non-2xx") || text.contains("Socket errors") && self.header.is_none() {
            return Err(io::Error::other(format!("requests failed:\n{text}")));
        }
        let after = |label: &str| {
            let line = text
                .lines()
                .find_map(|line| line.trim().strip_prefix(label));
            let errors = String::from_utf8_lossy(&output.stderr);
            line.map(str::trim)
                .ok_or_else(|| io::Error::other(format!("wrk said:\n{text}{errors}")))
        };
        let rate = after("Requests/sec:")?.parse().map_err(io::Error::other)?;
        let p99_ms = in_ms(after("99%")?).ok_or_else(|| io::Error::other("no p99"))?;
        Ok(Measured { rate, p99_ms })
    }
}

/// What wrk writes as `1.25ms`, `830.00us` or `1.02s`.
fn in_ms(text: &str) -> Option<f64> {
    let (number, factor) = if let Some(number) = text.strip_suffix("us") {
        (number, 0.001)
    } else if let Some(number) = text.strip_suffix("ms") {
        (number, 1.0)
    } else {
        (text.strip_suffix('s')?, 1000.0)
    };
    Some(number.parse::<f64>().ok()? * factor)
}

fn median(mut all: Vec<Measured>) -> Measured {
    let middle = all.len() / 2;
    all.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let rate = all[middle].rate;
    all.sort_by(|a, b| a.p99_ms.total_cmp(&b.p99_ms));
    let p99_ms = all[middle].p99_ms;
    Measured { rate, p99_ms }
}

const COMMON: &str = "access_log off; keepalive_requests 1000000000; keepalive_timeout 75s;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;";

fn start_upstreams(folder: &TempDir, upstreams: [u16; 2]) -> io::Result<Server> {
    let [one, two] = upstreams;
    let (small, medium) = ("x".repeat(100), "x".repeat(16 << 10));
    let files = folder.path().join("files");
    fs::create_dir_all(&files)?;
    fs::write(files.join("medium"), medium)?;
    let configuration = format!(
        "daemon off; worker_processes 1; pid up.pid; error_log stderr;
events {{ worker_connections 4096; }}
http {{ {COMMON}
  server {{ listen 127.0.0.1:{one}; listen 127.0.0.1:{two}; root {};
    open_file_cache max=10; location = /small {{ return 200 \"{small}\"; }} }}
}}",
        files.display()
    );
    nginx(folder.path(), "upstreams", &configuration, two)
}

fn start_nginx(folder: &TempDir, [one, two]: [u16; 2]) -> io::Result<(SocketAddr, Server)> {
    let port = free_port()?;
    let configuration = format!(
        "daemon off; worker_processes {WORKERS}; pid nginx.pid; error_log stderr;
events {{ worker_connections 4096; }}
http {{ {COMMON}
  upstream app {{ server 127.0.0.1:{one}; server 127.0.0.1:{two}; keepalive 256; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port};
    location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection \"\";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host; }} }}
}}"
    );
    let server = nginx(folder.path(), "nginx", &configuration, port)?;
    Ok((local(port), server))
}

fn nginx(folder: &Path, name: &str, configuration: &str, port: u16) -> io::Result<Server> {
    let prefix = folder.join(name);
    fs::create_dir_all(&prefix)?;
    fs::write(prefix.join("nginx.conf"), configuration)?;
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("nginx");
    command
        .env("PATH", path)
        .arg("-p")
        .arg(&prefix)
        .args(["-c", "nginx.conf"]);
    started(command.stdin(Stdio::null()), port)
}

fn start_proxy(folder: &TempDir, upstreams: [u16; 2]) -> io::Result<(SocketAddr, Server)> {
    let port = free_port()?;
    let member = |port: u16| serde_json::json!({"target": port.to_string(), "address": local(port).to_string(), "admission": "ready"});
    let state = serde_json::json!({
        "version": 1,
        "pools": [{"group": "app", "percent": 100.0, "members": upstreams.map(member)}],
    });
    let file = folder.path().join("state.json");
    fs::write(&file, state.to_string())?;
    let mut options = Options::new(
        vec![local(port)],
        Admin::Unix(folder.path().join("admin.sock")),
        file,
    );
    options.workers = NonZero::new(WORKERS);
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["proxy", "run"]).args(options.to_arguments());
    Ok((local(port), started(&mut command, port)?))
}

/// Starts it, and waits until somebody listens.
fn started(command: &mut Command, port: u16) -> io::Result<Server> {
    let mut server = Server(command.spawn()?);
    while TcpStream::connect(local(port)).is_err() {
        if let Some(status) = server.0.try_wait()? {
            return Err(io::Error::other(format!("{command:?} ended with {status}")));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(server)
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(local(0))?.local_addr()?.port())
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
