//! Faulty entries: a disk has lost what they carry, and their names are still known.
//!
//! After Alagappan et al., 'Protocol-aware recovery for consensus-based storage' (FAST 2018): to cut a log where
//! it cannot be read loses what was committed, so the entry stays, is counted by its name, and is
//! fetched again from a leader that can read it.

use crate::types::Index;

/// Where a log cannot be read: from its first faulty entry to its last, or nowhere. What stands between
/// two of them counts as faulty as well, and is fetched again with them, which does no harm.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Faulty {
    /// The first of them; 0, which is no entry's index, if there are none.
    first: Index,
    /// The last of them. Invariant: `first <= last`, and 0 only if `first` is.
    last: Index,
}

impl Faulty {
    /// The whole log can be read.
    pub const NONE: Faulty = Faulty { first: Index::ZERO, last: Index::ZERO };

    /// The entries from `first` to `last`, of which there is at least one.
    pub fn between(first: Index, last: Index) -> Faulty {
        assert!(Index::ZERO < first && first <= last, "what is faulty are entries");
        Faulty { first, last }
    }

    /// Whether the whole log can be read.
    pub fn is_none(self) -> bool {
        self == Faulty::NONE
    }

    /// The first faulty entry.
    pub fn first(self) -> Option<Index> {
        (!self.is_none()).then_some(self.first)
    }

    /// The last faulty entry.
    pub fn last(self) -> Option<Index> {
        (!self.is_none()).then_some(self.last)
    }

    /// Whether the entry here cannot be read.
    pub fn contains(self, index: Index) -> bool {
        !self.is_none() && self.first <= index && index <= self.last
    }

    /// How far the log can be read, up to `index`.
    pub fn legible(self, index: Index) -> Index {
        self.first().map_or(index, |first| index.min(first.previous()))
    }

    /// What is left of them among the entries after `before`, up to and including `last`.
    #[must_use]
    pub fn among(self, before: Index, last: Index) -> Faulty {
        let (first, last) = (self.first.max(before.next()), self.last.min(last));
        if self.is_none() || last < first { Faulty::NONE } else { Faulty { first, last } }
    }

    /// What is left of them once the entry here is repaired. They are repaired from the first on, so
    /// that a range remains.
    pub(crate) fn repaired(self, index: Index) -> Faulty {
        if self.first() == Some(index) { self.among(index, self.last) } else { self }
    }
}
