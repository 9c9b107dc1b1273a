//! A secret's value is seen by the one it is for, and by nobody and nothing else.

use tests::{Fleet, Sink, World, process};

use crate::scene::{LIMITS, THREE};

/// Has what base64, URLs and JSON each write differently.
const VALUE: &str = "s3cret/+?&=\"quoted\" value";

#[test]
fn a_secret_reaches_its_own_origin_and_nothing_else() {
    // The other side repeats what it was sent, as servers do in their error pages.
    let sink = Sink::start(500);
    let mut world = World::new();
    world.set("HOOK_KEY", VALUE);
    world.set(
        "HOOK_URL",
        &format!("{}/path-with-a-token-4711", sink.url()),
    );
    let fleet = Fleet::new(&world, THREE);
    let more = "\n[strategy]\nuse = \"rolling\"\n\
                \n[[notifiers]]\nuse = \"slack\"\nwebhook-url = { secret = \"HOOK_URL\" }\n\
                \n[[notifiers]]\nuse = \"webhook\"\nurl = { secret = \"HOOK_URL\" }\n\
                secret = { secret = \"HOOK_KEY\" }\n";
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, more]);
    world.release("1.0");
    world.deploy("1.0", 0);
    assert!(
        sink.received()
            .iter()
            .any(|request| request.line.contains("path-with-a-token-4711")),
        "the secret is used where it belongs: {:?}",
        sink.received()
    );

    for verb in [
        &["show"][..],
        &["show", "--format", "json"],
        &["history"],
        &["status"],
    ] {
        let ran = world.run(verb).expect(0);
        assert!(
            !ran.all().contains("token-4711") && !ran.all().contains("s3cret"),
            "{ran}"
        );
    }
    // Everything that was ever printed, and every file of the state, lies in the world's folder.
    process::end_strays(world.path());
    for text in ["token-4711", "s3cret", "czNjcmV0", "s3cret%2F"] {
        assert_eq!(
            world.files_with(text),
            Vec::<std::path::PathBuf>::new(),
            "{text}"
        );
    }
}

#[test]
fn a_secret_that_is_not_there_is_said_by_name() {
    let world = World::new();
    let fleet = Fleet::new(&world, THREE);
    let more = "\n[strategy]\nuse = \"rolling\"\n\
                \n[[notifiers]]\nuse = \"slack\"\nretries = 0\n\
                webhook-url = { secret = \"NOWHERE\" }\n";
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, more]);
    world.release("1.0");
    // It is a notifier's, so nothing hangs on it.
    world.deploy("1.0", 0).says("NOWHERE").says("slack");
    fleet.all_on("1.0");
}

#[test]
fn a_secret_that_a_step_lacks_is_missed_before_anything_is_changed() {
    let mut world = World::new();
    let fleet = Fleet::new(&world, THREE);
    let strategy = "\n[strategy]\nuse = \"rolling\"\n";
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, strategy]);
    world.release("1.0");
    world.deploy("1.0", 0);
    let disk = fleet.on_disk();
    let step = "\n[[steps]]\nname = \"migrate\"\nat = \"before-deploy\"\nuse = \"command\"\n\
                run = [\"true\"]\n\
                [steps.environment]\nPASSWORD = { secret = \"TOPSECRET\", use = [\"environment\"] }\n";
    world.configure(&[&fleet.toml(), &fleet.proxy(), LIMITS, strategy, step]);
    world.release("2.0");
    let ran = world.deploy("2.0", 4).says("TOPSECRET").says("migrate");
    fleet.all_on("1.0");
    assert_eq!(fleet.on_disk(), disk, "{ran}");
    let history = world.run(&["history", "--format", "json"]).expect(0);
    assert!(!history.all().contains("2.0"), "{history}");
    world.set("TOPSECRET", "now it is there");
    world.deploy("2.0", 0);
    fleet.all_on("2.0");
}
