//! The unit file that comes with the program, as the service manager reads it.

use std::{fs, process::Command};

use tests::{World, programs};

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let world = World::new();
    let unit = programs::workspace().join("config/runtime.service");
    let unit = fs::read_to_string(unit).unwrap();
    let program = programs::programs().runtime.display().to_string();
    world.write(
        "runtime.service",
        &unit.replace("/usr/bin/runtime", &program),
    );
    // What is not the unit's own is not looked at: this machine need not have it.
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(world.file("runtime.service"))
        .output()
        .expect("`systemd-analyze` is there; `tests/run` sees to that");
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success(), "{said}");
    assert!(!said.contains("runtime.service:"), "{said}");
    // It starts what the program understands.
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let words: Vec<_> = start.unwrap().split_whitespace().skip(1).collect();
    let help = world.run(&[words[0], "--help"]).expect(0).all();
    for option in words.iter().filter(|word| word.starts_with("--")) {
        assert!(help.contains(option), "{option}\n{help}");
    }
}
