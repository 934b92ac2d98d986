//! Explores all interleavings of messages, timers, crashes and disk flushes of the deployed Raft
//! transitions. The command line is the interface; see `rafttree-checker --help`.

/// Prints a line, as `println!` does, but whoever reads may stop reading.
macro_rules! say {
    ($($words:tt)*) => { crate::console::say(format_args!($($words)*)) };
}

pub mod search;

mod console;

mod properties;

mod world;

mod checks;

mod system;

mod scope;

mod mutants;

mod verdict;

mod trace;

mod concrete;

mod inductive;

mod quotient;

mod liveness;

mod hunt;

mod presets;

mod source_mutants;

mod timing;

pub mod cli;

#[cfg(test)]
mod tests;
