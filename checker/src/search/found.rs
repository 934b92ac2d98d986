//! What a search tells: on the way, and in the end.

use std::time::Duration;

use crate::search::space::Bits;

/// How far a search is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) states: u64,
    pub(crate) transitions: u64,
    pub(crate) depth: u64,
    /// States of the current layer that were not expanded yet.
    pub(crate) waiting: u64,
    pub(crate) resident: u64,
    pub(crate) table_bytes: u64,
    pub(crate) elapsed: Duration,
    /// A violation was found, and this is the second search, for the way to it.
    pub(crate) is_retracing: bool,
    /// How many single servers were tried further, and of how many, when every state was visited.
    pub(crate) simulated: Option<(u64, u64)>,
}

/// Why a search ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// Every state within the space's own bounds was expanded, and nothing is broken.
    Exhausted,
    /// The last step of the path, or the state that it leads to, breaks these properties.
    Violated(Bits),
    /// By a limit or a signal; nothing is known of what was not reached.
    Cut(String),
}

/// What a search found.
#[derive(Clone, Debug)]
pub(crate) struct Found<A> {
    pub(crate) ended: Ended,
    /// Distinct states.
    pub(crate) states: u64,
    pub(crate) transitions: u64,
    /// Steps to the farthest state, or to the violation.
    pub(crate) depth: u64,
    /// States by their distance from a start.
    pub(crate) layers: Vec<u64>,
    /// Actions that were tried, by kind, if the space counts them.
    pub(crate) offered: Vec<u64>,
    /// Transitions by kind of action.
    pub(crate) fired: Vec<u64>,
    pub(crate) met: Bits,
    /// Broken anywhere in the layer of the violation.
    pub(crate) broken: Bits,
    /// The start state, by number, that the path begins in.
    pub(crate) start: usize,
    /// A shortest way to the violation.
    pub(crate) path: Vec<A>,
    /// What a panic over a state said, if that is the violation.
    pub(crate) panic: Option<String>,
    /// Why only the last step of the path is known, if so.
    pub(crate) partial: Option<String>,
    /// Resident memory of the process, in bytes, at its highest.
    pub(crate) peak_resident: u64,
    /// Of the visited set.
    pub(crate) table_bytes: u64,
    /// With the time before it was resumed.
    pub(crate) elapsed: Duration,
    /// The odds that two of the states share a fingerprint, so that one was missed.
    pub(crate) collision_probability: f64,
    /// How many states the checkpoint held that it went on from.
    pub(crate) resumed_from: Option<u64>,
    /// What became of the latest checkpoint, if one was to be written.
    pub(crate) saved: Option<Result<(), String>>,
}
