//! Two deployments at once: the second is told who holds the lease, or waits for it.

use crate::scene::{CANARY, THREE, behind_the_proxy, deploy};

#[test]
fn the_second_deployment_is_told_who_holds_the_lease() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    world.release("2.0");
    world.release("3.0");
    let mut first = world.start(&deploy("2.0"));
    first.until_printed("stage");
    let second = world.run(&deploy("3.0")).expect(5);
    second.says("tester").says("--wait");
    let back = world.run(&["rollback", "--yes"]).expect(5);
    back.says("is running, by tester on ").says("(process ");
    let status = world.run(&["status"]).expect(0);
    let _ = status.says("2.0");
    first.wait().expect(0);
    fleet.all_on("2.0");
}

#[test]
fn one_that_waits_goes_on_when_the_first_is_done() {
    let (world, fleet) = behind_the_proxy(THREE, CANARY);
    world.release("2.0");
    world.release("3.0");
    let mut first = world.start(&deploy("2.0"));
    first.until_printed("stage");
    let second = world.start(&["deploy", "--yes", "--version", "3.0", "--wait", "2m"]);
    first.wait().expect(0);
    second.wait().expect(0);
    fleet.all_on("3.0");
}

#[test]
fn unlocking_takes_a_reason_and_the_holder_stops() {
    let (world, _fleet) = behind_the_proxy(THREE, CANARY);
    world.release("2.0");
    let mut first = world.start(&deploy("2.0"));
    first.until_printed("stage");
    world.run(&["unlock"]).expect(2);
    let unlocked = world
        .run(&["unlock", "--reason", "the test says so"])
        .expect(0);
    unlocked.says("tester");
    // It may finish the one effect that it had begun, and none after it.
    let first = first.wait().expect(6);
    first.says("lease");
    let back = world.run(&["rollback", "--yes"]).expect(0);
    println!("{back}");
}
