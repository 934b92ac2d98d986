//! The thread that writes: a flush takes as long as the disk likes, and nobody else waits for it.

use std::io;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use rafttree_model::Record;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::error::StorageError;
use super::interface::{Room, Storage};

/// The thread's report, or the disk's failure.
pub(crate) type Flushed = Result<DiskReport, StorageError>;

/// A report of the thread.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DiskReport {
    /// The latest batch is durable.
    Durable,
    /// The next batches find another amount of room than before.
    Room(Room),
}

/// Hands batches to the thread, one at a time. When this is dropped the thread ends once its batch
/// is done; then it lets go of the directory, and its reports end.
pub(crate) struct Writer {
    batches: mpsc::UnboundedSender<Vec<Record<Bytes>>>,
}

impl Writer {
    /// Starts the thread; what it reports arrives at the receiver.
    pub(crate) fn start(storage: impl Storage) -> io::Result<(Writer, mpsc::UnboundedReceiver<Flushed>)> {
        let (batches, work) = mpsc::unbounded_channel();
        let (reports, flushed) = mpsc::unbounded_channel();
        let (scribe, span) = (Scribe::new(storage), tracing::Span::current());
        let body = move || span.in_scope(|| run(scribe, work, &reports));
        thread::Builder::new().name("rafttree-disk".into()).spawn(body)?;
        Ok((Writer { batches }, flushed))
    }

    /// Writes a batch. The batch before it must have been reported durable.
    pub(crate) fn write(&self, records: Vec<Record<Bytes>>) {
        // If the thread ended, it has reported why, and its report stops the server.
        let _ = self.batches.send(records);
    }

    /// Lets the thread end, and waits for that, but not for ever: a disk may hang. Whether it has.
    pub(crate) async fn close(self, mut flushed: mpsc::UnboundedReceiver<Flushed>, patience: Duration) -> bool {
        drop(self);
        // What it still reports interests nobody.
        let end = async { while flushed.recv().await.is_some() {} };
        timeout(patience, end).await.is_ok()
    }
}

/// A log, and what was said of its room.
pub(crate) struct Scribe {
    storage: Box<dyn Storage>,
    room: Room,
}

impl Scribe {
    /// Nothing was said yet.
    pub(crate) fn new(storage: impl Storage) -> Scribe {
        Scribe { storage: Box::new(storage), room: Room::Enough }
    }

    /// Writes a batch; the report of it.
    pub(crate) fn write(&mut self, records: &[Record<Bytes>]) -> Flushed {
        self.storage.write(records).map(|()| DiskReport::Durable)
    }

    /// Makes room for the next batches; the report of that, if there is something new.
    pub(crate) fn prepare(&mut self) -> Option<Flushed> {
        match self.storage.prepare() {
            Ok(room) if std::mem::replace(&mut self.room, room) == room => None,
            prepared => Some(prepared.map(DiskReport::Room)),
        }
    }
}

fn run(
    mut scribe: Scribe,
    mut work: mpsc::UnboundedReceiver<Vec<Record<Bytes>>>,
    reports: &mpsc::UnboundedSender<Flushed>,
) {
    let goes_on = |report: Flushed| {
        let failed = report.is_err();
        reports.send(report).is_ok() && !failed
    };
    while let Some(records) = work.blocking_recv() {
        if !goes_on(scribe.write(&records)) || !scribe.prepare().is_none_or(goes_on) {
            return;
        }
    }
}
