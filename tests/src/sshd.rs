//! Hosts to reach over SSH: one sshd each, with an address, a host key and a home of its own,
//! and a client's configuration that knows them.

use std::{
    fmt::Write,
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
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
    folder: PathBuf,
    face: Face,
}

/// What listens there.
#[derive(Debug)]
enum Face {
    Nobody,
    /// Connections are accepted, by the system, and nothing ever answers.
    Silence {
        _listener: TcpListener,
    },
    Sshd {
        _server: Server,
    },
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
    /// Has another key than the one that is known.
    Impostor,
}

impl Hosts {
    /// Starts hosts of these names, all well, and writes a `.ssh` into the world's home that
    /// knows them.
    pub fn start(world: &World, names: &[&str]) -> Self {
        let user = user();
        let home = world.file("home/.ssh");
        fs::create_dir_all(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        keygen(&home.join("id_ed25519"));
        let authorized = home.join("id_ed25519.pub");
        let host = |name: &&str| Host::start(name, &world.file("ssh").join(name), &authorized);
        let hosts: Vec<_> = names.iter().map(host).collect();
        let known: String = hosts.iter().map(Host::known).collect();
        fs::write(home.join("known_hosts"), known).unwrap();
        Self { hosts, user }
    }

    /// Ends what listens on a host, and puts something else there.
    pub fn become_of(&mut self, name: &str, nature: Nature) {
        let host = self
            .hosts
            .iter_mut()
            .find(|host| host.name == name)
            .unwrap();
        host.face = Face::Nobody;
        host.face = host.wear(nature);
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

    /// Has the client know a host at another address, too: one that leads to it.
    pub fn known_as(&self, world: &World, name: &str, address: &str) {
        let host = self.hosts.iter().find(|host| host.name == name).unwrap();
        let path = world.file("home/.ssh/known_hosts");
        let known = fs::read_to_string(&path).unwrap();
        fs::write(&path, known + &host.known_at(address)).unwrap();
    }

    /// Who logs in.
    pub fn user(&self) -> &str {
        &self.user
    }
}

impl Host {
    fn start(name: &str, folder: &Path, authorized: &Path) -> Self {
        fs::create_dir_all(folder.join("home")).unwrap();
        for key in ["hostkey", "otherkey"] {
            keygen(&folder.join(key));
        }
        let ip = address::next();
        fs::write(
            folder.join("sshd_config"),
            configuration(folder, ip, authorized),
        )
        .unwrap();
        let (name, folder) = (name.to_owned(), folder.to_owned());
        let mut host = Self {
            name,
            ip,
            folder,
            face: Face::Nobody,
        };
        host.face = host.wear(Nature::Well);
        host
    }

    fn wear(&self, nature: Nature) -> Face {
        let key = match nature {
            Nature::Refusing => return Face::Nobody,
            Nature::Silent => {
                return Face::Silence {
                    _listener: TcpListener::bind((self.ip, PORT)).unwrap(),
                };
            }
            Nature::Well => "hostkey",
            Nature::Impostor => "otherkey",
        };
        let mut command = Command::new("/usr/sbin/sshd");
        command
            .args(["-D", "-e", "-f"])
            .arg(self.folder.join("sshd_config"));
        command.arg("-h").arg(self.folder.join(key));
        let mut server = Server::start(&format!("sshd-{}", self.name), &self.folder, &mut command);
        server.until_ready(|| TcpStream::connect((self.ip, PORT)).ok());
        Face::Sshd { _server: server }
    }

    /// Its line in `known_hosts`.
    fn known(&self) -> String {
        self.known_at(&format!("{}:{PORT}", self.ip))
    }

    fn known_at(&self, address: &str) -> String {
        let key = fs::read_to_string(self.folder.join("hostkey.pub")).unwrap();
        let (ip, port) = address.rsplit_once(':').unwrap();
        format!("[{ip}]:{port} {}\n", key.trim())
    }
}

/// The home is set because the shell reads its start-up files there: those of the user who
/// runs the tests are nobody's business, and slow.
fn configuration(folder: &Path, ip: Ipv4Addr, authorized: &Path) -> String {
    let (folder, authorized) = (folder.display(), authorized.display());
    format!(
        "ListenAddress {ip}
Port {PORT}
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
