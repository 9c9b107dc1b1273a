//! What is being deployed.

use engine::{Code, Failure};
use machines::Action;

use crate::call::{CallState, of_machine};

impl CallState {
    pub(crate) async fn artifact_reference(&self, release: &str) -> Result<String, Failure> {
        match &self.services.artifacts {
            Some(artifacts) => artifacts.reference(release).await,
            None => Err(nothing(release)),
        }
    }

    /// `unpack` or `copy` on its own, outside of `machine.perform`.
    pub(crate) async fn place_artifact(
        &self,
        verb: &str,
        release: &str,
        path: &str,
    ) -> Result<(), Failure> {
        let used = self.on_machine("artifact", verb, &format!("{release} to {path}"));
        let placing = async {
            let action = self.artifact_action(verb, release, path)?;
            let artifacts = self.services.artifacts.as_deref();
            let source = artifacts.map(|artifacts| artifacts as &dyn machines::ArtifactSource);
            let fence = self.context.fence.as_ref();
            self.machine
                .perform(&[action], fence, source)
                .await
                .map_err(of_machine)?;
            Ok(())
        };
        used.ended(placing.await)
    }

    pub(crate) fn artifact_action(
        &self,
        verb: &str,
        release: &str,
        path: &str,
    ) -> Result<Action, Failure> {
        if self.services.artifacts.is_none() {
            return Err(nothing(release));
        }
        let at = self.place(path, true)?;
        let release = release.to_owned();
        Ok(match verb {
            "copy" => Action::Copy { at, release },
            _ => Action::Unpack { at, release },
        })
    }
}

fn nothing(release: &str) -> Failure {
    Failure::new(
        Code::Missing,
        format!("nothing is deployed here that could be release {release}"),
    )
}
