//! The log's shape: where each term begins, where the log begins and ends.
//!
//! Terms never fall along a log, so its shape is a short list of boundaries however long it is.
//! Payloads stay with whoever stores them.

use tinyvec::TinyVec;

use crate::types::{Index, Position, Term};

/// The shape of one server's log.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Log {
    /// The last entry that compaction took away, or the start of an empty log.
    base: Position,
    /// Where each term after the base begins. Invariant: indices and terms rise strictly.
    runs: TinyVec<[Run; 3]>,
    /// The last entry, or the base if there is none after it.
    last: Position,
}

/// Consecutive entries of one term.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Run {
    first: Index,
    term: Term,
}

impl Log {
    /// A log without entries that begins behind `base`, as a snapshot leaves it.
    pub fn starting_at(base: Position) -> Log {
        Log { base, runs: TinyVec::default(), last: base }
    }

    /// The entries that are held, by rising index.
    pub fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        let held = self.base.index.until(self.last.index);
        held.map(|index| self.position_at(index).expect("held entries have positions"))
    }

    /// The last entry that is no longer held; `0@0` if the log was never compacted.
    pub fn base(&self) -> Position {
        self.base
    }

    /// The last entry, or the base if there is none after it.
    pub fn last(&self) -> Position {
        self.last
    }

    /// The term of the entry at `index`; known from the base to the last entry.
    pub fn term_at(&self, index: Index) -> Option<Term> {
        if index == self.last.index {
            return Some(self.last.term);
        }
        if index < self.base.index || self.last.index < index {
            return None;
        }
        let begun = self.runs.iter().rev().find(|run| run.first <= index);
        Some(begun.map_or(self.base.term, |run| run.term))
    }

    /// The name of the entry at `index`; known from the base to the last entry.
    pub fn position_at(&self, index: Index) -> Option<Position> {
        self.term_at(index).map(|term| Position { term, index })
    }

    /// Whether this very entry is in the log. What was compacted is not in doubt: it was
    /// committed, and no leader names another entry in its place.
    pub fn holds(&self, position: Position) -> bool {
        position.index < self.base.index || self.term_at(position.index) == Some(position.term)
    }

    /// The last entry that stands neither after `bound` nor has a later term: where a log that
    /// ends so could still agree with this one. `None` if it could agree with nothing that is held,
    /// the base included.
    pub fn last_within(&self, bound: Position) -> Option<Position> {
        if bound.term < self.base.term {
            return None;
        }
        let mut index = self.last.index.min(bound.index);
        for run in self.runs.iter().rev() {
            if run.term <= bound.term {
                break;
            }
            index = index.min(run.first.previous());
        }
        self.position_at(index)
    }

    /// Adds an entry at the end.
    #[inline(always)]
    pub fn push(&mut self, entry: Position) {
        assert!(entry.index == self.last.index.next(), "a log has no gaps");
        assert!(self.last.term <= entry.term, "terms never fall along a log");
        if self.last.term < entry.term {
            self.runs.push(Run { first: entry.index, term: entry.term });
        }
        self.last = entry;
    }

    /// Removes every entry after `keep`.
    pub(crate) fn truncate(&mut self, keep: Index) {
        assert!(self.base.index <= keep, "what was compacted was committed and is never removed");
        while self.runs.last().is_some_and(|run| keep < run.first) {
            self.runs.pop();
        }
        let term = self.runs.last().map_or(self.base.term, |run| run.term);
        self.last = Position { term, index: self.last.index.min(keep) };
    }

    /// Forgets every entry up to and including the one at `index`, which must be in the log.
    pub(crate) fn compact(&mut self, index: Index) {
        let base = self.position_at(index).expect("only entries that the log holds are compacted");
        self.runs.retain(|run| base.index < run.first);
        self.base = base;
    }
}
