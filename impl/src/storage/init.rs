//! A new data directory, made once.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{self, Path, PathBuf};

use rafttree_model::ServerId;

use super::directory::{lock, read_identity, write_identity};
use super::disk::{Disk, FileSystem};
use super::error::{Attempt, StorageError};
use super::file::{USUAL, create_log};
use super::identity::{Identity, Incarnation};
use super::layout::Layout;
use super::note::sync_directory;

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
    let disk = FileSystem::new(directory);
    if let Some((found, _)) = read_identity(&disk)? {
        let Identity { cluster, id } = found;
        return Err(StorageError::AlreadyInitialised { directory: directory.to_owned(), cluster, id });
    }
    let incarnation = Incarnation::random();
    fill(&disk, identity, incarnation, USUAL)?;
    Ok(incarnation)
}

/// Makes the files of a directory that has no identity: a log without records, and the identity.
pub(super) fn fill<D: Disk>(
    disk: &D,
    identity: Identity,
    incarnation: Incarnation,
    usual: Layout,
) -> Result<(), StorageError> {
    create_log(disk, incarnation, usual)?;
    // Last, since it is what makes the directory a server's.
    write_identity(disk, identity, incarnation)
}

/// Makes the directory, for this user alone, and those that are to hold it, so that a crash leaves
/// none of them out.
fn create_directory(directory: &Path) -> Result<(), StorageError> {
    let holders = holders(directory).attempt("find", directory)?;
    directory.parent().map_or(Ok(()), fs::create_dir_all).attempt("create", directory)?;
    DirBuilder::new().recursive(true).mode(0o700).create(directory).attempt("create", directory)?;
    holders.iter().try_for_each(|holder| sync_directory(holder))
}

/// The directories that hold this one, up to the first that is there already.
fn holders(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let directory = directory.canonicalize().or_else(|_| path::absolute(directory))?;
    let holders = directory.ancestors().skip(1);
    let missing = holders.clone().take_while(|holder| !holder.is_dir()).count();
    Ok(holders.take(missing + 1).map(Path::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use rafttree_model::Members;

    use super::*;
    use crate::storage::{ClusterId, Directory, Pins};

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
        let expected =
            ["group", "identity", "lock", "log-0000000000000001", "pins"].map(|name| (name.to_owned(), 0o600));
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
