//! What a plugin can be granted: one file each. All of them are methods of the call, pass
//! [`crate::grants::Grants`] before anything happens, and end in the audit.

mod artifact;
mod commands;
mod files;
pub(crate) mod http;
mod locks;
mod logs;
mod machine;
mod mail;
mod notes;
mod secrets;
mod sockets;

pub(crate) use logs::{fields_of, message_of};

#[cfg(test)]
mod tests;
