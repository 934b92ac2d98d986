//! The interface between a server and its storage.

use bytes::Bytes;
use rafttree_model::{Durable, Entries, Record};

use super::error::StorageError;

/// Keeps records, in order, through crashes and power loss.
///
/// After any error the server stops and writes no more: what a disk holds after a failed flush
/// is unknown, so nothing is ever tried again.
pub trait Storage: Send + 'static {
    /// The state that the records written so far add up to. Called once, before any write.
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
        /// Bytes that are left within what the log takes already.
        left: u64,
    },
}

/// The state that a server recovers when it starts.
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
