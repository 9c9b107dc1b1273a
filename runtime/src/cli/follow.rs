//! `runtime status --watch`: follows a deployment that another process runs, from its record,
//! until it ends.

use std::{sync::Arc, time::Duration};

use engine::{Effect, Event, Observer, Operation, Record};
use store::{Deployment, State, Topic};
use tokio::time::timeout;

use crate::{
    cli::{Format, standstill},
    display::{self, Display},
    exit,
    log::Log,
    report::{Problem, Reason},
    site::Site,
    system,
    terminal::Terminal,
};

/// How often it is looked whether a process is still there: that it died is no news.
const PULSE: Duration = Duration::from_secs(2);

/// Tells what was written down since the last time.
struct Follower {
    display: Display,
    /// The first record whose end was not told.
    next: u64,
    /// The record whose begin was told.
    begun: u64,
}

/// Follows the deployment to its end. Gives back the exit code that it ends with.
pub(super) async fn follow(
    site: &Site,
    deployment: &Deployment,
    format: Format,
    terminal: &Terminal,
) -> Result<u8, Problem> {
    let id = &deployment.id;
    let mut news = site.store.watch(Topic::Deployment(id.clone()));
    let brief = site.store.pinned(id).await?.brief;
    let log = Log::aside(
        &brief,
        &deployment.actor,
        (format == Format::Json).then_some(*terminal),
    );
    // Nothing here is taken back with Ctrl-C: lines, and no board.
    let plain = Terminal { interactive: false };
    let display = Display::new(&brief, format, plain, Arc::new(log), deployment.started);
    let mut follower = Follower {
        display,
        next: 1,
        begun: 0,
    };
    let mut told = false;
    loop {
        let now = system::now();
        // Before the records: what is over has no more of them.
        let seen = site.store.deployment(id, now).await?;
        let records = site.store.records_from(id, follower.next).await?;
        follower.tell(&records);
        let Some(seen) = seen else {
            return Err(Problem::new(Reason::Refused, format!("{id} is gone")));
        };
        if let Some(verdict) = &seen.verdict {
            follower.display.event(now, &Event::Closed(verdict));
            if format == Format::Human {
                let what = format!("{} {}", brief.application, brief.release.version);
                terminal.line(&format!("{what} {}", display::closing(verdict)));
                for line in display::remedies(id, verdict) {
                    terminal.line(&format!("  {line}"));
                }
            }
            return Ok(exit::of(verdict));
        }
        match going_on(site, &seen).await? {
            Going::Runs => told = false,
            Going::Waits(_) if told => {}
            Going::Waits(what) => {
                told = true;
                terminal.aside(what);
            }
            Going::Stands(why) => {
                let title = format!("deployment {id} was cut off: {why}");
                return Err(Problem::new(Reason::Stopped, title).hint(display::both_ways(id)));
            }
        }
        if let Ok(Err(closed)) = timeout(PULSE, news.changed()).await {
            return Err(closed.into());
        }
    }
}

/// Whether somebody goes on with a deployment.
enum Going {
    /// A process is at it.
    Runs,
    /// A server is to take it; what is waited for, in words.
    Waits(&'static str),
    /// Nobody does; why, in words.
    Stands(String),
}

async fn going_on(site: &Site, seen: &Deployment) -> Result<Going, Problem> {
    let held = site.store.holder(&site.scope()).await?;
    let own = held.filter(|held| held.token == seen.token);
    let gone = own
        .as_ref()
        .is_some_and(|held| system::is_gone(&held.owner));
    let was_let_go = own.is_none();
    Ok(match seen.state {
        State::Running if !gone => Going::Runs,
        State::Queued => Going::Waits("it waits for a server"),
        // Servers take over from those who died, and from nobody else.
        _ if seen.detached && !was_let_go => {
            Going::Waits("its process is gone; it waits for another server")
        }
        _ => {
            let why = standstill::why(site, seen).await?;
            Going::Stands(why.unwrap_or_else(|| "its process is gone".to_owned()))
        }
    })
}

impl Follower {
    fn tell(&mut self, records: &[Record]) {
        for record in records {
            let sequence = record.intent.sequence;
            if self.begun < sequence {
                self.begun = sequence;
                self.begin(record);
            }
            let Some(outcome) = &record.outcome else {
                continue;
            };
            self.next = sequence + 1;
            let at = outcome.ended;
            self.display
                .event(at, &Event::Ended(&record.intent, outcome));
            for signal in outcome.report.iter().flat_map(|report| &report.signals) {
                self.display.event(at, &Event::Heeded(signal));
            }
            if let (Some(Effect::Apply { traffic, .. }), Ok(_)) =
                (&record.intent.effect, &outcome.result)
            {
                self.display.event(at, &Event::Traffic(traffic));
            }
        }
    }

    fn begin(&self, record: &Record) {
        let (at, intent) = (record.intent.started, &record.intent);
        if let Some(Operation::Begin { stage }) = &intent.operation {
            self.display.event(at, &Event::Stage(stage));
            return;
        }
        self.display.event(at, &Event::Started(intent));
        let Some(effect) = intent.effect.as_ref() else {
            return;
        };
        let until = match effect {
            Effect::Wait { until, .. } | Effect::Approval { until, .. } => *until,
            Effect::Watch { until, .. } => Some(*until),
            Effect::Hold { pause } => return self.display.event(at, &Event::Heeded(pause)),
            _ => return,
        };
        if record.outcome.is_none() {
            self.display.event(at, &Event::Waiting { effect, until });
        }
    }
}
