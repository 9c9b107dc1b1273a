//! The whole program, run as its users run it, against real servers and under real traffic.
//! No test asserts on time; what took how long is printed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::print_stdout,
    reason = "what was measured is part of what a test says"
)]

mod agree;
mod artifacts;
mod bad_releases;
mod clocks;
mod commands;
mod control;
mod crashes;
mod database;
mod faults;
mod fetched;
mod guests;
mod instruments;
mod interrupted;
mod locked;
mod nginx;
mod plan;
mod projects;
mod rehearsal;
mod replaced;
mod replay;
mod resumed;
mod rollback;
mod scene;
mod secrets;
mod serve;
mod serving;
mod ssh;
mod steps;
mod strategies;
mod takeover;
mod undone;
mod units;
mod verdicts;
mod wires;
