//! The concrete system: what may happen to a group of servers, with disks and messages in full.

pub(crate) mod network;
pub(crate) mod observed;
pub(crate) mod server;
pub(crate) mod symmetry;
mod transitions;
pub(crate) mod world;

pub(crate) use self::transitions::{Action, Bounds, System};
