//! Why a snapshot does not get from one server to another.

use crate::storage::snapshot::{ArrivalError, OutgoingError};
use crate::transport::refusal::Refusal;

/// The reason why a snapshot was not sent, or did not arrive. Both sides learn it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum SnapshotFailure {
    #[error("the sender has no such snapshot any more")]
    NotHeld,
    #[error(
        "the sender's file of the snapshot is damaged: its disk changes what was written; a new snapshot takes its place"
    )]
    Rotten,
    #[error("the sender cannot read its snapshot: {0}")]
    Unreadable(String),
    #[error("what arrives of the snapshot is damaged: memory or disk of one of the two servers is faulty")]
    Damaged,
    #[error("the receiver's disk has no room for the snapshot: free some")]
    NoRoom,
    #[error("the receiver cannot write the snapshot: {0}")]
    Unwritable(String),
    #[error("the receiver takes a snapshot of another server now")]
    Busy,
    #[error("a server said about a snapshot what none should: its program or memory is faulty")]
    Nonsense,
    #[error(transparent)]
    Refused(Refusal),
    #[error("the other side gives up a snapshot for a reason that this version does not know")]
    Other,
}

impl From<ArrivalError> for SnapshotFailure {
    fn from(error: ArrivalError) -> SnapshotFailure {
        match error {
            error if error.is_lack_of_room() => SnapshotFailure::NoRoom,
            ArrivalError::Nonsense(_) => SnapshotFailure::Nonsense,
            ArrivalError::Damaged(_) => SnapshotFailure::Damaged,
            ArrivalError::Disk(error) => SnapshotFailure::Unwritable(error.to_string()),
        }
    }
}

impl From<OutgoingError> for SnapshotFailure {
    fn from(error: OutgoingError) -> SnapshotFailure {
        match error {
            OutgoingError::Damaged(_) => SnapshotFailure::Rotten,
            OutgoingError::Disk(error) => SnapshotFailure::Unreadable(error.to_string()),
        }
    }
}
