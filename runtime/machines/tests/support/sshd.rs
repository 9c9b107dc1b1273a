//! Real SSH servers on loopback, each with its key and its home in a directory of its own. They
//! end with the test.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use machines::{Ssh, SshSpec};

/// One server.
pub(crate) struct Sshd {
    dir: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl Sshd {
    /// Starts one that lets in whoever has the key; `more` is added to its configuration.
    pub(crate) fn start(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for (name, kind) in [("host", "ed25519"), ("user", "ed25519")] {
            key(&path(name), kind, "");
        }
        fs::create_dir(path("home")).unwrap();
        fs::copy(path("user.pub"), path("authorized")).unwrap();
        let (child, port) = (0..20)
            .find_map(|_| {
                let port = TcpListener::bind("127.0.0.1:0")
                    .unwrap()
                    .local_addr()
                    .unwrap()
                    .port();
                let config = configuration(dir.path(), port, more);
                fs::write(path("config"), config).unwrap();
                listening(&path("config")).map(|child| (child, port))
            })
            .expect("no port for sshd");
        let known = fs::read_to_string(path("host.pub")).unwrap();
        fs::write(path("known"), format!("[127.0.0.1]:{port} {known}")).unwrap();
        Self { dir, port, child }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How to reach it, trusting its key.
    pub(crate) fn spec(&self) -> SshSpec {
        self.spec_at(self.port)
    }

    /// The same through something that listens on another port.
    pub(crate) fn spec_at(&self, port: u16) -> SshSpec {
        let known = fs::read_to_string(self.path("host.pub")).unwrap();
        let known_hosts = self.path(&format!("known-{port}"));
        fs::write(&known_hosts, format!("[127.0.0.1]:{port} {known}")).unwrap();
        SshSpec {
            destination: format!("{}@127.0.0.1:{port}", user()),
            config_file: Some(self.config("")),
            identity_files: vec![self.path("user")],
            known_hosts: Some(known_hosts),
            ..SshSpec::default()
        }
    }

    /// An SSH configuration of these lines, and no agent.
    pub(crate) fn config(&self, lines: &str) -> PathBuf {
        let path = self.path(&format!("client-config-{}", lines.len()));
        fs::write(&path, format!("{lines}\nHost *\n  IdentityAgent none\n")).unwrap();
        path
    }

    pub(crate) fn machine(&self) -> Ssh {
        Ssh::new("web", self.spec())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(dir: &Path, port: u16, more: &str) -> String {
    let path = |name: &str| dir.join(name).display().to_string();
    format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nPidFile {}\nAuthorizedKeysFile {}\n\
         StrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nMaxStartups 100:30:200\nSetEnv HOME={}\n{more}\n",
        path("host"),
        path("pid"),
        path("authorized"),
        path("home"),
    )
}

/// Waits until it listens; none where it cannot.
fn listening(config: &Path) -> Option<Child> {
    let program = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"]
        .into_iter()
        .find(|program| Path::new(program).exists())
        .expect("these tests need an SSH server: apt-get install openssh-server");
    // One that runs as root wants this directory, which a package's service would make.
    if rustix::process::geteuid().is_root() {
        fs::create_dir_all("/run/sshd").unwrap();
    }
    let mut child = Command::new(program)
        .args(["-D", "-e", "-f"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut all = String::new();
    while said.read_line(&mut all).unwrap() > 0 {
        if all.contains("Server listening") {
            // It goes on talking, and must not be stopped by a full pipe.
            std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
            return Some(child);
        }
    }
    let _ = child.wait();
    assert!(
        all.contains("Address already in use"),
        "sshd does not start: {all}"
    );
    None
}

/// Makes a key pair.
pub(crate) fn key(path: &Path, kind: &str, passphrase: &str) {
    let bits = if kind == "rsa" { "2048" } else { "256" };
    let made = Command::new("ssh-keygen")
        .args([
            "-q", "-t", kind, "-b", bits, "-N", passphrase, "-C", "test", "-f",
        ])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
}

pub(crate) fn user() -> String {
    let said = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}
