//! What is explored: a system in its quotient.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rafttree_model::{Members, ServerId};

use crate::properties::{Property, PropertySet};
use crate::quotient::link::{Gathered, Narrowed};
use crate::quotient::server::Seat;
use crate::quotient::state::{Reach, State};
use crate::scope::{Part, Scope};
use crate::verdict::Linked;
use crate::world::Ground;

/// A compact server, its id, and the term of the entry before its log.
pub(crate) type Compact = (Seat, u8, u8);

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
    /// Whether servers make snapshots and compact their logs.
    pub(crate) snapshots: bool,
    /// Whether a crash may damage entries on a disk, of one server at a time.
    pub(crate) damages: bool,
    /// Whether a leader may take a lease from one of its rounds, which is then followed.
    pub(crate) leases: bool,
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
        let reach =
            Reach { spread: self.spread, window: self.window.unwrap_or(0), absolute: false, damages: self.damages };
        let mut quotient = Quotient::new(ground, self.servers, reach);
        quotient.forgets_logs = self.window.is_none();
        quotient.snapshots = self.snapshots;
        quotient.damages = self.damages;
        quotient.watched = self.watched();
        quotient
    }
}

impl Part {
    /// The system, if it is explored in its quotient and nothing else is asked of it.
    pub(crate) fn quotient(&self, ground: Ground) -> Option<Quotient> {
        let (scope, leases) = match self {
            Part::Quotient(scope) => (scope, false),
            Part::Lease(scope) => (scope, true),
            Part::Recovery(_) | Part::Concrete(_) => return None,
        };
        let mut quotient = Quotient { leases, ..scope.quotient(ground) };
        if leases {
            quotient.watched.insert(Property::LeaseExclusive);
        }
        Some(quotient)
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
            snapshots: false,
            damages: false,
            leases: false,
            watched: PropertySet::of_states(),
            reached: Arc::default(),
            narrowed: None,
            linked: Arc::default(),
            symmetric: !ground.looks_at_names,
        }
    }

    pub(crate) fn start(&self) -> State {
        State { leases: self.leases, ..State::start(self.members.ids().len() as u8) }
    }

    /// The compact servers of a state; under one name where names make no difference.
    pub(super) fn compact(&self, state: &State) -> impl Iterator<Item = Compact> {
        let (base, symmetric) = (state.base, self.symmetric);
        let seats: Vec<(u8, Seat)> = state.seats().collect();
        seats.into_iter().map(move |(id, seat)| if symmetric { (seat.as_first(id), 1, base) } else { (seat, id, base) })
    }

    /// These compact servers are among those of the states that were judged.
    pub(super) fn note(&self, compact: impl IntoIterator<Item = Compact>) {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).extend(compact);
    }

    pub(super) fn reached(&self) -> BTreeSet<Compact> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether what is reached is looked up in the class of the invariant, which speaks of logs.
    pub(crate) fn is_linked(&self) -> bool {
        self.watched.contains(Property::InClass) && !self.forgets_logs
    }

    pub(super) fn linked(&self) -> Linked {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner).counts()
    }
}
