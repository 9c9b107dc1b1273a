//! Hostile guests at work: whatever they do, the call ends with a failure that names them.

use engine::Name;
use serde_json::json;

use super::*;
use crate::{HealthCheck, Kind, Notice, Notifier, testing::Guest};

fn notice() -> Notice {
    let release = Release {
        id: Name::from("5.0.0-1"),
        version: "5.0.0".into(),
        digest: "sha256:0".into(),
        labels: Vec::new(),
        details: Value::Null,
    };
    Notice {
        kind: "started".into(),
        deployment: "d1".into(),
        application: "shop".into(),
        environment: "test".into(),
        release,
        previous: None,
        strategy: "canary".into(),
        actor: "alice".into(),
        message: "hello".into(),
        at: engine::Timestamp(0),
        details: Value::Null,
    }
}

async fn notify(guest: Guest, context: &CallContext) -> Result<(), Failure> {
    let worker = guest.at_work(false, json!({}), Services::nothing()).await;
    Notifier::new(worker)
        .unwrap()
        .notify(&notice(), context)
        .await
}

async fn ended(guest: Guest) -> Failure {
    notify(guest, &CallContext::new("1")).await.unwrap_err()
}

#[tokio::test]
async fn a_call_that_goes_well() {
    notify(Guest::new(Kind::Notifier), &CallContext::new("1"))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_a_guest_does_to_itself_names_it() {
    let clock = r#"(import "deploy:plugin/clock@VERSION" "now" (func $now (result i64)))"#;
    for (guest, how, expected) in [
        (
            Guest::new(Kind::Notifier).doing("unreachable"),
            "trapped",
            "broke off: wasm trap",
        ),
        (
            Guest::new(Kind::Notifier).doing("(loop br 0) unreachable"),
            "over-limit",
            "computed for more than 2000 ms without a pause",
        ),
        (
            Guest::new(Kind::Notifier).doing("(drop (memory.grow (i32.const 1100))) i32.const 0"),
            "over-limit",
            "wanted more than 64 MiB of memory",
        ),
        (
            Guest::new(Kind::Notifier)
                .importing(clock)
                .doing("(loop (drop (call $now)) br 0) unreachable"),
            "over-limit",
            "called the host more than 10000 times",
        ),
        (
            Guest::new(Kind::Notifier).doing("i32.const -4"),
            "trapped",
            "broke off",
        ),
        // A result that is neither of its two cases.
        (
            Guest::new(Kind::Notifier)
                .doing("(i32.store8 (i32.const 64) (i32.const 7)) i32.const 64"),
            "trapped",
            "broke off",
        ),
    ] {
        let failure = ended(guest).await;
        assert_eq!(failure.details["ended"], how, "{failure}");
        assert_eq!(failure.details["plugin"], "guest");
        assert!(
            failure
                .message
                .starts_with("plugin guest 1.2.3, asked to notify, "),
            "{failure}"
        );
        assert!(failure.message.contains(expected), "{failure}");
    }
}

#[tokio::test]
async fn more_than_a_guest_has_cannot_be_handed_over() {
    // A failure whose message is four gigabytes long, and so cannot be; and one with a message
    // of most of the memory that a guest can have.
    let long = "(i32.store8 (i32.const 64) (i32.const 1))
        (i32.store (i32.const 76) (i32.const 0)) (i32.store (i32.const 80) (i32.const -1))
        i32.const 64";
    let failure = ended(Guest::new(Kind::Notifier).doing(long)).await;
    assert_eq!(failure.details["ended"], "trapped", "{failure}");
    let large = "(drop (memory.grow (i32.const 900)))
        (i32.store8 (i32.const 64) (i32.const 1))
        (i32.store (i32.const 76) (i32.const 0)) (i32.store (i32.const 80) (i32.const 50000000))
        i32.const 64";
    let failure = ended(Guest::new(Kind::Notifier).doing(large)).await;
    assert_eq!(failure.details["ended"], "over-limit", "{failure}");
    assert!(
        failure.message.contains("more than 16 MiB at once"),
        "{failure}"
    );
}

#[tokio::test]
async fn time_runs_out_for_who_sleeps_and_for_who_computes() {
    let sleep = r#"(import "deploy:plugin/clock@VERSION" "sleep" (func $sleep (param i64)))"#;
    let sleeping = Guest::new(Kind::Notifier)
        .importing(sleep)
        .doing("(call $sleep (i64.const 3600000)) i32.const 0");
    let computing = Guest::new(Kind::Notifier).doing("(loop br 0) unreachable");
    let context = CallContext {
        timeout: Some(Duration::from_millis(60)),
        ..CallContext::new("1")
    };
    for guest in [sleeping, computing] {
        let failure = notify(guest, &context).await.unwrap_err();
        assert_eq!(failure.code, engine::Code::Timeout, "{failure}");
        assert!(failure.retryable);
        assert_eq!(failure.details["ended"], "over-limit");
        assert!(
            failure.message.ends_with("did not answer within 60 ms"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn last_words_are_heard() {
    let write = r#"(import "deploy:plugin/logs@VERSION" "write" (func $write (param i32 i32 i32 i32 i32)))"#;
    // "0 < n" stands nowhere else: it is written to memory as a number.
    let panic = "(i32.store (i32.const 64) (i32.const 0x73706f6f))
        (call $write (i32.const 4) (i32.const 64) (i32.const 4) (i32.const 0) (i32.const 0))
        unreachable";
    let failure = ended(Guest::new(Kind::Notifier).importing(write).doing(panic)).await;
    assert!(
        failure.message.contains("broke off: oops (wasm trap"),
        "{failure}"
    );
}

#[tokio::test]
async fn wasi_is_there_and_empty() {
    let import = |interface: &str, name: &str, signature: &str| {
        format!("(import \"wasi:{interface}@0.2.6\" \"{name}\" (func $f {signature}))")
    };
    // Writes its answer's address or number where a result of `ok` begins: 0 is success.
    for (interface, imports, body, expected) in [
        (
            "cli/environment",
            import("cli/environment", "get-environment", "(param i32)"),
            "(call $f (i32.const 64)) (i32.load (i32.const 68)) (if (then unreachable)) i32.const 0",
            None,
        ),
        (
            "random/random",
            import("random/random", "get-random-u64", "(result i64)"),
            "(i64.eq (call $f) (call $f)) (if (then unreachable)) i32.const 0",
            None,
        ),
        (
            "clocks/wall-clock",
            import("clocks/wall-clock", "now", "(param i32)"),
            "(call $f (i32.const 64)) (i64.eqz (i64.load (i32.const 64))) (if (then unreachable)) i32.const 0",
            None,
        ),
        (
            "filesystem/preopens",
            import("filesystem/preopens", "get-directories", "(param i32)"),
            "(call $f (i32.const 64)) (i32.load (i32.const 68)) (if (then unreachable)) i32.const 0",
            None,
        ),
        (
            "cli/exit",
            import("cli/exit", "exit", "(param i32)"),
            "(call $f (i32.const 1)) i32.const 0",
            Some("ended itself with a failure"),
        ),
        (
            "sockets/network",
            import("sockets/network", "open", "(result i32)"),
            "(drop (call $f)) i32.const 0",
            Some("called wasi:sockets/network#open, and has no such thing"),
        ),
    ] {
        let interfaces: &'static [&'static str] = Box::leak(Box::new([interface]));
        let guest = Guest::new(Kind::Notifier)
            .importing_wasi(interfaces)
            .importing(&imports)
            .doing(body);
        let result = notify(guest, &CallContext::new("1")).await;
        match expected {
            None => result.unwrap(),
            Some(expected) => {
                let failure = result.unwrap_err();
                assert!(failure.message.contains(expected), "{failure}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_printed_is_logged_and_the_last_of_it_is_heard() {
    let guest = Guest::new(Kind::Notifier)
        .importing_wasi(&["cli/stderr", "io/streams"])
        .importing(
            "(import \"wasi:cli/stderr@0.2.6\" \"get-stderr\" (func $stderr (result i32)))
             (import \"wasi:io/streams@0.2.6\" \"[method]output-stream.blocking-write-and-flush\"
                (func $print (param i32 i32 i32 i32)))",
        )
        // `oops` and the end of the line.
        .doing(
            "(i64.store (i32.const 64) (i64.const 0x0a73706f6f))
             (call $print (call $stderr) (i32.const 64) (i32.const 5) (i32.const 128))
             unreachable",
        );
    let world = crate::testing::World::new();
    let worker = guest.at_work(false, json!({}), world.services).await;
    let notifier = Notifier::new(worker).unwrap();
    let failure = notifier
        .notify(&notice(), &CallContext::new("1"))
        .await
        .unwrap_err();
    assert!(
        failure.message.contains("broke off: oops (wasm trap"),
        "{failure}"
    );
    assert_eq!(world.audit.lines.lock().unwrap()[0].message, "oops");
}

#[tokio::test]
async fn an_answer_outside_of_the_contract_is_the_plugins_failure() {
    // The status is an empty text.
    let worker = Guest::new(Kind::HealthCheck)
        .at_work(false, json!({}), Services::nothing())
        .await;
    let target = Target {
        name: Name::from("web01"),
        address: None,
        group: Name::from("a"),
        labels: Vec::new(),
        details: Value::Null,
    };
    let check = HealthCheck::new(worker).unwrap();
    let failure = check
        .check(&target, &notice().release, &CallContext::new("1"))
        .await
        .unwrap_err();
    assert!(
        failure.message.contains("makes no sense: the status ``"),
        "{failure}"
    );
    assert_eq!(failure.code, engine::Code::Internal);
}

#[tokio::test]
async fn a_missing_secret_stops_the_call_before_it_begins() {
    let settings = json!({ "url": { "secret": "HOOK" } });
    let worker = Guest::new(Kind::Notifier)
        .at_work(false, settings, Services::nothing())
        .await;
    let notifier = Notifier::new(worker).unwrap();
    let failure = notifier
        .notify(&notice(), &CallContext::new("1"))
        .await
        .unwrap_err();
    assert_eq!(failure.code, engine::Code::Missing);
    assert!(failure.message.contains("HOOK"), "{failure}");
}

#[tokio::test]
async fn a_kind_is_not_taken_for_another() {
    let worker = Guest::new(Kind::Notifier)
        .at_work(false, json!({}), Services::nothing())
        .await;
    let error = HealthCheck::new(worker).err().unwrap();
    assert_eq!(
        error.to_string(),
        "plugin `guest` is a notifier, and is used as a health-check"
    );
}

#[tokio::test]
async fn a_thousand_calls_leave_nothing_behind() {
    let worker = Guest::new(Kind::Notifier)
        .at_work(false, json!({}), Services::nothing())
        .await;
    let notifier = Notifier::new(worker).unwrap();
    let before = address_space();
    for call in 0..1_000 {
        notifier
            .notify(&notice(), &CallContext::new(call.to_string()))
            .await
            .unwrap();
    }
    // Each instance reserves four gigabytes: one that stays would show.
    assert!(address_space() < before + (64 << 30));
}

fn address_space() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').next().unwrap().parse::<u64>().unwrap() * 4_096
}
