//! Durable state on disk: term, vote and log.
//!
//! [`Storage`] is the seam; [`FileStorage`] is the one that ships. What is not covered yet: a
//! damaged batch stops the server instead of being fetched from the leader again, damage to the
//! very last batch cannot be told from a write that a crash cut short (nor some damage to more of
//! the last ones: what can be told is listed in `scan`), and the log is not
//! compacted (an election costs each server two blocks of 4 KiB: one for the term and the vote,
//! one for the first entry of the new leader).

mod identity;

mod error;

mod note;

mod group;

mod directory;

mod interface;

mod batch;

mod record;

mod scan;

mod file;

mod init;

mod pins;

pub(crate) mod writer;

#[cfg(test)]
mod tests;

/// The nouns of the model that a storage is about.
pub use rafttree_model::{Durable, Entries, Record};

pub(crate) use directory::Directory;
pub use error::StorageError;
pub use file::FileStorage;
pub(crate) use identity::listed;
pub use identity::{ClusterId, Identity, Incarnation, InvalidId};
pub use init::init;
pub use interface::{Recovered, Room, Storage};
pub(crate) use pins::Pins;
