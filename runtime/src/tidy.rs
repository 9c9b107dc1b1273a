//! Removes old releases after a deployment: never the active one, the one before it, or a release
//! that is to be kept. What it cannot remove never fails the deployment.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use engine::{Brief, Name, TargetState, World};
use futures::{StreamExt, stream};
use store::{Scope, Store};

use crate::live::Subject;

/// How long one call may take.
const CALL: Duration = Duration::from_secs(120);
/// So many targets side by side.
const SIDE_BY_SIDE: usize = 64;
/// So many releases of the past are looked at to find the one before.
const HISTORY: u32 = 50;

/// What prunes.
pub(crate) struct Tidying {
    pub(crate) subject: Subject,
    pub(crate) platforms: Arc<BTreeMap<Name, host::Platform>>,
    /// So many releases stay on each target.
    pub(crate) keep: usize,
}

impl Tidying {
    /// Removes what is too old of what was found on every target when the deployment began. Gives
    /// back what went wrong.
    pub(crate) async fn prune(
        &self,
        store: &dyn Store,
        brief: &Brief,
        found: &World,
    ) -> Vec<String> {
        let scope = Scope::new(&brief.application, &brief.environment);
        let current = match store.current_releases(&scope, HISTORY).await {
            Ok(current) => current,
            Err(error) => return vec![format!("old releases were not removed: {error}")],
        };
        let past: Vec<Name> = current.into_iter().map(|known| known.release.id).collect();
        let mut jobs = Vec::new();
        for (name, platform) in &*self.platforms {
            let Some(there) = found.targets.get(name) else {
                continue;
            };
            let job = self.on(name, platform, there, &past, brief);
            jobs.push(async move { job.await.err().map(|error| (name, error)) });
        }
        let failed: Vec<_> = stream::iter(jobs)
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await;
        let failed = failed.into_iter().flatten();
        failed
            .map(|(name, error)| format!("old releases stay on {name}: {error}"))
            .collect()
    }

    async fn on(
        &self,
        name: &Name,
        platform: &host::Platform,
        there: &TargetState,
        past: &[Name],
        brief: &Brief,
    ) -> Result<(), engine::Failure> {
        let target = self.subject.target(name)?;
        let mut kept: BTreeSet<&str> = BTreeSet::from([brief.release.id.as_str()]);
        kept.extend(there.active.as_ref().map(Name::as_str));
        kept.extend(brief.previous.iter().map(|release| release.id.as_str()));
        // What was current most recently is kept first, then whatever is newest by its name.
        let complete = || {
            there
                .installed
                .iter()
                .filter(|each| each.complete)
                .map(|each| each.id.as_str())
        };
        let mut rest: Vec<&str> = complete().filter(|id| !kept.contains(id)).collect();
        let rank = |id: &str| past.iter().position(|known| known.as_str() == id);
        rest.sort_by(|a, b| match (rank(a), rank(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => b.cmp(a),
        });
        let room = self.keep.saturating_sub(kept.len());
        let broken = there
            .installed
            .iter()
            .filter(|each| !each.complete)
            .map(|each| each.id.as_str());
        for id in rest.into_iter().skip(room).chain(broken) {
            platform
                .remove(target, id, &self.subject.aside("prune", name, CALL))
                .await?;
        }
        Ok(())
    }
}
