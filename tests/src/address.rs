//! Addresses that nobody else uses: the whole of 127.0.0.0/8 is this machine, so every test
//! listens on one of its own and no port is ever taken.

use std::{
    net::Ipv4Addr,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// How many addresses one process may have.
const PER_PROCESS: u32 = 1024;
/// How many processes have different addresses.
const PROCESSES: u32 = 4096;
/// 127.1.0.0: what lies below is left to people.
const FIRST: u32 = 0x7f01_0000;

static NEXT: AtomicU32 = AtomicU32::new(1);

/// An address of this machine that no other test has.
pub fn next() -> Ipv4Addr {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(
        number < PER_PROCESS,
        "one process asked for more than {PER_PROCESS} addresses"
    );
    Ipv4Addr::from_bits(FIRST + (process::id() % PROCESSES) * PER_PROCESS + number)
}
