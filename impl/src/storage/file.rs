//! The log of a data directory, as services open it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rafttree_model::Record;

use super::convert;
use super::directory::Directory;
use super::disk::{Disk, DiskFile, FileSystem};
use super::error::{Attempt, StorageError};
use super::format1;
use super::helper::Helper;
use super::identity::Incarnation;
use super::interface::{Recovered, Room, Storage};
use super::layout::{self, BLOCK_BYTES, Layout, SEGMENT_BLOCKS};
use super::log::SegmentedLog;

/// How large segments are usually.
pub(super) const USUAL: Layout = Layout { blocks: SEGMENT_BLOCKS };

/// Keeps records in the append-only, checksummed log of a locked directory.
#[derive(Debug)]
pub struct FileStorage {
    // Dropped first: somebody may be at work in the directory for it until then.
    log: SegmentedLog<FileSystem>,
    /// Locked until the log is closed.
    _directory: Arc<Directory>,
}

impl FileStorage {
    /// Opens the log of a directory that [`init`](crate::storage::init) made, and locks it. A log of an
    /// earlier version is converted, for good.
    pub fn open(directory: impl AsRef<Path>) -> Result<FileStorage, StorageError> {
        FileStorage::within(Arc::new(Directory::open(directory.as_ref())?))
    }

    /// Opens the log of this directory.
    pub(crate) fn within(directory: Arc<Directory>) -> Result<FileStorage, StorageError> {
        let disk = directory.disk();
        convert::convert(&disk, directory.incarnation, USUAL)?;
        let log = SegmentedLog::open(disk, directory.incarnation, USUAL)?.with_helper(Helper::Thread);
        Ok(FileStorage { log, _directory: directory })
    }
}

/// Makes a log without records. One that never held any is replaced: an `init` was cut short.
pub(super) fn create_log<D: Disk>(disk: &D, owner: Incarnation, usual: Layout) -> Result<(), StorageError> {
    let names = disk.names().attempt("list", &disk.path(""))?;
    for name in names.iter().filter(|name| *name == format1::FILE || layout::segment_number(name).is_some()) {
        if holds_records(disk, name)? {
            return Err(StorageError::LogWithoutIdentity { file: disk.path(name) });
        }
        disk.remove(name).attempt("remove", &disk.path(name))?;
    }
    SegmentedLog::create(disk, owner, usual)
}

/// Whether anything was ever written behind the file's header.
fn holds_records<D: Disk>(disk: &D, name: &str) -> Result<bool, StorageError> {
    let path = disk.path(name);
    let file = disk.open_to_read(name).attempt("open", &path)?;
    let length = usize::try_from(file.len().attempt("measure", &path)?).unwrap_or(usize::MAX);
    let bytes = file.read_up_to(length, 0).attempt("read", &path)?;
    Ok(bytes.iter().skip(BLOCK_BYTES).any(|&byte| byte != 0))
}

impl Storage for FileStorage {
    fn load(&mut self) -> Result<Recovered, StorageError> {
        self.log.load()
    }

    fn write(&mut self, records: &[Record<Bytes>]) -> Result<(), StorageError> {
        self.log.write(records)
    }

    fn prepare(&mut self) -> Result<Room, StorageError> {
        self.log.prepare()
    }
}
