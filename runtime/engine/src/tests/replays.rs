//! A record told again: at whatever record it ends, what is asked for next is what it had there,
//! and nothing was touched.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::executor::block_on;
use serde_json::Value;

use super::{
    Stage,
    resumes::{course, courses, each_kill, full},
    scripts::Script,
};
use crate::{
    Deployment, Effect, Halt, Intent, Journal, JournalError, Operation, Origin, Outcome, Record,
    Timestamp, Verdict,
    testing::{Asked, Silent},
    told,
};

/// Takes nothing, and keeps what it was first asked to take.
#[derive(Clone, Default)]
struct Shut(Arc<Mutex<Option<Intent>>>);

impl Shut {
    fn refuse(&self, intent: &Intent) -> Result<(), JournalError> {
        self.0.lock().unwrap().get_or_insert(intent.clone());
        Err(JournalError::Left)
    }
}

#[async_trait]
impl Journal for Shut {
    async fn begin(&mut self, intent: &Intent) -> Result<(), JournalError> {
        self.refuse(intent)
    }

    async fn end(&mut self, _: u64, _: &Outcome) -> Result<(), JournalError> {
        panic!("nothing began");
    }

    async fn note(&mut self, intent: &Intent, _: &Outcome) -> Result<(), JournalError> {
        self.refuse(intent)
    }

    async fn close(&mut self, _: &Value, _: Timestamp) -> Result<(), JournalError> {
        Ok(())
    }
}

/// What comes of telling this, and what is asked for next.
fn replay(stage: &Stage, script: &mut Script, records: &[Record]) -> (Verdict, Option<Intent>) {
    let shut = Shut::default();
    let mut deployment = Deployment::replay(
        stage.brief.clone(),
        records.to_vec(),
        Box::new(stage.world.clone()),
        Box::new(shut.clone()),
        Arc::new(Silent),
        Arc::new(Asked::default()),
    );
    let deeds = stage.world.deeds();
    let verdict = block_on(deployment.run(script));
    assert_eq!(stage.world.deeds(), deeds, "nothing was touched");
    let next = shut.0.lock().unwrap().take();
    (verdict, next)
}

/// The same but for its times.
fn timeless(intent: &Intent) -> Intent {
    let mut intent = intent.clone();
    intent.started = Timestamp(0);
    if let Some(Effect::Wait { since, until }) = &mut intent.effect {
        (*since, *until) = (Timestamp(0), None);
    }
    intent
}

#[test]
fn what_is_asked_for_next_is_what_the_record_has_next() {
    for (name, fails, at) in courses(full) {
        let (whole, mut script) = course(full, at, fails);
        let verdict = whole.run(&mut script);
        let records = whole.journal.records();
        for (place, record) in records.iter().enumerate() {
            let (stage, mut script) = course(full, at, fails);
            let (told, next) = replay(&stage, &mut script, &records[..place]);
            let run = format!("{name}, after {place}");
            assert_eq!(told, Verdict::Left, "{run}");
            // At the end of the way back, the world is looked at once more.
            let looks = |record: &Record| record.intent.effect == Some(Effect::Observe);
            if records[1.min(place)..place].iter().any(looks) {
                assert_eq!(next.unwrap().effect, Some(Effect::Observe), "{run}");
                continue;
            }
            // What was tried several times is begun again with its first attempt.
            let mut expected = timeless(&record.intent);
            if let Origin::Undo(_) = expected.origin {
                expected.attempt = 1;
            }
            assert_eq!(timeless(&next.unwrap()), expected, "{run}");
        }
        let (stage, mut script) = course(full, at, fails);
        let (again, next) = replay(&stage, &mut script, told(&records));
        if fails {
            assert_eq!(
                next.map(|next| next.origin),
                Some(Origin::Turn(crate::Turn::Back))
            );
        } else {
            assert_eq!((again, next), (verdict, None), "{name}");
        }
    }
}

/// By two processes, cut off anywhere between them.
#[test]
fn so_it_is_where_another_process_went_on() {
    for (name, fails, at) in courses(full) {
        each_kill(|kill| {
            let (cut, mut script) = course(full, at, fails);
            kill.meet(&cut);
            if cut.starts(&mut script).is_some() {
                return false;
            }
            let verdict = cut.resume(&mut script, cut.resumption());
            let records = cut.journal.records();
            let (stage, mut script) = course(full, at, fails);
            let (again, next) = replay(&stage, &mut script, told(&records));
            let run = format!("{name}, {kill:?}");
            match verdict {
                Verdict::Succeeded { .. } => assert_eq!((again, next), (verdict, None), "{run}"),
                _ => assert_eq!(again, Verdict::Left, "{run}: {next:?}"),
            }
            true
        });
    }
}

#[test]
fn another_call_is_told_with_its_place() {
    let (whole, mut script) = course(full, 0, false);
    whole.run(&mut script);
    let records = whole.journal.records();
    let (stage, mut script) = course(full, 0, false);
    script.0.insert(1, Operation::Now);
    let (verdict, next) = replay(&stage, &mut script, &records);
    let Verdict::Halted {
        halt: Halt::Differs {
            sequence, asked, ..
        },
    } = verdict
    else {
        panic!("{verdict:?}");
    };
    let before = records
        .iter()
        .take_while(|record| record.intent.sequence < sequence);
    let calls = before.filter(|record| record.intent.operation.is_some());
    assert_eq!(calls.count(), 1, "{sequence}\n{}", whole.told());
    assert_eq!(asked, crate::Wanted::Call(Operation::Now));
    assert_eq!(next, None);
}
