//! Reads a file and what it extends into one tree.

use std::{
    io::ErrorKind,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use crate::{
    Sources, parse,
    problem::Problem,
    source::{Place, Source},
    tree::{Kind, Node},
    variables,
};

/// A file with all that it extends.
pub(crate) struct Read {
    pub(crate) root: Node,
    /// The file itself first, then what it extends, nearest first.
    pub(crate) files: Vec<PathBuf>,
}

/// Reads a file and what it extends. Where one of them cannot be read, the rest still is.
pub(crate) fn read(path: &Path, sources: &dyn Sources, problems: &mut Vec<Problem>) -> Read {
    let mut files = Vec::new();
    let root = one(path, None, sources, &mut files, problems);
    Read { root, files }
}

fn one(
    path: &Path,
    named_at: Option<&Place>,
    sources: &dyn Sources,
    files: &mut Vec<PathBuf>,
    problems: &mut Vec<Problem>,
) -> Node {
    let text = sources.read(path).unwrap_or_else(|error| {
        let title = match error.kind() {
            ErrorKind::NotFound => format!("there is no file `{}`", path.display()),
            _ => format!("`{}` cannot be read: {error}", path.display()),
        };
        let problem = Problem::new("file", title).at(named_at.cloned(), "named here");
        problems.push(match named_at {
            Some(_) => problem.help("a relative path starts at the directory of the file it is in"),
            None if error.kind() == ErrorKind::NotFound => {
                problem.help("`runtime init` writes one; `--config FILE` names another")
            }
            None => problem.help("`--config FILE` names another one"),
        });
        String::new()
    });
    let name = path.display().to_string();
    let source = Arc::new(Source {
        name,
        path: Some(path.into()),
        text,
    });
    files.push(path.into());
    let mut root = parse::document(&source, problems);
    if let Some(base) = base(path, &root, sources, files, problems) {
        root.put_below(base);
    }
    root
}

/// What the file goes on from, where it names something.
fn base(
    path: &Path,
    root: &Node,
    sources: &dyn Sources,
    files: &mut Vec<PathBuf>,
    problems: &mut Vec<Problem>,
) -> Option<Node> {
    let mut extends = root.get("extends")?.clone();
    variables::expand_all(&mut extends, &|name| sources.variable(name), problems);
    let Kind::Text(text) = &extends.kind else {
        return None;
    };
    let base = normal(&path.parent().unwrap_or(Path::new("")).join(text));
    if files.iter().any(|file| normal(file) == base) {
        let title = format!("`{}` extends itself", base.display());
        let way: Vec<_> = files
            .iter()
            .map(|file| format!("`{}`", file.display()))
            .collect();
        problems.push(
            Problem::new("cycle", title)
                .at(extends.place, "back to where it started")
                .help(format!("one after the other: {}", way.join(", "))),
        );
        return None;
    }
    Some(one(&base, Some(&extends.place), sources, files, problems))
}

/// The path without `.` and, as far as the text tells, without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::Normal(_))) =>
            {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_by_one_name() {
        for (path, expected) in [
            ("./a/../b.toml", "b.toml"),
            ("../b.toml", "../b.toml"),
            ("/a/./b", "/a/b"),
            ("a/b/../..", ""),
        ] {
            assert_eq!(normal(Path::new(path)), Path::new(expected));
        }
    }
}
