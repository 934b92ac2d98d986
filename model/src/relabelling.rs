//! Relabelling: what a state, an event or a message looks like with other ids, other numbers for
//! terms, and indices that count from elsewhere.
//!
//! The transitions only compare ids, terms and indices and count terms and indices up by one. So
//! a relabelled run is a run, if the labels keep what is compared: different ids stay different,
//! terms and indices keep their order, and what follows at once still does (for terms, from the
//! lowest that a server is in). The tests show this for the deployed `step` in arbitrary states;
//! the checker explores one of all the states that differ in labels alone.

use crate::durable::{Durable, Record};
use crate::effects::Output;
use crate::faulty::Faulty;
use crate::log::Log;
use crate::members::{Members, ServerMap};
use crate::message::{Envelope, Message, Range, Slice};
use crate::node::{Node, Progress, Role};
use crate::step::Event;
use crate::types::{Entry, Index, Position, ServerId, Term};

/// Other labels; what is not stated stays as it is.
pub trait Labels {
    /// The new name of a server.
    fn id(&self, id: ServerId) -> ServerId {
        id
    }

    /// The new number of a term.
    fn term(&self, term: Term) -> Term {
        term
    }

    /// The new place of an entry.
    fn index(&self, index: Index) -> Index {
        index
    }

    /// What is known of a follower's log: nothing stays nothing, since a new leader knows nothing
    /// wherever its log begins.
    fn matched(&self, matched: Index) -> Index {
        if matched == Index::ZERO { matched } else { self.index(matched) }
    }
}

/// Other names for the servers, and nothing else.
struct Names<F>(F);

impl<F: Fn(ServerId) -> ServerId> Labels for Names<F> {
    fn id(&self, id: ServerId) -> ServerId {
        self.0(id)
    }
}

/// Something that can be relabelled.
pub trait Relabelled: Sized {
    /// The same with other labels.
    #[must_use]
    fn relabelled(&self, labels: &impl Labels) -> Self;

    /// The same with other names; `rename` must give different servers different ids.
    #[must_use]
    fn renamed(&self, rename: &impl Fn(ServerId) -> ServerId) -> Self {
        self.relabelled(&Names(rename))
    }
}

impl Relabelled for Option<ServerId> {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        self.map(|id| labels.id(id))
    }
}

impl Relabelled for Position {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        Position { term: labels.term(self.term), index: labels.index(self.index) }
    }
}

impl<P: Clone> Relabelled for Entry<P> {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        Entry { position: self.position.relabelled(labels), payload: self.payload.clone() }
    }
}

impl<T: Copy + Default> Relabelled for ServerMap<T> {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        self.iter().map(|(id, value)| (labels.id(id), value)).collect()
    }
}

impl Relabelled for Members {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        Members::new(self.ids().map(|id| labels.id(id))).expect("different servers keep different ids")
    }
}

impl Relabelled for Log {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        let mut log = Log::starting_at(self.base().relabelled(labels));
        self.positions().for_each(|position| log.push(position.relabelled(labels)));
        log
    }
}

impl<P: Clone> Relabelled for Record<P> {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        match self {
            Record::Term(term) => Record::Term(labels.term(*term)),
            Record::Vote(candidate) => Record::Vote(labels.id(*candidate)),
            Record::Truncate { keep } => Record::Truncate { keep: labels.index(*keep) },
            Record::Append(entry) => Record::Append(entry.relabelled(labels)),
            Record::Compact { through } => Record::Compact { through: labels.index(*through) },
            Record::Restore { last } => Record::Restore { last: last.relabelled(labels) },
            Record::Repair(entry) => Record::Repair(entry.relabelled(labels)),
        }
    }
}

impl Relabelled for Durable {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        let (vote, log) = (self.vote().relabelled(labels), self.log().relabelled(labels));
        Durable::assume(labels.term(self.term()), vote, log).damaged(self.faulty().relabelled(labels))
    }
}

impl Relabelled for Faulty {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        match (self.first(), self.last()) {
            (Some(first), Some(last)) => Faulty::between(labels.index(first), labels.index(last)),
            _ => Faulty::NONE,
        }
    }
}

impl Relabelled for Progress {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        Progress { matched: labels.matched(self.matched), next: labels.index(self.next), answered: self.answered }
    }
}

