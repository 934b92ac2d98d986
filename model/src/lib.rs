//! Raft as pure transition functions.
//!
//! [`step()`] takes a server's state and an event, changes the state and says what the world has to
//! do: [`Record`]s to make durable, then [`Output`]s to perform. The checker of this project calls
//! it for every interleaving of messages, timers, crashes and flushes; the production server calls
//! the very same function. There is no other place where a role, a term, a vote, the log or the
//! commit index changes.
//!
//! The names are those of the Raft paper (Ongaro and Ousterhout, extended version, 2014; cited as
//! §) and of Ongaro's dissertation (2014).
//!
//! Read in this order: [`types`], [`rules`] (Figure 2 on one page), [`faulty`] (what a disk has damaged),
//! [`durable`] and [`node`] (the
//! state box of Figure 2), [`step`](mod@step), `election`, `replication`, `compaction`; then [`entries`] and
//! [`replica`] (the loop around a step: in which order its effects take place), and for those who use a
//! server [`proposals`] (what became of a command), [`reads`] (when a state machine may be read) and
//! [`applying`] (what it is given). [`trace`], [`traced`] and [`replayed`] record what happens to
//! a server and replay it.
//!
//! What is absent: the model has no clock (it learns that a timer fired, never what time it is),
//! no randomness, no input or output, no threads and no unsafe code. Nothing depends on the absolute
//! value of a term, an index or an id, and the compiler sees to it: their numbers are private to
//! [`types`], where the four operations that read one stand together, each with its reason, beside
//! those that count to a neighbour. A module uses only those listed before it.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod types;

pub mod members;

pub mod log;

pub mod faulty;

pub mod durable;

pub mod message;

pub mod entries;

pub mod effects;

pub mod node;

mod plausibility;

pub mod rules;

pub mod step;

mod rounds;

mod election;

mod replication;

mod compaction;

pub mod replica;

pub mod proposals;

pub mod reads;

pub mod applying;

pub mod relabelling;

pub mod digest;

pub mod chain;

mod words;

pub mod trace;

pub mod traced;

pub mod replayed;

pub use applying::{Applying, Due};
pub use durable::{Durable, Record};
pub use effects::{Effects, Output, Timers};
pub use entries::Entries;
pub use faulty::Faulty;
pub use log::Log;
pub use members::{InvalidMembers, MOST_SERVERS, Members, ServerMap, ServerSet};
pub use message::{Envelope, Message, Range, Slice};
pub use node::{Node, Progress, Role, RoleName, Status};
pub use proposals::{End, Proposals};
pub use reads::{AppliedReads, ReadIndices};
pub use relabelling::{Labels, Relabelled};
pub use replica::{Next, Replica};
pub use rules::{Paper, Rules};
pub use step::{Event, step, step_by};
pub use traced::Traced;
pub use types::{Entry, Index, Payload, Position, Round, ServerId, Term};
