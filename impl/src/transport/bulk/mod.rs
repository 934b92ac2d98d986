//! One snapshot over one connection of its own, between two threads that wait for their disks.
//!
//! The sender offers, the receiver says from where on it needs it, or that it has it. Then come
//! chunks, as many as TCP lets through: each side holds one of them in memory. After the last the
//! receiver makes the file durable, reads it back, and says that it has arrived. Who cannot go on says
//! why. Nothing of this touches the thread that the protocol runs on, nor its connections.

mod failure;

mod words;

mod line;

mod sender;

mod receiver;

mod orders;

#[cfg(any(test, feature = "simulate"))]
pub(crate) mod parsers;

#[cfg(test)]
mod tests;

pub(crate) use failure::SnapshotFailure;
pub(super) use line::{Closer, Line, SessionEnd};
pub(super) use orders::Order;
pub(super) use receiver::{Receiving, receive};
pub(super) use sender::send;
