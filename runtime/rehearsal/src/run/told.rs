//! Runs that somebody follows, record by record: one as a deployment would go now, one by itself,
//! and one that goes on from a record.

use std::sync::Arc;

use engine::{Deployment, Observer, Record, Verdict};
use serde::{Deserialize, Serialize};

use super::{Look, Run, Strategies, at_other_times, attend, lead, to_an_end};
use crate::{
    fault::Fault,
    scene::Scene,
    world::{EPOCH_MS, Model},
};

/// One run with all that it wrote down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Played {
    /// What came of it.
    #[serde(flatten)]
    pub run: Run,
    /// How it ended, in the deployment's own words.
    pub verdict: Verdict,
    /// Its record.
    pub records: Vec<Record>,
}

/// Runs it once as a deployment would go now, with what was found ([`Scene::finding`]) and nothing
/// else going wrong: everything takes as long as usual, and whoever is asked agrees.
///
/// `listener` hears each record at its virtual time, and the verdict at the end.
pub fn foresee(scene: &Scene, strategies: &dyn Strategies, listener: Arc<dyn Observer>) -> Run {
    let scene = Arc::new(scene.clone());
    let faults = scene.out_of_reach();
    let model = Model::usual(&scene, &faults, EPOCH_MS);
    let look = Look {
        listener: Some(listener),
        ..Look::default()
    };
    lead(&scene, strategies, model, 0, &faults, &look).0
}

/// Runs it to an end, and keeps all that it writes down. Without a seed everything takes as long
/// as is usual.
pub(crate) fn run_told(
    scene: &Arc<Scene>,
    strategies: &dyn Strategies,
    seed: Option<u64>,
    faults: &[Fault],
    listener: Arc<dyn Observer>,
) -> Played {
    let look = Look {
        listener: Some(listener),
        keeps_records: true,
        ..Look::default()
    };
    let model = match seed {
        Some(seed) => Model::new(scene, faults, seed, 0),
        None => Model::usual(scene, faults, EPOCH_MS),
    };
    let seed = seed.unwrap_or(0);
    let (run, verdict, model) = lead(scene, strategies, model, seed, faults, &look);
    let records = model.lock().ledger.written();
    let run = at_other_times(run, &model, scene, strategies, faults);
    Played {
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
) -> Played {
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
    Played {
        run: inner.conclude(0, &faults, &verdict, broken),
        verdict,
        records: inner.ledger.written(),
    }
}
