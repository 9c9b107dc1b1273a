//! `runtime pause`, `continue`, `promote`, `abort`, `approve` and `reject`: said to a deployment
//! that another process runs, through the store that both know.

use clap::Args;
use engine::{Approvers, Effect, Record, Wish};
use store::{Deployment, Signal, State};

use crate::{
    cli::{Chosen, choice},
    display, exit,
    inbox::{Heard, Said, put},
    past::Past,
    report::{Problem, Reason},
    site::Site,
    system,
    terminal::Terminal,
};

/// To whom, and why.
#[derive(Debug, Args)]
pub(crate) struct Saying {
    /// The deployment's id, or how it begins; the open one where none is given
    id: Option<String>,
    /// Why; it is kept in the audit, and told to whoever watches
    #[arg(long, value_name = "WHY", default_value = "")]
    reason: String,
    #[command(flatten)]
    chosen: Chosen,
}

#[derive(Debug, Args)]
pub(crate) struct Promote {
    #[command(flatten)]
    saying: Saying,
    /// And every wait that is left
    #[arg(long)]
    full: bool,
}

impl Promote {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<u8, Problem> {
        let full = self.full;
        self.saying.say(Wish::Promote { full }, terminal)
    }
}

/// A deployment as it stands when somebody says something to it.
struct Listener {
    deployment: Deployment,
    /// Somebody works on it.
    attended: bool,
    /// The last record, where it has no outcome yet.
    under_way: Option<Record>,
    said: Said,
}

impl Saying {
    /// Says it, where it makes sense.
    pub(crate) fn say(self, wish: Wish, terminal: &Terminal) -> Result<u8, Problem> {
        let site = Site::open(&self.chosen)?;
        site.wait(async {
            let listener = Listener::find(&site, self.id.as_deref()).await?;
            let question = listener.hears(wish)?;
            let (kind, details) = put(wish, question);
            let reason = match (wish, self.reason.trim()) {
                (Wish::Abort | Wish::Reject, "") => "no reason was given",
                (_, reason) => reason,
            };
            let signal = Signal {
                kind: kind.clone(),
                details,
                actor: system::user(),
                host: system::host(),
                reason: reason.to_owned(),
                at: system::now(),
            };
            let id = &listener.deployment.id;
            site.store.signal(id, &signal).await?;
            terminal.line(&format!("said `{kind}` to deployment {id}"));
            if !listener.attended {
                terminal.line(&format!(
                    "  nobody works on it: it counts once `runtime resume {id}` goes on with it"
                ));
            }
            Ok::<_, Problem>(exit::DONE)
        })
    }
}

impl Listener {
    async fn find(site: &Site, id: Option<&str>) -> Result<Self, Problem> {
        let past = Past::of(site).await?;
        let deployment = choice::open(site, &past, id).await?;
        let held = site.store.holder(&site.scope()).await?;
        let gone = held.is_some_and(|held| system::is_gone(&held.owner));
        let attended = deployment.state == State::Running && !gone;
        let records = site.store.records(&deployment.id).await?;
        let last = records.into_iter().next_back();
        let sent = site.store.signals(&deployment.id, 0).await?;
        let mut said = Said::default();
        said.add(sent.iter().map(Heard::of).collect());
        Ok(Self {
            deployment,
            attended,
            under_way: last.filter(|record| record.outcome.is_none()),
            said,
        })
    }

    /// Whether it can do anything with that; the place of the record whose question it answers.
    fn hears(&self, wish: Wish) -> Result<Option<u64>, Problem> {
        let id = &self.deployment.id;
        let refused = |title: String| Err(Problem::new(Reason::Refused, title));
        if matches!(self.deployment.state, State::Stuck | State::Frozen) {
            return Err(Problem::new(
                Reason::Refused,
                format!(
                    "deployment {id} is {}: nobody works on it",
                    self.deployment.state
                ),
            )
            .hint(display::both_ways(id)));
        }
        match wish {
            Wish::Abort if !self.attended => Err(Problem::new(
                Reason::Refused,
                format!("nobody works on deployment {id}: there is nothing to end"),
            )
            .hint(format!("`runtime rollback {id}` takes it back"))),
            Wish::Pause => match self.said.pause() {
                Some(pause) => refused(format!(
                    "deployment {id} is paused already, by {}",
                    pause.by
                )),
                None => Ok(None),
            },
            Wish::Continue if self.said.pause().is_none() => {
                refused(format!("deployment {id} is not paused"))
            }
            Wish::Promote { full: false } if !self.waits() => Err(Problem::new(
                Reason::Refused,
                format!("deployment {id} does not wait for anything now"),
            )
            .hint("`runtime promote --full` skips every wait that is to come")),
            Wish::Approve | Wish::Reject => self.question().map(Some),
            _ => Ok(None),
        }
    }

    fn effect(&self) -> Option<&Effect> {
        self.under_way.as_ref()?.intent.effect.as_ref()
    }

    fn waits(&self) -> bool {
        matches!(
            self.effect(),
            Some(Effect::Wait { .. } | Effect::Watch { .. })
        )
    }

    /// The question that is open, where this person may answer it.
    fn question(&self) -> Result<u64, Problem> {
        let id = &self.deployment.id;
        let refused = |title: String| Problem::new(Reason::Refused, title);
        let (Some(Effect::Approval { approvers, .. }), Some(record)) =
            (self.effect(), &self.under_way)
        else {
            return Err(refused(format!("deployment {id} asks nothing now")));
        };
        let user = system::user();
        let Approvers { by, .. } = approvers;
        if by.contains(&user) {
            return Ok(record.intent.sequence);
        }
        let named: Vec<&str> = by.iter().map(String::as_str).collect();
        Err(
            refused(format!("{user} may not answer for deployment {id}")).hint(format!(
                "`[approvals] by` names {}, in the configuration that it began with",
                named.join(", ")
            )),
        )
    }
}
