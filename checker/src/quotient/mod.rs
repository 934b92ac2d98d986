//! The quotient: runs of any length in finitely many states.
//!
//! The protocol only compares terms and indices and counts them up by one; it looks at no absolute
//! term or index, at no name and at no payload. So states that differ in these alone are one.

mod local;
mod moves;
mod names;
mod packed;
mod picture;
mod retell;
mod seat;
mod space;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use moves::{Move, Worker};
pub(crate) use packed::Packed;
use rafttree_model::{Members, ServerId};
pub(crate) use seat::{LONGEST, MOST_SEATS};
pub(crate) use space::{CUT_OFF, KINDS};
pub(crate) use state::{Reach, State};

use crate::properties::PropertySet;
use crate::server::Ground;
use local::Local;
pub(crate) use local::Stimulus;

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
}

impl Quotient {
    pub(crate) fn new(ground: Ground, servers: u8, reach: Reach) -> Quotient {
        let members = Members::new((1..=u32::from(servers)).map(ServerId)).expect("one to seven servers");
        Quotient {
            ground,
            members,
            reach,
            forgets_logs: false,
            proposals: true,
            watched: PropertySet::of_states(),
            symmetric: true,
        }
    }

    pub(crate) fn start(&self) -> State {
        State::start(self.members.ids().len() as u8)
    }

    pub(crate) fn new_worker(&self) -> Worker {
        Worker::new(Local::new(self.ground, self.members, self.forgets_logs))
    }
}
