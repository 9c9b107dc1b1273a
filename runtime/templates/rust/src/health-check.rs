//! Asks each target whether it is well.

use runtime_sdk::prelude::*;

runtime_sdk::settings! {
    /// Asks each target whether it is well.
    struct PluginName {
        /// The path that is asked for.
        #[serde(default = "path")]
        path: String,
    }
}

fn path() -> String {
    "/health".into()
}

impl Plugin for PluginName {
    const SUMMARY: &'static str = "Asks each target whether it is well.";

    fn requests() -> Vec<Request> {
        vec![read(
            "http",
            "http://{target.address}",
            "to ask each target whether it is well",
        )]
    }

    fn problems(&self) -> Vec<Problem> {
        if !self.path.starts_with('/') {
            return vec![problem("/path", "a path begins with a slash")];
        }
        Vec::new()
    }
}

impl HealthCheck for PluginName {
    fn check(&self, target: &Target, _release: &Release) -> Result<Report> {
        let url = format!("http://{}{}", target.address()?, self.path);
        // A target that does not answer is not well; a failure would say that the check itself
        // could not be made.
        Ok(match http::get(&url).send() {
            Ok(response) if response.status == 200 => Report::healthy(format!("{url}: 200")),
            Ok(response) => Report::unhealthy(format!("{url}: {}", response.status)),
            Err(failure) if matches!(&*failure.code, "unavailable" | "timeout") => {
                Report::unhealthy(format!("{url}: {}", failure.message))
            }
            Err(failure) => return Err(failure),
        })
    }
}

runtime_sdk::plugin!(health_check: PluginName);

#[cfg(test)]
mod tests {
    use runtime_sdk::testing::{Fake, release, response, target};

    use super::*;

    fn status(answer: Result<http::Response>) -> String {
        let _fake = Fake::new().on_request(move |_| answer.clone());
        let plugin = PluginName { path: path() };
        plugin
            .check(&target("web01", "web"), &release("2"))
            .unwrap()
            .status
    }

    #[test]
    fn the_status_decides() {
        assert_eq!(status(Ok(response(200, ""))), "healthy");
        assert_eq!(status(Ok(response(503, ""))), "unhealthy");
        assert_eq!(
            status(Err(Failure::unavailable("nobody there"))),
            "unhealthy"
        );
    }
}
