//! Compiled code is kept, checked, and never trusted further than that.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::{Host, HostOptions, Kind, testing::Guest};

fn host(directory: &Path) -> Host {
    Host::new(HostOptions {
        cache_directory: Some(directory.to_owned()),
        ..HostOptions::default()
    })
    .unwrap()
}

fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == ending)
        })
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_warm_start_neither_compiles_nor_asks() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("deep/runtime");
    let guest = Guest::new(Kind::Notifier).asking("http", "{url}");
    let first = host(&cache).load(guest.source()).await.unwrap();
    assert_eq!(
        fs::metadata(&cache).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(
        (files(&cache, "cwasm").len(), files(&cache, "json").len()),
        (1, 1)
    );
    // With nothing to compile, only the cache can have it.
    let without = crate::PluginSource {
        wasm: bytes::Bytes::new(),
        ..guest.source()
    };
    let second = host(&cache).load(without).await.unwrap();
    second.ready().await.unwrap();
    assert_eq!(first.description(), second.description());
    assert_eq!(first.imports(), second.imports());
    assert_eq!(first.kind(), second.kind());
}

#[tokio::test]
async fn what_was_compiled_for_a_pool_is_apart() {
    let directory = tempfile::tempdir().unwrap();
    let guest = Guest::new(Kind::Strategy);
    let pooled = || {
        Host::new(HostOptions {
            cache_directory: Some(directory.path().to_owned()),
            pooled: 1,
        })
        .unwrap()
    };
    for _ in 0..2 {
        for host in [host(directory.path()), pooled()] {
            let plugin = host.load(guest.source()).await.unwrap();
            plugin.ready().await.unwrap();
            plugin.describe().await.unwrap();
        }
        assert_eq!(files(directory.path(), "cwasm").len(), 2);
    }
}

#[tokio::test]
async fn settings_that_were_in_order_are_not_asked_about_again() {
    let directory = tempfile::tempdir().unwrap();
    let guest = Guest::new(Kind::Notifier);
    let plugin = host(directory.path()).load(guest.source()).await.unwrap();
    let settings = serde_json::json!({ "token": { "secret": "slack" } });
    assert_eq!(plugin.check(&settings).await.unwrap(), []);
    // With no code to ask, only the cache can know.
    fs::write(&files(directory.path(), "cwasm")[0], "").unwrap();
    let without = crate::PluginSource {
        wasm: bytes::Bytes::new(),
        ..guest.source()
    };
    let plugin = host(directory.path()).load(without).await.unwrap();
    assert_eq!(plugin.check(&settings).await.unwrap(), []);
    plugin.check(&serde_json::json!({})).await.unwrap_err();
}

#[tokio::test]
async fn traits_are_told_once_for_the_same_settings() {
    let directory = tempfile::tempdir().unwrap();
    let guest = Guest::new(Kind::LoadBalancer);
    let plugin = host(directory.path()).load(guest.source()).await.unwrap();
    let settings = serde_json::json!({ "listen": 1 });
    let told = plugin.traits(&settings).await.unwrap();
    // With no code to ask, only the cache can know.
    fs::write(&files(directory.path(), "cwasm")[0], "").unwrap();
    let without = crate::PluginSource {
        wasm: bytes::Bytes::new(),
        ..guest.source()
    };
    let plugin = host(directory.path()).load(without).await.unwrap();
    assert_eq!(plugin.traits(&settings).await.unwrap(), told);
    plugin.traits(&serde_json::json!({})).await.unwrap_err();
}

#[tokio::test]
async fn little_of_what_was_said_of_settings_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let guest = Guest::new(Kind::Notifier);
    let plugin = host(directory.path()).load(guest.source()).await.unwrap();
    for number in 0..2 * ANSWERS_MAX {
        plugin.check(&serde_json::json!(number)).await.unwrap();
    }
    let entry = fs::read(&files(directory.path(), "json")[0]).unwrap();
    let entry: Entry = serde_json::from_slice(&entry).unwrap();
    assert_eq!(entry.kept.answers.len(), ANSWERS_MAX);
}

