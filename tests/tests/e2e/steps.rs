//! Steps at their points, notifiers at their events, and what becomes of a deployment when one
//! of them fails.

use std::fs;

use tests::Sink;

use crate::scene::{ROLLING, THREE, behind_the_proxy};

const POINTS: [&str; 7] = [
    "before-deploy",
    "before-activate",
    "before-traffic",
    "after-traffic",
    "after-deploy",
    "before-rollback",
    "after-rollback",
];

/// A step at every point that writes the point's name into a file, but for the one that fails.
fn steps(failing: &str) -> String {
    let step = |point: &&str| {
        let command = match *point == failing {
            true => "echo it is not well >&2; exit 3",
            false => "exit 0",
        };
        format!(
            "\n[[steps]]\nname = \"note {point}\"\nat = \"{point}\"\nuse = \"command\"\n\
             run = [\"sh\", \"-c\", \"echo {point} >> points; {command}\"]\n"
        )
    };
    POINTS.iter().map(step).collect()
}

#[test]
fn steps_run_at_their_points_in_order_and_once() {
    let (world, fleet) = behind_the_proxy(THREE, &format!("{ROLLING}{}", steps("")));
    fs::remove_file(world.file("points")).unwrap();
    world.release("2.0");
    let ran = world.deploy("2.0", 0);
    let ran = ran.says("step \"note before-traffic\" at before-traffic");
    let shown = world.run(&["show"]).expect(0);
    let _ = shown.says("step \"note before-traffic\" at before-traffic");
    fleet.all_on("2.0");
    println!("{ran}");
    let points = fs::read_to_string(world.file("points")).unwrap();
    assert_eq!(points.lines().collect::<Vec<_>>(), POINTS[..5]);
}

#[test]
fn a_step_that_fails_takes_the_deployment_back() {
    for failing in ["before-traffic", "after-traffic", "after-deploy"] {
        let (world, fleet) = behind_the_proxy(THREE, ROLLING);
        let disk = fleet.on_disk();
        world.configure(&[
            &fleet.toml(),
            &fleet.proxy(),
            crate::scene::LIMITS,
            ROLLING,
            &steps(failing),
        ]);
        world.release("2.0");
        let ran = world
            .deploy("2.0", 1)
            .says(&format!("note {failing}"))
            .says("it is not well");
        let failed = |line: &&str| line.contains("failed: command: `sh` ended with status 3");
        let line = ran.stdout.lines().find(failed).unwrap();
        assert_eq!(line.matches("note").count(), 1, "{ran}");
        fleet.all_on("1.0");
        assert_eq!(fleet.on_disk(), disk, "{failing}: {ran}");
        let points = fs::read_to_string(world.file("points")).unwrap();
        let mut expected: Vec<_> = POINTS[..5].to_vec();
        expected.truncate(expected.iter().position(|point| *point == failing).unwrap() + 1);
        expected.extend(["before-rollback", "after-rollback"]);
        assert_eq!(
            points.lines().collect::<Vec<_>>(),
            expected,
            "{failing}: {ran}"
        );
    }
}

#[test]
fn notifiers_hear_of_it_and_one_that_fails_fails_nothing() {
    let (well, broken, slack) = (Sink::start(200), Sink::start(500), Sink::start(200));
    let more = format!(
        "{ROLLING}\n[[notifiers]]\nuse = \"webhook\"\nurl = \"{}/hook\"\n\
         secret = {{ secret = \"HOOK_KEY\" }}\n\
         \n[[notifiers]]\nuse = \"webhook\"\nurl = \"{}/broken\"\n\
         \n[[notifiers]]\nuse = \"slack\"\nwebhook-url = \"{}/services/T0/B0/x\"\n\
         on = [\"succeeded\"]\n",
        well.url(),
        broken.url(),
        slack.url()
    );
    let world = tests::World::new();
    let mut world = world;
    world.set("HOOK_KEY", "a key that signs");
    let fleet = tests::Fleet::new(&world, THREE);
    world.configure(&[&fleet.toml(), &fleet.proxy(), crate::scene::LIMITS, &more]);
    world.release("1.0");
    let ran = world.deploy("1.0", 0).says("webhook");
    println!("{ran}");
    assert!(broken.received().len() > 1, "it is tried again: {ran}");

    let heard = well.received();
    assert!(
        heard
            .iter()
            .any(|request| request.body.contains("succeeded")),
        "{heard:?}"
    );
    assert!(
        heard
            .iter()
            .all(|request| request.headers.contains("sha256=")),
        "{heard:?}"
    );
    let [told] = &slack.received()[..] else {
        panic!("one message: {:?}", slack.received())
    };
    assert!(told.line.starts_with("POST /services/T0/B0/x "), "{told:?}");
    assert!(told.body.contains("1.0"), "{told:?}");
}
