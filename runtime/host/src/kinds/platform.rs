//! A plugin that puts releases on one kind of target.

use bindings::Kind;
use engine::{Failure, Installed, Name, Release, Target};

use crate::{
    convert,
    error::HostError,
    worker::{About, CallContext, Worker},
};

/// Where releases run.
#[derive(Clone)]
pub struct Platform(Worker);

impl Platform {
    /// Fails where the plugin is of another kind.
    pub fn new(worker: Worker) -> Result<Self, HostError> {
        worker.plugin().expect(Kind::Platform)?;
        Ok(Self(worker))
    }

    /// The plugin at work.
    pub fn worker(&self) -> &Worker {
        &self.0
    }

    /// The same on another machine.
    #[must_use]
    pub fn on(&self, machine: std::sync::Arc<dyn machines::Machine>) -> Self {
        Self(self.0.on(machine))
    }

    /// What it can do, for example `uninterrupted-activate`: from itself where it knows, else by
    /// looking.
    pub async fn traits(&self, context: &CallContext) -> Result<Vec<String>, Failure> {
        if let Ok(names) = self.0.traits().await {
            return Ok(names);
        }
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked.platform_traits(state, &settings).await
        };
        self.0
            .call("tell its traits", context, About::default(), call)
            .await
    }

    /// The id of the release that runs; none where none does.
    pub async fn active(
        &self,
        target: &Target,
        context: &CallContext,
    ) -> Result<Option<Name>, Failure> {
        let theirs = convert::target(target);
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked.active(state, &theirs, &settings).await
        };
        let active = self
            .0
            .call("tell what is active", context, about(target, None), call)
            .await?;
        Ok(active.map(Name::from))
    }

    /// Every release that lies there.
    pub async fn installed(
        &self,
        target: &Target,
        context: &CallContext,
    ) -> Result<Vec<Installed>, Failure> {
        let theirs = convert::target(target);
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked.installed(state, &theirs, &settings).await
        };
        let installed = self
            .0
            .call("tell what is installed", context, about(target, None), call)
            .await?;
        Ok(installed.into_iter().map(convert::installed).collect())
    }

    /// Puts a release beside the one that runs.
    pub async fn install(
        &self,
        target: &Target,
        release: &Release,
        context: &CallContext,
    ) -> Result<(), Failure> {
        let (theirs, what) = (convert::target(target), convert::release(release));
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked.install(state, &theirs, &what, &settings).await
        };
        self.0
            .call(
                "install a release",
                context,
                about(target, Some(release)),
                call,
            )
            .await
    }

    /// Makes a release the one that runs.
    pub async fn activate(
        &self,
        target: &Target,
        release: &Release,
        context: &CallContext,
    ) -> Result<(), Failure> {
        let (theirs, what) = (convert::target(target), convert::release(release));
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked.activate(state, &theirs, &what, &settings).await
        };
        self.0
            .call(
                "activate a release",
                context,
                about(target, Some(release)),
                call,
            )
            .await
    }

    /// Leaves nothing of the application running.
    pub async fn deactivate(&self, target: &Target, context: &CallContext) -> Result<(), Failure> {
        let theirs = convert::target(target);
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked.deactivate(state, &theirs, &settings).await
        };
        self.0
            .call(
                "deactivate the application",
                context,
                about(target, None),
                call,
            )
            .await
    }

    /// Removes an installed release.
    pub async fn remove(
        &self,
        target: &Target,
        release: &str,
        context: &CallContext,
    ) -> Result<(), Failure> {
        let theirs = convert::target(target);
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked.remove(state, &theirs, release, &settings).await
        };
        self.0
            .call("remove a release", context, about(target, None), call)
            .await
    }
}

fn about(target: &Target, release: Option<&Release>) -> About {
    About {
        targets: vec![target.clone()],
        release: release.cloned(),
    }
}
