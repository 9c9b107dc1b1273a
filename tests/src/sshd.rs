//! Hosts to reach over SSH: one sshd each, with an address, a host key and a home of its own,
//! and a client's configuration that knows them.

use std::{
    fmt::Write,
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Server, World, address};

/// Not 22: that may be this machine's own.
const PORT: u16 = 2200;

/// Several hosts, ended when dropped.
#[derive(Debug)]
pub struct Hosts {
    hosts: Vec<Host>,
    user: String,
}

#[derive(Debug)]
struct Host {
    name: String,
    ip: Ipv4Addr,
    /// None where nothing, or something silent, listens.
    _server: Option<Server>,
    /// Holds the port of a silent host: connections are accepted, and nothing ever answers.
    _silent: Option<TcpListener>,
}

/// What a host is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// As it should be.
    Well,
    /// Refuses connections.
    Refusing,
    /// Accepts connections and never says a word.
    Silent,
}

impl Hosts {
    /// Starts hosts of these names, and writes a `.ssh` into the world's home with which the
    /// program reaches them by name.
    pub fn start(world: &World, hosts: &[(&str, Nature)]) -> Self {
        let user = user();
        let home = world.file("home/.ssh");
        fs::create_dir_all(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        keygen(&home.join("id_ed25519"));
        let hosts: Vec<_> = hosts
            .iter()
            .map(|(name, nature)| start(world, name, *nature))
            .collect();
        let mut known = String::new();
        for host in &hosts {
            let key = fs::read_to_string(folder(world, &host.name).join("hostkey.pub")).unwrap();
            writeln!(known, "[{}]:{PORT} {}", host.ip, key.trim()).unwrap();
        }
        fs::write(home.join("known_hosts"), known).unwrap();
        Self { hosts, user }
    }

    /// `[machines.NAME]` for each.
    pub fn toml(&self) -> String {
        let mut text = String::new();
        for host in &self.hosts {
            let (name, user, ip) = (&host.name, &self.user, host.ip);
            writeln!(text, "\n[machines.{name}]\nssh = \"{user}@{ip}:{PORT}\"").unwrap();
        }
        text
    }

    /// `host:port` of one of them.
    pub fn address(&self, name: &str) -> String {
        let host = self.hosts.iter().find(|host| host.name == name).unwrap();
        format!("{}:{PORT}", host.ip)
    }

    /// Who logs in.
    pub fn user(&self) -> &str {
        &self.user
    }
}

fn start(world: &World, name: &str, nature: Nature) -> Host {
    let (folder, ip) = (folder(world, name), address::next());
    fs::create_dir_all(folder.join("home")).unwrap();
    keygen(&folder.join("hostkey"));
    let silent = (nature == Nature::Silent).then(|| TcpListener::bind((ip, PORT)).unwrap());
    let server = (nature == Nature::Well).then(|| {
        let key = world.file("home/.ssh/id_ed25519.pub");
        let config = folder.join("sshd_config");
        fs::write(&config, configuration(&folder, ip, &key)).unwrap();
        let mut command = Command::new("/usr/sbin/sshd");
        let mut server = Server::start(
            &format!("sshd-{name}"),
            &folder,
            command.args(["-D", "-e", "-f"]).arg(&config),
        );
        server.until_ready(|| std::net::TcpStream::connect((ip, PORT)).ok());
        server
    });
    Host {
        name: name.to_owned(),
        ip,
        _server: server,
        _silent: silent,
    }
}

fn folder(world: &World, name: &str) -> PathBuf {
    world.file("ssh").join(name)
}

/// The home is set because the shell reads its start-up files there: those of the user who
/// runs the tests are nobody's business, and slow.
fn configuration(folder: &Path, ip: Ipv4Addr, authorized: &Path) -> String {
    let (folder, authorized) = (folder.display(), authorized.display());
    format!(
        "ListenAddress {ip}
Port {PORT}
HostKey {folder}/hostkey
PidFile {folder}/pid
AuthorizedKeysFile {authorized}
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
SetEnv HOME={folder}/home
MaxStartups 100:30:200
LogLevel VERBOSE
"
    )
}

fn keygen(path: &Path) {
    let mut command = Command::new("ssh-keygen");
    let made = command
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .output();
    let made = made.unwrap_or_else(|error| {
        panic!("cannot run ssh-keygen: {error}; `tests/run` installs what is missing")
    });
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// Who runs the tests: the one account that a daemon without privileges lets in.
fn user() -> String {
    let id = Command::new("id").arg("-un").output().unwrap();
    let name = String::from_utf8(id.stdout).unwrap().trim().to_owned();
    if name == "root" {
        // The daemon of a privileged user insists on it.
        fs::create_dir_all("/run/sshd").unwrap();
    }
    name
}
