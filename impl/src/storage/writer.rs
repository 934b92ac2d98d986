//! The thread that writes: a flush takes as long as the disk likes, and nobody else waits for it.

use std::io;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use rafttree_model::Record;
use tokio::sync::mpsc;

use crate::storage::{Storage, StorageError};

/// What the thread reports: the batch that was handed over last is durable, or the disk failed.
pub(crate) type Flushed = Result<(), StorageError>;

/// Hands batches to the thread, one at a time.
pub(crate) struct Writer {
    batches: Option<mpsc::UnboundedSender<Vec<Record<Bytes>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; what it reports arrives at the receiver.
    pub(crate) fn start(storage: impl Storage) -> io::Result<(Writer, mpsc::UnboundedReceiver<Flushed>)> {
        let (batches, work) = mpsc::unbounded_channel();
        let (reports, flushed) = mpsc::unbounded_channel();
        let thread = thread::Builder::new().name("rafttree-disk".into()).spawn(move || run(storage, work, &reports))?;
        Ok((Writer { batches: Some(batches), thread: Some(thread) }, flushed))
    }

    /// Writes a batch. The batch before it must have been reported durable.
    pub(crate) fn write(&self, records: Vec<Record<Bytes>>) {
        // If the thread ended, it has reported why, and its report stops the server.
        let _ = self.batches.as_ref().map(|batches| batches.send(records));
    }

    /// Lets the thread end once its batch is done, and waits for no disk that hangs.
    pub(crate) fn detach(&mut self) {
        self.thread = None;
    }
}

/// The directory's lock is free again when this returns, unless the disk hangs.
impl Drop for Writer {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has ended its reports, which stopped the server.
            let _ = thread.join();
        }
    }
}

fn run(
    mut storage: impl Storage,
    mut work: mpsc::UnboundedReceiver<Vec<Record<Bytes>>>,
    reports: &mpsc::UnboundedSender<Flushed>,
) {
    while let Some(records) = work.blocking_recv() {
        let written = storage.write(&records);
        let failed = written.is_err();
        if reports.send(written).is_err() || failed {
            return;
        }
        if let Err(error) = storage.prepare() {
            // Nobody is left to tell if the server has stopped.
            let _ = reports.send(Err(error));
            return;
        }
    }
}
