//! The state machine that a service replicates, and the thread that runs it.

mod codec;

mod interface;

mod failure;

mod erased;

mod nothing;

pub(crate) mod sessions;

#[cfg(any(test, feature = "simulate"))]
pub(crate) mod parsers;

mod gathering;

pub(crate) mod apply;

pub use codec::CodecError;
pub(crate) use codec::{decode, encode};
pub(crate) use erased::{Machine, Typed};
pub use failure::MachineFailure;
pub use interface::{Serialized, Snapshot, StateMachine};
pub(crate) use nothing::Nothing;
