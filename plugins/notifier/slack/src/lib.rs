//! `slack`: a message in a channel, by an incoming webhook.

use runtime_sdk::prelude::*;

/// A message in a Slack channel, by an incoming webhook.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Slack {
    /// The incoming webhook's address; it is a secret: `{ secret = "SLACK_WEBHOOK_URL" }`.
    pub webhook_url: String,
    /// Who is mentioned where somebody must act, for example `<!here>` or `<@U012AB3CD>`.
    #[serde(default)]
    pub mention: Option<String>,
}

/// The most that Slack takes in one text of a block, in characters.
const TEXT: usize = 2900;

impl Plugin for Slack {
    const SUMMARY: &'static str = "A message in a Slack channel for each event.";
    const SCHEMA: Option<&'static str> = Some(include_str!("../settings.json"));

    fn requests() -> Vec<Request> {
        vec![change(
            "http",
            "{webhook-url}",
            "to post messages in your Slack channel",
        )]
    }
}

impl Notifier for Slack {
    fn notify(&self, event: &Event) -> Result<()> {
        http::post(&self.webhook_url)
            .json(&self.payload(event))?
            .send()?
            .success()?;
        Ok(())
    }
}

/// How an event is shown: its colour, what is said first, and whether somebody must act.
struct Look {
    colour: &'static str,
    title: &'static str,
    urgent: bool,
}

fn look(kind: &str) -> Look {
    let (colour, title, urgent) = match kind {
        "started" => ("#2f81f7", "Deployment started", false),
        "stage" => ("#2f81f7", "Next stage", false),
        "waiting" => ("#d29922", "Waiting", false),
        "approval-needed" => ("#d29922", "Approval needed", true),
        "succeeded" => ("#2da44e", "Deployed", false),
        "failed" => ("#cf222e", "Deployment failed", true),
        "rolling-back" => ("#cf222e", "Rolling back", true),
        "rolled-back" => ("#bc4c00", "Rolled back", false),
        "stuck" => ("#cf222e", "Stuck: somebody must act", true),
        "frozen" => ("#cf222e", "Frozen: somebody must act", true),
        _ => ("#6e7781", "Deployment", false),
    };
    Look {
        colour,
        title,
        urgent,
    }
}

impl Slack {
    fn payload(&self, event: &Event) -> Value {
        let look = look(&event.kind);
        let title = format!(
            "{}: {} {}",
            look.title, event.application, event.release.version
        );
        let mention = match &self.mention {
            Some(mention) if look.urgent => format!("{mention} "),
            _ => String::new(),
        };
        let mut context = vec![
            format!("environment *{}*", escape(&event.environment)),
            format!("strategy *{}*", escape(&event.strategy)),
            format!("by *{}*", escape(&event.actor)),
            format!("`{}`", escape(&event.deployment)),
        ];
        if let Some(previous) = &event.previous {
            context.insert(0, format!("before *{}*", escape(&previous.version)));
        }
        let mut blocks = vec![section(&format!("{mention}*{}*", escape(&title)))];
        if !event.message.is_empty() {
            blocks.push(section(&escape(&event.message)));
        }
        blocks.push(json!({
            "type": "context",
            "elements": [{ "type": "mrkdwn", "text": context.join(" · ") }],
        }));
        json!({
            // For notifications, and clients that show no blocks.
            "text": format!("{mention}{}", escape(&title)),
            "attachments": [{ "color": look.colour, "blocks": blocks }],
        })
    }
}

fn section(text: &str) -> Value {
    let text: String = text.chars().take(TEXT).collect();
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

/// Keeps what others wrote from being read as a mention or a link.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

runtime_sdk::plugin!(notifier: Slack, "slack");

#[cfg(test)]
mod tests {
    use runtime_sdk::{
        serde_json::{from_slice, from_value},
        testing::{Fake, check_schema, event},
    };

    use super::*;

    fn sent(settings: Value, event: &Event) -> Value {
        let fake = Fake::new();
        from_value::<Slack>(settings)
            .unwrap()
            .notify(event)
            .unwrap();
        let request = &fake.requests()[0];
        assert_eq!(request.url, "secret-HOOK-00");
        from_slice(&request.body).unwrap()
    }

    #[test]
    fn the_schema_is_current() {
        check_schema::<Slack>(env!("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn a_message_says_what_where_and_who() {
        let settings = json!({ "webhook-url": "secret-HOOK-00", "mention": "<!here>" });
        let body = sent(settings, &event("succeeded", "4 targets in 12m"));
        assert_eq!(body["text"], "Deployed: shop 2");
        let attachment = &body["attachments"][0];
        assert_eq!(attachment["color"], "#2da44e");
        assert_eq!(
            attachment["blocks"][0]["text"]["text"],
            "*Deployed: shop 2*"
        );
        assert_eq!(attachment["blocks"][1]["text"]["text"], "4 targets in 12m");
        assert_eq!(
            attachment["blocks"][2]["elements"][0]["text"],
            "before *1* · environment *production* · strategy *canary* · by *alice* · `d1`"
        );
    }

    #[test]
    fn somebody_is_mentioned_where_somebody_must_act() {
        let settings = json!({ "webhook-url": "secret-HOOK-00", "mention": "<!here>" });
        let body = sent(settings, &event("stuck", "<web01> & co"));
        assert_eq!(body["text"], "<!here> Stuck: somebody must act: shop 2");
        let message = &body["attachments"][0]["blocks"][1]["text"]["text"];
        assert_eq!(message, "&lt;web01&gt; &amp; co");
    }

    #[test]
    fn an_event_of_tomorrow_is_shown_plainly() {
        let body = sent(
            json!({ "webhook-url": "secret-HOOK-00" }),
            &event("promoted", ""),
        );
        assert_eq!(body["text"], "Deployment: shop 2");
        assert_eq!(
            body["attachments"][0]["blocks"].as_array().unwrap().len(),
            2
        );
    }
}
