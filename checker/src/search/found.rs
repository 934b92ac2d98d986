//! What a search tells: on the way, and in the end.

use std::time::Duration;

use crate::search::space::Bits;

/// How far a search is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// Distinct states so far.
    pub states: u64,
    /// Transitions so far.
    pub transitions: u64,
    /// Steps to the farthest state so far.
    pub depth: u64,
    /// States of the current layer that were not expanded yet.
    pub waiting: u64,
    /// States of the layer before, and of the current one.
    pub layers: [u64; 2],
    /// Resident memory of the process, in bytes.
    pub resident: u64,
    /// Bytes of the set of visited states.
    pub table_bytes: u64,
    /// Bytes on disk, of states that wait to be expanded.
    pub on_disk: u64,
    /// With the time before it was resumed.
    pub elapsed: Duration,
    /// What is broken, when a violation was found: this is the second search then, for the way to it.
    pub retracing: Option<Bits>,
    /// How many single servers were tried further, and of how many, when every state was visited.
    pub simulated: Option<(u64, u64)>,
}

/// Why a search ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ended {
    /// Every state within the space's own bounds was expanded, and nothing is broken.
    Exhausted,
    /// The last step of the path, or the state that it leads to, breaks these properties.
    Violated(Bits),
    /// By a limit or a signal; nothing is known of what was not reached.
    Cut(String),
}

/// What one of several processes that search together holds in the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Held {
    /// Resident memory at its highest, in bytes.
    pub peak_resident: u64,
    /// The states that belong to it.
    pub states: u64,
    /// Bytes on disk at their highest, of states that wait to be expanded.
    pub most_on_disk: u64,
}

/// What a search found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found<A> {
    /// Why it ended.
    pub ended: Ended,
    /// Distinct states.
    pub states: u64,
    /// Steps from one state to another, of each state once.
    pub transitions: u64,
    /// Steps to the farthest state, or to the violation.
    pub depth: u64,
    /// States by their distance from a start.
    pub layers: Vec<u64>,
    /// Actions that were tried, by kind, if the space counts them.
    pub offered: Vec<u64>,
    /// Transitions by kind of action.
    pub fired: Vec<u64>,
    /// Witnesses that were met anywhere.
    pub met: Bits,
    /// Broken anywhere in the layer of the violation.
    pub broken: Bits,
    /// The start state, by number, that the path begins in.
    pub start: usize,
    /// A shortest way to the violation.
    pub path: Vec<A>,
    /// What a panic over a state said, if that is the violation.
    pub panic: Option<String>,
    /// Why only the last step of the path is known, if so.
    pub partial: Option<String>,
    /// Resident memory of the process, in bytes, at its highest.
    pub peak_resident: u64,
    /// Of the visited set.
    pub table_bytes: u64,
    /// Bytes on disk at their highest, of states that wait to be expanded; of several processes those of all.
    pub most_on_disk: u64,
    /// With the time before it was resumed.
    pub elapsed: Duration,
    /// The probability that a fingerprint collision hid a state.
    pub collision_probability: f64,
    /// How many states the checkpoint held that it went on from.
    pub resumed_from: Option<u64>,
    /// What became of the latest checkpoint, if one was to be written.
    pub saved: Option<Result<(), String>>,
    /// What each process holds in the end, if several have searched together.
    pub held: Vec<Held>,
}
