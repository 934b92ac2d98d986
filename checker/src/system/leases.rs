//! Leases in the concrete system, which has no clock: what the axiom of the clock tells of them.
//!
//! Whoever has heard of a round is not met by a timeout before a lease that is counted from the round is
//! over. So when a timeout fires at such a server, the lease is over; until then it may last.

use std::sync::Arc;

use rafttree_model::{Event, Message, Output, Round, ServerId};

use crate::system::transitions::System;
use crate::world::{Contact, History, Lease, Tag, World};

impl System {
    /// What a step of this server means for leases.
    pub(super) fn follow_leases(&self, world: &mut World, id: ServerId, event: &Event<Tag>, told: &[Output]) {
        if !self.ground.keeps_leases {
            return;
        }
        let server = world.server(id);
        let (term, contact) = (server.node.term(), server.observed.contact);
        let history = Arc::make_mut(&mut world.history);
        match event {
            Event::ElectionTimeout | Event::MinimumTimeout if self.ground.lease_mutant.is_none() => {
                history.leases.retain(|lease| !lease.heard_by.contains(id));
            }
            Event::Receive(letter) => {
                if let Message::AppendRequest { round, .. } = letter.message
                    && (letter.term, Contact::Leader(letter.from)) == (term, contact)
                {
                    let heard =
                        |lease: &&mut Lease| (lease.term, lease.leader) == (term, letter.from) && lease.round <= round;
                    history.leases.iter_mut().filter(heard).for_each(|lease| lease.heard_by.insert(id));
                }
            }
            _ => {}
        }
        for output in told {
            match *output {
                Output::Leading(term) => history.serving.push((term, id)),
                Output::Yielded(_) => history.end_leases_of(id),
                Output::Round { round, .. } => {
                    history.leases.push(Lease { term, leader: id, round, ..Lease::begun() });
                }
                Output::Confirmed(round) => history.confirm(id, round),
                _ => {}
            }
        }
        history.serving.sort_unstable();
        history.leases.sort_unstable();
    }

    /// What a process promises ends with it.
    pub(super) fn end_leases(&self, world: &mut World, id: ServerId) {
        if self.ground.keeps_leases {
            Arc::make_mut(&mut world.history).end_leases_of(id);
        }
    }
}

impl Lease {
    fn begun() -> Lease {
        let (term, leader, round) = Default::default();
        Lease { term, leader, round, heard_by: Default::default(), confirmed: false }
    }
}

impl History {
    fn end_leases_of(&mut self, leader: ServerId) {
        self.serving.retain(|(_, id)| *id != leader);
        self.leases.retain(|lease| lease.leader != leader);
    }

    /// A lease that is counted from a later round lasts longer, so earlier ones need not be kept.
    fn confirm(&mut self, leader: ServerId, round: Round) {
        self.leases.retain(|lease| lease.leader != leader || round <= lease.round);
        let counted = self.leases.iter_mut().filter(|lease| lease.leader == leader && lease.round == round);
        counted.for_each(|lease| lease.confirmed = true);
    }
}
