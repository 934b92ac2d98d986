//! The persistent state of Figure 2, and the only way to change it.

use crate::faulty::Faulty;
use crate::log::Log;
use crate::types::{Entry, Index, Position, ServerId, Term};

/// One change of the persistent state, as it goes to disk.
///
/// A server's memory is what its records add up to, so what is read back after a crash is by
/// construction a state that the server was in.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Record<P> {
    /// A newer term begins, without a vote.
    Term(Term),
    /// The vote of the current term is given.
    Vote(ServerId),
    /// Every entry after `keep` is removed: it conflicts with the leader's log.
    Truncate {
        /// Index of the last entry that stays.
        keep: Index,
    },
    /// An entry is added at the end of the log.
    Append(Entry<P>),
    /// Every entry up to and including this one is in a snapshot and no longer in the log.
    Compact {
        /// Index of the last entry that goes.
        through: Index,
    },
    /// §7: the log is replaced by a snapshot that ends with this entry, which it does not hold.
    Restore {
        /// The last entry that the snapshot includes.
        last: Position,
    },
    /// What a faulty entry of the log carries is put back (FAST'18): the very entry, in its place.
    Repair(Entry<P>),
}

/// Figure 2, persistent state on all servers.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Durable {
    /// Latest term this server has seen.
    term: Term,
    /// Candidate that received this server's vote in the current term.
    vote: Option<ServerId>,
    /// The log's shape.
    log: Log,
    /// Which of its entries cannot be read. Invariant: the log holds them.
    faulty: Faulty,
}

impl Durable {
    /// Any persistent state, reached or not: what transitions do is asked of all of them.
    pub fn assume(term: Term, vote: Option<ServerId>, log: Log) -> Durable {
        Durable { term, vote, log, faulty: Faulty::NONE }
    }

    /// The same state on a disk that has lost what these entries carry.
    #[must_use]
    pub fn damaged(self, faulty: Faulty) -> Durable {
        let (base, last) = (self.log.base().index, self.log.last().index);
        assert!(faulty == faulty.among(base, last), "only what a log holds can be faulty");
        Durable { faulty, ..self }
    }

    /// Takes over one record. Reading a log back means to apply its records in order.
    #[inline(always)]
    pub fn apply<P>(&mut self, record: &Record<P>) {
        match record {
            Record::Term(term) => {
                self.term = *term;
                self.vote = None;
            }
            Record::Vote(candidate) => self.vote = Some(*candidate),
            Record::Truncate { keep } => self.log.truncate(*keep),
            Record::Append(entry) => return self.log.push(entry.position),
            Record::Compact { through } => self.log.compact(*through),
            Record::Restore { last } => self.log = Log::starting_at(*last),
            Record::Repair(_) => {}
        }
        self.faulty = self.faulty.after(record);
    }

    /// Latest term this server has seen.
    pub fn term(&self) -> Term {
        self.term
    }

    /// Candidate that received this server's vote in the current term.
    pub fn vote(&self) -> Option<ServerId> {
        self.vote
    }

    /// The log's shape.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Which entries of the log cannot be read.
    pub fn faulty(&self) -> Faulty {
        self.faulty
    }
}

impl Faulty {
    /// What is left of them after a record: whatever takes an entry out of the log ends its fault.
    pub(crate) fn after<P>(self, record: &Record<P>) -> Faulty {
        let last = self.last().unwrap_or_default();
        match record {
            Record::Truncate { keep } => self.among(Index::ZERO, *keep),
            Record::Compact { through } => self.among(*through, last),
            Record::Restore { .. } => Faulty::NONE,
            Record::Repair(entry) => self.repaired(entry.position.index),
            Record::Term(_) | Record::Vote(_) | Record::Append(_) => self,
        }
    }
}
