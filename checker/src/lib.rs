//! Explores all interleavings of messages, timers, crashes and disk flushes of the deployed Raft
//! transitions. The command line is the interface; see `rafttree-checker --help`.

/// Prints a line, as `println!` does, but whoever reads may stop reading.
macro_rules! say {
    ($($words:tt)*) => { crate::cli::report::say(format_args!($($words)*)) };
}

mod checks;
pub mod cli;
mod inductive;
mod liveness;
mod mutants;
mod properties;
mod quotient;
mod search;
mod system;
#[cfg(test)]
mod tests;
mod timing;
mod trace;
mod verdict;
mod world;
