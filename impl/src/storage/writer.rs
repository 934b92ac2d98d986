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
        let span = tracing::Span::current();
        let body = move || span.in_scope(|| run(storage, work, &reports));
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

fn run(
    mut storage: impl Storage,
    mut work: mpsc::UnboundedReceiver<Vec<Record<Bytes>>>,
    reports: &mpsc::UnboundedSender<Flushed>,
) {
    let mut room = Room::Enough;
    while let Some(records) = work.blocking_recv() {
        let written = storage.write(&records).map(|()| DiskReport::Durable);
        let failed = written.is_err();
        if reports.send(written).is_err() || failed {
            return;
        }
        let prepared = storage.prepare();
        let failed = prepared.is_err();
        let is_news = !matches!(prepared, Ok(found) if found == std::mem::replace(&mut room, found));
        if is_news && reports.send(prepared.map(DiskReport::Room)).is_err() || failed {
            return;
        }
    }
}
