//! Calls that a guest did not bring to their end, as failures: it trapped, it went over a bound,
//! or it does not fit. What a plugin itself answers is another thing.

use bindings::Impure;
use engine::{Code, Failure};
use serde_json::json;

use crate::{bounds::Ended, plugin::Plugin};

/// The failure of a call, which names the plugin and what happened. `doing` completes "was asked
/// to".
pub(crate) fn failure(plugin: &Plugin, ended: &Ended, doing: &str) -> Failure {
    named(plugin.name(), plugin.version(), ended, doing)
}

/// The same, of a plugin that could not say yet what it is.
pub(crate) fn named(name: &str, version: &str, ended: &Ended, doing: &str) -> Failure {
    let (how, what, code, retryable) = match (ended.overrun(), ended) {
        (Some(overrun), _) => ("over-limit", overrun.to_string(), Code::Internal, false),
        (None, Ended::TimedOut(time)) => {
            let what = format!("did not answer within {}", seconds(*time));
            ("over-limit", what, Code::Timeout, true)
        }
        (None, Ended::Broken(broken)) if broken.error.is::<Impure>() => {
            ("trapped", Impure.to_string(), Code::Internal, false)
        }
        (None, Ended::Broken(broken)) => {
            let trap = trap(&broken.error);
            let what = match &broken.last_words {
                Some(words) => format!("broke off: {words} ({trap})"),
                None => format!("broke off: {trap}"),
            };
            ("trapped", what, Code::Internal, false)
        }
    };
    let space = if version.is_empty() { "" } else { " " };
    let message = format!("plugin {name}{space}{version}, asked to {doing}, {what}");
    let mut failure = Failure::new(code, message);
    failure.retryable = retryable;
    failure.details = json!({ "plugin": name, "version": version, "ended": how });
    failure
}

/// The failure that a plugin answered with, as that of the plugin.
pub(crate) fn refused(plugin: &Plugin, mut failure: Failure) -> Failure {
    failure.message = format!("{}: {}", plugin.name(), failure.message);
    let of = json!({ "plugin": plugin.name(), "version": plugin.version(), "ended": "refused" });
    match (&mut failure.details, of) {
        (serde_json::Value::Object(details), serde_json::Value::Object(of)) => details.extend(of),
        (details, of) => *details = of,
    }
    failure
}

/// The innermost cause: above it stands where in the guest's code it was, which helps nobody.
fn trap(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

fn seconds(time: std::time::Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}
