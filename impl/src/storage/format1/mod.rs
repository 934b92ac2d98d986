//! The log of format 1, a single file that is read once and then converted.

mod batch;

mod scan;

#[cfg(test)]
pub(super) mod tests;

use std::path::Path;

use bytes::BufMut as _;

use batch::{BLOCK_BYTES, ChainLink};
use scan::{LogEnd, Scan};

use super::disk::{Disk, DiskFile};
use super::error::{Attempt, StorageError};
use super::identity::Incarnation;
use super::interface::Recovered;

/// Its only file.
pub(super) const FILE: &str = "log";

const MAGIC: &[u8; 12] = b"rafttree log";

const FORMAT: u32 = 1;

/// Reads the log.
pub(super) fn read<D: Disk>(disk: &D, owner: Incarnation) -> Result<Recovered, StorageError> {
    let path = disk.path(FILE);
    let file = disk.open_to_read(FILE).attempt("open", &path)?;
    check_header(&file.read_up_to(BLOCK_BYTES, 0).attempt("read", &path)?, &path, owner)?;
    scan(&file, &path, owner).map(|(recovered, _)| recovered)
}

fn scan<F: DiskFile>(file: &F, path: &Path, owner: Incarnation) -> Result<(Recovered, LogEnd), StorageError> {
    let length = file.len().attempt("measure", path)?;
    let next = ChainLink { sequence: 1, after: BLOCK_BYTES as u64, previous: crc32fast::hash(&header(owner)) };
    Scan { file, path, owner, length, next }.run()
}

/// The log's header, without the zeros that fill the block.
fn header(owner: Incarnation) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_slice(MAGIC);
    out.put_u32_le(FORMAT);
    out.put_slice(&owner.to_bytes());
    out.put_u32_le(crc32fast::hash(&out));
    out
}

fn check_header(bytes: &[u8], path: &Path, owner: Incarnation) -> Result<(), StorageError> {
    let foreign = |problem| StorageError::Foreign { file: path.to_owned(), problem };
    let expected = header(owner);
    let found = bytes.get(..expected.len()).ok_or_else(|| foreign("it is too short for a log"))?;
    let format = found.strip_prefix(MAGIC).and_then(|rest| rest.first_chunk()).map(|bytes| u32::from_le_bytes(*bytes));
    match format {
        None => Err(foreign("it is no log of rafttree")),
        Some(found) if found != FORMAT => Err(StorageError::Format { file: path.to_owned(), found, expected: FORMAT }),
        Some(_) if found != expected => Err(foreign("it is damaged, or another directory's log")),
        Some(_) => Ok(()),
    }
}
