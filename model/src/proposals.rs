//! Proposals and their ends: what whoever proposed a command may truly be told of it.
//!
//! An accepted proposal has a place in one leader's log, and no more. What became of it shows when
//! entries are committed, perhaps in a later term and by another leader. That it is cut from the
//! log of the server that accepted it says nothing yet: another may hold it still, be elected and
//! commit it. What decides is the first entry known to be committed that is at least as up-to-date
//! (§5.4.1) as the proposal: the log up to there is a part of every later leader's, and behind it
//! terms never fall below its own. So either the proposal is in that log, or it never will be in any.
//!
//! These are what a server keeps in memory. Its crash ends them as [`End::Unknown`] does.

use alloc::collections::VecDeque;

use crate::log::Log;
use crate::types::{Index, Position};

/// The proposals that a server has accepted and whose end it does not know, each with the proposer
/// that waits for it. Whoever lets commands be proposed bounds how many there are.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Proposals<P> {
    /// In the order in which they were accepted. Invariant: positions rise, as comparison of §5.4.1
    /// has them. Where a leadership ended with entries cut, indices may be lower than before.
    open: VecDeque<(Position, P)>,
}

/// What became of a proposal.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum End {
    /// It is committed where it was accepted.
    Committed,
    /// It is not committed, and never will be: it may be proposed again.
    NotCommitted,
    /// It may have been committed or not: the log begins after it, so that nobody here can say.
    Unknown,
}

impl<P> Default for Proposals<P> {
    fn default() -> Self {
        Proposals { open: VecDeque::new() }
    }
}

impl<P> Proposals<P> {
    /// Adds a proposal that was accepted: [`Output::Accepted`](crate::Output::Accepted) says where.
    pub fn accept(&mut self, position: Position, proposer: P) {
        let is_next = self.open.back().is_none_or(|(last, _)| *last < position);
        assert!(is_next, "a leader appends behind what it has, in a later term than it led before");
        self.open.push_back((position, proposer));
    }

    /// The next end that is known with everything up to `commit` committed, in the order in which the
    /// proposals were accepted. Whoever performs [`Output::Committed`](crate::Output::Committed) asks
    /// until there is none, so that each proposer is told once.
    pub fn next_end(&mut self, log: &Log, commit: Index) -> Option<(Position, P, End)> {
        let committed = log.position_at(commit)?;
        let (position, _) = self.open.front()?;
        if committed < *position {
            return None;
        }
        let (position, proposer) = self.open.pop_front()?;
        Some((position, proposer, end_of(position, log)))
    }

    /// The next of those that are left, in the same order, when the server stops: their end is unknown.
    pub fn next_unknown(&mut self) -> Option<(Position, P)> {
        self.open.pop_front()
    }

    /// Those whose end is not known, in the order in which they were accepted.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &(Position, P)> {
        self.open.iter()
    }
}

/// What became of a proposal, once an entry is committed that is at least as up-to-date.
fn end_of(proposal: Position, log: &Log) -> End {
    if proposal.index < log.base().index {
        return End::Unknown;
    }
    if log.holds(proposal) { End::Committed } else { End::NotCommitted }
}
