//! Renaming: what a state, an event or a message looks like with other ids.
//!
//! The transitions only compare ids, so a renamed run is a run. The tests show this for the
//! deployed `step`, and the checker explores one of all the states that differ in names alone.

use crate::durable::{Durable, Record};
use crate::effects::Output;
use crate::members::{Members, ServerMap};
use crate::message::Envelope;
use crate::node::{Node, Role};
use crate::step::Event;
use crate::types::ServerId;

/// Something in which servers are named.
pub trait Renamed {
    /// The same with every id replaced; `rename` must give different servers different ids.
    #[must_use]
    fn renamed(&self, rename: &impl Fn(ServerId) -> ServerId) -> Self;
}

impl Renamed for Option<ServerId> {
    fn renamed(&self, rename: &impl Fn(ServerId) -> ServerId) -> Self {
        self.map(rename)
    }
}

impl<T: Copy + Default> Renamed for ServerMap<T> {
    fn renamed(&self, rename: &impl Fn(ServerId) -> ServerId) -> Self {
        self.iter().map(|(id, value)| (rename(id), value)).collect()
    }
}

impl Renamed for Members {
    fn renamed(&self, rename: &impl Fn(ServerId) -> ServerId) -> Self {
        Members::new(self.ids().map(rename)).expect("different servers keep different ids")
    }
}

impl<P: Clone> Renamed for Record<P> {
    fn renamed(&self, rename: &impl Fn(ServerId) -> ServerId) -> Self {
        if let Record::Vote(candidate) = self { Record::Vote(rename(*candidate)) } else { self.clone() }
    }
}

impl Renamed for Durable {
    fn renamed(&self, rename: &impl Fn(ServerId) -> ServerId) -> Self {
        let mut durable = self.clone();
        durable.vote = self.vote.renamed(rename);
        durable
    }
}

impl Renamed for Role {
    fn renamed(&self, rename: &impl Fn(ServerId) -> ServerId) -> Self {
        match self {
            Role::Follower { leader, loyal } => Role::Follower { leader: leader.renamed(rename), loyal: *loyal },
            Role::PreCandidate { votes } => Role::PreCandidate { votes: votes.renamed(rename) },
            Role::Candidate { votes, transfer } => {
                Role::Candidate { votes: votes.renamed(rename), transfer: *transfer }
            }
            Role::Leader { progress, heard, transfer } => Role::Leader {
                progress: progress.renamed(rename),
                heard: heard.renamed(rename),
                transfer: transfer.renamed(rename),
            },
        }
    }
}

impl Renamed for Node {
    fn renamed(&self, rename: &impl Fn(ServerId) -> ServerId) -> Self {
        Node {
            id: rename(self.id),
            members: self.members.renamed(rename),
            durable: self.durable.renamed(rename),
            commit: self.commit,
            role: self.role.renamed(rename),
        }
    }
}

/// Messages name no server but on their envelope.
impl<E: Clone> Renamed for Envelope<E> {
    fn renamed(&self, rename: &impl Fn(ServerId) -> ServerId) -> Self {
        Envelope { from: rename(self.from), to: rename(self.to), ..self.clone() }
    }
}

impl<P: Clone> Renamed for Event<P> {
    fn renamed(&self, rename: &impl Fn(ServerId) -> ServerId) -> Self {
        match self {
            Event::Receive(envelope) => Event::Receive(envelope.renamed(rename)),
            Event::Transfer(target) => Event::Transfer(rename(*target)),
            other => other.clone(),
        }
    }
}

impl<P: Clone> Renamed for Output<P> {
    fn renamed(&self, rename: &impl Fn(ServerId) -> ServerId) -> Self {
        match self {
            Output::Send(envelope) => Output::Send(envelope.renamed(rename)),
            Output::Heard(follower) => Output::Heard(rename(*follower)),
            other => other.clone(),
        }
    }
}
