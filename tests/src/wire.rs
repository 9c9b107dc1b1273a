//! A wire to a TCP server that can be cut: what is sent meanwhile arrives once it is mended, as
//! over a network that was away; nobody is told that it is.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use crate::World;

/// Leads to a server; closed, with every connection over it, when dropped.
#[derive(Debug)]
pub struct Wire {
    address: String,
    line: Arc<Line>,
}

#[derive(Debug, Default)]
struct Line {
    state: Mutex<State>,
    changed: Condvar,
    connections: AtomicU32,
    holding: AtomicU32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Whole,
    Cut,
    Closed,
}

impl Wire {
    /// A whole wire from that port of the world's address to a server.
    pub fn new(world: &World, port: u16, server: &str) -> Self {
        let address = world.at(port);
        let listener = TcpListener::bind(&address).unwrap();
        let line = Arc::<Line>::default();
        let (shared, server) = (Arc::clone(&line), server.to_owned());
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if *shared.state.lock().unwrap() == State::Closed {
                    return;
                }
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (shared, server) = (Arc::clone(&shared), server.clone());
                thread::spawn(move || shared.join(&near, &server));
            }
        });
        Self { address, line }
    }

    /// `host:port` of its near end.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Nothing goes over it any more, in neither direction.
    pub fn cut(&self) {
        self.line.turn(State::Cut);
    }

    /// What waited goes over it, and whatever comes.
    pub fn mend(&self) {
        self.line.turn(State::Whole);
    }

    /// Whether something waits to go over it.
    pub fn holds(&self) -> bool {
        self.line.holding.load(Ordering::SeqCst) > 0
    }

    /// How many connections were begun over it.
    pub fn connections(&self) -> u32 {
        self.line.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.line.turn(State::Closed);
        // Whoever accepts connections looks only then.
        let _ = TcpStream::connect(&self.address);
    }
}

impl Line {
    fn turn(&self, state: State) {
        *self.state.lock().unwrap() = state;
        self.changed.notify_all();
    }

    /// Waits until something may go over it; whether anything ever will.
    fn until_whole(&self) -> bool {
        self.holding.fetch_add(1, Ordering::SeqCst);
        let state = self.state.lock().unwrap();
        let cut = |state: &mut State| *state == State::Cut;
        let state = *self.changed.wait_while(state, cut).unwrap();
        self.holding.fetch_sub(1, Ordering::SeqCst);
        state == State::Whole
    }

    /// Both directions of one connection, until one of them ends.
    fn join(&self, near: &TcpStream, server: &str) {
        if !self.until_whole() {
            return;
        }
        let Ok(far) = TcpStream::connect(server) else {
            let _ = near.shutdown(Shutdown::Both);
            return;
        };
        thread::scope(|scope| {
            scope.spawn(|| self.carry(near, &far));
            self.carry(&far, near);
        });
    }

    fn carry(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            if !self.until_whole() || to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        // An end is news, too.
        self.until_whole();
        for end in [from, to] {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}
