//! Named locks among everything that shares the store.

use engine::Timestamp;

/// A named lock that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Its name.
    pub name: String,
    /// Who holds it, for people.
    pub holder: String,
    /// Grows with each holder.
    pub token: u64,
    /// When it runs out, unless it is renewed.
    pub until: Timestamp,
}
