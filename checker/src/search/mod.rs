//! Breadth-first search in layers, over any `stateright::Model` and over anything that is a [`Space`].
//!
//! - It says [`Ended::Exhausted`] only if the frontier ran empty. Whatever ends it before that is a
//!   [`Ended::Cut`] with its reason, and a panic over a state is a violation if the space says so.
//! - Layers are complete, so a counterexample is the shortest there is, and all counts are the same
//!   at any number of threads and, but for collisions, under any seed.
//! - There is no bound on the depth. What bounds a search belongs into the states.
//! - Of the states that were seen only fingerprints are kept, in about 10 bytes each. Parents are
//!   kept by a second search, when there is something to trace back.
//!
//! A model is wrapped by [`OfModel::new`], and searched by [`Search::run`]; [`Found`] is what comes of
//! it. A space of one's own ([`Space`]) can do without hashing each state whole, count what it offers, and be
//! written to a checkpoint, from which [`Search::resume`] goes on.
//!
//! ```
//! use rafttree_checker::search::{Ended, OfModel, Search};
//! use stateright::{Model, Property};
//!
//! /// A counter that is turned up to three.
//! struct Counter;
//!
//! impl Model for Counter {
//!     type State = u8;
//!     type Action = ();
//!
//!     fn init_states(&self) -> Vec<u8> {
//!         vec![0]
//!     }
//!
//!     fn actions(&self, state: &u8, actions: &mut Vec<()>) {
//!         actions.extend((*state < 3).then_some(()));
//!     }
//!
//!     fn next_state(&self, state: &u8, (): ()) -> Option<u8> {
//!         Some(state + 1)
//!     }
//!
//!     fn properties(&self) -> Vec<Property<Counter>> {
//!         vec![Property::always("small", |_, state| *state < 3)]
//!     }
//! }
//!
//! let space = OfModel::new(Counter)?;
//! let found = Search::default().run(&space, &mut |_| {});
//! assert_eq!(found.ended, Ended::Violated(0b1));
//! assert_eq!((found.states, found.path.len()), (4, 3));
//! assert_eq!(space.names(0b1), ["small"]);
//! # Ok::<(), rafttree_checker::search::Unsuitable>(())
//! ```

pub use checkpoint::CheckpointError;
pub use fingerprint::{Fingerprinter, fingerprint};
pub use found::{Ended, Found, Held, Progress};
pub use identity::Identity;
pub(crate) use memory::{allowed_bytes, resident_bytes};
pub use model::{OfModel, Unsuitable};
pub use settings::Search;
pub use space::{Bits, Judgement, Space};
pub use watch::Limits;

mod memory;

pub(crate) mod panics;

mod fingerprint;

mod identity;

mod space;

mod model;

mod table;

mod spill;

mod frontier;

mod watch;

mod settings;

mod found;

mod explored;

mod checkpoint;

mod trail;

mod hand;

mod layers;

mod run;

pub(crate) mod tasks;

#[cfg(feature = "hosts")]
pub(crate) mod hosts;

#[cfg(test)]
mod tests;
