//! The log file: written only at its end, flushed once a batch.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{BufMut, Bytes};
use rafttree_model::Record;

use super::batch::{self, BLOCK_BYTES, ChainLink, MAX_BATCH_BYTES};
use super::directory::Directory;
use super::error::{Attempt, StorageError};
use super::identity::Incarnation;
use super::interface::{Recovered, Room, Storage};
use super::note::place;
use super::record;
use super::scan::{LogEnd, Scan};

const LOG_FILE: &str = "log";
const MAGIC: &[u8; 12] = b"rafttree log";

/// The version of the log file.
const FORMAT: u32 = 1;

/// Bytes by which the file grows at a time: zeros, flushed before use, so that a batch changes no
/// more of the file system than its own blocks.
const GROWTH_BYTES: u64 = 1 << 20;

/// Bytes that are kept ready for the batches to come, if the disk has room.
pub(super) const RESERVE_BYTES: u64 = GROWTH_BYTES / 4;

/// Keeps records in an append-only, checksummed file of a locked directory.
#[derive(Debug)]
pub struct FileStorage {
    directory: Arc<Directory>,
    path: PathBuf,
    file: File,
    /// Where the next batch goes; unknown until the log was read.
    end: Option<LogEnd>,
    /// How long the file was when it was opened.
    length: u64,
    /// Up to here the file is zero-filled and flushed.
    allocated: u64,
    sealed: bool,
}

impl FileStorage {
    /// Opens the log of a directory that [`init`](crate::storage::init) made, and locks it.
    pub fn open(directory: impl AsRef<Path>) -> Result<FileStorage, StorageError> {
        FileStorage::within(Arc::new(Directory::open(directory.as_ref())?))
    }

    /// Opens the log of this directory.
    pub(crate) fn within(directory: Arc<Directory>) -> Result<FileStorage, StorageError> {
        let path = directory.path.join(LOG_FILE);
        let file = OpenOptions::new().read(true).write(true).open(&path).attempt("open", &path)?;
        forget_cached(&file).attempt("flush", &path)?;
        check_header(&file, &path, directory.incarnation)?;
        let length = file.metadata().attempt("measure", &path)?.len();
        Ok(FileStorage { directory, path, file, end: None, length, allocated: length, sealed: false })
    }

    /// Makes a log without records. One that never held any is replaced: an `init` was cut short.
    pub(super) fn create(directory: &Path, owner: Incarnation) -> Result<(), StorageError> {
        let path = directory.join(LOG_FILE);
        match std::fs::read(&path) {
            Ok(bytes) if bytes.iter().skip(BLOCK_BYTES).any(|&byte| byte != 0) => {
                return Err(StorageError::LogWithoutIdentity { file: path });
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).attempt("read", &path),
            _ => {}
        }
        let mut bytes = header(owner);
        bytes.resize(GROWTH_BYTES as usize, 0);
        place(directory, LOG_FILE, &bytes)
    }

    fn append(&mut self, records: &[Record<Bytes>]) -> Result<(), StorageError> {
        let mut bytes = Vec::new();
        for record in records {
            let complete = bytes.len();
            record::encode(record, &mut bytes);
            if MAX_BATCH_BYTES < bytes.len() {
                let rest = bytes.split_off(complete);
                self.append_batch(&bytes)?;
                bytes = rest;
            }
            check_size(bytes.len())?;
        }
        if bytes.is_empty() { Ok(()) } else { self.append_batch(&bytes) }
    }

    /// One write, one flush.
    fn append_batch(&mut self, records: &[u8]) -> Result<(), StorageError> {
        let LogEnd { next, offset } = self.end.ok_or(StorageError::NotLoaded)?;
        let (blocks, checksum) = batch::encode(next, self.directory.incarnation, records);
        let after = offset + blocks.len() as u64;
        if let Some(source) = self.allocate(after)? {
            return Err(self.no_room(source));
        }
        match self.file.write_all_at(&blocks, offset) {
            // A file system that writes nothing in place needs room for what was allocated as well.
            Err(source) if lacks_room(&source) => return Err(self.no_room(source)),
            written => written.attempt("write", &self.path)?,
        }
        self.file.sync_data().attempt("flush", &self.path)?;
        let next = ChainLink { sequence: next.sequence + 1, after, previous: checksum };
        self.end = Some(LogEnd { next, offset: after });
        Ok(())
    }

    /// Says, before anything else is written, that what a crash left does not count: whatever is
    /// found behind two batches that were cut short could not be told from damage.
    fn settle_remains(&mut self, LogEnd { next, offset }: LogEnd) -> Result<(), StorageError> {
        if next.after < offset { self.append_batch(&[]) } else { Ok(()) }
    }

