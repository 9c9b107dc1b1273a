//! A plan as a file: JSON, with the number of its form, a seal for each of its parts, and one
//! digest over all of them. What was cut off, changed by hand, or is something else is told with
//! its place.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, value::RawValue};

use super::Plan;
use crate::{
    catalogue,
    report::{Problem, Reason},
};

/// The number of the form that this version writes, and the only one that it reads.
const VERSION: u64 = 1;
/// What tells a plan from other files; its value is the form's number.
const MARK: &str = "runtime-plan";
const DIGEST: &str = "digest";
const SEALS: &str = "seals";

/// A plan from a file.
pub(crate) struct Planned {
    pub(crate) path: PathBuf,
    pub(crate) plan: Plan,
}

/// The file's text.
pub(crate) fn write(plan: &Plan) -> Result<String, Problem> {
    let parts = parts(plan)?;
    let seals = seals(
        parts
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str())),
    );
    let mut text = format!(
        "{{\n  \"{MARK}\": {VERSION},\n  \"{DIGEST}\": \"{}\",\n  \"{SEALS}\": {seals}",
        catalogue::digest(seals.as_bytes()),
    );
    for (name, part) in &parts {
        // Writing to a text cannot fail.
        let _ = write!(text, ",\n  \"{name}\": {part}");
    }
    text.push_str("\n}\n");
    Ok(text)
}

/// The parts of a plan, as they stand in the file.
fn parts(plan: &Plan) -> Result<Vec<(String, String)>, Problem> {
    let unwritable = |error: serde_json::Error| {
        Problem::new(Reason::Bug, "a plan cannot be written as JSON").cause(error)
    };
    let whole = serde_json::to_value(plan).map_err(unwritable)?;
    let Value::Object(members) = whole else {
        return Err(Problem::new(Reason::Bug, "a plan is no JSON object"));
    };
    let each = members.into_iter().map(|(name, value)| {
        let text = serde_json::to_string_pretty(&value).map_err(unwritable)?;
        Ok((name, text.replace('\n', "\n  ")))
    });
    each.collect()
}

/// The digest of each part, by its name.
fn seals<'a>(parts: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let seals: BTreeMap<&str, String> = parts
        .map(|(name, text)| (name, catalogue::digest(text.as_bytes())))
        .collect();
    let text = serde_json::to_string_pretty(&seals).unwrap_or_default();
    text.replace('\n', "\n  ")
}

impl Planned {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Problem> {
        let text = std::fs::read(path).map_err(|error| {
            let title = format!("the plan {} cannot be read", path.display());
            Problem::new(Reason::Usage, title)
                .cause(error)
                .hint("`runtime plan --out plan.json` writes one")
        })?;
        let plan = String::from_utf8(text)
            .map_err(|error| Wrong {
                at: None,
                what: format!("it is no text: {error}"),
            })
            .and_then(|text| parse(&text));
        match plan {
            Ok(plan) => Ok(Self {
                path: path.to_owned(),
                plan,
            }),
            Err(wrong) => Err(wrong.told(path)),
        }
    }
}

/// What is wrong with a file, and where.
#[derive(Debug, PartialEq)]
struct Wrong {
    /// Line and column, from 1.
    at: Option<(usize, usize)>,
    what: String,
}

impl Wrong {
    fn told(self, path: &Path) -> Problem {
        let place = match self.at {
            Some((line, column)) => format!("{}:{line}:{column}", path.display()),
            None => path.display().to_string(),
        };
        let title = format!("{} is no plan that can be deployed", path.display());
        Problem::new(Reason::Refused, title)
            .cause(format!("{place}: {}", self.what))
            .cause("nothing was deployed")
            .hint(format!(
                "`runtime plan --out {}` writes a new one; a plan is never changed by hand",
                path.display()
            ))
    }
}

fn parse(text: &str) -> Result<Plan, Wrong> {
    let members: BTreeMap<&str, &RawValue> =
        serde_json::from_str(text).map_err(|error| damaged(&error))?;
    let part = |name: &str| members.get(name).map(|raw| raw.get());
    let wrong = |name: &str, what: String| Wrong {
        at: part(name).map(|raw| place(text, raw)),
        what,
    };
    let Some(version) = part(MARK) else {
        let what = format!("it is something else: it has no `{MARK}`");
        return Err(Wrong { at: None, what });
    };
    if version != VERSION.to_string() {
        let what = format!(
            "it has the form {version}, and this version of the program reads the form {VERSION}"
        );
        return Err(wrong(MARK, what));
    }
    let kept = |name: &str| part(name).ok_or_else(|| missing(name));
    let (digest, written) = (kept(DIGEST)?, kept(SEALS)?);
    if digest.trim_matches('"') != catalogue::digest(written.as_bytes()) {
        let what = "the seals of its parts are not those that were written";
        return Err(wrong(SEALS, what.to_owned()));
    }
    let known: BTreeMap<String, String> =
        serde_json::from_str(written).map_err(|error| wrong(SEALS, error.to_string()))?;
    let mut whole = serde_json::Map::new();
    for (name, seal) in &known {
        let raw = kept(name)?;
        if catalogue::digest(raw.as_bytes()) != *seal {
            let what = format!("`{name}` was changed since it was written");
            return Err(wrong(name, what));
        }
        let value = serde_json::from_str(raw).map_err(|error| wrong(name, error.to_string()))?;
        whole.insert(name.clone(), value);
    }
    let extra =
        |name: &&&str| !known.contains_key(**name) && ![MARK, DIGEST, SEALS].contains(*name);
    if let Some(name) = members.keys().find(extra) {
        return Err(wrong(
            name,
            format!("`{name}` was not there when it was written"),
        ));
    }
    serde_json::from_value(Value::Object(whole)).map_err(|error| Wrong {
        at: None,
        what: format!("this version of the program does not understand it: {error}"),
    })
}

fn missing(name: &str) -> Wrong {
    Wrong {
        at: None,
        what: format!("it has no `{name}`"),
    }
}

fn damaged(error: &serde_json::Error) -> Wrong {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early".to_owned(),
        serde_json::error::Category::Data => "it is something else than a plan".to_owned(),
        _ => format!("it is damaged: {error}"),
    };
    Wrong {
        at: Some((error.line().max(1), error.column().max(1))),
        what,
    }
}

/// Line and column of a part of the text.
fn place(text: &str, part: &str) -> (usize, usize) {
    let offset = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    let before = text.get(..offset).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (line, column)
}
