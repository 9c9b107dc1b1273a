//! What is loaded, what is not, and what is said of it.

use serde_json::json;

use super::*;
use crate::testing::{Guest, host, source};

async fn refusal(guest: &Guest) -> String {
    host().load(guest.source()).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_plugin_says_what_it_is() {
    let guest = Guest::new(Kind::Notifier)
        .schema(r#"{"type": "object"}"#)
        .details(r#"{"needs": ["shares"]}"#)
        .asking("http", "{url}");
    let plugin = host().load(guest.source()).await.unwrap();
    assert_eq!(plugin.kind(), Kind::Notifier);
    assert_eq!(plugin.version(), "1.2.3");
    let description = plugin.description();
    assert_eq!(description.details["needs"][0], "shares");
    assert_eq!(description.requests[0].scope, "{url}");
    assert_eq!(plugin.imports(), ["deploy:plugin/types@0.1.0"]);
}

#[tokio::test]
async fn a_plugin_in_use_is_loaded_once() {
    let guest = Guest::new(Kind::Notifier);
    let host = host();
    let first = host.load(guest.source()).await.unwrap();
    let second = host.load(guest.source()).await.unwrap();
    assert!(Arc::ptr_eq(&first.inner, &second.inner));
    // Under another name it is another one: what it is granted goes by that.
    let renamed = PluginSource {
        name: "other".to_owned(),
        ..guest.source()
    };
    let other = host.load(renamed).await.unwrap();
    assert!(!Arc::ptr_eq(&first.inner, &other.inner));
    let gone = Arc::downgrade(&first.inner);
    drop((first, second));
    assert!(gone.upgrade().is_none());
}

#[tokio::test]
async fn imports_show_what_a_plugin_can_do() {
    let guest = Guest::new(Kind::HealthCheck).importing(
        r#"(import "deploy:plugin/files@VERSION" "read" (func $read (param i32 i32 i32)))"#,
    );
    let plugin = host().load(guest.source()).await.unwrap();
    assert!(
        plugin
            .imports()
            .contains(&"deploy:plugin/files@0.1.0".to_owned())
    );
}

#[tokio::test]
async fn what_is_no_component_is_told_so() {
    for (bytes, expected) in [
        (b"".to_vec(), "not a WebAssembly component"),
        (b"#!/bin/sh".to_vec(), "not a WebAssembly component"),
        (
            wat::parse_str("(module)").unwrap(),
            "a core WebAssembly module, not a component",
        ),
        (
            wat::parse_str("(component)").unwrap(),
            "exports no `deploy:plugin/manifest@0.1.0`",
        ),
    ] {
        let error = host()
            .load(source(Bytes::from(bytes)))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("`guest`"), "{error}");
    }
}

#[tokio::test]
async fn a_cut_off_component_is_told_so() {
    let whole = Guest::new(Kind::Step).build();
    let error = host()
        .load(source(whole.slice(..whole.len() / 2)))
        .await
        .unwrap_err();
    assert!(matches!(error, HostError::Compile { .. }), "{error}");
}

#[tokio::test]
async fn versions_of_the_contract_say_whose_turn_it_is() {
    for (theirs, expected) in [
        ("0.2.0", "upgrade this program"),
        ("1.0.0", "upgrade this program"),
        ("0.0.9", "its author has to build it against 0.1.0"),
    ] {
        let guest = Guest::new(Kind::Step).against(move |_, text| {
            text.replace("deploy:plugin@0.1.0", &format!("deploy:plugin@{theirs}"))
        });
        let error = refusal(&guest).await;
        assert!(
            error.contains(expected) && error.contains(theirs),
            "{error}"
        );
    }
    // A later patch of the same version only adds functions, which this guest does not call.
    let guest = Guest::new(Kind::Step)
        .against(|_, text| text.replace("deploy:plugin@0.1.0", "deploy:plugin@0.1.7"));
    host().load(guest.source()).await.unwrap();
}

#[tokio::test]
async fn a_draft_of_the_contract_is_told_apart() {
    let exported = Guest::new(Kind::SecretSource).against(|_, text| {
        text.replace(
            "fetch: func(name: string,",
            "fetch: func(name: string, again: u32,",
        )
    });
    let imported = Guest::new(Kind::HealthCheck)
        .importing(r#"(import "deploy:plugin/clock@VERSION" "now" (func $now (result i32)))"#)
        .against(|_, text| {
            text.replace(
                "now: func() -> timestamp;\n    sleep",
                "now: func() -> u32;\n    sleep",
            )
        });
    // Its core function has one more parameter now.
    let exported = exported.with_parameters("i32 i32 i32 i32 i32");
    for guest in [exported, imported] {
        let error = refusal(&guest).await;
        assert!(error.contains("differs from it"), "{error}");
        assert!(error.contains("its author"), "{error}");
    }
}

#[tokio::test]
async fn kinds_are_held_apart() {
    let guest = Guest::new(Kind::Step);
    let wanted = PluginSource {
        kind: Some(Kind::Notifier),
        ..guest.source()
    };
    let error = host().load(wanted).await.unwrap_err().to_string();
    assert!(
        error.contains("is a step plugin, and is used as a notifier"),
        "{error}"
    );
}

#[tokio::test]
async fn a_strategy_has_no_way_to_the_world() {
    let guest = Guest::new(Kind::Strategy)
        .importing(
            r#"(import "deploy:plugin/files@VERSION" "read" (func $read (param i32 i32 i32)))"#,
        )
        .against(|name, text| match name {
            "worlds.wit" => text.replace("world strategy {", "world strategy {\n    import files;"),
            _ => text,
        });
    let error = refusal(&guest).await;
    assert!(
        error.contains("`deploy:plugin/files@0.1.0`, which a strategy plugin cannot have"),
        "{error}"
    );
}

#[tokio::test]
async fn an_interface_of_tomorrow_is_told_so() {
    let guest = Guest::new(Kind::Step)
        .importing(r#"(import "deploy:plugin/telepathy@VERSION" "read" (func $read (result i32)))"#)
        .against(|name, text| match name {
            "worlds.wit" => text.replace(
                "world step {",
                "interface telepathy { read: func() -> u32; }\nworld step {\n    import telepathy;",
            ),
            _ => text,
        });
    let error = refusal(&guest).await;
    assert!(
        error.contains("telepathy") && error.contains("upgrade this program"),
        "{error}"
    );
}

#[tokio::test]
async fn nonsense_in_a_manifest_is_told_so() {
    for (guest, expected) in [
        (
            Guest::new(Kind::Step).schema("{"),
            "settings schema is not JSON",
        ),
        (
            Guest::new(Kind::Step).schema(r#"{"type": "flower"}"#),
            "is no JSON Schema",
        ),
        (
            Guest::new(Kind::Step).schema(r##"{"$ref": "https://example.com/x"}"##),
            "is no JSON Schema",
        ),
        (Guest::new(Kind::Step).details("-"), "details is not JSON"),
    ] {
        let error = refusal(&guest).await;
        assert!(
            error.contains("`guest`") && error.contains(expected),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_manifest_that_misbehaves_is_told_so() {
    for (guest, expected) in [
        (
            Guest::new(Kind::Step).describing("unreachable"),
            "broke off: wasm trap",
        ),
        (
            Guest::new(Kind::Step).describing("(loop br 0) unreachable"),
            "computed for more than 2000 ms",
        ),
        (
            Guest::new(Kind::Step).describing("i32.const 9999999"),
            "broke off",
        ),
        (
            Guest::new(Kind::Step)
                .describing("(drop (memory.grow (i32.const 2000))) i32.const 4096"),
            "wanted more than 64 MiB of memory",
        ),
        (
            Guest::new(Kind::Step)
                .importing(
                    r#"(import "deploy:plugin/clock@VERSION" "now" (func $now (result i64)))"#,
                )
                .describing("(drop (call $now)) i32.const 4096"),
            "called the host where it may only compute",
        ),
    ] {
        let error = refusal(&guest).await;
        assert!(
            error.contains("plugin guest") && error.contains(expected),
            "{error}"
        );
    }
}

#[tokio::test]
async fn settings_are_checked_by_place() {
    let schema = r#"{"type": "object", "properties": {"url": {"type": "string"}, "n": {"type": "integer", "minimum": 1}},
        "required": ["url"], "additionalProperties": false}"#;
    let plugin = Guest::new(Kind::Notifier).schema(schema).load(false).await;
    let good = json!({ "url": { "secret": "HOOK", "use": ["file"] }, "n": 2 });
    assert_eq!(plugin.check(&good).await.unwrap(), []);
    let bad = json!({ "url": 1, "n": 0, "surprise": true });
    let mut found: Vec<String> = plugin
        .check(&bad)
        .await
        .unwrap()
        .into_iter()
        .map(|problem| problem.pointer)
        .collect();
    found.sort();
    assert_eq!(found, ["/n", "/surprise", "/url"]);
}

#[tokio::test]
async fn problems_are_told_in_the_words_of_a_configuration() {
    let schema = r##"{"type": "object", "additionalProperties": false, "required": ["url"],
        "properties": {
            "url": {"type": "string", "description": "Where to post.\nAt length."},
            "stages": {"type": "array", "minItems": 1, "items": {"type": "integer"}},
            "soak": {"$ref": "#/$defs/Duration"},
            "mode": {"enum": ["fast", "slow"]},
            "tls": {"type": "object", "properties": {"key": {}}, "additionalProperties": false}
        },
        "$defs": {"Duration": {"type": "string", "pattern": "^[0-9]+s$",
            "description": "A time, for example `30s`. And more."}}}"##;
    let plugin = Guest::new(Kind::Notifier).schema(schema).load(false).await;
    for (settings, pointer, message) in [
        (
            json!({ "url": "x", "stagse": 1 }),
            "/stagse",
            "`stagse` is not known here; did you mean `stages`?",
        ),
        (
            json!({ "url": "x", "zz~/z": 1 }),
            "/zz~0~1z",
            "`zz~/z` is not known here; there is",
        ),
        (
            json!({ "url": "x", "tls": { "kye": 1 } }),
            "/tls/kye",
            "`kye` is not known here; did you mean `key`?",
        ),
        (json!({}), "", "`url` is missing: Where to post"),
        (
            json!({ "url": "x", "soak": "soon" }),
            "/soak",
            "\"soon\" is not what is wanted here: A time, for example `30s`",
        ),
        (
            json!({ "url": "x", "stages": [] }),
            "/stages",
            "the list is empty",
        ),
        (
            json!({ "url": "x", "stages": [1, "b"] }),
            "/stages/1",
            "\"b\" is not of type \"integer\"",
        ),
        (
            json!({ "url": "x", "mode": "warp" }),
            "/mode",
            "\"warp\" is none of \"fast\", \"slow\"",
        ),
        (json!({ "url": 7 }), "/url", "7 is not of type \"string\""),
    ] {
        let found = plugin.check(&settings).await.unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].pointer, pointer);
        assert!(
            found[0].message.starts_with(message),
            "{}",
            found[0].message
        );
    }
    // What a secret is, is not known before it is used; that it is a text, is.
    let secret = json!({ "secret": "X" });
    let fits = json!({ "url": secret, "soak": secret, "mode": secret });
    assert_eq!(plugin.check(&fits).await.unwrap(), []);
    let found = plugin
        .check(&json!({ "url": "x", "stages": secret }))
        .await
        .unwrap();
    assert_eq!(found[0].pointer, "/stages");
}

#[tokio::test]
async fn several_are_loaded_side_by_side_in_their_order() {
    let sources = vec![
        Guest::new(Kind::Step).source(),
        source(Bytes::from_static(b"nothing")),
        Guest::new(Kind::Notifier).source(),
    ];
    let loaded = host().load_all(sources).await;
    assert_eq!(loaded[0].as_ref().unwrap().kind(), Kind::Step);
    assert!(loaded[1].is_err());
    assert_eq!(loaded[2].as_ref().unwrap().kind(), Kind::Notifier);
}
