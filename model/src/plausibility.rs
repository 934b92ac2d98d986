//! Which messages a correct server could have sent: asked before a message is taken in, so that one
//! wrong bit or one wrong server cannot carry a whole group to the end of its terms.
//!
//! No transition asks this, and no transition depends on it: a message that is refused could have
//! been lost as well. That correct servers send nothing of the kind is checked where terms count from
//! the beginning: in the checker's concrete system, but for AppendRequests, whether each message agrees
//! with itself; in the seeded simulation of the server, whether each message is plausible to its
//! receiver, AppendRequests included.

use crate::message::{Envelope, Message, Slice};
use crate::node::Node;
use crate::types::{Index, Position, Term};

/// Terms that a group may have gone through while one server did not hear of any. A group that holds
/// an election every 10 ms without a pause needs more than a year for so many. A term is kept for
/// ever, and terms are counted up by one: with the highest of all, no election could follow.
const MOST_MISSED_TERMS: u64 = 1 << 32;

impl<P> Envelope<Slice<P>> {
    /// Whether a correct server could have sent this to this receiver, as far as that can tell.
    pub fn is_plausible(&self, receiver: &Node) -> bool {
        self.is_coherent() && self.term.is_within(MOST_MISSED_TERMS, receiver.term()) && self.answers_us(receiver)
    }

    /// §5.3: while we lead, nobody of our term has stored what we have not sent, or has answered a
    /// round that we have not begun.
    fn answers_us(&self, receiver: &Node) -> bool {
        let (matched, answered) = match self.message {
            Message::AppendReply { matched, round } | Message::RepairRequest { matched, round } => (matched, round),
            Message::AppendRefusal { round, .. } => (Index::ZERO, round),
            _ => return true,
        };
        let Some(round) = receiver.round().filter(|_| self.term == receiver.term()) else { return true };
        matched <= receiver.log().last().index && answered <= round
    }

    /// Whether a correct server could have sent this at some time: what it says agrees with itself.
    pub fn is_coherent(&self) -> bool {
        let has_begun = Term::default() < self.term;
        match &self.message {
            Message::PreVoteRequest { last } => self.may_name(*last),
            Message::PreVoteReply { .. } => true,
            Message::VoteRequest { last, .. } => has_begun && self.may_name(*last),
            Message::AppendRequest { entries, .. } => has_begun && self.may_carry(entries),
            Message::InstallSnapshot { last, .. } => has_begun && Index::ZERO < last.index && self.may_name(*last),
            Message::AppendRefusal { missing, hint, .. } => {
                has_begun && Index::ZERO < *missing && hint.index <= *missing && self.may_name(*hint)
            }
            Message::VoteReply { .. }
            | Message::AppendReply { .. }
            | Message::RepairRequest { .. }
            | Message::TimeoutNow
            | Message::Stale => has_begun,
        }
    }

    /// §5.1, §5.3: entries are created in terms that have begun, and no log holds one of a term after
    /// its server's own.
    fn may_name(&self, position: Position) -> bool {
        is_of_a_log(position) && position.term <= self.term
    }

    /// Terms never fall along a slice, so what holds for its ends holds for all of it.
    fn may_carry(&self, entries: &Slice<P>) -> bool {
        let first = entries.entries().first().map(|entry| entry.position);
        self.may_name(entries.previous()) && first.is_none_or(is_of_a_log) && self.may_name(entries.last())
    }
}

/// The place before the first entry has no term, and every entry has one.
fn is_of_a_log(position: Position) -> bool {
    (position.term == Term::default()) == (position.index == Index::ZERO)
}
