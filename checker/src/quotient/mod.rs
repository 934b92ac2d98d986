//! The quotient: runs of any length in finitely many states.
//!
//! The protocol only compares terms and indices and counts them up by one; it looks at no absolute
//! term or index, at no name and at no payload. So states that differ in these alone are one: the
//! terms are counted from the lowest that a server is in, the terms of older entries keep their
//! order alone, what every server knows to be committed is dropped as compaction drops it, and
//! servers are ordered by what can be said of them. That each of these maps turns a step of the
//! deployed code into a step is shown in `model/tests/relabelling`, for arbitrary states.
//!
//! On top of that a state is left with what matters. Four things make it small, and each is shown to
//! lose nothing and to make nothing up: by [`simulation`] on the deployed step, for every server
//! that is reached, with everything that it may have in memory, on every message there can be; and
//! by `compare`, which explores the concrete system beside this one.
//!
//! - **What can be forgotten and heard again at any time is not kept.** A message is delivered and
//!   stays. So a follower hears its leader again whenever it likes, and may be taken to hear
//!   nobody; a candidate counts its votes, and a leader its acknowledgements, when they decide
//!   something; a pre-candidate is a follower that has asked. (`simulation::variants` lists what a
//!   server may have in memory; that it can have nothing else is part of what is tried.)
//! - **What could have been said counts as said.** A voter that is still in its term can be asked
//!   again, and so can a follower: a crash that cut off the answer only delays it.
//! - **What nobody can react to any more is forgotten**: what was said in a term that all others
//!   have left, and who was voted for in a term that nobody can win any more. Terms on disks are
//!   what decides it, and that they never fall is checked. Refusals, late answers and what is said
//!   in older terms are never delivered here: that they change nothing is tried in `simulation`.
//! - **A step that nobody has seen is flushed or cut off at once.** Its outputs wait for the flush;
//!   until then it could as well not have happened. What a leader appends may be seen before the
//!   flush, so how much of its log is on its disk is kept.
//!
//! What is *more* than can happen, so that what holds there holds in fact: a campaign may begin
//! wherever a majority has reached the term, whatever its logs; a leader that hands over goes on.
//! Nothing is assumed that is to be shown: there is room for several votes, leaders and entries
//! where there should be one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) mod compare;
pub(crate) mod link;
mod local;
mod moves;
mod names;
mod packed;
mod picture;
mod retell;
mod seat;
mod simulation;
mod space;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use moves::{CUT_OFF, KINDS, Move, Worker};
pub(crate) use packed::Packed;
use rafttree_model::{Members, ServerId};
pub(crate) use seat::{Cells, LONGEST, MOST_SEATS, Part, Seat, term_of};
#[cfg(test)]
pub(crate) use state::{Asked, Past};
pub(crate) use state::{Reach, State};

use crate::properties::{Property, PropertySet};
use crate::quotient::link::{Gathered, Link, Narrowed};
use crate::scope::Scope;
use crate::verdict::Linked;
use crate::world::Ground;
use local::Local;
pub(crate) use local::{Stimulus, own, script};
pub(crate) use simulation::Compact;

/// The system, explored in its quotient.
#[derive(Clone)]
pub(crate) struct Quotient {
    pub(crate) ground: Ground,
    pub(crate) members: Members,
    pub(crate) reach: Reach,
    /// Elections alone: logs are forgotten after each step.
    pub(crate) forgets_logs: bool,
    /// Whether clients propose commands.
    pub(crate) proposals: bool,
    /// Only these properties count.
    pub(crate) watched: PropertySet,
    /// Whether one state stands for all its renamings.
    pub(crate) symmetric: bool,
    /// The compact servers of all states that were judged.
    pub(crate) reached: Arc<Mutex<BTreeSet<Compact>>>,
    /// What the class of the invariant lacks on purpose.
    pub(crate) narrowed: Option<Narrowed>,
    /// What was looked up in that class.
    pub(crate) linked: Arc<Mutex<Gathered>>,
}

impl Scope {
    pub(crate) fn quotient(&self, ground: Ground) -> Quotient {
        let reach = Reach { spread: self.spread, window: self.window.unwrap_or(0), absolute: false };
        let mut quotient = Quotient::new(ground, self.servers, reach);
        quotient.forgets_logs = self.window.is_none();
        quotient.watched = self.watched();
        quotient
    }
}

impl Quotient {
    pub(crate) fn new(ground: Ground, servers: u8, reach: Reach) -> Quotient {
        let members = Members::new((1..=u32::from(servers)).map(ServerId::new)).expect("one to seven servers");
        Quotient {
            ground,
            members,
            reach,
            forgets_logs: false,
            proposals: true,
            watched: PropertySet::of_states(),
            reached: Arc::default(),
            narrowed: None,
            linked: Arc::default(),
            symmetric: !ground.looks_at_names,
        }
    }

    pub(crate) fn start(&self) -> State {
        State::start(self.members.ids().len() as u8)
    }

    /// The compact servers of a state; under one name where names make no difference.
    fn compact(&self, state: &State) -> impl Iterator<Item = Compact> {
        let (base, symmetric) = (state.base, self.symmetric);
        let seats: Vec<(u8, Seat)> = state.seats().collect();
        seats.into_iter().map(move |(id, seat)| if symmetric { (seat.as_first(id), 1, base) } else { (seat, id, base) })
    }

    /// These compact servers are among those of the states that were judged.
    fn note(&self, compact: impl IntoIterator<Item = Compact>) {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).extend(compact);
    }

    fn reached(&self) -> BTreeSet<Compact> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether what is reached is looked up in the class of the invariant, which speaks of logs.
    pub(crate) fn is_linked(&self) -> bool {
        self.watched.contains(Property::InClass) && !self.forgets_logs
    }

    fn linked(&self) -> Linked {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner).counts()
    }

    pub(crate) fn new_worker(&self) -> Worker {
        let local = Local::new(self.ground, self.members, self.forgets_logs, self.watched);
        Worker::new(local, Link::new(self.members, self.narrowed))
    }
}
