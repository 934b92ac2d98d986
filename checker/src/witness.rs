//! What must be met in a search that is to mean something.

/// Something that must be reached, or the search checked nothing worth checking.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Witness {
    Leader,
    SplitVote,
    LaterCommit,
    ConflictCut,
    UnsyncedLost,
}

impl Witness {
    pub(crate) const ALL: [Witness; 5] =
        [Witness::Leader, Witness::SplitVote, Witness::LaterCommit, Witness::ConflictCut, Witness::UnsyncedLost];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Witness::Leader => "a leader",
            Witness::SplitVote => "a split vote",
            Witness::LaterCommit => "a commit in a later term",
            Witness::ConflictCut => "a conflict cut",
            Witness::UnsyncedLost => "an unsynced record lost",
        }
    }
}
