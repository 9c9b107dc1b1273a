//! A deployment that happened, put together so that its strategy can be asked again: from what the
//! store has of it, and nothing else. No driver is loaded, no machine is reached.

mod lines;

use std::sync::Arc;

use engine::{Brief, Failure, Record, Verdict, Wanted, World};
use host::{Host, Services};
use rehearsal::{Change, Differs, Habits, Happened, Played, Refusal, Replayed, Strategies, Unfit};
use store::Pinned;

pub(crate) use self::lines::{Lines, by};
use crate::{
    catalogue::{self, Edition},
    display,
    rehearsal::habits,
    report::{Problem, Reason},
    site::Site,
    strategy::Strategy,
};

/// A deployment that happened, and its strategy.
pub(crate) struct Again {
    /// What it was pinned to.
    pub(crate) brief: Arc<Brief>,
    /// The digest of the strategy that is asked.
    pub(crate) digest: String,
    /// Whether that is the edition that ran it.
    pub(crate) same: bool,
    strategy: Strategy,
    habits: Habits,
}

impl Again {
    /// Puts it together. `present` asks the edition that is there now, whichever that is.
    pub(crate) async fn of(
        site: &Site,
        host: &Host,
        pinned: Pinned,
        present: bool,
    ) -> Result<Self, Problem> {
        let contents = site.contents();
        let edition = match present {
            true => Edition::Present,
            false => Edition::Kept(&pinned.strategy),
        };
        let used = catalogue::strategy(&site.configuration, &site.folder, host, edition).await?;
        let strategy = Strategy::new(&used, contents, Services::nothing().logs);
        strategy.ready().await?;
        let digest = strategy.digest().to_owned();
        Ok(Self {
            same: digest == pinned.strategy.digest,
            digest,
            habits: habits(contents),
            strategy,
            brief: Arc::new(pinned.brief),
        })
    }

    /// Asks the strategy again; `verdict` is how it ended, where these are all records.
    pub(crate) fn replay(&self, records: &[Record], verdict: Option<&Verdict>) -> Replayed {
        self.past(records, verdict).replay(self)
    }

    /// What would have come of it with these changes.
    pub(crate) fn branch(
        &self,
        records: &[Record],
        verdict: Option<&Verdict>,
        changes: &[Change],
    ) -> Result<Played, Refusal> {
        let past = self.past(records, verdict);
        past.branch(self, &self.habits, changes, None)
    }

    fn past<'a>(&self, records: &'a [Record], verdict: Option<&'a Verdict>) -> Happened<'a> {
        Happened {
            brief: Arc::clone(&self.brief),
            records,
            verdict,
        }
    }
}

impl Strategies for Again {
    fn strategy(&self, found: &World) -> Result<Box<dyn engine::Strategy>, Failure> {
        Ok(Box::new(self.strategy.prepared(&self.brief, found)?))
    }
}

/// Where the strategy asks for something else, in sentences.
pub(crate) fn differs(differs: &Differs) -> Vec<String> {
    let Differs {
        sequence,
        recorded,
        asked,
        failure,
    } = differs;
    let failed = failure.as_ref().map(|failure| format!(": {failure}"));
    vec![
        format!("at {sequence} the strategy asks for something else than it did"),
        match recorded {
            Wanted::End => "  the record has its end".to_owned(),
            recorded => format!("  the record has  {recorded}"),
        },
        match asked {
            Wanted::End => format!("  now it ends{}", failed.unwrap_or_default()),
            asked => format!("  now it asks for {asked}"),
        },
    ]
}

/// Why there is no other branch.
pub(crate) fn refused(refusal: &Refusal, brief: &Brief) -> Problem {
    match refusal {
        Refusal::Differs(where_) => {
            let problem = Problem::new(
                Reason::Differs,
                "the strategy does not come to where something is to be otherwise",
            );
            differs(where_).iter().fold(problem, Problem::cause)
        }
        Refusal::Unasked(sequence) => {
            let title = format!("nothing is asked for at {sequence}, which could be otherwise");
            Problem::new(Reason::Usage, title)
                .hint("`runtime replay ID` shows the steps with their numbers")
        }
        Refusal::WentWell(sequence) => {
            let title = format!("{sequence} went well as it was");
            Problem::new(Reason::Usage, title).hint("`ok` is for a step that failed")
        }
        Refusal::Both(sequence) => {
            let title = format!("{sequence} cannot go well and fail");
            Problem::new(Reason::Usage, title)
                .hint(format!("give either `{sequence}=ok` or faults for it"))
        }
        Refusal::Unseen => Problem::new(
            Reason::Usage,
            "nobody saw what the deployment found, so that no other branch can begin",
        )
        .hint(
            "where the first look fails or is under way, only the record itself can be asked again",
        ),
        Refusal::Unfit(unfit) => unsuited(unfit, brief),
        Refusal::Unreached { sequence, last } => {
            let title = format!("the other branch ends at {last}, and never comes to {sequence}");
            Problem::new(Reason::Usage, title)
        }
    }
}

fn unsuited(unfit: &Unfit, brief: &Brief) -> Problem {
    let Unfit {
        intent,
        suits,
        targets,
    } = unfit;
    let (sequence, what) = (
        intent.sequence,
        display::describe(intent, &brief.rules.steps),
    );
    let title = format!("that cannot happen at {sequence}: {what}");
    let mut suits = suits.clone();
    if intent.effect.is_some() {
        suits.push("ok");
    }
    let problem =
        Problem::new(Reason::Usage, title).hint(format!("there can be {}", suits.join(", ")));
    match targets.len() {
        0 => problem,
        _ => problem.hint(format!("its targets are {}", display::names(targets))),
    }
}
