//! What no schema can say: names that must be known, things that exclude each other. Works on the
//! tree, so that each rule speaks also where other parts of the file are wrong.

use crate::{nearest::suggestion, problem::Problem, source::Place, tree::Node};

mod fleet;
mod order;
mod rehearsal;
mod secrets;

/// Every rule that the tree breaks.
pub(crate) fn check(root: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    fleet::check(root, &mut problems);
    order::check(root, &mut problems);
    rehearsal::check(root, &mut problems);
    secrets::check(root, &mut problems);
    problems
}

/// A name that is none of those known.
fn unknown(noun: &str, name: &str, place: &Place, known: &[&str]) -> Problem {
    let problem = Problem::new("unknown-name", format!("there is no {noun} `{name}`"))
        .at(place.clone(), format!("names no {noun}"));
    match suggestion(name, known) {
        Some(help) => problem.help(help),
        None => problem,
    }
}
