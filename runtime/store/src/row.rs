//! Rows as every store keeps them, and what they say. Knows columns' values, but no SQL.

pub(crate) mod deployment;
pub(crate) mod lease;
pub(crate) mod record;
pub(crate) mod release;
pub(crate) mod signal;
