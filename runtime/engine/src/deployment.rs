//! One deployment: the layers put together, from the first look at the world to the verdict.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    event::{Observer, Verdict},
    executor::{Control, Executor},
    failure::Failure,
    fleet::Fleet,
    journal::{Journal, Record},
    operation::{Answer, Operation, Operations, Strategy},
    rules::Brief,
};

/// A deployment under way.
pub struct Deployment {
    fleet: Option<Fleet>,
}

impl Deployment {
    /// Prepares a deployment; nothing is asked or written yet.
    pub fn new(
        brief: impl Into<Arc<Brief>>,
        executor: Box<dyn Executor>,
        journal: Box<dyn Journal>,
        observer: Arc<dyn Observer>,
        control: Arc<dyn Control>,
    ) -> Self {
        let _ = (brief.into(), executor, journal, observer, control);
        Self { fleet: None }
    }

    /// Looks at the world, decides what is left out, and runs the steps before the deployment.
    /// What it fails with belongs into [`Deployment::finish`].
    pub async fn begin(&mut self) -> Result<(), Failure> {
        unimplemented!()
    }

    /// What is known of the targets, once begun.
    pub fn fleet(&self) -> Option<&Fleet> {
        self.fleet.as_ref()
    }

    /// Checks the end, runs the steps after the deployment, takes back what failed, and closes
    /// the record.
    pub async fn finish(&mut self, result: Result<(), Failure>) -> Verdict {
        let _ = result;
        unimplemented!()
    }

    /// All of it: begins, runs the strategy, finishes.
    pub async fn run(&mut self, strategy: &mut dyn Strategy) -> Verdict {
        let result = match self.begin().await {
            Ok(()) => strategy.run(self).await,
            Err(failure) => Err(failure),
        };
        self.finish(result).await
    }
}

#[async_trait]
impl Operations for Deployment {
    async fn perform(&mut self, operation: Operation) -> Result<Answer, Failure> {
        let _ = operation;
        unimplemented!()
    }

    fn over(&self) -> bool {
        false
    }
}

/// Takes an open deployment back from its records alone, in a process that need not be the one
/// which began it. The journal goes on where the records end. `cause` says why, in the verdict.
pub async fn rollback_open(
    brief: impl Into<Arc<Brief>>,
    records: Vec<Record>,
    executor: Box<dyn Executor>,
    journal: Box<dyn Journal>,
    observer: Arc<dyn Observer>,
    cause: Failure,
) -> Verdict {
    let _ = (brief.into(), records, executor, journal, observer, cause);
    unimplemented!()
}
