//! What differs from the deployment that changed something last.

use engine::Brief;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    PlannedPlugin,
    difference::{self, Difference},
    found::{Last, last},
};
use crate::{
    past::Past,
    report::{Problem, Reason},
    site::Site,
};

/// What differs from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Since {
    pub(crate) deployment: Last,
    /// The release, the configuration in its own words, and the plugins' digests.
    pub(crate) changes: Vec<Difference>,
}

impl Since {
    /// Holds what would be deployed against what was. None where nothing was.
    pub(super) async fn of(
        site: &Site,
        brief: &Brief,
        plugins: &[PlannedPlugin],
    ) -> Result<Option<Self>, Problem> {
        let past = Past::of(site).await?;
        let Some(last) = last(&past, None) else {
            return Ok(None);
        };
        let pinned = site.store.pinned(&last.id).await?;
        let mut changes = Vec::new();
        let (was, is) = (&pinned.brief.release, &brief.release);
        if was.id != is.id {
            let (was, is) = (json!(was.id), json!(is.id));
            changes.push(Difference::new("release", Some(was), Some(is)));
        }
        let before: Value =
            serde_json::from_slice(&pinned.configuration.bytes).map_err(|error| {
                let title = "the configuration of the last deployment cannot be read";
                Problem::new(Reason::Refused, title).cause(error)
            })?;
        changes.extend(difference::between(
            &before,
            &site.configuration.canonical(),
        ));
        let then = pinned
            .plugins
            .iter()
            .map(|pin| (&pin.kind, &pin.name, &pin.digest));
        let now: Vec<_> = plugins
            .iter()
            .map(|plugin| (&plugin.kind, &plugin.name, &plugin.digest))
            .collect();
        // One that is new, or no longer used, stands in the configuration.
        for (kind, name, digest) in then {
            let same = now.iter().find(|now| (now.0, now.1) == (kind, name));
            if let Some((_, _, other)) = same.filter(|now| now.2 != digest) {
                let what = format!("the digest of {kind} `{name}`");
                changes.push(Difference::new(
                    what,
                    Some(json!(digest)),
                    Some(json!(other)),
                ));
            }
        }
        Ok(Some(Self {
            deployment: Last::new(last),
            changes,
        }))
    }
}
