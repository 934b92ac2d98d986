//! Reads a snapshot's file; each chunk is checked before any of it is given.

use std::io::{self, Read};
use std::path::Path;

use rafttree_model::Position;

use super::format::{Checker, Content, Damage, HEADER_BYTES, MAX_PART_BYTES, SnapshotHash, header};
use crate::storage::disk::DiskFile;
use crate::storage::error::{Attempt, StorageError};
use crate::storage::identity::Incarnation;

/// A snapshot that is durable and was read back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Snapshot {
    /// The last entry that is in it.
    pub(crate) last: Position,
    /// Its bytes, without what frames them.
    pub(crate) length: u64,
    /// Bytes of its file.
    pub(crate) file_bytes: u64,
    /// What its file ends with.
    pub(crate) hash: SnapshotHash,
}

/// Reads the bytes of a snapshot. Whoever has read up to the end knows that all of it was right.
#[derive(Debug)]
pub(crate) struct SnapshotReader<F> {
    file: F,
    checker: Checker,
    chunk: Vec<u8>,
    given: usize,
}

impl<F: DiskFile> SnapshotReader<F> {
    pub(super) fn new(file: F, last: Position) -> SnapshotReader<F> {
        SnapshotReader { file, checker: Checker::new(last), chunk: Vec::new(), given: 0 }
    }

    /// Takes in the next chunk, or the end.
    fn next_chunk(&mut self) -> io::Result<()> {
        let bytes = self.file.read_up_to(MAX_PART_BYTES, self.checker.offset())?;
        let part = self.checker.take(&bytes).and_then(|part| part.ok_or(Damage("it lacks its end")));
        let part = part.map_err(|damage| io::Error::new(io::ErrorKind::InvalidData, damage))?;
        self.chunk.clear();
        self.given = 0;
        if let Content::Chunk(chunk) = part.content {
            self.chunk.extend_from_slice(chunk);
        }
        Ok(())
    }
}

impl<F: DiskFile> Read for SnapshotReader<F> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.given == self.chunk.len() && !self.checker.is_over() {
            self.next_chunk()?;
        }
        let count = bytes.len().min(self.chunk.len() - self.given);
        bytes[..count].copy_from_slice(&self.chunk[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

/// The snapshot in this file, if all of it is right; `progress` is called between any two chunks.
pub(super) fn verify<F: DiskFile>(
    file: F,
    path: &Path,
    owner: Incarnation,
    last: Position,
    mut progress: impl FnMut(),
) -> Result<Option<Snapshot>, StorageError> {
    if file.read_up_to(HEADER_BYTES, 0).attempt("read", path)? != header(owner, last) {
        return Ok(None);
    }
    let file_bytes = file.len().attempt("measure", path)?;
    let mut reader = SnapshotReader::new(file, last);
    while !reader.checker.is_over() {
        match reader.next_chunk() {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
            read => read.attempt("read", path)?,
        }
        progress();
    }
    let (length, hash) = (reader.checker.length(), reader.checker.hash());
    let is_whole = reader.checker.offset() == file_bytes;
    Ok(is_whole.then_some(Snapshot { last, length, file_bytes, hash }))
}
