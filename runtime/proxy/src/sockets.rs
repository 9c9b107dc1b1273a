//! What the proxy listens on, opened anew or taken over from the process before.

use std::{
    fs::{self, File, Permissions},
    io,
    net::{SocketAddr, TcpListener},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use crate::{Admin, Options, ProxyError, state::StateFile};

/// How many connections the system may hold for us until they are taken: a burst, or the time of
/// a handover.
const BACKLOG: i32 = 4096;

/// The longest path of a Unix socket that the system can have.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// What a proxy listens on, and its claim on the state.
pub(crate) struct Sockets {
    pub(crate) listen: Vec<(SocketAddr, TcpListener)>,
    pub(crate) admin: AdminListener,
    pub(crate) lock: File,
}

/// Where the admin API is listened for.
pub(crate) enum AdminListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Sockets that another process had, by what they listen on.
pub(crate) struct Inherited {
    pub(crate) listen: Vec<(SocketAddr, OwnedFd)>,
    pub(crate) admin: (String, OwnedFd),
    pub(crate) lock: OwnedFd,
}

impl Sockets {
    /// Opens all of them.
    pub(crate) fn open(options: &Options, file: &StateFile) -> Result<Self, ProxyError> {
        let lock = file.lock()?;
        let listen = options
            .listen
            .iter()
            .map(|address| Ok((*address, listen(*address)?)));
        Ok(Self {
            lock,
            listen: listen.collect::<Result<_, ProxyError>>()?,
            admin: AdminListener::open(&options.admin)?,
        })
    }

    /// Takes those that another process had, and opens what is missing.
    pub(crate) fn inherit(options: &Options, inherited: Inherited) -> Result<Self, ProxyError> {
        let mut theirs = inherited.listen;
        let mut ours = Vec::new();
        for address in &options.listen {
            let place = theirs.iter().position(|(had, _)| had == address);
            let listener = match place {
                Some(place) => TcpListener::from(theirs.swap_remove(place).1),
                None => listen(*address)?,
            };
            ours.push((*address, listener));
        }
        let (admin, descriptor) = inherited.admin;
        let admin = match &options.admin {
            same @ Admin::Tcp(_) if same.settled().to_string() == admin => {
                AdminListener::Tcp(descriptor.into())
            }
            same @ Admin::Unix(_) if same.settled().to_string() == admin => {
                AdminListener::Unix(descriptor.into())
            }
            other => AdminListener::open(other)?,
        };
        Ok(Self {
            listen: ours,
            admin,
            lock: inherited.lock.into(),
        })
    }
}

impl AdminListener {
    fn open(admin: &Admin) -> Result<Self, ProxyError> {
        let opened = match admin {
            Admin::Tcp(address) => TcpListener::bind(address).map(Self::Tcp),
            Admin::Unix(path) => listen_unix(path).map(Self::Unix),
        };
        opened.map_err(|source| ProxyError::ListenAdmin {
            admin: admin.to_string(),
            source,
        })
    }

    /// The same listener once more, to be used without waiting.
    pub(crate) fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Self::Tcp(listener.try_clone()?)
            }
            Self::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Self::Unix(listener.try_clone()?)
            }
        })
    }
}

impl AsFd for AdminListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, ProxyError> {
    let opened = TcpListener::bind(address).and_then(|listener| {
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(listener)
    });
    opened.map_err(|source| ProxyError::Listen { address, source })
}

/// Listens on a socket that only its owner can open, at once and for good: it gets its name only
/// when it has its permissions. Replaces one that nobody listens on any more.
pub(crate) fn listen_unix(path: &Path) -> io::Result<UnixListener> {
    if UnixStream::connect(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    replace_unix(path)
}

/// The same, also where somebody listens, who is not asked any more then.
pub(crate) fn replace_unix(path: &Path) -> io::Result<UnixListener> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push("-");
    let temporary = PathBuf::from(temporary);
    let length = temporary.as_os_str().len();
    if length > SOCKET_PATH_BYTES_MAX {
        let message = format!(
            "the path of a Unix socket has at most {} bytes, and this one {}",
            SOCKET_PATH_BYTES_MAX - 1,
            length - 1
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    if let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        fs::create_dir_all(directory)?;
    }
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&temporary)?;
    fs::set_permissions(&temporary, Permissions::from_mode(0o600))?;
    fs::rename(&temporary, path)?;
    Ok(listener)
}
