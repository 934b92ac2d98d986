//! A search from its start, or from a checkpoint, to its end.

use std::path::Path;
use std::time::Duration;

use crate::search::checkpoint::{self, CheckpointError, Saved, Saver};
use crate::search::explored::Totals;
use crate::search::fingerprint::Print;
use crate::search::found::{Ended, Found, Progress};
use crate::search::layers::Layers;
use crate::search::settings::Search;
use crate::search::space::{Space, attempt};
use crate::search::trail::{Route, Violation, retrace};
use crate::search::watch::Watch;

impl Search {
    /// Searches until nothing is left, something is broken, or a limit strikes.
    ///
    /// # Panics
    /// If the space does, and if checkpoints are wanted of a space that cannot write them.
    pub fn run<S: Space>(&self, space: &S, progress: &mut dyn FnMut(&Progress)) -> Found<S::Action> {
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
    pub fn resume<S: Space>(
        &self,
        space: &S,
        path: &Path,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<Found<S::Action>, CheckpointError> {
        if self.wide_fingerprints {
            self.resume_with::<S, u128>(space, path, progress)
        } else {
            self.resume_with::<S, u64>(space, path, progress)
        }
    }

    fn resume_with<S: Space, P: Print>(
        &self,
        space: &S,
        path: &Path,
        progress: &mut dyn FnMut(&Progress),
    ) -> Result<Found<S::Action>, CheckpointError> {
        let mut watch = self.watch(space);
        let identity = checkpoint::identity::<S, P>(self, space);
        let Saved { explored, elapsed, gathered } =
            checkpoint::read::<S, P>(path, &identity, space, self.room(space, 1))?;
        space.decode_gathered(&gathered).ok_or(CheckpointError::Damaged)?;
        watch.went_on_for(elapsed);
        let mut layers = Layers::at(self, space, explored);
        layers.resumed_from = Some(layers.explored.totals.states);
        Ok(self.go_on(layers, &mut watch, progress))
    }

    fn watch<S: Space>(&self, space: &S) -> Watch {
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
        let found = Found::of_totals::<P>(layers.explored.totals.clone(), ended, layers.explored.table.bytes());
        Found { resumed_from: layers.resumed_from, most_on_disk: layers.explored.frontier.most_on_disk(), ..found }
    }

    pub(super) fn of_totals<P: Print>(totals: Totals, ended: Ended, table_bytes: u64) -> Found<A> {
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
            table_bytes,
            most_on_disk: 0,
            elapsed: Duration::ZERO,
            resumed_from: None,
            collision_probability: (totals.states as f64).powi(2) / 2_f64.powi(8 * P::BYTES as i32 + 1),
            saved: None,
            held: Vec::new(),
        }
    }

    /// The violation stands, whether the way to it was found or not.
    pub(super) fn violated<P: Print>(&mut self, violation: Violation<A, P>, route: Result<Route<A>, String>) {
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
