//! Snapshot files: the state of a service up to an entry of the log, so that the log up to there can
//! go.
//!
//! A snapshot is written to a temporary file in chunks, each with a checksum over its place, and ends
//! with a SHA-256 over everything before. It is flushed, read back and compared with what was written;
//! only then does it get its name, and the directory is flushed. Whoever holds a [`Snapshot`] of a
//! [`SnapshotWriter`] may compact the log up to its position, and only then are older ones removed.
//!
//! What is told apart: a file that lacks its end, or of which a bit is wrong, is none, and the one
//! before it is opened. What is not: a newer snapshot that was removed with its name; then an older
//! one is opened, and it is for the log to say that entries are missing behind it.

use std::cmp::Reverse;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::{Buf as _, BufMut as _};
use rafttree_model::{Index, Position, Term};
use sha2::{Digest as _, Sha256};

use super::disk::{Disk, DiskFile};
use super::error::{Attempt, StorageError};
use super::identity::Incarnation;

const MAGIC: &[u8; 16] = b"rafttree snapsht";

/// The version of these files.
const FORMAT: u32 = 1;

const PREFIX: &str = "snapshot-";

/// A snapshot that is being written.
const NEW_FILE: &str = "snapshot.new";

/// Magic, format, owner, position; then a checksum.
const HEADER_BYTES: usize = 16 + 4 + 16 + 16 + 4;

/// Length and checksum before each chunk. A length of zero is the end, and the hash follows.
const FRAME_BYTES: usize = 4 + 4;

/// Bytes of one chunk.
const CHUNK_BYTES: usize = 64 << 10;

const HASH_BYTES: usize = 32;

/// A snapshot that is durable and was read back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Snapshot {
    /// The last entry that is in it.
    pub(crate) last: Position,
    /// Its bytes, without what frames them.
    pub(crate) length: u64,
    name: String,
}

/// Writes one snapshot. If it is dropped before its end there is none.
#[derive(Debug)]
pub(crate) struct SnapshotWriter<'a, D: Disk> {
    disk: &'a D,
    file: D::File,
    last: Position,
    path: PathBuf,
    /// Where the next bytes go.
    offset: u64,
    hash: Sha256,
    pending: Vec<u8>,
    length: u64,
}

/// Reads the bytes of a snapshot; each chunk is checked before any of it is given.
#[derive(Debug)]
pub(crate) struct SnapshotReader<F> {
    file: F,
    offset: u64,
    hash: Sha256,
    chunk: Vec<u8>,
    given: usize,
    is_over: bool,
}

