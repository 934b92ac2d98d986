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

/// Hands batches to whoever writes, one at a time. When this is dropped that ends once its batch is done; then it lets
/// go of the directory, and its reports end.
pub(crate) struct Writer {
    hand_over: Box<dyn FnMut(Vec<Record<Bytes>>) + Send>,
}

impl Writer {
    /// Starts a thread that writes; what it reports arrives at the receiver.
    pub(crate) fn start(storage: impl Storage) -> io::Result<(Writer, mpsc::UnboundedReceiver<Flushed>)> {
        let (batches, mut work) = mpsc::unbounded_channel::<Vec<Record<Bytes>>>();
        let ((mut scribe, flushed), span) = (Scribe::new(storage), tracing::Span::current());
        let body = move || while work.blocking_recv().is_some_and(|records| scribe.write(&records)) {};
        thread::Builder::new().name("rafttree-disk".into()).spawn(move || span.in_scope(body))?;
        // If the thread ended, it has reported why, and its report stops the server.
        let writer = Writer::by(move |records| drop(batches.send(records)));
        Ok((writer, flushed))
    }

    /// Hands batches over by this.
    pub(crate) fn by(hand_over: impl FnMut(Vec<Record<Bytes>>) + Send + 'static) -> Writer {
        Writer { hand_over: Box::new(hand_over) }
    }

    /// Writes a batch. The batch before it must have been reported durable.
    pub(crate) fn write(&mut self, records: Vec<Record<Bytes>>) {
        (self.hand_over)(records);
    }

    /// Lets the thread end, and waits for that, but not for ever: a disk may hang. Whether it has.
    pub(crate) async fn close(self, mut flushed: mpsc::UnboundedReceiver<Flushed>, patience: Duration) -> bool {
        drop(self);
        // What it still reports interests nobody.
        let end = async { while flushed.recv().await.is_some() {} };
        timeout(patience, end).await.is_ok()
    }
}

/// A log, and what is reported of it.
pub(crate) struct Scribe {
    storage: Box<dyn Storage>,
    room: Room,
    /// Dropped last: when reports end the directory is let go of.
    reports: mpsc::UnboundedSender<Flushed>,
}

impl Scribe {
    /// Nothing was reported yet; what is arrives at the receiver.
    pub(crate) fn new(storage: impl Storage) -> (Scribe, mpsc::UnboundedReceiver<Flushed>) {
        let (reports, flushed) = mpsc::unbounded_channel();
        (Scribe { storage: Box::new(storage), room: Room::Enough, reports }, flushed)
    }

    /// Writes a batch, and then makes room for the next ones. Whether it can go on, and anybody hears of it.
    pub(crate) fn write(&mut self, records: &[Record<Bytes>]) -> bool {
        let written = self.storage.write(records).map(|()| DiskReport::Durable);
        self.report(written) && self.prepare().is_none_or(|prepared| self.report(prepared))
    }

    /// Makes room; the report of that, if there is something new.
    fn prepare(&mut self) -> Option<Flushed> {
        match self.storage.prepare() {
            Ok(room) if std::mem::replace(&mut self.room, room) == room => None,
            prepared => Some(prepared.map(DiskReport::Room)),
        }
    }

    fn report(&self, report: Flushed) -> bool {
        let failed = report.is_err();
        self.reports.send(report).is_ok() && !failed
    }
}
