//! What a search met: how often each kind of action fired, and which witnesses were reached.
//!
//! A search only takes steps that can really be taken, so counting beside the states is sound and
//! makes no two states differ.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::system::Action;

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

/// The kinds of [`Action`], as they are counted.
pub(crate) const KINDS: [&str; 10] = [
    "election timeout",
    "heartbeat timeout",
    "minimum timeout",
    "deliver",
    "propose",
    "transfer",
    "step down",
    "flush",
    "crash, everything synced kept",
    "crash, unsynced records at stake",
];

#[derive(Debug, Default)]
pub(crate) struct Stats {
    fired: [AtomicU64; KINDS.len()],
    reached: [AtomicBool; Witness::ALL.len()],
    /// Set to end a search: no further action is offered.
    pub(crate) stop: AtomicBool,
    found: AtomicBool,
}

impl Stats {
    pub(crate) fn count(&self, action: &Action, at_stake: bool) {
        let kind = match action {
            Action::ElectionTimeout(_) => 0,
            Action::HeartbeatTimeout(_) => 1,
            Action::MinimumTimeout(_) => 2,
            Action::Deliver(_) => 3,
            Action::Propose(_) => 4,
            Action::Transfer { .. } => 5,
            Action::StepDown(_) => 6,
            Action::Flush(_) => 7,
            Action::Crash { .. } | Action::CrashTorn(_) => 8 + usize::from(at_stake),
        };
        self.fired[kind].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn witness_if(&self, holds: bool, witness: Witness) {
        // Reading first keeps the threads from fighting over the line.
        if holds && !self.reached[witness as usize].load(Ordering::Relaxed) {
            self.reached[witness as usize].store(true, Ordering::Relaxed);
        }
    }

    /// Ends the search at the first violation: that one counts, later ones do not.
    pub(crate) fn is_found_already(&self) -> bool {
        self.stop.store(true, Ordering::SeqCst);
        self.found.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn reached(&self, witness: Witness) -> bool {
        self.reached[witness as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn fired(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        KINDS.iter().copied().zip(self.fired.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}
