//! What is being deployed.

use std::collections::BTreeSet;

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
            if !self
                .placed_already(std::slice::from_ref(&action))
                .await
                .is_empty()
            {
                return Ok(());
            }
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

    /// The places of those actions that would put an artifact where it lies already. Asked only
    /// where it would have to be opened first: it then need not be at hand.
    pub(crate) async fn placed_already(&self, actions: &[Action]) -> BTreeSet<usize> {
        let Some(artifacts) = &self.services.artifacts else {
            return BTreeSet::new();
        };
        let mut asked = Vec::new();
        for (index, action) in actions.iter().enumerate() {
            match action {
                Action::Unpack { at, release } | Action::Copy { at, release } => {
                    if !artifacts.is_open(release) {
                        asked.push((index, Action::Stat { at: at.clone() }));
                    }
                }
                Action::CreateDirectory { .. } => {}
                // It may be what takes away that which lies there now.
                _ => break,
            }
        }
        if asked.is_empty() {
            return BTreeSet::new();
        }
        let (places, looks): (Vec<usize>, Vec<Action>) = asked.into_iter().unzip();
        match self.machine.perform(&looks, None, None).await {
            Ok(found) => places
                .into_iter()
                .zip(found)
                .filter(|(_, output)| output.status == Some(0))
                .map(|(place, _)| place)
                .collect(),
            // The action itself says what is wrong.
            Err(_) => BTreeSet::new(),
        }
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
