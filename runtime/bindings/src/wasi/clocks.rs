//! Time by the host's clock, in nanoseconds since 1970 on both of WASI's clocks.

use wasmtime::component::Resource;

use super::generated::wasi::{clocks, io};
use crate::state::{Calls, State};

const NANOSECONDS: u64 = 1_000_000;

/// Something to wait for: a time, in nanoseconds, or what is there already.
pub struct Pollable {
    until: u64,
}

impl Pollable {
    /// What need not be waited for.
    pub(crate) const READY: Self = Self { until: 0 };
}

impl State {
    async fn now_ns(&mut self) -> wasmtime::Result<u64> {
        self.count()?;
        let milliseconds = match &mut self.calls {
            Calls::Nobody => 0,
            Calls::Worker(calls) => calls.now(),
            Calls::Strategy(calls) => calls.now().await?,
        };
        self.resume();
        Ok(milliseconds.saturating_mul(NANOSECONDS))
    }

    async fn sleep_until(&mut self, until: u64) -> wasmtime::Result<()> {
        if until == 0 {
            return Ok(());
        }
        let left = until
            .saturating_sub(self.now_ns().await?)
            .div_ceil(NANOSECONDS);
        if left == 0 {
            return Ok(());
        }
        match &mut self.calls {
            Calls::Nobody => {}
            Calls::Worker(calls) => calls.sleep(left).await,
            Calls::Strategy(calls) => {
                if let Err(failure) = calls.wait(Some(left)).await? {
                    return Err(wasmtime::format_err!("was cut short: {}", failure.message));
                }
            }
        }
        self.resume();
        Ok(())
    }
}

impl io::poll::Host for State {
    async fn poll(&mut self, pollables: Vec<Resource<Pollable>>) -> wasmtime::Result<Vec<u32>> {
        let mut times = Vec::with_capacity(pollables.len());
        for pollable in &pollables {
            times.push(self.table.get(pollable)?.until);
        }
        let Some(first) = times.iter().copied().min() else {
            return Err(wasmtime::format_err!("waits for nothing"));
        };
        self.sleep_until(first).await?;
        let due = |until: &u64| *until <= first;
        Ok((0..)
            .zip(&times)
            .filter(|(_, until)| due(until))
            .map(|(index, _)| index)
            .collect())
    }
}

impl io::poll::HostPollable for State {
    async fn ready(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<bool> {
        let until = self.table.get(&pollable)?.until;
        Ok(until == 0 || until <= self.now_ns().await?)
    }

    async fn block(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<()> {
        let until = self.table.get(&pollable)?.until;
        self.sleep_until(until).await
    }

    async fn drop(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<()> {
        self.table.delete(pollable)?;
        Ok(())
    }
}

impl clocks::monotonic_clock::Host for State {
    async fn now(&mut self) -> wasmtime::Result<u64> {
        self.now_ns().await
    }

    async fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(NANOSECONDS)
    }

    async fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<Pollable>> {
        Ok(self.table.push(Pollable { until: when })?)
    }

    async fn subscribe_duration(&mut self, when: u64) -> wasmtime::Result<Resource<Pollable>> {
        let until = self.now_ns().await?.saturating_add(when);
        Ok(self.table.push(Pollable { until })?)
    }
}

impl clocks::wall_clock::Host for State {
    async fn now(&mut self) -> wasmtime::Result<clocks::wall_clock::Datetime> {
        let now = self.now_ns().await?;
        Ok(clocks::wall_clock::Datetime {
            seconds: now / 1_000_000_000,
            nanoseconds: u32::try_from(now % 1_000_000_000)?,
        })
    }

    async fn resolution(&mut self) -> wasmtime::Result<clocks::wall_clock::Datetime> {
        Ok(clocks::wall_clock::Datetime {
            seconds: 0,
            nanoseconds: 1_000_000,
        })
    }
}
