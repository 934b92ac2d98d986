//! Explores all interleavings of messages, timers, crashes and disk flushes of the deployed Raft
//! transitions. The command line is the interface; see `rafttree-checker --help`.
//!
//! # What to use
//!
//! | for | there is |
//! | --- | --- |
//! | checking this Raft | the command `rafttree-checker`, which is [`cli::main`] |
//! | checking a `stateright::Model` of one's own | [`search::OfModel`] and [`search::Search`] |
//! | checking what has an encoding of its own, or goes on from checkpoints | [`search::Space`] |
//!
//! The rest is for the command alone, and private.
//!
//! # Reading order
//!
//! Modules are listed in the order in which they use each other: each uses only those before it.
//!
//! 1. What is checked: `properties` (by name), `world` (one state of everything), `checks` (whether each
//!    property holds), `system` (what may happen).
//! 2. Why runs have any length: `quotient` (symmetry reduction and abstraction), `liveness` (every state
//!    recovers), `inductive` (an invariant, without runs).
//! 3. What would be noticed: `mutants` (of rules, steps and disks), `source_mutants` (of the model's text).
//! 4. What is told: `verdict`, `trace` (scenarios and counterexamples), `production` (what servers that ran
//!    have recorded), `swarm` (long random runs), `timing` (how long elections take).
//! 5. How it is searched: [`search`].

/// Prints a line, as `println!` does, but whoever reads may stop reading.
macro_rules! say {
    ($($words:tt)*) => { crate::console::say(format_args!($($words)*)) };
}

pub mod search;

mod console;

mod properties;

mod progress;

mod world;

mod checks;

mod system;

mod scope;

mod mutants;

mod verdict;

mod trace;

mod production;

mod concrete;

mod swarm;

mod inductive;

mod quotient;

mod liveness;

mod hunt;

mod explorer;

mod presets;

mod source_mutants;

mod timing;

pub mod cli;

#[cfg(test)]
mod tests;
