//! What a server keeps on disk: its term, its vote and its log.
//!
//! [`Storage`] is the seam; [`FileStorage`] is the one that ships. What is not covered yet: a
//! damaged batch stops the server instead of being fetched from the leader again, damage to the
//! very last batch cannot be told from a write that a crash cut short (nor some damage to more of
//! the last ones: what can be told is listed in `scan`), and the log is not
//! compacted (an election costs each server two blocks of 4 KiB: one for the term and the vote,
//! one for the first entry of the new leader).

mod batch;
mod directory;
mod error;
mod file;
mod group;
mod identity;
mod note;
mod pins;
mod record;
mod scan;
pub(crate) mod writer;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use rafttree_model::{Durable, Entries, Record};

pub(crate) use directory::Directory;
pub use directory::init;
pub use error::StorageError;
pub use file::FileStorage;
pub(crate) use group::listed;
pub use identity::{ClusterId, Identity, Incarnation, InvalidId};
pub(crate) use pins::Pins;

/// Keeps records, in order, through crashes and power loss.
///
/// After any error the server stops and writes no more: what a disk holds after a failed flush
/// is unknown, so nothing is ever tried again.
pub trait Storage: Send + 'static {
    /// What the records that were written so far add up to. Called once, before any write.
    fn load(&mut self) -> Result<Recovered, StorageError>;

    /// Adds records. They are durable when this returns; after a crash before that, any number
    /// of them may be kept, but none without those before it.
    fn write(&mut self, records: &[Record<Bytes>]) -> Result<(), StorageError>;

    /// Called after each write, when nobody waits: the time to make room for the next one. That
    /// there is none is no error yet, and it is tried again after later writes.
    fn prepare(&mut self) -> Result<Room, StorageError> {
        Ok(Room::Enough)
    }
}

/// Whether the next writes will find room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Room {
    /// They will, as far as is known.
    #[default]
    Enough,
    /// The disk is full.
    Scarce {
        /// How many bytes are left within what the log takes already.
        left: u64,
    },
}

/// What a server remembers when it starts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Recovered {
    /// Term, vote and the log's shape.
    pub durable: Durable,
    /// The log's entries after its base.
    pub entries: Entries<Bytes>,
}

impl Recovered {
    /// Takes over one record, as reading a log back does.
    pub fn apply(&mut self, record: &Record<Bytes>) {
        self.durable.apply(record);
        self.entries.apply(record);
    }
}
