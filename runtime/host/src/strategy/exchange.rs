//! Where a strategy's question and its answer change hands. The strategy and whoever answers are
//! polled by one task in turn, so nobody needs to be woken.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use engine::{Answer, Failure, Operation};

/// Both sides of it; clones share it.
#[derive(Clone, Default)]
pub(super) struct Exchange {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    question: Option<Operation>,
    answer: Option<Result<Answer, Failure>>,
}

impl Exchange {
    /// Asks, and waits for the answer.
    pub(super) async fn ask(&self, operation: Operation) -> Result<Answer, Failure> {
        self.lock().question = Some(operation);
        poll_fn(|_| match self.lock().answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        })
        .await
    }

    /// What is asked and not yet answered.
    pub(super) fn asked(&self) -> Option<Operation> {
        self.lock().question.take()
    }

    /// Answers: to be followed by polling whoever asked.
    pub(super) fn answer(&self, answer: Result<Answer, Failure>) {
        self.lock().answer = Some(answer);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
