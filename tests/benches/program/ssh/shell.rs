//! What people have without this program: `ssh`, once with the whole script, or step by step over
//! a connection that is kept (`ControlMaster`).

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use super::{Host, steps};

/// All steps and the archive through one `ssh`.
pub(crate) fn one(host: &Host, archive: &Path, id: &str) {
    let script = format!("set -e\n{}", steps(host, id).join("\n"));
    let mut command = Command::new("ssh");
    command.args(options(host)).arg(script);
    let archive = fs::File::open(archive).unwrap();
    assert!(
        command
            .stdin(Stdio::from(archive))
            .status()
            .unwrap()
            .success()
    );
}

/// Each step through `ssh`, all hosts side by side, one connection for each.
pub(crate) fn kept_connections(hosts: &[Host], archive: &Path, id: &str, folder: &Path) {
    let mut script = String::from("set -e\n");
    for (number, host) in hosts.iter().enumerate() {
        let control = folder.join(format!("control-{number}"));
        let kept = format!(
            "-o ControlMaster=auto -o ControlPersist=yes -o ControlPath={}",
            control.display()
        );
        let ssh = format!("ssh {} {kept}", options(host).join(" "));
        script += "(\nset -e\n";
        for (place, step) in steps(host, id).iter().enumerate() {
            let input = if place == 1 {
                archive
            } else {
                Path::new("/dev/null")
            };
            script += &format!("{ssh} '{step}' < {}\n", input.display());
        }
        script += &format!("{ssh} -O exit 2>/dev/null\n) &\n");
    }
    // `wait` alone forgets how they ended.
    script += "for job in $(jobs -p); do wait \"$job\"; done\n";
    let mut bash = Command::new("bash");
    assert!(bash.args(["-c", &script]).status().unwrap().success());
}

fn options(host: &Host) -> Vec<String> {
    let (name, port) = host.address.rsplit_once(':').unwrap();
    let known = format!("UserKnownHostsFile={}", host.known.display());
    let key = host.key.display().to_string();
    let login = format!("{}@{name}", host.user);
    let fixed = [
        "-F",
        "none",
        "-o",
        "IdentityAgent=none",
        "-o",
        "BatchMode=yes",
        "-o",
    ];
    let mut options: Vec<String> = fixed.map(str::to_owned).to_vec();
    options.extend([
        known,
        "-i".to_owned(),
        key,
        "-p".to_owned(),
        port.to_owned(),
        login,
    ]);
    options
}