#[tokio::test]
async fn another_kind_than_before_is_looked_at_again() {
    let directory = tempfile::tempdir().unwrap();
    let guest = Guest::new(Kind::Notifier);
    host(directory.path()).load(guest.source()).await.unwrap();
    let other = crate::PluginSource {
        kind: Some(Kind::Step),
        ..guest.source()
    };
    let refused = host(directory.path()).load(other).await.unwrap_err();
    assert!(refused.to_string().contains("used as a step"), "{refused}");
}

#[tokio::test]
async fn one_flipped_bit_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let guest = Guest::new(Kind::Notifier);
    host(directory.path()).load(guest.source()).await.unwrap();
    let code = &files(directory.path(), "cwasm")[0];
    let whole = fs::read(code).unwrap();
    for place in [0, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        fs::write(code, &damaged).unwrap();
        let plugin = host(directory.path()).load(guest.source()).await.unwrap();
        plugin.ready().await.unwrap();
        assert_eq!(fs::read(code).unwrap(), whole, "it was compiled anew");
    }
}

#[tokio::test]
async fn a_cut_off_entry_is_no_entry() {
    let directory = tempfile::tempdir().unwrap();
    let guest = Guest::new(Kind::Notifier);
    host(directory.path()).load(guest.source()).await.unwrap();
    let entry = &files(directory.path(), "json")[0];
    for contents in ["", "{", "{}"] {
        fs::write(entry, contents).unwrap();
        host(directory.path()).load(guest.source()).await.unwrap();
        assert!(fs::read(entry).unwrap().len() > 2);
    }
    fs::remove_file(&files(directory.path(), "cwasm")[0]).unwrap();
    host(directory.path()).load(guest.source()).await.unwrap();
    assert_eq!(files(directory.path(), "cwasm").len(), 1);
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let guest = Guest::new(Kind::Notifier);
    for impossible in [
        file.clone(),
        file.join("below"),
        PathBuf::from("/proc/nowhere"),
    ] {
        host(&impossible).load(guest.source()).await.unwrap();
    }
}

#[tokio::test]
async fn what_others_can_write_is_not_run() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("open");
    let guest = Guest::new(Kind::Notifier);
    host(&cache).load(guest.source()).await.unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    let without = crate::PluginSource {
        wasm: bytes::Bytes::new(),
        ..guest.source()
    };
    host(&cache).load(without).await.unwrap_err();
    host(&cache).load(guest.source()).await.unwrap();
    // What others could only read is closed to them.
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)).unwrap();
    host(&cache).load(guest.source()).await.unwrap();
    assert_eq!(
        fs::metadata(&cache).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[tokio::test]
async fn many_at_once_do_not_harm_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let guest = Guest::new(Kind::Notifier);
    let loads = (0..16).map(|_| {
        let (host, source) = (host(directory.path()), guest.source());
        async move { host.load(source).await.map(drop) }
    });
    for loaded in futures::future::join_all(loads).await {
        loaded.unwrap();
    }
    assert_eq!(
        (
            files(directory.path(), "cwasm").len(),
            files(directory.path(), "json").len()
        ),
        (1, 1)
    );
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        2,
        "nothing temporary is left"
    );
}

#[test]
fn a_digest_never_names_a_path() {
    let cache = Cache {
        directory: PathBuf::from("/cache"),
        key: "key".into(),
    };
    for digest in ["../../etc/passwd", "sha256:../../x", "", "sha256:"] {
        let (entry, code) = cache.paths(digest);
        assert_eq!(entry.parent(), Some(Path::new("/cache")), "{digest}");
        assert_eq!(code.parent(), Some(Path::new("/cache")), "{digest}");
    }
}

#[tokio::test]
async fn the_oldest_make_room() {
    let directory = tempfile::tempdir().unwrap();
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    for number in 0..FILES_MAX {
        let file = fs::File::create(directory.path().join(format!("{number:03}.cwasm"))).unwrap();
        let age = std::time::Duration::from_secs(number as u64);
        file.set_modified(long_ago + age).unwrap();
    }
    host(directory.path())
        .load(Guest::new(Kind::Notifier).source())
        .await
        .unwrap();
    assert!(!directory.path().join("000.cwasm").exists());
    assert!(
        directory
            .path()
            .join(format!("{:03}.cwasm", FILES_MAX - 1))
            .exists()
    );
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        FILES_MAX / 2 + 2
    );
}
