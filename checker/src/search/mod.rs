//! The checker's own search: breadth first in layers, over anything that is a [`Space`].
//!
//! - It says [`Ended::Exhausted`] only if the frontier ran empty. Whatever ends it before that is a
//!   [`Ended::Cut`] with its reason, and a panic over a state is a violation.
//! - Layers are complete, so a counterexample is the shortest there is, and all counts are the same
//!   at any number of threads and, but for collisions, under any seed.
//! - There is no bound on the depth. What bounds a search belongs into the states.
//! - Of the states that were seen only fingerprints are kept, in about 10 bytes each. Parents are
//!   kept by a second search, when there is something to trace back.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use checkpoint::Saver;
use fingerprint::Print;
use layers::Layers;
use space::attempt;
use trail::{Route, Violation, retrace};
use watch::Watch;

pub(crate) use checkpoint::CheckpointError;
pub(crate) use fingerprint::{Fingerprinter, fingerprint};
pub(crate) use identity::Identity;
pub(crate) use memory::{allowed_bytes, resident_bytes};
pub(crate) use model::OfModel;
pub(crate) use space::{Bits, Judgement, Space};
pub(crate) use watch::Limits;

mod checkpoint;
mod fingerprint;
mod frontier;
mod identity;
mod layers;
mod memory;
mod model;
pub(crate) mod panics;
mod space;
mod table;
#[cfg(test)]
mod tests;
mod trail;
mod watch;

/// How to search.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    /// At least one is used.
    pub(crate) threads: usize,
    /// Chooses the fingerprints: what one seed misses by a collision another will hardly miss.
    pub(crate) seed: u64,
    /// 128 bits instead of 64.
    pub(crate) wide_fingerprints: bool,
    pub(crate) limits: Limits,
    /// A signal: the search ends when it is set.
    pub(crate) stop: Arc<AtomicBool>,
    /// Where to write down a search that is cut; only for a space that can checkpoint.
    pub(crate) checkpoint: Option<PathBuf>,
    /// How often to write it down on the way.
    pub(crate) checkpoint_every: Option<Duration>,
    /// Which code searches: what other code has found is not believed.
    pub(crate) code: &'static str,
}

/// How far a search is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) states: u64,
    pub(crate) transitions: u64,
    pub(crate) depth: u64,
    /// States of the current layer that were not expanded yet.
    pub(crate) waiting: u64,
    /// States of the layer before, and of the current one.
    pub(crate) layers: [u64; 2],
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

impl Search {
    /// Searches until nothing is left, something is broken, or a limit strikes.
    ///
    /// # Panics
    /// If the space does, and if checkpoints are wanted of a space that cannot write them.
    pub(crate) fn run<S: Space>(&self, space: &S, progress: &mut dyn FnMut(&Progress)) -> Found<S::Action> {
        let mut watch = self.watch(space);
        if self.wide_fingerprints {
            let layers = Layers::<S, u128>::start(self, space);
            self.go_on(layers, &mut watch, progress)
        } else {
            let layers = Layers::<S, u64>::start(self, space);
            self.go_on(layers, &mut watch, progress)
        }
    }

    /// Goes on from a checkpoint, as if there had been no end. Limits count from here.
    pub(crate) fn resume<S: Space>(
        &self,
        space: &S,
        path: &Path,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<Found<S::Action>, CheckpointError> {
        let mut watch = self.watch(space);
        if self.wide_fingerprints {
            let (layers, elapsed) = checkpoint::read::<S, u128>(path, self, space)?;
            watch.went_on_for(elapsed);
            Ok(self.go_on(layers, &mut watch, progress))
        } else {
            let (layers, elapsed) = checkpoint::read::<S, u64>(path, self, space)?;
            watch.went_on_for(elapsed);
            Ok(self.go_on(layers, &mut watch, progress))
        }
    }

    fn watch<S: Space>(&self, space: &S) -> Watch<'_> {
        assert!(
            self.checkpoint.is_none() || space.identity().is_some(),
            "a space that cannot write checkpoints is asked to"
        );
        Watch::new(self.limits, &self.stop)
    }

    fn go_on<S: Space, P: Print>(
        &self,
        mut layers: Layers<S, P>,
        watch: &mut Watch,
        progress: &mut dyn FnMut(&Progress),
    ) -> Found<S::Action> {
        let (space, mut saver) = (layers.space, Saver::new(self));
        let end = layers.run(watch, &mut saver, progress);
        watch.look();
        let violation = layers.violation.take();
        let mut found = Found::new(&layers, end);
        // The search for the path gets the memory of this one.
        drop(layers);
        if let Some(violation) = violation {
            watch.forget_states();
            let route = attempt(space, || retrace(self, space, &violation, found.depth, watch, progress));
            let route = route.unwrap_or_else(|panicked| Err(format!("panicked: {}", panicked.why)));
            found.violated(violation, route);
            watch.look();
        }
        found.elapsed = watch.elapsed();
        found.peak_resident = watch.peak();
        found.saved = saver.saved;
        found
    }
}

impl<A> Found<A> {
    fn new<S: Space<Action = A>, P: Print>(layers: &Layers<S, P>, ended: Ended) -> Found<A> {
        let totals = layers.totals.clone();
        Found {
            ended,
            states: totals.states,
            transitions: totals.transitions,
            depth: totals.depth(),
            layers: totals.layers,
            offered: totals.offered,
            fired: totals.fired,
            met: totals.met,
            broken: totals.broken,
            start: 0,
            path: Vec::new(),
            panic: None,
            partial: None,
            peak_resident: 0,
            table_bytes: layers.table.bytes(),
            elapsed: Duration::ZERO,
            resumed_from: layers.resumed_from,
            collision_probability: (totals.states as f64).powi(2) / 2_f64.powi(8 * P::BYTES as i32 + 1),
            saved: None,
        }
    }

    /// The violation stands, whether the way to it was found or not.
    fn violated<P: Print>(&mut self, violation: Violation<A, P>, route: Result<Route<A>, String>) {
        self.panic = violation.panic;
        match route {
            Ok(Route { start, actions, broken }) => {
                (self.start, self.path, self.ended) = (start, actions, Ended::Violated(broken));
            }
            Err(reason) => {
                self.path = violation.last.into_iter().collect();
                self.partial = Some(format!("only the last step of the path is known: {reason}"));
                self.ended = Ended::Violated(violation.broken);
            }
        }
    }
}
