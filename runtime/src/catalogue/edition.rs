//! One strategy by itself, in the edition that a deployment began with, or in the one that is there
//! now: for asking it again, which takes no other plugin.

use std::path::Path;

use configuration::{Configuration, Kind, Problems};
use host::Host;
use store::Blob;

use super::{Used, check, digest, find, kept_source};
use crate::report::{Problem, Reason};

/// Which edition of a strategy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Edition<'a> {
    /// The very bytes that were kept with the deployment.
    Kept(&'a Blob),
    /// What the program, or the plugin's file, has now.
    Present,
}

/// Loads the configuration's strategy, and checks its settings.
pub(crate) async fn strategy(
    configuration: &Configuration,
    folder: &Path,
    host: &Host,
    edition: Edition<'_>,
) -> Result<Used, Problem> {
    let section = &configuration.contents.strategy;
    let wrong = |problem| match Problems::new(&configuration.path, vec![problem]) {
        Some(problems) => Problem::from(problems),
        None => Problem::new(Reason::Bug, "a list of one problem is empty"),
    };
    let source = match edition {
        Edition::Kept(blob) if digest(&blob.bytes) != blob.digest => {
            let title = "the strategy that was kept with the deployment is not what it was";
            return Err(Problem::new(Reason::Refused, title)
                .cause(format!("it should have the digest {}", blob.digest))
                .hint("`--accept-drift` asks the edition that is there now"));
        }
        Edition::Kept(blob) => kept_source(configuration, section, blob),
        Edition::Present => find(configuration, folder, Kind::Strategy, section).map_err(wrong)?,
    };
    let label = format!("{} `{}`", Kind::Strategy.as_str(), section.name);
    let loaded = host.load_all(vec![source]).await.into_iter().next();
    let plugin = match loaded {
        Some(Ok(plugin)) => plugin,
        Some(Err(error)) => {
            let message = error.to_string();
            return Err(wrong(
                configuration.problem_at(section, "/use", &message, &label),
            ));
        }
        None => {
            return Err(Problem::new(
                Reason::Bug,
                "a plugin that was loaded is gone",
            ));
        }
    };
    let (asked, settings) = (plugin.clone(), section.settings.clone());
    let checked = tokio::spawn(async move { asked.check(&settings).await });
    let problems = check(configuration, section, &plugin, checked, &label).await;
    if let Some(problems) = Problems::new(&configuration.path, problems) {
        return Err(problems.into());
    }
    Ok(Used {
        kind: Kind::Strategy,
        pointer: section.pointer.clone(),
        plugin,
    })
}
