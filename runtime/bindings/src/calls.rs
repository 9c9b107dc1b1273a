//! What the host does for a plugin, as object-safe traits: one for a plugin that works for the
//! host, one for a strategy. The host crate implements them, so the linker's generic code is
//! compiled here once and for all.

use async_trait::async_trait;

use crate::{
    analysis::Verdict, commands, files, http, logs::Level, machine, mail, traffic::Share,
    types::Failure,
};

/// What a call of the contract gives back to the guest.
pub type Answer<T> = Result<T, Failure>;

/// What a host function gives back: an error ends the plugin's call, an answer goes on.
pub type Outcome<T> = wasmtime::Result<Answer<T>>;

/// A lock that a plugin holds. Letting go of it happens in [`Lease::release`], and where the
/// plugin ends without, in the lease's `Drop`.
pub struct HeldLock {
    /// The name it was asked for by.
    pub name: String,
    /// Keeps it held.
    pub lease: Box<dyn Lease>,
}

/// What keeps a lock held: dropping it lets go.
#[async_trait]
pub trait Lease: Send {
    /// Lets go of it, and returns when others can have it.
    async fn release(self: Box<Self>);
}

/// What the operator can grant to a plugin that works for the host (`world worker`).
#[async_trait]
pub trait WorkerCalls: Send {
    /// `logs.write`.
    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>);
    /// `clock.now`.
    fn now(&mut self) -> u64;
    /// `clock.sleep`.
    async fn sleep(&mut self, milliseconds: u64);
    /// `call.id`.
    fn call_id(&mut self) -> String;
    /// `call.attempt`.
    fn attempt(&mut self) -> u32;
    /// `call.deadline`.
    fn deadline(&mut self) -> u64;
    /// `call.token`.
    fn token(&mut self) -> u64;
    /// `call.note`.
    async fn note(&mut self, key: String) -> wasmtime::Result<Option<String>>;
    /// `call.set-note`.
    async fn set_note(&mut self, key: String, value: String) -> wasmtime::Result<()>;
    /// `http.send`.
    async fn send(&mut self, request: http::Request) -> Outcome<http::Response>;
    /// `files.read`.
    async fn read(&mut self, path: String) -> Outcome<Vec<u8>>;
    /// `files.write`.
    async fn write(&mut self, path: String, contents: Vec<u8>) -> Outcome<()>;
    /// `files.stat`.
    async fn stat(&mut self, path: String) -> Outcome<Option<files::Entry>>;
    /// `files.list`.
    async fn list(&mut self, path: String) -> Outcome<Vec<files::Entry>>;
    /// `files.create-directory`.
    async fn create_directory(&mut self, path: String) -> Outcome<()>;
    /// `files.link`.
    async fn link(&mut self, path: String, points_to: String) -> Outcome<()>;
    /// `files.read-link`.
    async fn read_link(&mut self, path: String) -> Outcome<String>;
    /// `files.rename`.
    async fn rename(&mut self, from: String, to: String) -> Outcome<()>;
    /// `files.remove`.
    async fn remove(&mut self, path: String) -> Outcome<()>;
    /// `commands.run`.
    async fn run(&mut self, command: commands::Command) -> Outcome<commands::Output>;
    /// `machine.perform`.
    async fn perform(&mut self, actions: Vec<machine::Action>) -> Outcome<Vec<commands::Output>>;
    /// `locks.acquire`.
    async fn acquire(&mut self, name: String, wait_ms: u64) -> Outcome<HeldLock>;
    /// `sockets.connect`.
    async fn connect(&mut self, endpoint: String, timeout_ms: u64) -> Outcome<()>;
    /// `sockets.exchange`.
    async fn exchange(
        &mut self,
        endpoint: String,
        payload: Vec<u8>,
        timeout_ms: u64,
    ) -> Outcome<Vec<u8>>;
    /// `sockets.converse`.
    async fn converse(
        &mut self,
        endpoint: String,
        payload: Vec<u8>,
        until: Vec<u8>,
        timeout_ms: u64,
    ) -> Outcome<Vec<u8>>;
    /// `secrets.reveal`.
    async fn reveal(&mut self, name: String) -> Outcome<String>;
    /// `mail.send`.
    async fn mail(&mut self, message: mail::Message) -> Outcome<()>;
    /// `artifact.reference`.
    async fn reference(&mut self, release: String) -> Outcome<String>;
    /// `artifact.unpack`.
    async fn unpack(&mut self, release: String, path: String) -> Outcome<()>;
    /// `artifact.copy`.
    async fn copy(&mut self, release: String, path: String) -> Outcome<()>;
}

/// What a strategy works with (`world strategy`).
#[async_trait]
pub trait StrategyCalls: Send {
    /// `logs.write`.
    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>);
    /// `releases.install`.
    async fn install(&mut self, targets: Vec<String>) -> Outcome<()>;
    /// `releases.activate`.
    async fn activate(&mut self, targets: Vec<String>) -> Outcome<()>;
    /// `traffic.current`.
    async fn current(&mut self) -> Outcome<Vec<Share>>;
    /// `traffic.split`.
    async fn split(&mut self, shares: Vec<Share>) -> Outcome<()>;
    /// `traffic.drain`.
    async fn drain(&mut self, targets: Vec<String>, timeout_ms: Option<u64>) -> Outcome<()>;
    /// `traffic.restore`.
    async fn restore(&mut self, targets: Vec<String>) -> Outcome<()>;
    /// `health.wait`.
    async fn await_healthy(&mut self, targets: Vec<String>, timeout_ms: Option<u64>)
    -> Outcome<()>;
    /// `analysis.watch`.
    async fn watch(
        &mut self,
        candidate: Vec<String>,
        baseline: Vec<String>,
        duration_ms: u64,
    ) -> Outcome<Verdict>;
    /// `course.begin`.
    async fn begin(&mut self, stage: String) -> wasmtime::Result<()>;
    /// `course.wait`.
    async fn wait(&mut self, duration_ms: Option<u64>) -> Outcome<()>;
    /// `course.approval`.
    async fn approval(&mut self, question: String, timeout_ms: Option<u64>) -> Outcome<()>;
    /// `course.now`.
    async fn now(&mut self) -> wasmtime::Result<u64>;
}
