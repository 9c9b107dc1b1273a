//! A web server that remembers what it was sent: where notifiers, and plugins that should not,
//! send to.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use crate::address;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Method and path.
    pub line: String,
    /// Every header, each with a line break.
    pub headers: String,
    /// The body.
    pub body: String,
}

/// Answers every request with the status it was started with.
#[derive(Debug)]
pub struct Sink {
    address: Ipv4Addr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Sink {
    /// Listens on an address of its own until the test process ends.
    pub fn start(status: u16) -> Self {
        let address = address::next();
        let listener = TcpListener::bind((address, 8080)).unwrap();
        let received = Arc::default();
        let shelf = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // One that breaks off has sent nothing worth keeping.
                let _ = take(stream, status, &shelf);
            }
        });
        Self { address, received }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}:8080", self.address)
    }

    /// What it was sent so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

fn take(stream: TcpStream, status: u16, shelf: &Mutex<Vec<Received>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = String::new();
    while reader.read_line(&mut headers)? > 2 {}
    let length = headers
        .lines()
        .filter_map(|header| header.split_once(':'))
        .find_map(|(name, value)| {
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse())
        });
    let mut body = vec![0; length.and_then(Result::ok).unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    shelf.lock().unwrap().push(Received {
        line: line.trim().to_owned(),
        headers,
        body,
    });
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
    )
}
