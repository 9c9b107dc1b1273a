//! Mutual exclusion among everything that shares the operator's state store.

use std::time::Duration;

use bindings::HeldLock;
use engine::Failure;

use crate::{call::CallState, grants::Wanted};

impl CallState {
    pub(crate) async fn take_lock(&self, name: &str, wait_ms: u64) -> Result<HeldLock, Failure> {
        let used = self.begin("locks", "acquire", name, None);
        let taking = async {
            self.grants().check(&Wanted::Lock(name))?;
            let wait = self.timeout(Some(wait_ms), Duration::ZERO);
            let owner = format!("{} {}", self.plugin.name(), self.context.id);
            let lease = self.services.locks.acquire(name, &owner, wait).await?;
            Ok(HeldLock {
                name: name.to_owned(),
                lease,
            })
        };
        used.ended(taking.await)
    }
}
