//! Placeholders go in, values come out nowhere but where they may.

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose};
use serde_json::json;

use super::*;
use crate::grants::Destination;

const TOKEN: &str = "s3cr3t/+\"värde\"";
const HOOK: &str = "https://hooks.example.com/services/T0/B0/abcdefgh";

struct Known;

#[async_trait]
impl Secrets for Known {
    async fn value(&self, name: &str) -> Result<String, Failure> {
        match name {
            "TOKEN" => Ok(TOKEN.into()),
            "HOOK" => Ok(HOOK.into()),
            "PIN" => Ok("12".into()),
            _ => Err(Failure::new(Code::Missing, format!("no secret {name}"))),
        }
    }
}

async fn sealed() -> Sealed {
    let settings = json!({
        "hook": { "secret": "HOOK" },
        "token": { "secret": "TOKEN", "use": ["file"] },
        "nested": [{ "password": { "secret": "TOKEN", "use": ["environment"] } }],
        "pin": { "secret": "PIN" },
        "table": { "secret": "TOKEN", "more": 1 },
        "plain": "text",
    });
    Sealed::new(&settings, &Known).await.unwrap()
}

fn placeholder_of<'a>(sealed: &'a Sealed, name: &str) -> &'a str {
    &sealed
        .secrets
        .iter()
        .find(|secret| secret.name == name)
        .unwrap()
        .placeholder
}

fn origin(url: &str) -> crate::grants::Origin {
    Destination::parse(url).unwrap().origin
}

