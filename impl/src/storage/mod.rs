//! Durable state on disk: term, vote and log.
//!
//! [`Storage`] is the seam; [`FileStorage`] is the one that ships. Its log is a row of segments, files
//! of 4 MiB that are filled with zeros and durable before they are used. A batch of records is one
//! flush, and so are its two parts, megabytes apart: the batch in blocks of 4 KiB, and a slot of 64
//! bytes that says which entries are in it, and term and vote behind it. So damage is told from what a
//! crash left, and named by the entries that it hit: the table is in `recovery`, and below it what
//! cannot be told.
//!
//! Damaged entries are named, and the protocol fetches them from the leader. Segments whose entries were
//! all compacted are removed; snapshot files hold what was in them.

mod identity;

mod error;

pub(crate) mod disk;

mod note;

mod group;

pub(crate) mod directory;

mod interface;

mod record;

pub(crate) mod layout;

mod slot;

mod batch;

mod segment;

mod image;

mod recovery;

mod current;

pub(crate) mod helper;

pub(crate) mod ahead;

mod removal;

pub(crate) mod log;

mod format1;

mod convert;

mod file;

mod inspect;

mod init;

mod pins;

pub(crate) mod snapshot;

pub(crate) mod writer;

#[cfg(any(test, feature = "simulate"))]
pub(crate) mod simulate;

#[cfg(any(test, feature = "simulate"))]
pub(crate) mod parsers;

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
pub use inspect::{Condition, LogReport, LoggedBatch, LoggedRecord, inspect};
pub use interface::{Recovered, Room, Storage};
pub(crate) use pins::Pins;
