//! What becomes of one deployment in a server: taken, put together from what it is pinned to, and
//! run; or left to people, with the reason, where this process cannot go on with it.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use engine::{Brief, Code, Failure, Origin, Record, Resume, Turn, Verdict};
use futures::FutureExt;
use serde_json::json;
use store::{AuditEntry, Deployment, Lease, State, StoreError};

use super::Server;
use crate::{
    course::{Course, UNDO, Way},
    display::{self, Level},
    interrupt::Interrupt,
    pinned,
    report::{self, Problem, Reason},
    site::Site,
    system,
    tenure::{Hold, milliseconds},
};

/// What a lease is for under which a server goes on with a deployment.
const SERVE: &str = "serve";

/// A deployment that is this process's now.
struct Taken {
    hold: Hold,
    interrupt: Arc<Interrupt>,
    /// Who was taking it back when they died.
    undoing: Option<String>,
}

impl Server {
    /// Takes a deployment, where it still can be, and brings it to its end or to a stop.
    pub(super) async fn attend(self: Arc<Self>, deployment: Deployment) {
        let id = deployment.id.as_str();
        let taken = match self.take(&deployment).await {
            Ok(Some(taken)) => taken,
            // Somebody was faster.
            Ok(None) => return,
            Err(error) => {
                let text = format!("could not be taken over: {error}");
                return self.tell(Level::Warn, Some(id), &text);
            }
        };
        self.seat.metrics.took(deployment.state);
        let lease = taken.hold.lease.clone();
        let worked = AssertUnwindSafe(self.work(&deployment, taken)).catch_unwind();
        let problem = match worked.await {
            Ok(Ok(Verdict::Halted { halt })) => {
                let why = report::halted(id, &halt).sentence();
                return self.tell(Level::Error, Some(id), &why);
            }
            Ok(Ok(_)) => return,
            Ok(Err(problem)) if problem.is_transient() => {
                let why = problem.sentence();
                let text = format!("is tried again once its lease ran out: {why}");
                return self.tell(Level::Warn, Some(id), &text);
            }
            Ok(Err(problem)) => problem,
            Err(_) => Problem::new(Reason::Bug, "the program broke off: a fault of its own"),
        };
        let left = self.leave_to_people(&deployment, &lease, &problem).await;
        if let Err(error) = left {
            let text = format!("is tried again once its lease ran out: {error}");
            self.tell(Level::Warn, Some(id), &text);
        }
    }

    async fn take(&self, deployment: &Deployment) -> Result<Option<Taken>, StoreError> {
        let died = self.store.holder(&deployment.scope).await?;
        let died = died.filter(|died| died.token == deployment.token);
        let undoing = died
            .filter(|died| died.owner.purpose == UNDO)
            .map(|died| died.owner.actor);
        let owner = system::owner(if undoing.is_some() { UNDO } else { SERVE });
        let length = self.options.lease;
        let (id, now) = (&deployment.id, system::now());
        let taken = self.store.take_over(id, &owner, milliseconds(length), now);
        let Some(lease) = taken.await? else {
            return Ok(None);
        };
        let interrupt = Arc::new(Interrupt::new());
        let metrics = Some(self.seat.metrics.clone());
        let store = self.store.clone();
        Ok(Some(Taken {
            hold: Hold::keep(store, lease, length, interrupt.clone(), metrics),
            interrupt,
            undoing,
        }))
    }

    /// As `resume` does it, or the way back where it was being taken back.
    async fn work(&self, deployment: &Deployment, taken: Taken) -> Result<Verdict, Problem> {
        let Taken {
            hold,
            interrupt,
            undoing,
        } = taken;
        let id = &deployment.id;
        let pinned = self.store.pinned(id).await?;
        let site = Site::of(&pinned, self.store.clone(), self.runtime.clone())?;
        let mut system = pinned::system(&site, &self.host, &pinned, false).await?;
        system.interrupt = interrupt;
        system.ready().await?;
        let records = self.store.records(id).await?;
        let mut brief = pinned.brief;
        let way = match undoing {
            Some(by) if !turned_back(&records) => Way::Back {
                records,
                cause: display::taken_back_by(&by),
            },
            _ if records.is_empty() => {
                self.bring_up_to_date(&site, &mut brief, &hold.lease)
                    .await?;
                Way::Forward
            }
            _ => Way::On {
                resume: Resume {
                    records,
                    ..Resume::default()
                },
                was: None,
            },
        };
        let course = Course {
            site: &site,
            purpose: brief.purpose,
            bystanders: brief.bystanders.clone(),
            wait: Duration::ZERO,
            format: self.options.format,
            terminal: self.terminal,
            seat: Some(self.seat.clone()),
            planned: None,
        };
        course.conduct(system, Arc::new(brief), hold, way).await
    }

    /// What ran before may be another release than when the deployment was handed in.
    async fn bring_up_to_date(
        &self,
        site: &Site,
        brief: &mut Brief,
        lease: &Lease,
    ) -> Result<(), Problem> {
        let current = self.store.current_releases(&site.scope(), 1).await?;
        let previous = current.into_iter().next().map(|known| known.release);
        if brief.previous != previous {
            brief.previous = previous;
            let revised = self.store.revise_brief(brief, lease, system::now());
            revised.await?;
        }
        Ok(())
    }

    /// Lets go of a deployment with which this process cannot go on. One of which nothing was done
    /// is refused; nobody takes the others over by themselves any more.
    async fn leave_to_people(
        &self,
        deployment: &Deployment,
        lease: &Lease,
        problem: &Problem,
    ) -> Result<(), StoreError> {
        let (id, why, now) = (&deployment.id, problem.sentence(), system::now());
        self.tell(Level::Error, Some(id), &why);
        let untouched = self.store.records(id).await?.is_empty();
        let refused = deployment.state == State::Queued && untouched;
        self.seat.metrics.gave_up(refused);
        let action = if refused {
            "deployment_refused"
        } else {
            "deployment_halted"
        };
        self.store.audit(vec![AuditEntry {
            at: now,
            deployment: Some(id.clone()),
            application: lease.scope.application.clone(),
            environment: lease.scope.environment.clone(),
            action: action.to_owned(),
            actor: lease.owner.actor.clone(),
            host: lease.owner.host.clone(),
            details: json!({ "problem": why }),
        }]);
        if refused {
            let cause = Failure::new(Code::Invalid, why);
            let verdict = json!(Verdict::Refused { cause });
            let mut journal = self.store.journal(id, lease);
            // Where it cannot be written it stays open, and is left to people all the same.
            let _open = journal.close(&verdict, now).await;
        }
        self.store.flush().await?;
        self.store.release(lease).await
    }
}

/// Whether the record says that everything is taken back.
fn turned_back(records: &[Record]) -> bool {
    let turned = |record: &Record| record.intent.origin == Origin::Turn(Turn::Back);
    records.iter().any(turned)
}
