//! Whether each property holds, stated apart from the transitions.
//!
//! Properties of a state are asked in every state, those of a step after every step, those of a
//! message at the moment it leaves, when it is known what the sender's disk holds.

mod state;

mod history;

mod seen;

mod memory;

mod replies;

mod faulty;

mod obligations;

mod rounds;

mod snapshots;

mod proposals;

mod reads;

mod stray;

mod batching;

mod steps;

pub(crate) use history::remember;
pub(crate) use memory::is_disturbance;
pub(crate) use obligations::may_be_committed;
pub(crate) use proposals::judged_ends;
pub(crate) use reads::{judged_answers, judged_question};
pub(crate) use state::{broken_by_saying, broken_by_send, broken_in, campaigns_are_allowed, may_take_over};
pub(crate) use steps::{broken_by_event, broken_when_tried, judged_crash, judged_flush, judged_step};
