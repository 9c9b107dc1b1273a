//! The program: reads the command line, runs the verb, and turns what came of it into output
//! and an exit code.

#![forbid(unsafe_code)]

mod assemble;
mod audit;
mod catalogue;
mod cli;
mod course;
#[cfg(debug_assertions)]
mod crash;
mod departure;
mod diagnostics;
mod display;
mod download;
mod exit;
mod fleet;
mod inbox;
mod interrupt;
mod live;
mod live_test;
mod log;
mod notify;
mod past;
mod pinned;
mod plan;
mod project;
mod rehearsal;
mod release;
mod replay;
mod report;
mod serve;
mod services;
mod site;
mod strategy;
mod system;
mod tenure;
mod terminal;
mod tidy;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    let format = arguments.format();
    match arguments.run() {
        Ok(code) => ExitCode::from(code),
        Err(problem) => ExitCode::from(report::show(&problem, format)),
    }
}
