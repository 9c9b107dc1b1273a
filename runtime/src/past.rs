//! What became of the deployments of one application in one environment, as far as it decides
//! what a rollback does: which one can still be taken back, and what ran before what runs. Reads
//! the list of deployments; looks at no target.

use engine::Purpose;
use store::{Deployment, Filter, State, StoreError};

use crate::{site::Site, system};

/// So many deployments of the past are looked at: more than anybody steps back.
const HISTORY: u32 = 500;

/// The deployments of one scope, newest first.
pub(crate) struct Past(Vec<Deployment>);

impl Past {
    /// Reads them.
    pub(crate) async fn of(site: &Site) -> Result<Self, StoreError> {
        let filter = Filter {
            limit: Some(HISTORY),
            ..site.filter()
        };
        let listed = site.store.deployments(&filter, system::now()).await?;
        Ok(Self::new(listed))
    }

    fn new(mut deployments: Vec<Deployment>) -> Self {
        // Tokens grow with each deployment of a scope, also where clocks do not agree.
        deployments.sort_by_key(|each| std::cmp::Reverse(each.token));
        Self(deployments)
    }

    /// All of them, newest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Deployment> {
        self.0.iter()
    }

    /// Those that somebody still has to bring to an end, newest first. What stands where is no
    /// longer theirs once a later one has succeeded.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Deployment> {
        let since = self.current().map_or(0, |current| current.token);
        let open = self.0.iter().filter(|each| each.state.is_open());
        open.filter(move |each| each.token > since)
    }

    /// Those that were handed in and that nobody began yet, in the order in which they are taken.
    pub(crate) fn queued(&self) -> impl Iterator<Item = &Deployment> {
        let waits = |each: &&Deployment| each.state == State::Queued && each.token == 0;
        self.0.iter().rev().filter(waits)
    }

    /// The last one after this that left something as it made it: taking this one back would take
    /// that from under it.
    pub(crate) fn after(&self, deployment: &Deployment) -> Option<&Deployment> {
        if deployment.token == 0 {
            // It has not begun.
            return None;
        }
        let lasts = |each: &&Deployment| each.state == State::Succeeded || each.state.is_open();
        let later = self.0.iter().filter(lasts);
        later
            .filter(|each| each.id != deployment.id)
            .find(|each| each.token > deployment.token)
    }

    /// The one whose release is the current one.
    pub(crate) fn current(&self) -> Option<&Deployment> {
        self.0.iter().find(|each| each.state == State::Succeeded)
    }

    /// The id of the release before the current one. Going back is a step back in this, too: what
    /// it left is not what was before.
    pub(crate) fn before_current(&self) -> Option<&str> {
        let mut line: Vec<&str> = Vec::new();
        let succeeded = self.0.iter().rev();
        for each in succeeded.filter(|each| each.state == State::Succeeded) {
            let release = each.release.as_str();
            let earlier = match each.purpose {
                Purpose::Rollback => line.iter().rposition(|id| *id == release),
                // The same once more.
                Purpose::Deploy if line.last() == Some(&release) => Some(line.len() - 1),
                Purpose::Deploy => None,
            };
            match earlier {
                Some(place) => line.truncate(place + 1),
                None => line.push(release),
            }
        }
        line.iter().rev().nth(1).copied()
    }
}

#[cfg(test)]
mod tests {
    use engine::Timestamp;
    use store::Scope;

    use super::*;

    /// Deployments in their order: `3` deploys release 3, `<3` brings it back; an exclamation
    /// mark says that it got stuck, a question mark that it was taken back.
    fn past(story: &str) -> Past {
        let deployment = |(token, word): (u64, &str)| {
            let release = word.trim_matches(['<', '!', '?']);
            let (purpose, state) = (word.starts_with('<'), word.chars().last());
            Deployment {
                id: format!("d{token}"),
                scope: Scope::new("shop", "production"),
                purpose: if purpose {
                    Purpose::Rollback
                } else {
                    Purpose::Deploy
                },
                release: release.to_owned(),
                version: release.to_owned(),
                strategy: "rolling".to_owned(),
                actor: "ada".to_owned(),
                host: "build-1".to_owned(),
                token,
                started: Timestamp(0),
                detached: false,
                ended: None,
                state: match state {
                    Some('!') => State::Stuck,
                    Some('?') => State::RolledBack,
                    _ => State::Succeeded,
                },
                verdict: None,
            }
        };
        Past::new(
            (1..)
                .zip(story.split_whitespace())
                .map(deployment)
                .collect(),
        )
    }

    fn before(story: &str) -> Option<String> {
        past(story).before_current().map(str::to_owned)
    }

    fn open(story: &str) -> Vec<String> {
        past(story).open().map(|each| each.id.clone()).collect()
    }

    #[test]
    fn each_rollback_is_a_step_back() {
        assert_eq!(before("1 2 3").as_deref(), Some("2"));
        assert_eq!(before("1 2 3 <2").as_deref(), Some("1"));
        assert_eq!(before("1 2 3 <2 <1"), None);
        assert_eq!(before("1 2 3 <2 4").as_deref(), Some("2"));
        assert_eq!(before("1 2 3 <1"), None);
        // Forward again, by name.
        assert_eq!(before("1 2 3 <2 <3").as_deref(), Some("2"));
    }

    #[test]
    fn the_same_release_may_go_out_again() {
        assert_eq!(before("1 2 2").as_deref(), Some("1"));
        assert_eq!(before("1 2 1").as_deref(), Some("2"));
        assert_eq!(before("1 2 1 <2").as_deref(), Some("1"));
        assert_eq!(before("1 2 1 <2 <1"), None);
    }

    #[test]
    fn what_did_not_succeed_was_never_current() {
        assert_eq!(before("1 2! 3? 4").as_deref(), Some("1"));
        assert_eq!(before("1!"), None);
        assert_eq!(before(""), None);
    }

    #[test]
    fn a_success_leaves_nothing_older_to_take_back() {
        assert_eq!(open("1 2!"), ["d2"]);
        assert_eq!(open("1 2! 3! 4?"), ["d3", "d2"]);
        assert_eq!(open("1 2! 3"), Vec::<String>::new());
        assert_eq!(open("1 2! 3 4!"), ["d4"]);
    }

    #[test]
    fn what_waits_for_a_server_is_before_nothing() {
        let mut past = past("1 2");
        let waits = |id: &str, started| Deployment {
            id: id.to_owned(),
            token: 0,
            started: Timestamp(started),
            state: State::Queued,
            ..past.0[0].clone()
        };
        // As they are listed: newest first.
        let listed = [waits("d4", 4), waits("d3", 3)].into_iter();
        past = Past::new(listed.chain(past.0).collect());
        let queued: Vec<_> = past.queued().map(|each| each.id.as_str()).collect();
        assert_eq!(queued, ["d3", "d4"]);
        let first = past.queued().next().unwrap();
        assert!(past.after(first).is_none());
        assert_eq!(past.current().map(|each| each.id.as_str()), Some("d2"));
        assert_eq!(past.open().count(), 0);
    }

    #[test]
    fn only_the_last_that_lasts_can_be_taken_back() {
        let after = |story: &str, place: u64| {
            let past = past(story);
            let mut all = past.0.iter();
            let one = all.find(|each| each.token == place).unwrap();
            past.after(one).map(|each| each.id.clone())
        };
        assert_eq!(after("1 2! 3", 2).as_deref(), Some("d3"));
        assert_eq!(after("1 2! 3!", 2).as_deref(), Some("d3"));
        assert_eq!(after("1 2! 3?", 2), None);
        assert_eq!(after("1 2!", 2), None);
    }
}
