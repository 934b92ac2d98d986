//! The data directory: its lock and the identity that an explicit [`init`] writes once.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use rafttree_model::ServerId;
use rustix::fs::FlockOperation;

use crate::storage::error::Attempt;
use crate::storage::{FileStorage, Identity, Incarnation, StorageError};

const IDENTITY: &str = "identity";
const LOCK: &str = "lock";

/// The version of the identity file.
const FORMAT: u32 = 1;

/// Makes a new, empty data directory for this server, once.
///
/// A directory that lost its identity is never initialised silently: a server that forgot its
/// votes could help to elect a second leader of one term.
pub fn init(directory: impl AsRef<Path>, identity: Identity) -> Result<Incarnation, StorageError> {
    let directory = directory.as_ref();
    if identity.id == ServerId(0) {
        return Err(StorageError::ZeroId);
    }
    create_directory(directory)?;
    let _lock = lock(directory)?;
    if let Some((found, _)) = read(directory)? {
        let Identity { cluster, id } = found;
        return Err(StorageError::AlreadyInitialised { directory: directory.to_owned(), cluster, id });
    }
    let incarnation = Incarnation::random();
    FileStorage::create(directory, incarnation)?;
    // Last, since it is what makes the directory a server's.
    place(directory, IDENTITY, render(identity, incarnation).as_bytes())?;
    Ok(incarnation)
}

/// A data directory that this process alone uses, until the value is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) incarnation: Incarnation,
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
        let (identity, incarnation) = read(path)?.ok_or_else(missing)?;
        Ok(Directory { path: path.to_owned(), identity, incarnation, _lock })
    }

    /// Refuses a directory that belongs to another server.
    pub(crate) fn expect(&self, identity: Identity) -> Result<(), StorageError> {
        let (directory, found) = (self.path.clone(), self.identity);
        if found.cluster != identity.cluster {
            let (expected, found) = (identity.cluster, found.cluster);
            return Err(StorageError::ForeignCluster { directory, expected, found });
        }
        if found.id != identity.id {
            return Err(StorageError::ForeignServer { directory, expected: identity.id, found: found.id });
        }
        Ok(())
    }
}

/// Writes a whole file so that a crash leaves either none or all of it.
pub(super) fn place(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
    let temporary = directory.join(format!("{name}.new"));
    let mut file = File::create(&temporary).attempt("create", &temporary)?;
    file.write_all(bytes).attempt("write", &temporary)?;
    file.sync_all().attempt("flush", &temporary)?;
    let path = directory.join(name);
    fs::rename(&temporary, &path).attempt("rename the new file to", &path)?;
    sync_directory(directory)
}

fn create_directory(directory: &Path) -> Result<(), StorageError> {
    fs::create_dir_all(directory).attempt("create", directory)?;
    let directory = directory.canonicalize().attempt("find", directory)?;
    directory.parent().map_or(Ok(()), sync_directory)
}

fn sync_directory(directory: &Path) -> Result<(), StorageError> {
    File::open(directory).and_then(|file| file.sync_all()).attempt("flush", directory)
}

/// Takes the directory for this process; the lock ends with the file.
fn lock(directory: &Path) -> Result<File, StorageError> {
    let path = directory.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).attempt("open", &path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StorageError::Locked { directory: directory.to_owned() }),
        other => other.attempt("lock", &path).map(|()| file),
    }
}

fn read(directory: &Path) -> Result<Option<(Identity, Incarnation)>, StorageError> {
    let path = directory.join(IDENTITY);
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text, &path).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(damaged(&path)),
        Err(error) => Err(error).attempt("read", &path),
    }
}

/// The identity as text, for people too; the checksum covers the lines before it.
fn render(Identity { cluster, id }: Identity, incarnation: Incarnation) -> String {
    let lines = format!("rafttree identity {FORMAT}\ncluster {cluster}\nserver {id}\nincarnation {incarnation}\n");
    let checksum = crc32fast::hash(lines.as_bytes());
    format!("{lines}checksum {checksum:08x}\n")
}

fn parse(text: &str, path: &Path) -> Result<(Identity, Incarnation), StorageError> {
    let found = text.strip_prefix("rafttree identity ").and_then(|rest| rest.lines().next()?.parse().ok());
    let found = found.ok_or_else(|| damaged(path))?;
    if found != FORMAT {
        return Err(StorageError::Format { file: path.to_owned(), found, expected: FORMAT });
    }
    fields(text).filter(|&(identity, incarnation)| render(identity, incarnation) == text).ok_or_else(|| damaged(path))
}

fn fields(text: &str) -> Option<(Identity, Incarnation)> {
    let field = |name| text.lines().find_map(|line| line.strip_prefix(name));
    let cluster = field("cluster ")?.parse().ok()?;
    let id = ServerId(field("server ")?.parse().ok()?);
    Some((Identity { cluster, id }, field("incarnation ")?.parse().ok()?))
}

fn damaged(path: &Path) -> StorageError {
    StorageError::Foreign { file: path.to_owned(), problem: "it is damaged, or no identity file at all" }
}
