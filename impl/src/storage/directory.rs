//! The data directory: its lock, its identity, and the group that the first start writes down.

use std::fs::File;
use std::path::{Path, PathBuf};

use rafttree_model::{Members, ServerId};
use rustix::fs::FlockOperation;

use super::disk::{Disk, FileSystem};
use super::error::{Attempt, StorageError};
use super::group;
use super::identity::{Identity, Incarnation};
use super::note::{self, open_private};

const IDENTITY_FILE: &str = "identity";
pub(super) const LOCK_FILE: &str = "lock";

/// A data directory that this process alone uses, until the value is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) incarnation: Incarnation,
    disk: FileSystem,
    _lock: File,
}

impl Directory {
    /// Opens and locks a directory that was initialised.
    pub(crate) fn open(path: &Path) -> Result<Directory, StorageError> {
        let missing = || StorageError::NoIdentity { directory: path.to_owned() };
        if !path.is_dir() {
            return Err(missing());
        }
        let _lock = lock(path)?;
        let disk = FileSystem::new(path);
        let (identity, incarnation) = read_identity(&disk)?.ok_or_else(missing)?;
        Ok(Directory { path: path.to_owned(), identity, incarnation, disk, _lock })
    }

    /// Its files: the same value for all that use them, so that a flush which fails for one has failed for all.
    pub(super) fn disk(&self) -> FileSystem {
        self.disk.clone()
    }

    /// Refuses a directory that belongs to another server.
    pub(crate) fn expect(&self, identity: Identity) -> Result<(), StorageError> {
        expect_identity(&self.path, self.identity, identity)
    }

    /// Refuses another group than the one that was written down.
    pub(crate) fn expect_group(&self, group: &Members) -> Result<(), StorageError> {
        match group::read(&self.disk())? {
            Some(kept) if kept != *group => {
                let (directory, kept) = (self.path.clone(), kept.ids().collect());
                Err(StorageError::OtherGroup { directory, kept, asked: group.ids().collect() })
            }
            _ => Ok(()),
        }
    }

    /// Writes the group down, if no start did so before. A directory that earlier versions used
    /// has none though its log is not empty: there, too, the first list is believed.
    pub(crate) fn keep_group(&self, group: &Members) -> Result<(), StorageError> {
        if group::read(&self.disk())?.is_none() {
            group::write(&self.disk(), group)?;
        }
        Ok(())
    }
}

/// Refuses a directory of this identity, where another one is expected.
pub(crate) fn expect_identity(directory: &Path, found: Identity, expected: Identity) -> Result<(), StorageError> {
    let directory = directory.to_owned();
    if found.cluster != expected.cluster {
        let (expected, found) = (expected.cluster, found.cluster);
        return Err(StorageError::ForeignCluster { directory, expected, found });
    }
    if found.id != expected.id {
        return Err(StorageError::ForeignServer { directory, expected: expected.id, found: found.id });
    }
    Ok(())
}

/// Takes the directory for this process; the lock ends with the file.
pub(super) fn lock(directory: &Path) -> Result<File, StorageError> {
    let path = directory.join(LOCK_FILE);
    let file = open_private(&path).attempt("open", &path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StorageError::Locked { directory: directory.to_owned() }),
        other => other.attempt("lock", &path).map(|()| file),
    }
}

/// The identity of a directory, if it has one.
pub(super) fn read_identity<D: Disk>(disk: &D) -> Result<Option<(Identity, Incarnation)>, StorageError> {
    note::read(disk, IDENTITY_FILE, parse)
}

/// Makes the directory a server's.
pub(super) fn write_identity<D: Disk>(
    disk: &D,
    identity: Identity,
    incarnation: Incarnation,
) -> Result<(), StorageError> {
    note::write(disk, IDENTITY_FILE, &render(identity, incarnation))
}

/// The identity as lines of text.
fn render(Identity { cluster, id }: Identity, incarnation: Incarnation) -> String {
    format!("cluster {cluster}\nserver {id}\nincarnation {incarnation}\n")
}

fn parse(lines: &str) -> Option<(Identity, Incarnation)> {
    let field = |name| lines.lines().find_map(|line| line.strip_prefix(name));
    let cluster = field("cluster ")?.parse().ok()?;
    let id = ServerId::new(field("server ")?.parse().ok()?);
    Some((Identity { cluster, id }, field("incarnation ")?.parse().ok()?))
}
