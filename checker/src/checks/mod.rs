//! Whether each property holds, stated apart from the transitions.
//!
//! Properties of a state are asked in every state, those of a step after every step, those of a
//! message at the moment it leaves, when it is known what the sender's disk holds.

mod batching;
mod memory;
mod obligations;
mod replies;
mod state;
mod steps;
mod stray;

pub(crate) use memory::{broken_memory, is_disturbance};
pub(crate) use obligations::may_be_committed;
pub(crate) use state::*;
pub(crate) use steps::{broken_by_event, broken_when_tried};
