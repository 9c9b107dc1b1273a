//! What a plugin says of itself: that it means something, and is the same each time.

use host::{Description, Kind, Plugin, misshapen};
use serde_json::Value;

use crate::case::Cases;

const GROUP: &str = "manifest";

/// Characters of a summary, which stands in one line of a table.
const SUMMARY_CHARS_MAX: usize = 120;

/// Details that are JSON Pointers into the settings, by kind (`wit/manifest.wit`).
const POINTERS: [(Kind, &str); 5] = [
    (Kind::Strategy, "idle-groups"),
    (Kind::Strategy, "approval"),
    (Kind::Step, "undo"),
    (Kind::Platform, "place"),
    (Kind::LoadBalancer, "listens"),
];

pub(crate) async fn examine(plugin: &Plugin, cases: &mut Cases) {
    let said = plugin.description();
    cases.tried(
        GROUP,
        "its name, version and summary can be shown",
        shown(said),
    );
    cases.tried(
        GROUP,
        "its settings' schema is one of an object",
        object(said),
    );
    cases.tried(GROUP, "what it asks for means something", asked(said));
    cases.tried(
        GROUP,
        "its details point at settings",
        details(plugin.kind(), said),
    );
    let wrong = match plugin.describe().await {
        Ok(again) if again == *said => Vec::new(),
        Ok(_) => vec!["asked a second time it says something else".to_owned()],
        Err(error) => vec![format!("asked a second time it fails: {error}")],
    };
    cases.tried(GROUP, "it says the same of itself each time", wrong);
}

fn shown(said: &Description) -> Vec<String> {
    let mut wrong = Vec::new();
    let name = said.name.as_str();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) {
        wrong.push(format!(
            "the name `{}` is not made of small letters, digits and `-`, a letter first",
            name.escape_debug()
        ));
    }
    if let Err(error) = semver::Version::parse(&said.version) {
        let version = said.version.escape_debug();
        wrong.push(format!(
            "the version `{version}` is none (https://semver.org): {error}"
        ));
    }
    let summary = said.summary.as_str();
    if summary.trim().is_empty() || summary.chars().any(char::is_control) {
        wrong.push("the summary is not one line of text".to_owned());
    }
    if summary.chars().count() > SUMMARY_CHARS_MAX {
        wrong.push(format!(
            "the summary has more than {SUMMARY_CHARS_MAX} characters"
        ));
    }
    wrong
}

fn object(said: &Description) -> Vec<String> {
    let mut wrong = Vec::new();
    let schema = &said.settings_schema;
    if schema["type"] != "object" {
        wrong.push("its `type` is not `object`: settings are a table".to_owned());
    }
    let properties = schema["properties"].as_object();
    for (name, property) in properties.into_iter().flatten() {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !name.chars().all(plain) {
            wrong.push(format!("the setting `{name}` is not in kebab case"));
        }
        let described = property["description"]
            .as_str()
            .is_some_and(|text| !text.trim().is_empty());
        if !described {
            wrong.push(format!(
                "the setting `{name}` has no description for whoever sets it"
            ));
        }
    }
    wrong
}

fn asked(said: &Description) -> Vec<String> {
    let mut wrong: Vec<String> = said
        .requests
        .iter()
        .filter_map(|request| misshapen(request, &said.settings_schema))
        .collect();
    for (index, request) in said.requests.iter().enumerate() {
        let same = |other: &host::Request| {
            (&other.capability, &other.scope, &other.purpose)
                == (&request.capability, &request.scope, &request.purpose)
        };
        if said.requests[..index].iter().any(same) {
            wrong.push(format!(
                "{} `{}` is asked for twice",
                request.capability, request.scope
            ));
        }
    }
    wrong
}

fn details(kind: Kind, said: &Description) -> Vec<String> {
    let mut wrong = Vec::new();
    if !said.details.is_object() {
        wrong.push("they are no JSON object; `{}` says nothing".to_owned());
    }
    for (_, name) in POINTERS.iter().filter(|(of, _)| *of == kind) {
        let detail = &said.details[*name];
        if detail.is_null() {
            continue;
        }
        let place = detail
            .as_str()
            .and_then(|pointer| property(&said.settings_schema, pointer));
        if place.is_none() {
            wrong.push(format!(
                "`{name}` is {detail}, which is no JSON Pointer to a setting"
            ));
        }
    }
    wrong
}

/// The schema of the setting that a JSON Pointer leads to.
fn property<'a>(schema: &'a Value, pointer: &str) -> Option<&'a Value> {
    let mut at = schema;
    for name in pointer.strip_prefix('/')?.split('/') {
        at = at.get("properties")?.get(name)?;
    }
    Some(at)
}
