//! What must be met in a search that is to mean something.

/// Something that must be reached, or the search checked nothing worth checking.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Witness {
    Leader,
    SplitVote,
    LaterCommit,
    ConflictCut,
    UnsyncedLost,
    RefusedVote,
    RefusedPreVote,
    RefusedEntries,
    TransferVote,
    LateTransfer,
    LateVote,
    KnownTerm,
    Lease,
    LeaseInNewerTerm,
    ServedRead,
}

impl Witness {
    pub(crate) const ALL: [Witness; 15] = [
        Witness::Leader,
        Witness::SplitVote,
        Witness::LaterCommit,
        Witness::ConflictCut,
        Witness::UnsyncedLost,
        Witness::RefusedVote,
        Witness::RefusedPreVote,
        Witness::RefusedEntries,
        Witness::TransferVote,
        Witness::LateTransfer,
        Witness::LateVote,
        Witness::KnownTerm,
        Witness::Lease,
        Witness::LeaseInNewerTerm,
        Witness::ServedRead,
    ];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Witness::Leader => "a leader",
            Witness::SplitVote => "a split vote",
            Witness::LaterCommit => "a commit in a later term",
            Witness::ConflictCut => "a conflict cut",
            Witness::UnsyncedLost => "an unsynced record lost",
            Witness::RefusedVote => "a refused vote reached its candidate",
            Witness::RefusedPreVote => "a refused pre-vote reached who had asked for it",
            Witness::RefusedEntries => "a refusal of entries reached their leader",
            Witness::TransferVote => "a vote request of a transfer reached a server that had just heard a leader",
            Witness::LateTransfer => "a request to take over arrived too late, at who no longer follows",
            Witness::LateVote => "a vote arrived too late, at no candidate",
            Witness::KnownTerm => "a server was told the term that it is in",
            Witness::Lease => "a lease",
            Witness::LeaseInNewerTerm => "a lease that counts on a server in a newer term",
            Witness::ServedRead => "a linearizable read",
        }
    }
}
