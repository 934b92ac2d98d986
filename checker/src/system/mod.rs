//! The concrete system: what may happen to a group of servers, with disks and messages in full.

mod bounds;

pub(crate) mod forgetting;

pub(crate) mod network;

pub(crate) mod symmetry;

mod actions;

mod transitions;

mod leases;

mod reads;

pub(crate) use actions::Action;
pub(crate) use bounds::{Bounds, COMMAND_HELD, COMMAND_HELD_BY_ANOTHER, COMMAND_LACKED, PAIR, SMALL, wide};
pub(crate) use transitions::{System, deployed};
