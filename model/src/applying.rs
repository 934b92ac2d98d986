//! Applying: what the state machine is given of the log, in order, each entry once (§5.3), and what
//! whoever proposed a command on this server is told of it.
//!
//! The state machine is the service's, and so is how long it takes to apply something. Here is only
//! which entry is next: behind what a snapshot holds (§7), and not behind what is committed.

use crate::entries::Entries;
use crate::log::Log;
use crate::proposals::{End, Proposals};
use crate::types::{Entry, Index, Position};

/// How much of the log the state machine was given, and the proposals whose end is not known, each with
/// the proposer that waits for it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Applying<P> {
    through: Index,
    proposals: Proposals<P>,
}

/// What is due, with everything up to a commit index committed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Due<'a, C, P> {
    /// The state machine applies this entry. If it was proposed here, the proposer waits for the answer.
    Apply {
        /// The entry, which is committed.
        entry: &'a Entry<C>,
        /// Who proposed it to this server in the term in which it was accepted.
        proposer: Option<P>,
    },
    /// A proposal has ended, and no answer is known: it is not committed, nobody here can say, or it is
    /// committed and the state machine got it with a snapshot.
    Over {
        /// Who waits.
        proposer: P,
        /// What became of it.
        end: End,
    },
}

impl<P> Applying<P> {
    /// A state machine as it starts: from this snapshot, or empty. `None` if the log begins behind it, so
    /// that entries are missing.
    pub fn start(log: &Log, snapshot: Option<Position>) -> Option<Applying<P>> {
        let through = snapshot.unwrap_or_default().index;
        (log.base().index <= through).then(|| Applying { through, proposals: Proposals::default() })
    }

    /// The last entry that the state machine was given.
    pub fn through(&self) -> Index {
        self.through
    }

    /// A proposal was accepted: [`Output::Accepted`](crate::Output::Accepted) says where.
    pub fn accept(&mut self, position: Position, proposer: P) {
        self.proposals.accept(position, proposer);
    }

    /// What is due next with everything up to `commit` committed. Whoever performs
    /// [`Output::Committed`](crate::Output::Committed) asks until there is nothing.
    pub fn next<'a, C>(&mut self, log: &Log, entries: &'a Entries<C>, commit: Index) -> Option<Due<'a, C, P>> {
        let Some(entry) = self.next_entry(entries).filter(|entry| entry.position.index <= commit) else {
            // Where the log begins behind what was applied, a snapshot comes first.
            let is_ahead = log.base().index <= self.through;
            let ended = if is_ahead { self.proposals.next_end(log, commit) } else { None };
            return ended.map(over);
        };
        match self.proposals.next_end(log, entry.position.index) {
            Some((position, proposer, End::Committed)) if position == entry.position => {
                self.through = position.index;
                Some(Due::Apply { entry, proposer: Some(proposer) })
            }
            Some(ended) => Some(over(ended)),
            None => {
                self.through = entry.position.index;
                Some(Due::Apply { entry, proposer: None })
            }
        }
    }

    /// [`Output::Restored`](crate::Output::Restored) asks for the snapshot that ends with `last`. Whether
    /// the state machine is to be replaced by it: it may have been given as much already.
    pub fn restore(&mut self, last: Position) -> bool {
        let is_news = self.through < last.index;
        self.through = self.through.max(last.index);
        is_news
    }

    /// The next of the proposals that are left, in the order in which they were accepted, when the server
    /// stops: their end is unknown.
    pub fn next_unknown(&mut self) -> Option<P> {
        self.proposals.next_unknown().map(|(_, proposer)| proposer)
    }

    /// How many proposals wait for their end.
    pub fn open(&self) -> usize {
        self.proposals.iter().len()
    }

    /// The entry behind the last one that was applied, if the log holds it.
    fn next_entry<'a, C>(&self, entries: &'a Entries<C>) -> Option<&'a Entry<C>> {
        entries.get(self.through.since(entries.base().index)?)
    }
}

fn over<'a, C, P>((_, proposer, end): (Position, P, End)) -> Due<'a, C, P> {
    Due::Over { proposer, end }
}
