//! The disk as its server sees it: what writes, and whether it can go on.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use rafttree_model::Record;
use tokio::sync::mpsc;

use crate::api::status::Warning;
use crate::storage::writer::{Flushed, Scribe, Writer};
use crate::storage::{Room, Storage};

/// A lease is shorter than T, and what it rests on travels: a flush must leave one part in so many.
const FLUSH_MARGIN_DIVISOR: u32 = 8;

/// What writes, and what was said of the disk.
pub(crate) struct Disk {
    hand: Hand,
    room: Room,
    /// Whether it was said that flushes take too long.
    is_slow: bool,
}

/// What writes.
enum Hand {
    /// A thread, and its reports.
    Thread(Writer, mpsc::UnboundedReceiver<Flushed>),
    /// Whoever asks for it, at once; the reports that were not taken yet.
    #[allow(dead_code, reason = "only the groups of `testing` have it, which services do not link")]
    Here(Scribe, VecDeque<Flushed>),
}

impl Disk {
    /// Starts a thread that writes.
    pub(crate) fn start(storage: impl Storage) -> io::Result<Disk> {
        let (writer, flushed) = Writer::start(storage)?;
        Ok(Disk::of(Hand::Thread(writer, flushed)))
    }

    /// A disk on which nothing takes time, so that nobody need write apart.
    #[allow(dead_code, reason = "only the groups of `testing` have it, which services do not link")]
    pub(crate) fn in_memory(storage: impl Storage) -> Disk {
        Disk::of(Hand::Here(Scribe::new(storage), VecDeque::new()))
    }

    fn of(hand: Hand) -> Disk {
        Disk { hand, room: Room::Enough, is_slow: false }
    }

    /// Writes a batch. The batch before it must have been reported durable.
    pub(super) fn write(&mut self, records: Vec<Record<Bytes>>) {
        match &mut self.hand {
            Hand::Thread(writer, _) => writer.write(records),
            Hand::Here(scribe, reports) => {
                let written = scribe.write(&records);
                let prepared = if written.is_ok() { scribe.prepare() } else { None };
                reports.extend([written].into_iter().chain(prepared));
            }
        }
    }

    /// The next report. Nothing is lost if the future is dropped.
    pub(super) async fn next(&mut self) -> Option<Flushed> {
        match &mut self.hand {
            Hand::Thread(_, flushed) => flushed.recv().await,
            Hand::Here(_, reports) if reports.is_empty() => pending().await,
            Hand::Here(_, reports) => reports.pop_front(),
        }
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
        match self.hand {
            Hand::Thread(writer, flushed) => writer.close(flushed, patience).await,
            Hand::Here(..) => true,
        }
    }
}

/// The warning that flushes take too long for a leader's promise to be in time, if they do.
pub(super) fn slowness(usual_flush: Option<Duration>, election_timeout: Duration) -> Option<Warning> {
    let flush = usual_flush.filter(|&flush| election_timeout <= flush + flush / FLUSH_MARGIN_DIVISOR)?;
    Some(Warning::SlowDisk { flush, election_timeout })
}
