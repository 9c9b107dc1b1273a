//! Asks a monitoring system for numbers.

use runtime_sdk::prelude::*;

runtime_sdk::settings! {
    /// Asks a monitoring system for numbers.
    struct PluginName {
        /// Where it answers.
        url: String,
    }
}

/// What it answers: one value for each point in time, in milliseconds.
#[derive(Deserialize)]
#[serde(crate = "runtime_sdk::serde")]
struct Answer {
    values: Vec<(u64, f64)>,
}

impl Plugin for PluginName {
    const SUMMARY: &'static str = "Asks a monitoring system for numbers.";

    fn requests() -> Vec<Request> {
        vec![read("http", "{url}", "to ask for numbers")]
    }
}

impl PluginName {
    fn ask(&self, expression: &str, window: Window, step: Option<u64>) -> Result<Vec<(u64, f64)>> {
        let mut question = http::get(&self.url)
            .query("expression", expression)
            .query("start", window.start)
            .query("end", window.end);
        if let Some(step) = step {
            question = question.query("step", step);
        }
        let answer = question.send()?.success()?;
        Ok(answer.json::<Answer>()?.values)
    }
}

impl MetricSource for PluginName {
    fn query(&self, expression: &str, window: Window) -> Result<Option<f64>> {
        // No data is no failure, and no zero either.
        Ok(self
            .ask(expression, window, None)?
            .last()
            .map(|(_, value)| *value))
    }

    fn series(&self, expression: &str, window: Window, step: u64) -> Result<Vec<Sample>> {
        let values = self.ask(expression, window, Some(step))?;
        Ok(values
            .into_iter()
            .map(|(at, value)| Sample { at, value })
            .collect())
    }
}

runtime_sdk::plugin!(metric_source: PluginName);

#[cfg(test)]
mod tests {
    use runtime_sdk::testing::{Fake, response};

    use super::*;

    const WINDOW: Window = Window {
        start: 0,
        end: 60_000,
    };

    fn query(body: &'static str) -> Result<Option<f64>> {
        let _fake = Fake::new().on_request(move |_| Ok(response(200, body)));
        let plugin = PluginName {
            url: "https://example.com".into(),
        };
        plugin.query("errors", WINDOW)
    }

    #[test]
    fn the_last_number_counts() {
        assert_eq!(
            query(r#"{ "values": [[0, 1.0], [10, 2.5]] }"#).unwrap(),
            Some(2.5)
        );
        assert_eq!(query(r#"{ "values": [] }"#).unwrap(), None);
    }

    #[test]
    fn what_is_no_answer_is_a_failure() {
        assert_eq!(query("<html>").unwrap_err().code, "rejected");
    }
}
