//! The data directory: its lock, the identity that an explicit [`init`] writes once, and the group
//! that the first start writes down.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{self, Path, PathBuf};

use rafttree_model::{Members, ServerId};
use rustix::fs::FlockOperation;

use crate::storage::error::Attempt;
use crate::storage::note::{self, open_private, sync_directory};
use crate::storage::{FileStorage, Identity, Incarnation, StorageError, group};

const IDENTITY: &str = "identity";
const LOCK: &str = "lock";

/// Makes a new, empty data directory for this server, once.
///
/// A directory that lost its identity is never initialised silently: a server that forgot its
/// votes could help to elect a second leader of one term.
pub fn init(directory: impl AsRef<Path>, identity: Identity) -> Result<Incarnation, StorageError> {
    let directory = directory.as_ref();
    if identity.id == ServerId::new(0) {
        return Err(StorageError::ZeroId);
    }
    create_directory(directory)?;
    let _lock = lock(directory)?;
    if let Some((found, _)) = note::read(directory, IDENTITY, parse)? {
        let Identity { cluster, id } = found;
        return Err(StorageError::AlreadyInitialised { directory: directory.to_owned(), cluster, id });
    }
    let incarnation = Incarnation::random();
    FileStorage::create(directory, incarnation)?;
    // Last, since it is what makes the directory a server's.
    note::write(directory, IDENTITY, &render(identity, incarnation))?;
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
        let (identity, incarnation) = note::read(path, IDENTITY, parse)?.ok_or_else(missing)?;
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

    /// Refuses another group than the one that was written down.
    pub(crate) fn expect_group(&self, group: &Members) -> Result<(), StorageError> {
        match group::read(&self.path)? {
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
        if group::read(&self.path)?.is_none() {
            group::write(&self.path, group)?;
        }
        Ok(())
    }
}

/// Makes the directory, for this user alone, and those that are to hold it, so that a crash leaves
/// none of them out.
fn create_directory(directory: &Path) -> Result<(), StorageError> {
    let holders = holders(directory).attempt("find", directory)?;
    directory.parent().map_or(Ok(()), fs::create_dir_all).attempt("create", directory)?;
    DirBuilder::new().recursive(true).mode(0o700).create(directory).attempt("create", directory)?;
    holders.iter().try_for_each(|holder| sync_directory(holder))
}

/// What holds the directory, up to the first that is there already.
fn holders(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let directory = directory.canonicalize().or_else(|_| path::absolute(directory))?;
    let holders = directory.ancestors().skip(1);
    let missing = holders.clone().take_while(|holder| !holder.is_dir()).count();
    Ok(holders.take(missing + 1).map(Path::to_owned).collect())
}

/// Takes the directory for this process; the lock ends with the file.
fn lock(directory: &Path) -> Result<File, StorageError> {
    let path = directory.join(LOCK);
    let file = open_private(&path).attempt("open", &path)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StorageError::Locked { directory: directory.to_owned() }),
        other => other.attempt("lock", &path).map(|()| file),
    }
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use super::*;
    use crate::storage::{ClusterId, Pins};

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn nobody_else_reads_what_a_directory_holds() {
        let root = tempfile::tempdir().unwrap();
        let usual = root.path().join("usual");
        fs::create_dir(&usual).unwrap();
        let path = root.path().join("holder/1");
        create_directory(&path).unwrap();
        fs::write(path.join("identity.new"), "of an earlier version").unwrap();
        let id = ServerId::new(1);
        init(&path, Identity { cluster: ClusterId::random(), id }).unwrap();
        let directory = Arc::new(Directory::open(&path).unwrap());
        directory.keep_group(&Members::new([id]).unwrap()).unwrap();
        Pins::open(directory).unwrap().keep(ServerId::new(2), Incarnation::random()).unwrap();
        let files = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
        let mut modes: Vec<_> =
            files.map(|file| (file.file_name().unwrap().to_str().unwrap().to_owned(), mode(&file))).collect();
        modes.sort();
        let expected = ["group", "identity", "lock", "log", "pins"].map(|name| (name.to_owned(), 0o600));
        assert_eq!((modes.as_slice(), mode(&path)), (&expected[..], 0o700));
        assert_eq!(mode(path.parent().unwrap()), mode(&usual), "what holds it is not ours alone");
    }

    #[test]
    fn every_new_entry_is_flushed_and_that_of_the_first_one_too() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let directory = root.join("one/two/three");
        let expected = ["one/two", "one", ""].map(|holder| root.join(holder));
        assert_eq!(holders(&directory).unwrap(), expected);
        create_directory(&directory).unwrap();
        assert_eq!(holders(&directory).unwrap(), expected[..1]);
        assert_eq!(holders(Path::new("absent")).unwrap(), [std::env::current_dir().unwrap()]);
        assert!(holders(Path::new("/")).unwrap().is_empty());
    }
}
