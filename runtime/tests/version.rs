//! The program starts at all. It is also what makes `cargo test` build the program, which the
//! end-to-end tests then run.

use std::process::Command;

#[test]
fn it_says_its_version() {
    let ran = Command::new(env!("CARGO_BIN_EXE_runtime"))
        .arg("--version")
        .output()
        .unwrap();
    let expected = concat!("runtime ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8_lossy(&ran.stdout), expected, "{ran:?}");
}
