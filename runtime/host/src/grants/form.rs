//! Whether what a manifest asks for has a form that means something, before anybody grants it.
//! Whether it should be granted is not asked here.

use machines::Endpoint;
use serde_json::Value;

use super::{
    pattern::Pattern,
    scope_of,
    template::{self, Part},
};
use crate::plugin::Request;

/// What is wrong with a request of a manifest whose settings have this schema, in a sentence; none
/// where nothing is.
pub fn misshapen(request: &Request, schema: &Value) -> Option<String> {
    let Request {
        capability,
        scope,
        purpose,
        reason,
        ..
    } = request;
    let of = format!("{capability} `{}`", scope.escape_debug());
    if !CAPABILITIES.contains(&capability.as_str()) {
        let known = CAPABILITIES.join(", ");
        return Some(format!(
            "there is no capability `{capability}`, only {known}"
        ));
    }
    if !matches!(purpose.as_str(), "read" | "change") {
        return Some(format!(
            "the purpose of {of} is `{purpose}`, not `read` or `change`"
        ));
    }
    if reason.trim().is_empty() || reason.contains('\n') {
        return Some(format!(
            "{of} needs a reason, in one line, for whoever grants it"
        ));
    }
    let names = template::parts(scope)
        .into_iter()
        .filter_map(|part| match part {
            Part::Name(name) => Some(name),
            Part::Text(_) => None,
        });
    for name in names {
        if !template::is_known(name) && !may_be_set(schema, name) {
            return Some(format!("{of} names `{{{name}}}`, which is no setting"));
        }
    }
    shape(capability, scope).map(|what| format!("{of} {what}"))
}

const CAPABILITIES: [&str; 7] = [
    "http", "files", "commands", "locks", "sockets", "secrets", "mail",
];

/// Whether settings with this schema may have that name in them.
fn may_be_set(schema: &Value, name: &str) -> bool {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return schema["additionalProperties"] != Value::Bool(false);
    };
    if properties.contains_key(name) {
        return true;
    }
    let inside = name.split_once('.').and_then(|(table, rest)| {
        // What stands behind a reference is not looked into.
        let inner = properties.get(table)?;
        Some(inner.get("properties").is_none() || may_be_set(inner, rest))
    });
    inside.unwrap_or(schema["additionalProperties"] != Value::Bool(false))
}

/// What is wrong with the scope itself, where no setting decides.
fn shape(capability: &str, scope: &str) -> Option<&'static str> {
    let prefixed = scope.starts_with("read:") || scope.starts_with("write:");
    match capability {
        _ if scope.trim().is_empty() => Some("has an empty scope"),
        "files" if !prefixed => Some("is no scope: it begins with `read:` or `write:`"),
        _ if scope.contains('{') => None,
        "sockets" if scope != "*" && scope.parse::<Endpoint>().is_err() => {
            Some("is no endpoint: `tcp:host:port` or `unix:/path`")
        }
        "commands" | "sockets" => None,
        _ => match scope_of(capability, &Pattern::text(scope)) {
            Some(_) => None,
            None => Some("makes no sense as a scope"),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(capability: &str, scope: &str) -> Request {
        Request {
            capability: capability.into(),
            scope: scope.into(),
            purpose: "read".into(),
            reason: "to see".into(),
            optional: false,
        }
    }

    #[test]
    fn what_means_something_passes() {
        let schema = json!({
            "additionalProperties": false,
            "properties": { "url": {}, "tls": { "properties": { "key": {} } } },
        });
        for (capability, scope) in [
            ("http", "{url}"),
            ("http", "https://{target.address}"),
            ("http", "https://api.example.com"),
            ("files", "read:{tls.key}"),
            ("files", "write:/etc/nginx"),
            ("commands", "nginx -s reload"),
            ("sockets", "tcp:{target.host}:6379"),
            ("sockets", "unix:/run/a.sock"),
            ("locks", "deploy"),
        ] {
            assert_eq!(
                misshapen(&request(capability, scope), &schema),
                None,
                "{scope}"
            );
        }
    }

    #[test]
    fn what_means_nothing_is_told() {
        let schema = json!({ "additionalProperties": false, "properties": { "url": {} } });
        for (capability, scope, expected) in [
            ("disk", "x", "no capability `disk`"),
            ("http", "{uri}", "names `{uri}`"),
            ("http", "example.com", "no sense"),
            ("files", "/etc", "begins with `read:`"),
            ("sockets", "localhost", "no endpoint"),
            ("commands", " ", "empty scope"),
        ] {
            let said = misshapen(&request(capability, scope), &schema).unwrap_or_default();
            assert!(said.contains(expected), "{scope}: {said}");
        }
        let mut silent = request("http", "{url}");
        silent.reason = String::new();
        assert!(misshapen(&silent, &schema).is_some());
        silent.purpose = "both".into();
        assert!(misshapen(&silent, &schema).is_some());
    }
}
