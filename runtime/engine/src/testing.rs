//! For tests of the engine and of whoever uses it: a world in memory that things can go wrong
//! in, a journal in memory that a process can die over, and someone to listen.

mod brief;
mod fault;
mod journal;
mod listen;
mod world;

pub use self::{
    brief::{brief, name, rules},
    fault::{Fault, Kind},
    journal::{MemoryJournal, Write},
    listen::{Asked, Silent},
    world::{Death, Deed, MemoryWorld},
};
