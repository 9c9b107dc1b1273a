//! Releases side by side in a directory, and a file that says which one runs.

use runtime_sdk::{
    files,
    machine::Batch,
    prelude::*,
    template::{self, TARGET, Values},
};

runtime_sdk::settings! {
    /// Releases side by side in a directory.
    struct PluginName {
        /// The application's directory on the target; `{target}` stands for the target's name.
        root: String,
    }
}

impl Plugin for PluginName {
    const SUMMARY: &'static str = "Releases side by side in a directory.";
    const DETAILS: &'static str = r#"{ "artifact": "unpack", "place": "/root" }"#;

    fn requests() -> Vec<Request> {
        vec![
            read(
                "files",
                "read:{root}",
                "to see which releases are there, and which one runs",
            ),
            change(
                "files",
                "write:{root}",
                "to put releases there, switch and remove them",
            ),
        ]
    }

    fn problems(&self) -> Vec<Problem> {
        template::problems("/root", &self.root, &[TARGET])
    }
}

impl PluginName {
    fn root(&self, target: &Target) -> Result<String> {
        Values::new().target(target).expand(&self.root)
    }
}

// Each of these is safe to call again: it makes the same of whatever it finds.
impl Platform for PluginName {
    fn active(&self, target: &Target) -> Result<Option<String>> {
        let text = files::read_text(&format!("{}/active", self.root(target)?))?;
        Ok(text.map(|text| text.trim().to_owned()))
    }

    fn installed(&self, target: &Target) -> Result<Vec<InstalledRelease>> {
        let entries = files::list(&format!("{}/releases", self.root(target)?))?;
        let installed = |entry: files::Entry| InstalledRelease {
            // What was cut off while it was unpacked has another name.
            complete: !entry.name.ends_with(".partial"),
            id: entry.name.trim_end_matches(".partial").to_owned(),
            details: "{}".into(),
        };
        Ok(entries.into_iter().map(installed).collect())
    }

    fn install(&self, target: &Target, release: &Release) -> Result<()> {
        let releases = format!("{}/releases", self.root(target)?);
        Batch::new()
            .create_directory(&releases)
            .unpack(release, format!("{releases}/{}", release.id))
            .perform()?;
        Ok(())
    }

    fn activate(&self, target: &Target, release: &Release) -> Result<()> {
        files::write(&format!("{}/active", self.root(target)?), &release.id)
    }

    fn deactivate(&self, target: &Target) -> Result<()> {
        files::remove(&format!("{}/active", self.root(target)?))
    }

    fn remove(&self, target: &Target, release: &str) -> Result<()> {
        files::remove(&format!("{}/releases/{release}", self.root(target)?))
    }
}

runtime_sdk::plugin!(platform: PluginName);

#[cfg(test)]
mod tests {
    use runtime_sdk::testing::{Fake, release, target};

    use super::*;

    #[test]
    fn a_release_is_installed_switched_and_removed() {
        let _fake = Fake::new();
        let plugin = PluginName {
            root: "/srv/{target}".into(),
        };
        let target = target("web01", "web");
        assert_eq!(plugin.active(&target).unwrap(), None);
        for id in ["1", "2"] {
            plugin.install(&target, &release(id)).unwrap();
            plugin.activate(&target, &release(id)).unwrap();
        }
        plugin.remove(&target, "1").unwrap();
        let installed = plugin.installed(&target).unwrap();
        let ids: Vec<&str> = installed.iter().map(|each| each.id.as_str()).collect();
        assert_eq!(ids, ["2"]);
        assert_eq!(plugin.active(&target).unwrap().as_deref(), Some("2"));
        plugin.deactivate(&target).unwrap();
        assert_eq!(plugin.active(&target).unwrap(), None);
    }
}