    /// Makes sure that the file reaches so far, unless the disk has no room: then the error says so.
    /// What the disk took before it was full serves as well.
    fn allocate(&mut self, until: u64) -> Result<Option<io::Error>, StorageError> {
        if until <= self.allocated {
            return Ok(None);
        }
        let zeros = vec![0; GROWTH_BYTES as usize];
        let (mut length, mut refused) = (self.allocated, None);
        while length < until && refused.is_none() {
            match self.file.write_all_at(&zeros, length) {
                Err(error) if lacks_room(&error) => refused = Some(error),
                written => written.attempt("extend", &self.path)?,
            }
            length = self.file.metadata().attempt("measure", &self.path)?.len();
        }
        self.file.sync_all().attempt("flush", &self.path)?;
        self.allocated = length;
        Ok(refused.filter(|_| length < until))
    }

    /// How much of the file is allocated and not used yet.
    fn left(&self) -> u64 {
        self.end.map_or(0, |end| self.allocated.saturating_sub(end.offset))
    }

    fn no_room(&self, source: io::Error) -> StorageError {
        StorageError::NoRoom { file: self.path.clone(), left: self.left(), source }
    }

    /// After an error nobody knows what the disk holds, so nothing is written any more.
    fn sealing<T>(
        &mut self,
        attempt: impl FnOnce(&mut FileStorage) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if self.sealed {
            return Err(StorageError::Sealed);
        }
        let outcome = attempt(self);
        self.sealed = outcome.is_err();
        outcome
    }
}

impl Storage for FileStorage {
    fn load(&mut self) -> Result<Recovered, StorageError> {
        self.sealing(|storage| {
            let owner = storage.directory.incarnation;
            let scan = Scan {
                file: &storage.file,
                path: &storage.path,
                owner,
                length: storage.length,
                next: first_link(owner),
            };
            let (recovered, end) = scan.run()?;
            storage.end = Some(end);
            storage.settle_remains(end)?;
            Ok(recovered)
        })
    }

    fn write(&mut self, records: &[Record<Bytes>]) -> Result<(), StorageError> {
        self.sealing(|storage| storage.append(records))
    }

    /// Grows the file before the next batch needs it. A disk without room harms nobody yet.
    fn prepare(&mut self) -> Result<Room, StorageError> {
        self.sealing(|storage| {
            let end = storage.end.ok_or(StorageError::NotLoaded)?;
            let refused = storage.allocate(end.offset + RESERVE_BYTES)?;
            Ok(if refused.is_none() { Room::Enough } else { Room::Scarce { left: storage.left() } })
        })
    }
}

/// A log's header, without the zeros that fill the block.
fn header(owner: Incarnation) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_slice(MAGIC);
    out.put_u32_le(FORMAT);
    out.put_slice(&owner.to_bytes());
    out.put_u32_le(crc32fast::hash(&out));
    out
}

/// The first batch's place in the chain.
fn first_link(owner: Incarnation) -> ChainLink {
    ChainLink { sequence: 1, after: BLOCK_BYTES as u64, previous: crc32fast::hash(&header(owner)) }
}

fn check_header(file: &File, path: &Path, owner: Incarnation) -> Result<(), StorageError> {
    let foreign = |problem| StorageError::Foreign { file: path.to_owned(), problem };
    let expected = header(owner);
    let mut found = vec![0; expected.len()];
    match file.read_exact_at(&mut found, 0) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(foreign("it is too short for a log")),
        other => other.attempt("read", path)?,
    }
    let format = found.strip_prefix(MAGIC).and_then(|rest| rest.first_chunk()).map(|bytes| u32::from_le_bytes(*bytes));
    match format {
        None => Err(foreign("it is no log of rafttree")),
        Some(found) if found != FORMAT => Err(StorageError::Format { file: path.to_owned(), found, expected: FORMAT }),
        Some(_) if found != expected => Err(foreign("it is damaged, or another directory's log")),
        Some(_) => Ok(()),
    }
}

fn check_size(bytes: usize) -> Result<(), StorageError> {
    if bytes <= MAX_BATCH_BYTES { Ok(()) } else { Err(StorageError::TooLarge { bytes, limit: MAX_BATCH_BYTES }) }
}

/// Whether the disk, a quota or a limit of a file's size is the reason: nothing of it is broken.
fn lacks_room(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// A start must read from the disk: after a flush that failed, or none, the operating system
/// may still hold bytes that the disk lacks (Rebello et al., ATC'20). Dropping them is advice that
/// Linux follows for pages that are clean.
fn forget_cached(file: &File) -> std::io::Result<()> {
    file.sync_all()?;
    #[cfg(target_os = "linux")]
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?;
    Ok(())
}
