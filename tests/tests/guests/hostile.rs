//! A step that does what it is told to, and never anything good. Written without the helpers
//! of the SDK, which would not let it.

use runtime_sdk::{
    Failure, Problem, bindings::manifest, bindings::manifest::manifest::Description,
    bindings::step as bindings, files, http, prelude::json,
};

struct Hostile;

impl manifest::manifest::Guest for Hostile {
    fn describe() -> Description {
        Description {
            name: "hostile".into(),
            version: "0.1.0".into(),
            summary: "Does harm.".into(),
            settings_schema: json!({
                "type": "object",
                "properties": { "deed": { "type": "string" }, "argument": { "type": "string" } },
            })
            .to_string(),
            requests: Vec::new(),
            details: "{}".into(),
        }
    }

    fn validate(_: String) -> Vec<Problem> {
        Vec::new()
    }
}

impl bindings::working::Guest for Hostile {
    fn run(_: bindings::working::Occasion, settings: String) -> Result<String, Failure> {
        let settings: runtime_sdk::serde_json::Value =
            runtime_sdk::serde_json::from_str(&settings).unwrap();
        let argument = settings["argument"].as_str().unwrap_or_default();
        match settings["deed"].as_str().unwrap() {
            "loop" => loop {
                std::hint::spin_loop();
            },
            "eat memory" => {
                let mut eaten: Vec<Vec<u8>> = Vec::new();
                loop {
                    eaten.push(vec![1; 1 << 20]);
                    std::hint::black_box(&eaten);
                }
            }
            "panic" => panic!("as I was told to"),
            "ask" => http::get(argument).send().map(|answer| json!(answer.status).to_string()),
            "read" => files::read(argument).map(|contents| json!(contents).to_string()),
            "write" => files::write(argument, "I was here").map(|()| "{}".into()),
            "return garbage" => Ok("}{ \u{1b}[31m this is no JSON".into()),
            "return too much" => Ok(json!("x".repeat(64 << 20)).to_string()),
            deed => Err(Failure::invalid(format!("what is `{deed}`?"))),
        }
    }

    fn undo(_: bindings::working::Occasion, _: String, _: String) -> Result<(), Failure> {
        Ok(())
    }
}

manifest::export!(Hostile with_types_in manifest);
bindings::export!(Hostile with_types_in bindings);