impl<'a, D: Disk> SnapshotWriter<'a, D> {
    /// Begins a snapshot of everything up to an entry.
    pub(crate) fn begin(
        disk: &'a D,
        owner: Incarnation,
        last: Position,
    ) -> Result<SnapshotWriter<'a, D>, StorageError> {
        let path = disk.path(NEW_FILE);
        let file = disk.create(NEW_FILE).attempt("create", &path)?;
        let (pending, hash) = (Vec::with_capacity(CHUNK_BYTES), Sha256::new());
        let mut writer = SnapshotWriter { disk, file, last, path, offset: 0, hash, pending, length: 0 };
        writer.put(&header(owner, last))?;
        Ok(writer)
    }

    /// Adds bytes.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), StorageError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.pending.len()));
            self.pending.extend(now);
            bytes = later;
            if self.pending.len() == CHUNK_BYTES {
                self.end_chunk()?;
            }
        }
        Ok(())
    }

    /// Makes it durable, reads it back, and gives it its name. When this returns the log may be
    /// compacted up to its last entry, and after that [`remove_older`] may remove those before it.
    pub(crate) fn finish(mut self) -> Result<Snapshot, StorageError> {
        if !self.pending.is_empty() {
            self.end_chunk()?;
        }
        let end = frame(self.offset, &[]);
        self.put(&end)?;
        let hash = self.hash.clone().finalize();
        self.file.write_all_at(&hash, self.offset).attempt("write", &self.path)?;
        self.file.sync_all().attempt("flush", &self.path)?;
        self.file.forget_cached().attempt("flush", &self.path)?;
        let file = self.disk.open_to_read(NEW_FILE).attempt("open", &self.path)?;
        if measure(file, &self.path)? != Some(self.length) {
            let problem = "what was written does not read back";
            return Err(StorageError::Foreign { file: self.path, problem });
        }
        let name = file_name(self.last);
        self.disk.rename(NEW_FILE, &name).attempt("rename the new file to", &self.disk.path(&name))?;
        self.disk.sync().attempt("flush", &self.disk.path(""))?;
        Ok(Snapshot { last: self.last, length: self.length, name })
    }

    fn end_chunk(&mut self) -> Result<(), StorageError> {
        let chunk = std::mem::take(&mut self.pending);
        self.length += chunk.len() as u64;
        let frame = frame(self.offset, &chunk);
        self.put(&frame)?;
        self.put(&chunk)?;
        self.pending = chunk;
        self.pending.clear();
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file.write_all_at(bytes, self.offset).attempt("write", &self.path)?;
        self.hash.update(bytes);
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

/// The newest snapshot that is whole, if there is one.
pub(crate) fn newest<D: Disk>(disk: &D, owner: Incarnation) -> Result<Option<Snapshot>, StorageError> {
    let mut found = named(disk)?;
    // The later one first: an entry that was compacted is committed, so later places have no earlier terms.
    found.sort_by_key(|(last, _)| Reverse(last.index));
    for (last, name) in found {
        let path = disk.path(&name);
        let file = disk.open_to_read(&name).attempt("open", &path)?;
        let begins = file.read_up_to(HEADER_BYTES, 0).attempt("read", &path)?;
        if begins != header(owner, last) {
            continue;
        }
        if let Some(length) = measure(file, &path)? {
            return Ok(Some(Snapshot { last, length, name }));
        }
    }
    Ok(None)
}

/// Opens a snapshot to read it.
pub(crate) fn open<D: Disk>(disk: &D, snapshot: &Snapshot) -> Result<SnapshotReader<D::File>, StorageError> {
    let path = disk.path(&snapshot.name);
    SnapshotReader::begin(disk.open_to_read(&snapshot.name).attempt("open", &path)?).attempt("read", &path)
}

/// Removes every other snapshot, and what was begun and not finished: once the log begins behind this one.
pub(crate) fn remove_older<D: Disk>(disk: &D, kept: &Snapshot) -> Result<(), StorageError> {
    let names = disk.names().attempt("list", &disk.path(""))?;
    let is_ours = |name: &&String| *name == NEW_FILE || position(name).is_some();
    for name in names.iter().filter(is_ours).filter(|name| **name != kept.name) {
        disk.remove(name).attempt("remove", &disk.path(name))?;
    }
    disk.sync().attempt("flush", &disk.path(""))
}

impl<F: DiskFile> SnapshotReader<F> {
    fn begin(file: F) -> io::Result<SnapshotReader<F>> {
        let mut hash = Sha256::new();
        hash.update(file.read_up_to(HEADER_BYTES, 0)?);
        let offset = HEADER_BYTES as u64;
        Ok(SnapshotReader { file, offset, hash, chunk: Vec::new(), given: 0, is_over: false })
    }

    /// Takes in the next chunk, or the end.
    fn next_chunk(&mut self) -> io::Result<()> {
        let framed = self.file.read_up_to(FRAME_BYTES, self.offset)?;
        let mut rest = framed.as_slice();
        let length = rest.try_get_u32_le().map_err(|_| damaged("it lacks its end"))? as usize;
        if CHUNK_BYTES < length {
            return Err(damaged("a chunk is longer than any"));
        }
        let chunk = self.file.read_up_to(length, self.offset + FRAME_BYTES as u64)?;
        if chunk.len() < length || frame(self.offset, &chunk) != framed {
            return Err(damaged("a chunk is damaged"));
        }
        self.hash.update(&framed);
        self.hash.update(&chunk);
        self.offset += (FRAME_BYTES + length) as u64;
        if length == 0 {
            let hash = self.file.read_up_to(HASH_BYTES, self.offset)?;
            if hash != self.hash.clone().finalize().as_slice() {
                return Err(damaged("it is not what was written as a whole"));
            }
            self.is_over = true;
        }
        (self.chunk, self.given) = (chunk, 0);
        Ok(())
    }
}

impl<F: DiskFile> Read for SnapshotReader<F> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.given == self.chunk.len() && !self.is_over {
            self.next_chunk()?;
        }
        let count = bytes.len().min(self.chunk.len() - self.given);
        bytes[..count].copy_from_slice(&self.chunk[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

fn damaged(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the snapshot is damaged: {problem}"))
}

/// How many bytes are in the snapshot, if all of it is right.
fn measure<F: DiskFile>(file: F, path: &Path) -> Result<Option<u64>, StorageError> {
    let mut reader = SnapshotReader::begin(file).attempt("read", path)?;
    let mut length = 0;
    while !reader.is_over {
        match reader.next_chunk() {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
            read => read.attempt("read", path)?,
        }
        length += reader.chunk.len() as u64;
    }
    Ok(Some(length))
}

fn header(owner: Incarnation, last: Position) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES);
    out.put_slice(MAGIC);
    out.put_u32_le(FORMAT);
    out.put_slice(&owner.to_bytes());
    out.put_u64_le(last.term.number());
    out.put_u64_le(last.index.number());
    out.put_u32_le(crc32fast::hash(&out));
    out
}

/// What stands before a chunk that begins at this place of the file.
fn frame(offset: u64, chunk: &[u8]) -> Vec<u8> {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&offset.to_le_bytes());
    hasher.update(chunk);
    let mut out = Vec::with_capacity(FRAME_BYTES);
    out.put_u32_le(chunk.len() as u32);
    out.put_u32_le(hasher.finalize());
    out
}

/// By index and term: no two snapshots of one server have the same name and another content.
fn file_name(last: Position) -> String {
    format!("{PREFIX}{:016}-{:016}", last.index.number(), last.term.number())
}

fn position(name: &str) -> Option<Position> {
    let (index, term) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let last = Position { term: Term::new(term.parse().ok()?), index: Index::new(index.parse().ok()?) };
    (file_name(last) == name).then_some(last)
}

fn named<D: Disk>(disk: &D) -> Result<Vec<(Position, String)>, StorageError> {
    let names = disk.names().attempt("list", &disk.path(""))?;
    Ok(names.into_iter().filter_map(|name| Some((position(&name)?, name))).collect())
}

#[cfg(test)]
mod tests;
