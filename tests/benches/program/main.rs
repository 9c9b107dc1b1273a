//! What the whole program costs, each figure beside a baseline of the same run:
//!
//!     cargo bench -p tests [-- start|memory|waiting|ssh]

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]

mod memory;
mod ssh;
mod start;
mod waiting;

fn main() {
    if !figures::wanted() {
        return;
    }
    let named = |name: &str| {
        let mut names = std::env::args()
            .skip(1)
            .filter(|argument| !argument.starts_with('-'))
            .peekable();
        names.peek().is_none() || names.any(|chosen| chosen == name)
    };
    let mut measured = Vec::new();
    if named("start") {
        measured.extend(start::measure());
    }
    if named("memory") {
        measured.push(memory::measure());
    }
    if named("waiting") {
        measured.push(waiting::measure());
    }
    if named("ssh") {
        measured.extend(ssh::measure());
    }
    figures::print(&measured);
}
