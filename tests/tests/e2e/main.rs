//! The whole program, run as its users run it, against real servers and under real traffic.
//! No test asserts on time; what took how long is printed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::print_stdout,
    reason = "what was measured is part of a test's result"
)]

mod instruments;