#[tokio::test]
async fn a_plugin_sees_placeholders_alone() {
    let sealed = sealed().await;
    assert!(!sealed.text.contains("s3cr3t") && !sealed.text.contains("hooks.example.com"));
    let hook = sealed.settings["hook"].as_str().unwrap();
    assert!(hook.starts_with("secret-HOOK-"), "{hook}");
    assert_eq!(
        sealed.settings["nested"][0]["password"],
        sealed.settings["token"]
    );
    // A table with more in it is a table.
    assert_eq!(sealed.settings["table"]["more"], 1);
    assert_eq!(sealed.revealed["hook"], HOOK);
    let again = super::Sealed::new(&json!({ "hook": { "secret": "HOOK" } }), &Known)
        .await
        .unwrap();
    assert_ne!(
        again.settings["hook"], sealed.settings["hook"],
        "nobody can guess it"
    );
    assert_eq!(
        url::Url::parse(&format!("https://x/{hook}?{hook}"))
            .unwrap()
            .as_str(),
        format!("https://x/{hook}?{hook}"),
    );
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named() {
    let failure = Sealed::new(&json!([{ "secret": "NO" }]), &Known)
        .await
        .err()
        .unwrap();
    assert_eq!(failure.code, Code::Missing);
}

#[tokio::test]
async fn a_value_is_written_as_its_place_wants_it() {
    let sealed = sealed().await;
    let token = placeholder_of(&sealed, "TOKEN");
    let there = origin("https://a.example");
    let put = |writing| {
        let mut used = Vec::new();
        let text = sealed
            .put_in_request(&format!("<{token}>"), writing, &there, &mut used)
            .unwrap();
        assert_eq!(used, ["TOKEN"]);
        text
    };
    assert_eq!(put(Writing::Plain), format!("<{TOKEN}>"));
    assert_eq!(put(Writing::Json), r#"<s3cr3t/+\"värde\">"#);
    assert_eq!(put(Writing::Form), "<s3cr3t%2F%2B%22v%C3%A4rde%22>");
    let body = format!("\u{0}{token}{token}").into_bytes();
    let mut used = Vec::new();
    let body = sealed
        .put_in_body(body, Writing::Plain, &there, &mut used)
        .unwrap();
    assert_eq!(body, format!("\u{0}{TOKEN}{TOKEN}").into_bytes());
}

#[tokio::test]
async fn a_url_goes_to_its_own_origin_alone() {
    let sealed = sealed().await;
    let hook = placeholder_of(&sealed, "HOOK");
    let mut used = Vec::new();
    assert_eq!(
        sealed.put_in_url(&format!("{hook}/more"), &mut used),
        format!("{HOOK}/more")
    );
    sealed.may_go(&used, &origin(HOOK)).unwrap();
    for elsewhere in [
        "https://evil.example",
        "http://hooks.example.com",
        "https://hooks.example.com:1",
    ] {
        let failure = sealed.may_go(&used, &origin(elsewhere)).unwrap_err();
        assert_eq!(failure.code, Code::Denied);
        let mut used = Vec::new();
        let there = origin(elsewhere);
        sealed
            .put_in_request(hook, Writing::Plain, &there, &mut used)
            .unwrap_err();
        sealed
            .put_in_body(hook.into(), Writing::Plain, &there, &mut used)
            .unwrap_err();
        assert!(used.is_empty());
    }
    // As a part of another URL it is escaped.
    let token = placeholder_of(&sealed, "TOKEN");
    let url = sealed.put_in_url(&format!("https://a.example/{token}?t={token}"), &mut used);
    assert_eq!(
        url,
        "https://a.example/s3cr3t%2F%2B%22v%C3%A4rde%22?t=s3cr3t%2F%2B%22v%C3%A4rde%22"
    );
}

#[tokio::test]
async fn files_and_programs_only_where_the_operator_marked_it() {
    let sealed = sealed().await;
    let (token, hook) = (
        placeholder_of(&sealed, "TOKEN"),
        placeholder_of(&sealed, "HOOK"),
    );
    let text = format!("{token} {hook}");
    let expected = format!("{TOKEN} {hook}");
    // The token was marked for files in one place, for programs in another.
    assert_eq!(
        sealed.put_in_file(text.clone().into()).0,
        expected.as_bytes()
    );
    assert_eq!(
        sealed.put_in_input(text.clone().into()).0,
        expected.as_bytes()
    );
    let (value, used) = sealed.put_in_environment(text);
    assert_eq!((value, used), (expected, vec!["TOKEN".to_owned()]));
}

#[tokio::test]
async fn values_are_found_however_they_are_written() {
    let sealed = sealed().await;
    for text in [
        format!("a {TOKEN} b"),
        json!({ "t": TOKEN }).to_string(),
        "x=s3cr3t%2F%2B%22v%C3%A4rde%22&y".into(),
        "x=s3cr3t%2f%2b%22v%c3%a4rde%22&y".into(),
        r#"{"t":"s3cr3t\/+\"värde\""}"#.into(),
        general_purpose::STANDARD.encode(TOKEN),
        general_purpose::STANDARD.encode(format!("u:{TOKEN}")),
        general_purpose::STANDARD.encode(format!("us:{TOKEN}!")),
        general_purpose::URL_SAFE_NO_PAD.encode(format!("usr:{TOKEN}??")),
        format!("GET {HOOK}"),
        "POST /services/T0/B0/abcdefgh".into(),
        json!({ "url": HOOK }).to_string(),
    ] {
        let redacted = sealed.redact(text.clone());
        assert!(redacted.contains("[secret "), "{text} became {redacted}");
        for leak in ["s3cr3t", "värde", "abcdefgh", "czNjcjN0"] {
            assert!(!redacted.contains(leak), "{text} became {redacted}");
        }
    }
    // What is too short to be told from other text is left, and the rest as it was.
    assert_eq!(sealed.redact("12 of 12".into()), "12 of 12");
}

#[tokio::test]
async fn what_a_plugin_wrote_reads_back_as_it_wrote_it() {
    let sealed = sealed().await;
    let wrote = format!("password = {}\n", placeholder_of(&sealed, "TOKEN")).into_bytes();
    let (on_disk, _) = sealed.put_in_file(wrote.clone());
    assert_ne!(on_disk, wrote);
    assert_eq!(sealed.answer_bytes(on_disk), wrote);
    let binary = vec![0xff, 0xfe, 0];
    assert_eq!(sealed.answer_bytes(binary.clone()), binary);
}

#[tokio::test]
async fn failures_and_what_was_shown_are_redacted_too() {
    let sealed = sealed().await;
    sealed.show("OTHER", "open sesame");
    let mut failure = Failure::new(Code::Rejected, format!("no {TOKEN}, but open sesame"));
    failure.details = json!({ "stderr": format!("{HOOK}\n"), "index": 2 });
    let failure = sealed.redact_failure(failure);
    assert_eq!(failure.message, "no [secret TOKEN], but [secret OTHER]");
    assert_eq!(
        failure.details,
        json!({ "stderr": "[secret HOOK]\n", "index": 2 })
    );
}

#[test]
fn a_check_and_a_strategy_get_the_same_text_in_every_run() {
    let settings = json!({ "a": { "secret": "A B" } });
    assert_eq!(
        with_placeholders(&settings),
        json!({ "a": "secret-A-B-0000000000000000" })
    );
}
