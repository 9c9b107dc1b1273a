//! Targets that a deployment passes over.

use super::{
    Stage,
    course::web,
    scripts::{Script, rolling},
};
use crate::{Effect, Name, Verdict, testing::MemoryWorld};

/// Only `b` is to get the release.
fn stage() -> Stage {
    let mut brief = web();
    brief.bystanders = ["a".into(), "c".into()].into();
    Stage::new(
        brief.clone(),
        MemoryWorld::new(&brief).running("v1", &[("web", 100.0)]),
    )
}

#[test]
fn they_keep_what_they_have_and_go_on_serving() {
    let stage = stage();
    // The strategy asks for all of them; what concerns a bystander is passed over.
    let verdict = stage.run(&mut Script(rolling(&["a", "b", "c"])));
    assert_eq!(
        verdict,
        Verdict::Succeeded {
            left_out: Vec::new()
        }
    );
    let states = stage.world.states();
    let active = |name: &str| states[name].active.clone().unwrap();
    assert_eq!(
        [active("a"), active("b"), active("c")],
        ["v1", "v2", "v1"].map(Name::from)
    );
    for (name, percent) in stage.world.percents() {
        assert!(percent > 33.0, "{name} gets {percent} %");
    }
    for deed in stage.world.deeds() {
        if let Effect::Install { targets, .. } = deed.effect {
            assert_eq!(targets, ["b".into()].into());
        }
    }
}

#[test]
fn one_that_cannot_be_asked_is_no_reason_to_stop() {
    let stage = stage();
    stage.world.reachable("a", false);
    let verdict = stage.run(&mut Script(rolling(&["b"])));
    assert_eq!(
        verdict,
        Verdict::Succeeded {
            left_out: Vec::new()
        }
    );
}

#[test]
fn they_are_no_reason_to_call_a_deployment_complete() {
    let stage = stage();
    let verdict = stage.run(&mut Script(Vec::new()));
    assert!(!matches!(verdict, Verdict::Succeeded { .. }), "{verdict:?}");
}
