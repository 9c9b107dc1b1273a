//! From a project to a component: by cargo, componentize-py or jco, whichever it is for. What
//! these say goes to whoever called.

mod cargo;
mod componentize;

use std::path::{Path, PathBuf};

use crate::report::{Problem, Reason};

/// Builds the project in that folder. Gives back where its component lies.
pub(crate) fn build(folder: &Path, out: Option<&Path>) -> Result<PathBuf, Problem> {
    if folder.join("Cargo.toml").is_file() {
        return cargo::build(folder, out);
    }
    if folder.join("pyproject.toml").is_file() {
        return componentize::python(folder, out);
    }
    if folder.join("package.json").is_file() {
        return componentize::javascript(folder, out);
    }
    let title = format!("{} is no project of a plugin", folder.display());
    Err(Problem::new(Reason::Usage, title)
        .cause("there is no Cargo.toml, pyproject.toml or package.json in it")
        .hint("`runtime plugin new KIND NAME` makes one"))
}
