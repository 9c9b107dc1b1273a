//! A plugin that asks one monitoring system for numbers.

use bindings::{Kind, measuring};
use engine::{Failure, Timestamp};

use crate::{
    error::HostError,
    worker::{About, CallContext, Worker},
};

/// A monitoring system.
#[derive(Clone)]
pub struct MetricSource(Worker);

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From when.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
}

/// One number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When.
    pub at: Timestamp,
    /// What.
    pub value: f64,
}

impl From<Window> for measuring::Window {
    fn from(window: Window) -> Self {
        Self {
            start: window.start.0,
            end: window.end.0,
        }
    }
}

impl MetricSource {
    /// Fails where the plugin is of another kind.
    pub fn new(worker: Worker) -> Result<Self, HostError> {
        worker.plugin().expect(Kind::MetricSource)?;
        Ok(Self(worker))
    }

    /// The plugin at work.
    pub fn worker(&self) -> &Worker {
        &self.0
    }

    /// One number for the window; none where it holds no data.
    pub async fn query(
        &self,
        expression: &str,
        window: Window,
        context: &CallContext,
    ) -> Result<Option<f64>, Failure> {
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked
                .query(state, expression, window.into(), &settings)
                .await
        };
        self.0
            .call("ask for a number", context, About::default(), call)
            .await
    }

    /// The samples of the window, one a step.
    pub async fn series(
        &self,
        expression: &str,
        window: Window,
        step_ms: u64,
        context: &CallContext,
    ) -> Result<Vec<Sample>, Failure> {
        let call = async |linked: bindings::Linked, state, settings: String| {
            linked
                .series(state, expression, window.into(), step_ms, &settings)
                .await
        };
        let samples = self
            .0
            .call("ask for numbers", context, About::default(), call)
            .await?;
        let sample = |sample: measuring::Sample| Sample {
            at: Timestamp(sample.at),
            value: sample.value,
        };
        Ok(samples.into_iter().map(sample).collect())
    }
}
