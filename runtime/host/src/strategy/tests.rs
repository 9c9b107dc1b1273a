//! Strategies at work: their calls become operations, and whatever they do, the run ends.

use std::sync::Mutex;

use engine::{Strategy as _, Timestamp};

use super::*;
use crate::{Services, testing::Guest};

/// Answers every operation, and keeps them.
#[derive(Default)]
struct Answering {
    asked: Vec<Operation>,
    over_after: Option<usize>,
}

#[async_trait]
impl Operations for Answering {
    async fn perform(&mut self, operation: Operation) -> Result<Done, Failure> {
        self.asked.push(operation.clone());
        Ok(match operation {
            Operation::Now => Done::Time(Timestamp(1_000)),
            _ => Done::Done,
        })
    }

    fn over(&self) -> bool {
        self.over_after
            .is_some_and(|after| self.asked.len() > after)
    }
}

fn deployment() -> Deployment {
    let release = Release {
        id: Name::from("2-1"),
        version: "2".into(),
        digest: "sha256:0".into(),
        labels: Vec::new(),
        details: Value::Null,
    };
    Deployment {
        id: "d1".into(),
        application: "shop".into(),
        environment: "test".into(),
        purpose: Purpose::Deploy,
        release,
        previous: None,
        targets: Vec::new(),
        active: BTreeMap::new(),
        region: None,
        details: Value::Null,
    }
}

async fn run(guest: Guest, operations: &mut Answering) -> Result<(), Failure> {
    let plugin = guest.load(false).await;
    let logs = Services::nothing().logs;
    let mut strategy = StrategyPlugin::new(plugin, &deployment(), &json!({}), logs).unwrap();
    strategy.run(operations).await
}

const NOW: &str = r#"(import "deploy:plugin/course@VERSION" "now" (func $now (result i64)))"#;
const BEGIN: &str =
    r#"(import "deploy:plugin/course@VERSION" "begin" (func $begin (param i32 i32)))"#;
const WAIT: &str =
    r#"(import "deploy:plugin/course@VERSION" "wait" (func $wait (param i32 i64 i32)))"#;

#[tokio::test]
async fn calls_become_operations_and_answers_come_back() {
    // Begins a stage named by the time it was told: `A`, for 1,000 less 935.
    let guest = Guest::new(Kind::Strategy)
        .importing(NOW)
        .importing(BEGIN)
        .importing(WAIT)
        .doing(
            "(i32.store8 (i32.const 64) (i32.wrap_i64 (i64.sub (call $now) (i64.const 935))))
         (call $begin (i32.const 64) (i32.const 1))
         (call $wait (i32.const 1) (i64.const 5000) (i32.const 128))
         i32.const 0",
        );
    let mut operations = Answering::default();
    run(guest, &mut operations).await.unwrap();
    assert_eq!(
        operations.asked,
        [
            Operation::Now,
            Operation::Begin { stage: "A".into() },
            Operation::Wait {
                duration_ms: Some(5_000)
            },
        ]
    );
}

#[tokio::test]
async fn the_host_can_go_on_while_the_strategy_waits() {
    struct Slow(Arc<Mutex<bool>>);

    #[async_trait]
    impl Operations for Slow {
        async fn perform(&mut self, _: Operation) -> Result<Done, Failure> {
            // As long as computing alone would end the run.
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
            *self.0.lock().unwrap() = true;
            Ok(Done::Done)
        }

        fn over(&self) -> bool {
            false
        }
    }

    let guest = Guest::new(Kind::Strategy)
        .importing(WAIT)
        .doing("(call $wait (i32.const 1) (i64.const 5000) (i32.const 128)) i32.const 0");
    let plugin = guest.load(false).await;
    let limits = Limits {
        compute_max: std::time::Duration::from_millis(100),
        ..bounds::STRATEGY
    };
    let waited = Arc::new(Mutex::new(false));
    let logs = Services::nothing().logs;
    let mut strategy = StrategyPlugin::new(plugin, &deployment(), &json!({}), logs)
        .unwrap()
        .with_limits(limits);
    strategy.run(&mut Slow(Arc::clone(&waited))).await.unwrap();
    assert!(*waited.lock().unwrap());
}

#[tokio::test]
async fn a_strategy_that_never_ends_is_ended() {
    let forever = |body: &str| Guest::new(Kind::Strategy).importing(NOW).doing(body);
    let limits = Limits {
        compute_max: std::time::Duration::from_millis(100),
        calls_max: 500,
        ..bounds::STRATEGY
    };
    for (guest, expected) in [
        (
            forever("(loop br 0) unreachable"),
            "computed for more than 100 ms",
        ),
        (
            forever("(loop (drop (call $now)) br 0) unreachable"),
            "called the host more than 500 times",
        ),
    ] {
        let plugin = guest.load(false).await;
        let logs = Services::nothing().logs;
        let mut strategy = StrategyPlugin::new(plugin, &deployment(), &json!({}), logs)
            .unwrap()
            .with_limits(limits);
        let failure = strategy.run(&mut Answering::default()).await.unwrap_err();
        assert_eq!(failure.details["ended"], "over-limit", "{failure}");
        assert!(
            failure.message.contains("asked to run the deployment")
                && failure.message.contains(expected),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn a_strategy_that_goes_on_when_all_is_over_is_stopped() {
    let deaf = Guest::new(Kind::Strategy)
        .importing(WAIT)
        .doing("(loop (call $wait (i32.const 0) (i64.const 0) (i32.const 128)) br 0) unreachable");
    let mut operations = Answering {
        over_after: Some(3),
        ..Answering::default()
    };
    let failure = run(deaf, &mut operations).await.unwrap_err();
    assert_eq!(failure.code, Code::Interrupted);
    assert!(
        failure.message.starts_with("guest: was stopped"),
        "{failure}"
    );
    assert_eq!(operations.asked.len(), 4);
}

#[tokio::test]
async fn a_trap_ends_the_run_and_names_the_strategy() {
    let guest = Guest::new(Kind::Strategy).doing("unreachable");
    let failure = run(guest, &mut Answering::default()).await.unwrap_err();
    assert_eq!(failure.details["ended"], "trapped");
    assert!(
        failure
            .message
            .starts_with("plugin guest 1.2.3, asked to run"),
        "{failure}"
    );
}

#[tokio::test]
async fn two_runs_ask_the_same() {
    let guest = || {
        Guest::new(Kind::Strategy)
            .importing(NOW)
            .importing(BEGIN)
            .doing(
                "(i64.store (i32.const 64) (call $now))
             (call $begin (i32.const 64) (i32.const 2)) i32.const 0",
            )
    };
    let mut asked = Vec::new();
    for _ in 0..2 {
        let mut operations = Answering::default();
        let _ = run(guest(), &mut operations).await;
        asked.push(operations.asked);
    }
    assert_eq!(asked[0], asked[1]);
}
