//! This machine: the suite, and what only here can be told.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use machines::{Endpoint, ErrorKind, Local, Machine};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    suite::write,
    support::{at, kind, one},
};

fn machine(dir: &Path) -> Box<dyn Machine> {
    Box::new(Local::new("local", dir))
}

crate::suite!(machine);

#[tokio::test]
async fn a_link_that_is_swapped_in_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let local = machine(dir.path());
    let root = dir.path().join("root");
    let outside = dir.path().join("outside");
    for path in [&root, &outside] {
        fs::create_dir_all(path.join("sub")).unwrap();
    }
    fs::write(root.join("sub/file"), "inside").unwrap();
    fs::write(outside.join("sub/file"), "outside").unwrap();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let swapped = root.clone();
    let swapper = std::thread::spawn(move || {
        while stopped.try_recv().is_err() {
            fs::rename(swapped.join("sub"), swapped.join("kept")).unwrap();
            symlink("../outside/sub", swapped.join("sub")).unwrap();
            fs::remove_file(swapped.join("sub")).unwrap();
            fs::rename(swapped.join("kept"), swapped.join("sub")).unwrap();
        }
    });
    for _ in 0..2000 {
        if let Ok(contents) = local.read(&at(&root, "sub/file")).await {
            assert_eq!(contents, b"inside");
        }
        let _ = one(local.as_ref(), write(at(&root, "sub/new"), "x")).await;
    }
    stop.send(()).unwrap();
    swapper.join().unwrap();
    assert!(!outside.join("sub/new").exists());
}

#[tokio::test]
async fn streams_are_connected_and_exchanged() {
    let dir = tempfile::tempdir().unwrap();
    let local = machine(dir.path());
    let path = dir.path().join("socket");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = String::new();
        stream.read_to_string(&mut asked).await.unwrap();
        stream
            .write_all(asked.to_uppercase().as_bytes())
            .await
            .unwrap();
    };
    let endpoint = Endpoint::Unix(path);
    let ask = local.exchange(&endpoint, b"hello", Duration::from_secs(10));
    let (answer, ()) = tokio::join!(ask, serve);
    assert_eq!(answer.unwrap(), b"HELLO");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let endpoint = Endpoint::Tcp {
        host: "127.0.0.1".into(),
        port,
    };
    let waited = local
        .exchange(&endpoint, b"", Duration::from_millis(50))
        .await;
    assert_eq!(kind(waited), ErrorKind::Timeout);
    drop(silent);
    let refused = local
        .exchange(&endpoint, b"", Duration::from_secs(10))
        .await;
    assert_eq!(kind(refused), ErrorKind::Unavailable);
}
