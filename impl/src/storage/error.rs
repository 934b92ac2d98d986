//! Errors of a data directory.

use std::io;
use std::path::{Path, PathBuf};

use rafttree_model::{Position, ServerId};

use super::identity::{ClusterId, listed};

/// Why a data directory was refused, or why it can no longer be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The directory was never initialised, or lost its identity.
    #[error(
        "{} has no identity: if this server is new, initialise the directory (`rafttree init`, or `init` of the \
         library); if it ever ran, it has forgotten its votes and must not come back under its old id", directory.display()
    )]
    NoIdentity {
        /// The data directory.
        directory: PathBuf,
    },
    /// The log begins behind everything that a snapshot holds.
    #[error(
        "the log in {} begins behind entry {base}, and {}: what was applied until then is lost; put the snapshot files \
         back, or let this server join as a new one with an empty directory", directory.display(),
        match newest { Some(last) => format!("the newest sound snapshot ends with entry {last}"), None => "there is no sound snapshot".into() }
    )]
    SnapshotMissing {
        /// The data directory.
        directory: PathBuf,
        /// The last entry that the log no longer holds.
        base: rafttree_model::Position,
        /// The last entry in the newest snapshot that is sound.
        newest: Option<rafttree_model::Position>,
    },
    /// The directory is initialised already.
    #[error("{} belongs to server {id} of cluster {cluster} already: start it, or choose another directory", directory.display())]
    AlreadyInitialised {
        /// The data directory.
        directory: PathBuf,
        /// The cluster it belongs to.
        cluster: ClusterId,
        /// The server it belongs to.
        id: ServerId,
    },
    /// The directory holds a log, but not the identity that it belongs to.
    #[error(
        "{} holds records, but its directory has no identity: put the identity file back; \
         a server that forgets its votes endangers its group", file.display()
    )]
    LogWithoutIdentity {
        /// The log.
        file: PathBuf,
    },
    /// The directory belongs to another cluster.
    #[error("{} belongs to cluster {found}, not to {expected}: choose this server's own directory", directory.display())]
    ForeignCluster {
        /// The data directory.
        directory: PathBuf,
        /// The cluster that was asked for.
        expected: ClusterId,
        /// The cluster that the directory belongs to.
        found: ClusterId,
    },
    /// The directory belongs to another server.
    #[error("{} belongs to server {found}, not to {expected}: choose this server's own directory", directory.display())]
    ForeignServer {
        /// The data directory.
        directory: PathBuf,
        /// The server that was asked for.
        expected: ServerId,
        /// The server that the directory belongs to.
        found: ServerId,
    },
    /// The directory was started as part of another group before.
    #[error(
        "{} was first started in a group of servers {}, and is now given servers {}: give the same servers at every \
         start (addresses may change); a group cannot be changed yet, so another group needs new directories",
        directory.display(), listed(kept), listed(asked)
    )]
    OtherGroup {
        /// The data directory.
        directory: PathBuf,
        /// The servers of the group that it was first started in.
        kept: Vec<ServerId>,
        /// The servers that were asked for.
        asked: Vec<ServerId>,
    },
    /// The server id 0 was asked for.
    #[error("server ids start at 1")]
    ZeroId,
    /// Another process uses the directory.
    #[error("{} is in use by another process: stop that one, or choose another directory", directory.display())]
    Locked {
        /// The data directory.
        directory: PathBuf,
    },
    /// The file was not written by this program, is damaged, or belongs to another directory.
    #[error("{} is not this server's: {problem}", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
        /// The problem with it.
        problem: &'static str,
    },
    /// The file was written by a version that this one does not understand.
    #[error("{} has format {found}, this version reads format {expected}: use the version that wrote it", file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The format that this version reads.
        expected: u32,
    },
    /// A batch that was acknowledged is damaged.
    #[error(
        "{}: batch {batch} at byte {offset} is damaged ({problem}) and others follow it, so it was acknowledged: \
         bring back a copy of the whole directory that was taken since this server last ran, or leave it stopped: an older \
         one has forgotten votes, and the group goes on while a majority runs", file.display()
    )]
    Corrupt {
        /// The log.
        file: PathBuf,
        /// Where the batch begins.
        offset: u64,
        /// The batch's number.
        batch: u64,
        /// The problem with it.
        problem: &'static str,
    },
    /// Entries cannot be read any more that were acknowledged, or may have been, nor all of their names.
    #[error(
        "{}: batch {batch} at byte {offset} is damaged, and with it {} (index@term){}: bring back a copy of the whole \
         directory that was taken since this server last ran, or leave it stopped: an older one has forgotten votes, and \
         the group goes on while a majority runs; `rafttree log verify` says what else is damaged",
        file.display(), entries(*first, *last),
        if *is_acknowledged { ", which were acknowledged" } else { ", and nothing tells whether they were acknowledged" }
    )]
    DamagedEntries {
        /// The file.
        file: PathBuf,
        /// Where the batch begins that they were in.
        offset: u64,
        /// The batch's number.
        batch: u64,
        /// The first of them.
        first: Position,
        /// The last of them.
        last: Position,
        /// Whether it is known that they were acknowledged: another batch follows.
        is_acknowledged: bool,
    },
    /// Entries cannot be read any more, and a group of one has nobody to fetch them from.
    #[error(
        "the disk has damaged {} (index@term) of the log, and a group of one has no other server to fetch them from: \
         bring back a copy of the whole directory that was taken since this server last ran; `rafttree log verify` says \
         where the damage is", entries(*first, *last)
    )]
    NobodyElseHolds {
        /// The first of them.
        first: Position,
        /// The last of them.
        last: Position,
    },
    /// A batch that was acknowledged is damaged, and so is what was kept apart to name its entries.
    #[error(
        "{}: batch {batch} is damaged, others follow it, and so is its slot, so nobody can tell what was acknowledged: bring \
         back a copy of the whole directory that was taken since this server last ran, or leave it stopped for good: the \
         group goes on while a majority runs; `rafttree log verify` says what else is damaged", file.display()
    )]
    IdentityLost {
        /// The file that the batch was in, or the one before.
        file: PathBuf,
        /// The batch's number.
        batch: u64,
    },
    /// A record was written by a later version.
    #[error("{}: batch {batch} holds a record of a kind that this version does not know: use the version that wrote it", file.display())]
    UnknownRecord {
        /// The file.
        file: PathBuf,
        /// The batch's number.
        batch: u64,
    },
    /// A file of the log is not there.
    #[error(
        "{} is missing, and what it held was acknowledged: bring the file back, or a copy of the whole directory that was \
         taken since this server last ran, or leave it stopped: the group goes on while a majority runs", file.display()
    )]
    MissingFile {
        /// The file.
        file: PathBuf,
    },
    /// One record is larger than any batch may be.
    #[error("a record of {bytes} bytes is larger than a batch may be ({limit} bytes)")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// The disk is full, or a quota or a limit of a file's size is reached, and the log has no room
    /// for the batch that was to be written. Nothing that was acknowledged is lost.
    #[error(
        "{} has no room for what is to be written: {left} bytes are left in it, and it cannot grow ({source}); free some \
         space on its file system, or raise the limit, and start the server again: no promise is broken, nothing is lost",
        file.display()
    )]
    NoRoom {
        /// The log.
        file: PathBuf,
        /// Bytes that are left in it, too few for the batch.
        left: u64,
        /// The operating system's error.
        source: io::Error,
    },
    /// The operating system reported an error.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The action that was attempted.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A log must be read before it is continued.
    #[error("the log was not read yet: call `load` before any write")]
    NotLoaded,
    /// An earlier write failed, so nothing is written any more.
    #[error("an earlier write failed, so nothing is written any more: restart the server once the disk is sound")]
    Sealed,
}

/// The entries from one to another, in words.
fn entries(first: Position, last: Position) -> String {
    if first == last { format!("entry {first}") } else { format!("entries {first} to {last}") }
}

/// Says what was attempted when an operation on a file fails.
pub(super) trait Attempt<T> {
    /// Turns the error into one that names the action and the file.
    fn attempt(self, action: &'static str, path: &Path) -> Result<T, StorageError>;
}

impl<T, E: Into<io::Error>> Attempt<T> for Result<T, E> {
    fn attempt(self, action: &'static str, path: &Path) -> Result<T, StorageError> {
        self.map_err(|error| StorageError::Io { action, path: path.to_owned(), source: error.into() })
    }
}
