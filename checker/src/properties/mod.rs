//! Whether each property holds, stated apart from the transitions.
//!
//! Properties of a state are asked in every state, those of a step after every step, those of a
//! message at the moment it leaves, when it is known what the sender's disk holds.

mod answers;
mod duties;
mod gathered;
mod list;
mod memory;
mod noise;
mod state;
mod steps;
pub(crate) mod witness;

pub(crate) use self::duties::may_be_committed;
pub(crate) use self::list::{Property, PropertySet};
pub(crate) use self::memory::{broken_memory, is_disturbance};
pub(crate) use self::state::*;
pub(crate) use self::steps::{broken_by_event, broken_when_tried};
