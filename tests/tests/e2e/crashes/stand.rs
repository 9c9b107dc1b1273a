//! How everything stands, as the program, the disk and the targets themselves say it.

use serde_json::Value;
use tests::{Fleet, World};

use crate::scene::status;

/// One target.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    name: String,
    /// Of the traffic.
    percent: f64,
    admission: String,
    /// The release that `status` says is active.
    release: String,
    /// The release that the link points to.
    link: String,
    /// The version that answers.
    version: String,
}

/// Every target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stand(Vec<Place>);

impl Stand {
    /// Looks at everything.
    pub(crate) fn of(world: &World, fleet: &Fleet) -> Self {
        let (status, disk, versions) = (status(world), fleet.on_disk(), fleet.versions());
        let place = |target: &Value| {
            let text = |key: &str| target[key].as_str().unwrap_or("none").to_owned();
            let name = text("name");
            let link = disk[name.as_str()].current.as_ref();
            let link = link.and_then(|link| link.file_name());
            Place {
                percent: target["percent"].as_f64().unwrap_or(-1.0),
                admission: text("admission"),
                release: text("release"),
                link: link.map_or("none".into(), |link| link.to_string_lossy().into_owned()),
                version: versions[name.as_str()].clone().unwrap_or("none".into()),
                name,
            }
        };
        Self(
            status["targets"]
                .as_array()
                .unwrap()
                .iter()
                .map(place)
                .collect(),
        )
    }

    /// The targets that have traffic.
    pub(crate) fn serving(&self) -> Vec<String> {
        let serving = self.0.iter().filter(|place| place.percent > 0.0);
        serving.map(|place| place.name.clone()).collect()
    }

    /// With what each release is to the deployment in place of which one it is.
    pub(crate) fn in_roles(&self, from: &str, to: &str) -> Self {
        let role = |release: &str| {
            let roles = [(from, "old"), (to, "new")];
            let role = roles
                .into_iter()
                .find(|(version, _)| release.starts_with(version));
            role.map_or_else(|| release.to_owned(), |(_, role)| role.to_owned())
        };
        let places = self.0.iter().map(|place| Place {
            release: role(&place.release),
            link: role(&place.link),
            version: role(&place.version),
            ..place.clone()
        });
        Self(places.collect())
    }
}
