//! What the end-to-end tests and the demonstration stand on: a world with a folder and an
//! address of its own, releases made on the fly, real servers that end with the test, and a
//! load that counts what clients see.
//!
//! Nothing here decides whether a test passed, and nothing is mocked.

#![expect(
    clippy::unwrap_used,
    reason = "what fails here fails the test that asked for it"
)]

pub mod address;
pub mod artifact;
pub mod between;
pub mod browser;
pub mod fleet;
pub mod guest;
pub mod load;
pub mod nginx;
pub mod postgres;
pub mod process;
pub mod programs;
pub mod ran;
pub mod record;
pub mod shelf;
pub mod sink;
pub mod sshd;
pub mod tools;
pub mod tree;
pub mod wait;
pub mod wire;
pub mod world;

pub use between::{Between, Mishap};
pub use browser::Picture;
pub use fleet::{Fleet, Member};
pub use load::{Counted, Load, Mix};
pub use nginx::Nginx;
pub use postgres::Postgres;
pub use process::Server;
pub use ran::{Ran, Running};
pub use shelf::Shelf;
pub use sink::Sink;
pub use sshd::Hosts;
pub use wire::Wire;
pub use world::World;
