//! The checker's own search: breadth first in layers, over anything that is a [`Space`].
//!
//! - It says [`Ended::Exhausted`] only if the frontier ran empty. Whatever ends it before that is a
//!   [`Ended::Cut`] with its reason, and a panic over a state is a violation.
//! - Layers are complete, so a counterexample is the shortest there is, and all counts are the same
//!   at any number of threads and, but for collisions, under any seed.
//! - There is no bound on the depth. What bounds a search belongs into the states.
//! - Of the states that were seen only fingerprints are kept, in about 10 bytes each. Parents are
//!   kept by a second search, when there is something to trace back.

pub(crate) use checkpoint::CheckpointError;
pub(crate) use fingerprint::{Fingerprinter, fingerprint};
pub(crate) use found::{Ended, Found, Progress};
pub(crate) use identity::Identity;
pub(crate) use memory::{allowed_bytes, resident_bytes};
pub(crate) use model::OfModel;
pub(crate) use settings::Search;
pub(crate) use space::{Bits, Judgement, Space};
pub(crate) use watch::Limits;

mod memory;

pub(crate) mod panics;

mod fingerprint;

mod identity;

mod space;

mod model;

mod table;

mod frontier;

mod watch;

mod settings;

mod found;

mod explored;

mod checkpoint;

mod trail;

mod layers;

mod run;

#[cfg(test)]
mod tests;
