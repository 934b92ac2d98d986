//! Snapshot files: the state of a service up to an entry of the log, so that the log up to there can
//! go.
//!
//! A snapshot is written to a temporary file in chunks, each with a checksum over its place, and ends
//! with a SHA-256 over everything before. It is flushed and read back; only then does it get its name,
//! and the directory is flushed. Whoever was given a [`Snapshot`] may compact the log up to its position,
//! and once that is durable older ones are removed.
//!
//! A snapshot can be sent to another server, whose file then differs in its header alone; what has
//! arrived of it stays through interruptions of either side, and is none before all of it was read
//! back as well.
//!
//! What is told apart: a file that lacks its end, or of which a bit is wrong, is none, and the one
//! before it is opened. What is not: a newer snapshot that was removed with its name; then an older
//! one is opened, and it is for the log to say that entries are missing behind it.

mod format;

mod reader;

mod store;

mod writer;

mod incoming;

mod outgoing;

#[cfg(any(test, feature = "simulate"))]
pub(crate) mod parsers;

#[cfg(test)]
mod tests;

pub(crate) use format::Offer;
pub(crate) use incoming::{Arrival, ArrivalError};
pub(crate) use outgoing::{Outgoing, OutgoingError};
#[cfg(test)]
pub(crate) use reader::Snapshot;
pub(crate) use store::Snapshots;
