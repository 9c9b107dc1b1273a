//! The proxy, run as the process it is: the tests start themselves as `PROGRAM proxy run ...`,
//! put members of their own behind it, and clients that retry nothing before it.

#![expect(clippy::unwrap_used, reason = "what fails here is a test")]

mod as_proxy;
mod balancing;
mod changes;
mod client;
mod control;
mod protocols;
mod restart;
mod upstream;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let ["proxy", "run", options @ ..] =
        &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        return as_proxy::run(options);
    }
    let cases = [
        balancing::CASES,
        changes::CASES,
        control::CASES,
        protocols::CASES,
        restart::CASES,
    ];
    let trial = |(name, case): &(&str, fn())| {
        let case = *case;
        Trial::test(*name, move || {
            case();
            Ok(())
        })
    };
    let trials = cases.into_iter().flatten().map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
