//! What is done on targets, side by side: installing, activating, and the ways back.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};

use engine::{Call, Code, Failure, Name, Release, Report, Target, TargetState};
use futures::{StreamExt, future, stream};
use machines::ArtifactSource;

use crate::live::{Live, PLATFORM_CALL, SIDE_BY_SIDE, Subject};

/// What runs and lies on every target, and which targets could not be asked.
pub(crate) async fn look_at_targets(
    subject: &Subject,
    platforms: &BTreeMap<Name, host::Platform>,
) -> (BTreeMap<Name, TargetState>, BTreeMap<Name, Failure>) {
    let mut looks = Vec::new();
    for (name, platform) in platforms {
        let looking = look(subject, name, platform);
        looks.push(async move { (name.clone(), looking.await) });
    }
    let mut found = BTreeMap::new();
    let mut unreachable = BTreeMap::new();
    let mut looks = stream::iter(looks).buffer_unordered(SIDE_BY_SIDE);
    while let Some((name, state)) = looks.next().await {
        match state {
            Ok(state) => drop(found.insert(name, state)),
            Err(failure) => drop(unreachable.insert(name, failure)),
        }
    }
    (found, unreachable)
}

impl Live {
    /// Whether the artifact is what it should be, where a target needs it: what is wrong with it
    /// is known before anything is changed.
    pub(super) async fn can_go_out(
        &self,
        release: &Name,
        targets: &BTreeMap<Name, TargetState>,
    ) -> Result<(), Failure> {
        let complete = |state: &TargetState| {
            let mut installed = state.installed.iter();
            installed.any(|each| each.id == *release && each.complete)
        };
        let Some((target, _)) = targets.iter().find(|(_, state)| !complete(state)) else {
            return Ok(());
        };
        let opened = self.artifacts.artifact(release.as_str()).await;
        opened.map(drop).map_err(|error| {
            let text = format!("{error} (release {release} is not on {target})");
            Failure::new(Code::from(error.kind.as_str().to_owned()), text)
        })
    }

    pub(super) async fn install(
        &self,
        targets: &BTreeSet<Name>,
        release: &Name,
        call: &Call,
    ) -> Report {
        let release = match self.subject.release(release) {
            Ok(release) => release,
            Err(failure) => return Report::failed(failure),
        };
        self.on_each(targets, |target, platform| async move {
            let context = self.subject.call(call, target.name.as_str(), PLATFORM_CALL);
            platform.install(target, release, &context).await
        })
        .await
    }

    pub(super) async fn activate(&self, releases: &BTreeMap<Name, Name>, call: &Call) -> Report {
        self.on_each(&super::names(releases), |target, platform| async move {
            let release: &Release = self.subject.release(&releases[&target.name])?;
            let context = self.subject.call(call, target.name.as_str(), PLATFORM_CALL);
            platform.activate(target, release, &context).await
        })
        .await
    }

    pub(super) async fn deactivate(&self, targets: &BTreeSet<Name>, call: &Call) -> Report {
        self.on_each(targets, |target, platform| async move {
            let context = self.subject.call(call, target.name.as_str(), PLATFORM_CALL);
            platform.deactivate(target, &context).await
        })
        .await
    }

    pub(super) async fn remove(
        &self,
        targets: &BTreeSet<Name>,
        release: &Name,
        call: &Call,
    ) -> Report {
        self.on_each(targets, |target, platform| async move {
            let context = self.subject.call(call, target.name.as_str(), PLATFORM_CALL);
            platform.remove(target, release.as_str(), &context).await
        })
        .await
    }

    /// Does something on each target, side by side. A failure on one does not keep it from the
    /// others.
    pub(super) async fn on_each<'a, F, Fut>(&'a self, targets: &BTreeSet<Name>, work: F) -> Report
    where
        F: Fn(&'a Target, &'a host::Platform) -> Fut,
        Fut: Future<Output = Result<(), Failure>> + Send,
    {
        let mut report = Report::default();
        let mut jobs = Vec::new();
        for name in targets {
            match (
                self.subject.targets.get_key_value(name),
                self.platforms.get(name),
            ) {
                (Some((name, target)), Some(platform)) => {
                    let job = work(target, platform);
                    jobs.push(async move { (name, job.await) });
                }
                _ => {
                    let missing = self.subject.target(name).err();
                    report
                        .failed
                        .extend(missing.map(|failure| (name.clone(), failure)));
                }
            }
        }
        let mut jobs = stream::iter(jobs).buffer_unordered(SIDE_BY_SIDE);
        while let Some((name, result)) = jobs.next().await {
            report
                .failed
                .extend(result.err().map(|failure| (name.clone(), failure)));
        }
        report
    }
}

async fn look(
    subject: &Subject,
    name: &Name,
    platform: &host::Platform,
) -> Result<TargetState, Failure> {
    let target = subject.target(name)?;
    let observation = Call {
        sequence: 0,
        attempt: 1,
        monitored: BTreeMap::new(),
        undoing: false,
    };
    let part = format!("look/{name}");
    let context = subject.call(&observation, &part, PLATFORM_CALL);
    let (active, installed) = future::try_join(
        platform.active(target, &context),
        platform.installed(target, &context),
    )
    .await?;
    Ok(TargetState { active, installed })
}
