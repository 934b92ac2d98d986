//! Writes a snapshot of the service's bytes.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::Ordering;

use rafttree_model::Position;
use sha2::{Digest as _, Sha256};

use super::format::{CHUNK_BYTES, begin_hash, frame, header};
use super::reader::Snapshot;
use super::store::{NEW_FILE, Snapshots};
use crate::storage::disk::{Disk, DiskFile};
use crate::storage::error::{Attempt, StorageError};

/// So much is written before it is flushed: at the end that would be all at once, and the flushes of
/// the log would wait for it.
pub(super) const FLUSH_BYTES: u64 = 8 << 20;

/// Writes one snapshot. If it is dropped before [`finish`](SnapshotWriter::finish) there is none.
#[derive(Debug)]
pub(crate) struct SnapshotWriter<'a, D: Disk> {
    snapshots: &'a Snapshots<D>,
    file: D::File,
    last: Position,
    /// Where the next bytes go.
    offset: u64,
    flushed: u64,
    hash: Sha256,
    pending: Vec<u8>,
    /// The first error, whether or not the service has told it.
    failed: Option<ErrorKind>,
}

impl<D: Disk> Snapshots<D> {
    /// Begins a snapshot of everything up to an entry. There is one at a time.
    pub(crate) fn write(&self, last: Position) -> Result<SnapshotWriter<'_, D>, StorageError> {
        let path = self.disk.path(NEW_FILE);
        if self.is_writing.swap(true, Ordering::Acquire) {
            return Err(io::Error::from(ErrorKind::ResourceBusy)).attempt("create", &path);
        }
        let created = self.disk.create(NEW_FILE).attempt("create", &path);
        let file = created.inspect_err(|_| self.is_writing.store(false, Ordering::Release))?;
        let (pending, hash) = (Vec::with_capacity(CHUNK_BYTES), begin_hash(last));
        let mut writer =
            SnapshotWriter { snapshots: self, file, last, offset: 0, flushed: 0, hash, pending, failed: None };
        writer.put(&header(self.owner, last)).attempt("write", &path)?;
        Ok(writer)
    }
}

impl<D: Disk> SnapshotWriter<'_, D> {
    /// Makes it durable, reads it back, and gives it its name. When this returns the log may be
    /// compacted up to its last entry, and once that is durable
    /// [`remove_older`](Snapshots::remove_older) may remove those before it.
    pub(crate) fn finish(mut self) -> Result<Snapshot, StorageError> {
        let path = self.snapshots.disk.path(NEW_FILE);
        self.end().attempt("write", &path)?;
        self.file.sync_all().attempt("flush", &path)?;
        let kept = self.snapshots.keep(NEW_FILE, self.last, || {})?;
        kept.ok_or(StorageError::Foreign { file: path, problem: "what was written does not read back" })
    }

    fn end(&mut self) -> io::Result<()> {
        if let Some(kind) = self.failed {
            return Err(kind.into());
        }
        if !self.pending.is_empty() {
            self.end_chunk()?;
        }
        self.put(&frame(self.offset, &[]))?;
        let hash = self.hash.clone().finalize();
        self.put(&hash)
    }

    fn end_chunk(&mut self) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.pending);
        let frame = frame(self.offset, &chunk);
        self.hash.update(frame);
        self.hash.update(&chunk);
        self.put(&frame)?;
        self.put(&chunk)?;
        self.pending = chunk;
        self.pending.clear();
        if FLUSH_BYTES <= self.offset - self.flushed {
            self.file.sync_data()?;
            self.flushed = self.offset;
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(CHUNK_BYTES - self.pending.len());
        self.pending.extend_from_slice(&bytes[..count]);
        if self.pending.len() == CHUNK_BYTES {
            self.end_chunk()?;
        }
        Ok(count)
    }
}

impl<D: Disk> Write for SnapshotWriter<'_, D> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kind) = self.failed {
            return Err(kind.into());
        }
        self.write_some(bytes).map_err(|error| {
            // Whoever is interrupted writes the same once more, and part of it may be there already.
            let kind = if error.kind() == ErrorKind::Interrupted { ErrorKind::Other } else { error.kind() };
            self.failed = Some(kind);
            io::Error::new(kind, error)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<D: Disk> Drop for SnapshotWriter<'_, D> {
    /// Frees the room of what was begun and not finished.
    fn drop(&mut self) {
        let _ = self.snapshots.disk.remove(NEW_FILE);
        self.snapshots.is_writing.store(false, Ordering::Release);
    }
}
