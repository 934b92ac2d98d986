//! The snapshots of one data directory.

use std::cmp::Reverse;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use rafttree_model::Position;

use super::format::{arriving_position, file_name, position};
use super::reader::{Snapshot, SnapshotReader, verify};
use crate::storage::directory::Directory;
use crate::storage::disk::{Disk, DiskFile as _, FileSystem};
use crate::storage::error::{Attempt, StorageError};
use crate::storage::identity::Incarnation;

/// A snapshot that is being written.
pub(super) const NEW_FILE: &str = "snapshot.new";

/// The snapshots of a directory. One may be written, and others read, by any thread at any time.
#[derive(Debug)]
pub(crate) struct Snapshots<D: Disk = FileSystem> {
    pub(super) disk: D,
    pub(super) owner: Incarnation,
    pub(super) is_writing: AtomicBool,
    /// Held while one arrives from another server.
    pub(super) arriving: Mutex<()>,
    /// Those that are whole, the newest first.
    held: Mutex<Vec<Snapshot>>,
    /// Locked until the last write has ended, whoever waits for it.
    _directory: Option<Arc<Directory>>,
}

impl Snapshots {
    /// Opens those of this directory, and reads all of each: one that is damaged is none.
    pub(crate) fn open(directory: Arc<Directory>) -> Result<Snapshots, StorageError> {
        let disk = directory.disk();
        Snapshots::within(disk, directory.incarnation, Some(directory))
    }
}

impl<D: Disk> Snapshots<D> {
    /// Those on this disk.
    pub(crate) fn within(
        disk: D,
        owner: Incarnation,
        directory: Option<Arc<Directory>>,
    ) -> Result<Snapshots<D>, StorageError> {
        let (held, is_writing, arriving) = (Mutex::default(), AtomicBool::default(), Mutex::default());
        let snapshots = Snapshots { disk, owner, is_writing, arriving, held, _directory: directory };
        for name in snapshots.names()? {
            if name == NEW_FILE {
                snapshots.remove(&name)?;
            } else if let Some(last) = position(&name) {
                snapshots.look_at(&name, last)?;
            }
        }
        snapshots.forget_arrivals()?;
        Ok(snapshots)
    }

    /// The newest, if there is one.
    pub(crate) fn newest(&self) -> Option<Snapshot> {
        self.held().first().cloned()
    }

    /// All that are whole, the newest first.
    pub(crate) fn all(&self) -> Vec<Snapshot> {
        self.held().clone()
    }

    /// Where they are, for what is said to people.
    pub(crate) fn directory(&self) -> PathBuf {
        // Without the separator that joining an empty name has left at the end.
        self.disk.path("").components().collect()
    }

    /// Fails once a flush of the directory has failed: then nothing is promised any more.
    pub(crate) fn check(&self) -> Result<(), StorageError> {
        self.disk.syncs().check().attempt("flush", &self.disk.path(""))
    }

    /// Opens a snapshot to read the service's bytes.
    pub(crate) fn read(&self, snapshot: &Snapshot) -> Result<SnapshotReader<D::File>, StorageError> {
        Ok(SnapshotReader::new(self.open_file(snapshot.last)?, snapshot.last))
    }

    /// Removes what is not needed any more by a log that begins, durably, behind `base`: all that is older
    /// than the newest that is not beyond the base, the newest of all apart. To what is later the log may
    /// be about to go; and it may get its name at this very moment.
    pub(crate) fn remove_older(&self, base: Position) -> Result<(), StorageError> {
        let needed = self.all().into_iter().skip(1).map(|snapshot| snapshot.last).find(|&last| last <= base);
        let is_older = |name: &&String| position(name).is_some_and(|last| Some(last) < needed);
        for name in self.names()?.iter().filter(is_older) {
            self.held().retain(|snapshot| file_name(snapshot.last) != *name);
            self.remove(name)?;
        }
        self.forget_arrivals()?;
        self.disk.sync().attempt("flush", &self.disk.path(""))
    }

    /// Gives a file that was flushed its name, once all of it was read back from the disk.
    pub(super) fn keep(
        &self,
        name: &str,
        last: Position,
        progress: impl FnMut(),
    ) -> Result<Option<Snapshot>, StorageError> {
        let path = self.disk.path(name);
        let file = self.disk.open_to_read(name).attempt("open", &path)?;
        file.forget_cached().attempt("flush", &path)?;
        let Some(snapshot) = verify(file, &path, self.owner, last, progress)? else { return Ok(None) };
        let named = file_name(last);
        self.disk.rename(name, &named).attempt("rename the new file to", &self.disk.path(&named))?;
        self.disk.sync().attempt("flush", &self.disk.path(""))?;
        self.add(snapshot.clone());
        Ok(Some(snapshot))
    }

    /// Removes what has begun to arrive and is of no use any more, unless something arrives now.
    fn forget_arrivals(&self) -> Result<(), StorageError> {
        let _alone = match self.arriving.try_lock() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(alone)) => alone.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
        let Some(newest) = self.newest() else { return Ok(()) };
        let is_old = |name: &&String| arriving_position(name).is_some_and(|last| last <= newest.last);
        self.names()?.iter().filter(is_old).try_for_each(|name| self.remove(name))
    }

    pub(super) fn open_file(&self, last: Position) -> Result<D::File, StorageError> {
        self.disk.open_to_read(&file_name(last)).attempt("open", &self.path_of(last))
    }

    pub(super) fn path_of(&self, last: Position) -> PathBuf {
        self.disk.path(&file_name(last))
    }

    pub(super) fn names(&self) -> Result<Vec<String>, StorageError> {
        self.disk.names().attempt("list", &self.disk.path(""))
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), StorageError> {
        self.disk.remove(name).attempt("remove", &self.disk.path(name))
    }

    fn look_at(&self, name: &str, last: Position) -> Result<(), StorageError> {
        let path = self.disk.path(name);
        let file = self.disk.open_to_read(name).attempt("open", &path)?;
        match verify(file, &path, self.owner, last, || {})? {
            Some(snapshot) => self.add(snapshot),
            None => tracing::warn!(file = %path.display(), "a snapshot is damaged, or another directory's"),
        }
        Ok(())
    }

    fn add(&self, snapshot: Snapshot) {
        let mut held = self.held();
        held.retain(|other| other.last != snapshot.last);
        held.push(snapshot);
        // What is in a snapshot is committed, so of two positions the later has no earlier term.
        held.sort_by_key(|snapshot| Reverse(snapshot.last));
    }

    fn held(&self) -> MutexGuard<'_, Vec<Snapshot>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
