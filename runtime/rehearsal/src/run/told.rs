//! Runs of which the record is kept: one by itself, and one that goes on from a record.

use std::sync::Arc;

use engine::{Deployment, Observer, Record, Verdict};
use serde::{Deserialize, Serialize};

use super::{Look, Run, Strategies, at_other_times, attend, carry_through, to_an_end};
use crate::{fault::Fault, scene::Scene, world::Model};

/// One run with all that it wrote down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Told {
    /// What came of it.
    #[serde(flatten)]
    pub run: Run,
    /// How it ended, in the deployment's own words.
    pub verdict: Verdict,
    /// Its record.
    pub records: Vec<Record>,
}

/// Runs it to an end, and keeps all that it writes down. Without a seed everything takes as long
/// as is usual.
pub(crate) fn run_told(
    scene: &Arc<Scene>,
    strategies: &dyn Strategies,
    seed: Option<u64>,
    faults: &[Fault],
    listener: Arc<dyn Observer>,
) -> Told {
    let look = Look {
        listener: Some(listener),
        keeps_records: true,
        even: seed.is_none(),
        ..Look::default()
    };
    let (run, verdict, model) = carry_through(scene, strategies, seed.unwrap_or(0), faults, &look);
    let records = model.lock().ledger.written();
    let run = at_other_times(run, &model, scene, strategies, faults);
    Told {
        run,
        verdict,
        records,
    }
}

/// Goes on in the model where so many records of a deployment that happened end.
pub(crate) fn carry_on(
    scene: &Arc<Scene>,
    strategies: &dyn Strategies,
    model: &Model,
    listener: Option<Arc<dyn Observer>>,
) -> Told {
    let look = Look {
        listener,
        ..Look::default()
    };
    let (clerk, watcher, people) = attend(model, &look);
    let records = model.lock().ledger.written();
    let deployment = Deployment::replay(
        Arc::clone(&scene.brief),
        records,
        Box::new(model.clone()),
        clerk,
        watcher,
        people,
    );
    let (verdict, broken) = to_an_end(deployment, strategies, model, &look);
    let mut inner = model.lock();
    let faults = std::mem::take(&mut inner.struck);
    Told {
        run: inner.conclude(0, &faults, &verdict, broken),
        verdict,
        records: inner.ledger.written(),
    }
}