impl Relabelled for Role {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        match self {
            Role::Follower { leader, sticky } => Role::Follower { leader: leader.relabelled(labels), sticky: *sticky },
            Role::PreCandidate { votes } => Role::PreCandidate { votes: votes.relabelled(labels) },
            Role::Candidate { votes, transfer } => {
                Role::Candidate { votes: votes.relabelled(labels), transfer: *transfer }
            }
            Role::Leader { progress, heard, transfer, round, confirmed } => Role::Leader {
                progress: progress.iter().map(|(id, it)| (labels.id(id), it.relabelled(labels))).collect(),
                heard: heard.relabelled(labels),
                transfer: transfer.relabelled(labels),
                round: *round,
                confirmed: *confirmed,
            },
        }
    }
}

impl Relabelled for Node {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        Node {
            id: labels.id(self.id),
            members: self.members.relabelled(labels),
            durable: self.durable.relabelled(labels),
            commit: labels.index(self.commit),
            role: self.role.relabelled(labels),
        }
    }
}

impl Relabelled for Range {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        Range { previous: self.previous.relabelled(labels), last: self.last.relabelled(labels) }
    }
}

impl<P: Clone> Relabelled for Slice<P> {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        let entries = self.entries().iter().map(|entry| entry.relabelled(labels)).collect();
        Slice::new(self.previous().relabelled(labels), entries).expect("labels keep order and succession")
    }
}

impl<E: Relabelled> Relabelled for Message<E> {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        match self {
            Message::PreVoteRequest { last } => Message::PreVoteRequest { last: last.relabelled(labels) },
            Message::PreVoteReply { granted } => Message::PreVoteReply { granted: *granted },
            Message::VoteRequest { last, transfer } => {
                Message::VoteRequest { last: last.relabelled(labels), transfer: *transfer }
            }
            Message::VoteReply { granted } => Message::VoteReply { granted: *granted },
            &Message::AppendRequest { ref entries, commit, round } => {
                Message::AppendRequest { entries: entries.relabelled(labels), commit: labels.matched(commit), round }
            }
            &Message::AppendReply { matched, round } => {
                Message::AppendReply { matched: labels.matched(matched), round }
            }
            &Message::RepairRequest { matched, round } => {
                Message::RepairRequest { matched: labels.matched(matched), round }
            }
            &Message::AppendRefusal { missing, hint, round } => {
                Message::AppendRefusal { missing: labels.index(missing), hint: hint.relabelled(labels), round }
            }
            &Message::InstallSnapshot { last, round } => {
                Message::InstallSnapshot { last: last.relabelled(labels), round }
            }
            Message::TimeoutNow => Message::TimeoutNow,
            Message::Stale => Message::Stale,
        }
    }
}

impl<E: Relabelled> Relabelled for Envelope<E> {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        let Envelope { from, to, term, message } = self;
        Envelope {
            from: labels.id(*from),
            to: labels.id(*to),
            term: labels.term(*term),
            message: message.relabelled(labels),
        }
    }
}

impl<P: Clone> Relabelled for Event<P> {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        match self {
            Event::Receive(envelope) => Event::Receive(envelope.relabelled(labels)),
            Event::Snapshotted(index) => Event::Snapshotted(labels.index(*index)),
            Event::Transfer(target) => Event::Transfer(labels.id(*target)),
            other => other.clone(),
        }
    }
}

impl Relabelled for Output {
    fn relabelled(&self, labels: &impl Labels) -> Self {
        match self {
            Output::Send(envelope) => Output::Send(envelope.relabelled(labels)),
            &Output::Round { round, read } => Output::Round { round, read: read.map(|read| labels.index(read)) },
            &Output::Heard { follower, round } => Output::Heard { follower: labels.id(follower), round },
            Output::Accepted(position) => Output::Accepted(position.relabelled(labels)),
            Output::Committed(index) => Output::Committed(labels.index(*index)),
            Output::Restored(last) => Output::Restored(last.relabelled(labels)),
            Output::Leading(term) => Output::Leading(labels.term(*term)),
            Output::Yielded(term) => Output::Yielded(labels.term(*term)),
            Output::Restart(_) | Output::Refused | Output::Confirmed(_) => *self,
        }
    }
}
