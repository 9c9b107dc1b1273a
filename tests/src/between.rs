//! Stands between a driver and the admin API that it uses, and has mishaps happen to one request:
//! it is refused, its answer is lost or late, or it is never answered.

use std::{
    fs,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The connection ends before it arrives.
    Refused,
    /// It is done, and the connection ends before its answer comes.
    Lost,
    /// It is done, and its answer comes after so long.
    Late(Duration),
    /// It never arrives, and nothing answers until [`Between::calm`].
    Hangs,
}

/// In the place of a Unix socket; gone when dropped.
#[derive(Debug)]
pub struct Between {
    socket: PathBuf,
    plan: Arc<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    /// After so many requests that go well, this happens.
    next: Mutex<Option<(u32, Mishap)>>,
    changed: Condvar,
}

impl Between {
    /// Takes the place of a socket on which a server listens. Nothing happens to a request yet.
    pub fn on(socket: &Path) -> Self {
        let server = socket.with_extension("behind");
        fs::rename(socket, &server).unwrap();
        let listener = UnixListener::bind(socket).unwrap();
        let plan = Arc::<Plan>::default();
        let shared = Arc::clone(&plan);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let (plan, server) = (Arc::clone(&shared), server.clone());
                thread::spawn(move || plan.pass(&near, &server));
            }
        });
        Self {
            socket: socket.to_owned(),
            plan,
        }
    }

    /// Has this happen after so many requests.
    pub fn after(&self, requests: u32, mishap: Mishap) {
        *self.plan.next.lock().unwrap() = Some((requests, mishap));
    }

    /// Nothing happens any more; what hangs ends.
    pub fn calm(&self) {
        *self.plan.next.lock().unwrap() = None;
        self.plan.changed.notify_all();
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.calm();
        // Whoever waits for connections there ends with the process; nobody finds it any more.
        let _ = fs::remove_file(&self.socket);
    }
}

impl Plan {
    /// What happens to the request that has come.
    fn due(&self) -> Option<Mishap> {
        let mut next = self.next.lock().unwrap();
        match &mut *next {
            Some((0, Mishap::Hangs)) => {
                let hangs = |next: &mut Option<_>| next.is_some();
                drop(self.changed.wait_while(next, hangs));
                Some(Mishap::Refused)
            }
            Some((0, mishap)) => {
                let due = *mishap;
                *next = None;
                Some(due)
            }
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }

    fn pass(&self, mut near: &UnixStream, server: &Path) {
        let Ok(far) = UnixStream::connect(server) else {
            return;
        };
        let answers = Mutex::new(None);
        thread::scope(|scope| {
            scope.spawn(|| answer(&far, near, &answers));
            let mut bytes = vec![0; 64 * 1024];
            // What asks for something comes in one piece: it is short.
            while let Ok(length @ 1..) = near.read(&mut bytes) {
                let due = self.due();
                *answers.lock().unwrap() = due;
                if due == Some(Mishap::Refused) || (&far).write_all(&bytes[..length]).is_err() {
                    break;
                }
            }
            for end in [near, &far] {
                let _ = end.shutdown(Shutdown::Both);
            }
        });
    }
}

/// Carries the answers back, as they are meant to come.
fn answer(mut far: &UnixStream, mut near: &UnixStream, how: &Mutex<Option<Mishap>>) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = far.read(&mut bytes) {
        let how = how.lock().unwrap().take();
        match how {
            Some(Mishap::Lost) => break,
            Some(Mishap::Late(by)) => thread::sleep(by),
            _ => {}
        }
        if near.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    for end in [far, near] {
        let _ = end.shutdown(Shutdown::Both);
    }
}
