//! The disk as its server sees it: what writes, and whether it can go on.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use rafttree_model::Record;
use tokio::sync::mpsc;

use crate::api::status::Warning;
use crate::storage::writer::{Flushed, Writer};
use crate::storage::{Room, Storage};

/// A lease is shorter than T, and what it rests on travels: a flush must leave one part in so many.
const FLUSH_MARGIN_DIVISOR: u32 = 8;

/// What writes, and what was said of the disk.
pub(crate) struct Disk {
    writer: Writer,
    flushed: mpsc::UnboundedReceiver<Flushed>,
    room: Room,
    /// Whether it was said that flushes take too long.
    is_slow: bool,
}

impl Disk {
    /// Starts a thread that writes.
    pub(crate) fn start(storage: impl Storage) -> io::Result<Disk> {
        Writer::start(storage).map(Disk::of)
    }

    /// What this writes, which reports there.
    pub(crate) fn of((writer, flushed): (Writer, mpsc::UnboundedReceiver<Flushed>)) -> Disk {
        Disk { writer, flushed, room: Room::Enough, is_slow: false }
    }

    /// Writes a batch. The batch before it must have been reported durable.
    pub(super) fn write(&mut self, records: Vec<Record<Bytes>>) {
        self.writer.write(records);
    }

    /// The next report. Nothing is lost if the future is dropped.
    pub(super) async fn next(&mut self) -> Option<Flushed> {
        self.flushed.recv().await
    }

    /// Says so when the disk is full, and when it has room again. Whether that is news.
    pub(super) fn note_room(&mut self, room: Room) -> bool {
        let former = std::mem::replace(&mut self.room, room);
        match (former, room) {
            (Room::Enough, Room::Scarce { left }) => tracing::warn!("{}", Warning::DiskFull { left }),
            (Room::Scarce { .. }, Room::Enough) => tracing::info!("the disk has room again"),
            _ => return false,
        }
        true
    }

    /// Says so when flushes become too slow, and when they are no more. Whether that is news.
    pub(super) fn note_slowness(&mut self, slow: Option<Warning>) -> bool {
        let is_news = std::mem::replace(&mut self.is_slow, slow.is_some()) != slow.is_some();
        match slow {
            Some(warning) if is_news => tracing::warn!("{warning}"),
            None if is_news => tracing::info!("the disk is fast enough again"),
            _ => {}
        }
        is_news
    }

    /// The warning that the disk is full, while it is.
    pub(super) fn fullness(&self) -> Option<Warning> {
        match self.room {
            Room::Enough => None,
            Room::Scarce { left } => Some(Warning::DiskFull { left }),
        }
    }

    /// Lets the thread end, and waits for that, but not for ever. Whether it has ended.
    pub(super) async fn close(self, patience: Duration) -> bool {
        self.writer.close(self.flushed, patience).await
    }
}

/// The warning that flushes take too long for a leader's promise to be in time, if they do.
pub(super) fn slowness(usual_flush: Option<Duration>, election_timeout: Duration) -> Option<Warning> {
    let flush = usual_flush.filter(|&flush| election_timeout <= flush + flush / FLUSH_MARGIN_DIVISOR)?;
    Some(Warning::SlowDisk { flush, election_timeout })
}
