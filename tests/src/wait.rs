//! Waiting for what can be asked for: never a pause of a guessed length.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// The time between two questions.
const INTERVAL: Duration = Duration::from_millis(20);
/// After so long a test gives up; long, because a loaded machine is no failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until there is an answer. Panics when there is none for a minute.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "gave up waiting until {what}");
        thread::sleep(INTERVAL);
    }
}

/// Waits until something accepts connections there.
pub fn until_listening(address: &str) {
    until(&format!("something listens on {address}"), || {
        TcpStream::connect(address).ok()
    });
}

/// One GET, with a connection of its own: the status and the body, or none where nothing
/// answers.
pub fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}
