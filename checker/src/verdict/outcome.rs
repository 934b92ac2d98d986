//! What is searched, and what is said of it.

use std::time::{Duration, Instant};

use crate::properties::witness::Witness;
use crate::properties::{Property, PropertySet};
#[cfg(feature = "hosts")]
use crate::search::hosts::{Hosts, Refused};
use crate::search::tasks::{Results, Tasks};
use crate::search::{CheckpointError, Ended, Found, Held, Progress, Space, panics};
use crate::system::Action;
use crate::verdict::expected::{Expected, Kind, Met, kinds};
use crate::verdict::figures::{Linked, Tally};
use crate::verdict::limits::Limits;

/// The four words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// The frontier ran empty and every property held.
    Complete,
    /// A property does not hold.
    Violated,
    /// A limit ended the search; nothing is known of what was not reached.
    Incomplete(String),
    /// Every property held, but what makes that worth something was never reached.
    Vacuous(Vec<String>),
}

/// A space with words for what is in it.
pub(crate) trait Checked: Space {
    /// The kinds of action.
    fn kind_names(&self) -> Vec<&'static str>;

    /// The same run as actions of the concrete system; one that ends in a panic may break nothing there.
    fn concretised(&self, path: &[Self::Action], must_break: bool) -> Result<Vec<Action>, String>;

    /// What there is to tell of a run that breaks this and that actions of the concrete system do not.
    fn story(&self, _path: &[Self::Action], _broken: PropertySet) -> Option<Vec<String>> {
        None
    }

    /// What is tried when every state was visited: the local simulation, whose counts are those of a [`Tally`].
    fn local_simulation(&self) -> Option<Box<dyn Tasks + '_>> {
        None
    }

    /// What was looked up in the class of the invariant, if anything.
    fn linked(&self) -> Option<Linked> {
        None
    }

    /// What was counted along the way.
    fn measured(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// What a search found.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) states: u64,
    pub(crate) transitions: u64,
    pub(crate) depth: u64,
    /// States by their distance from the start.
    pub(crate) layers: Vec<u64>,
    pub(crate) time: Duration,
    pub(crate) peak_memory: u64,
    /// Bytes of the set of visited states.
    pub(crate) table: u64,
    /// Bytes on disk at their highest, of states that waited.
    pub(crate) most_on_disk: u64,
    pub(crate) collision: f64,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) witnesses: Vec<Met>,
    /// A shortest run that breaks something; steps of the search.
    pub(crate) steps: usize,
    /// The same, or why it cannot be told, in actions of the concrete system.
    pub(crate) counterexample: Result<Vec<Action>, String>,
    /// What is told instead, if the actions do not tell all.
    pub(crate) story: Option<Vec<String>>,
    /// What a panic said that is, or comes on top of, the violation.
    pub(crate) panic: Option<String>,
    pub(crate) measured: Vec<(&'static str, u64)>,
    /// What the local simulation has tried, if it was run.
    pub(crate) simulated: Option<Tally>,
    /// What was looked up in the class of the invariant.
    pub(crate) linked: Option<Linked>,
    pub(crate) broken: PropertySet,
    /// What other runs of the same length break, this one's properties included.
    pub(crate) broken_in_layer: PropertySet,
    /// How many states the checkpoint held that the search went on from.
    pub(crate) resumed_from: Option<u64>,
    /// What became of the checkpoint.
    pub(crate) saved: Option<Result<(), String>>,
    /// What each process held, if several have searched together.
    pub(crate) held: Vec<Held>,
}

/// Searches until nothing is left, something is broken, or a limit strikes; if every state was visited, tries further
/// what single servers do.
pub(crate) fn explore<S: Checked>(
    space: &S,
    limits: &Limits,
    expected: Expected,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Outcome, CheckpointError> {
    let (search, began) = (limits.search(), Instant::now());
    let mut last = None;
    let mut seen = |now: &Progress| {
        last = Some(*now);
        progress(now);
    };
    let found = match &limits.resume {
        Some(path) => search.resume(space, path, &mut seen)?,
        None => search.run(space, &mut seen),
    };
    let mut tick = |done, all| {
        if let Some(last) = &last {
            progress(&Progress { simulated: Some((done, all)), ..*last });
        }
    };
    let tasks = if found.ended == Ended::Exhausted { space.local_simulation() } else { None };
    let results = tasks.map(|tasks| search.do_all(&*tasks, began, &mut tick));
    Ok(Outcome::of(space, found, expected).with(results).judged_by(expected))
}

/// The same, with the other processes that the limits name.
#[cfg(feature = "hosts")]
pub(crate) fn explore_on<S: Checked + Clone + Send + 'static>(
    hosts: &Hosts,
    space: &S,
    limits: &Limits,
    expected: Expected,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Outcome, Refused> {
    let (found, results) = limits.search().run_on(hosts, space, S::local_simulation, progress)?;
    Ok(Outcome::of(space, found, expected).with(results).judged_by(expected))
}

impl Outcome {
    fn of<S: Checked>(space: &S, found: Found<S::Action>, expected: Expected) -> Outcome {
        let (verdict, broken) = match found.ended {
            Ended::Exhausted => (Verdict::Complete, 0),
            Ended::Violated(broken) => (Verdict::Violated, broken),
            Ended::Cut(why) => (Verdict::Incomplete(why), 0),
        };
        let mut outcome = Outcome {
            verdict,
            states: found.states,
            transitions: found.transitions,
            depth: found.depth,
            layers: found.layers,
            time: found.elapsed,
            peak_memory: found.peak_resident,
            table: found.table_bytes,
            most_on_disk: found.most_on_disk,
            collision: found.collision_probability,
            kinds: kinds(space.kind_names(), &found.offered, &found.fired),
            witnesses: Witness::ALL.map(|witness| expected.met(witness, found.met)).to_vec(),
            steps: found.path.len(),
            counterexample: found.partial.map_or(Ok(Vec::new()), Err),
            story: None,
            panic: found.panic,
            measured: space.measured(),
            simulated: None,
            linked: space.linked(),
            broken: PropertySet::of_bits(broken),
            broken_in_layer: PropertySet::of_bits(found.broken),
            resumed_from: found.resumed_from,
            saved: found.saved,
            held: found.held,
        };
        if outcome.verdict == Verdict::Violated && outcome.counterexample.is_ok() {
            outcome.tell(space, &found.path);
        }
        outcome
    }

    /// States of the largest layer.
    pub(crate) fn widest(&self) -> u64 {
        self.layers.iter().copied().max().unwrap_or_default()
    }

    /// Tells the counterexample, in actions and, where they are not all, as a story.
    fn tell<S: Checked>(&mut self, space: &S, path: &[S::Action]) {
        // Of the panics of this thread those of the telling are the ones that matter.
        let _ = panics::latest();
        let (broken, must_break) = (self.broken, self.panic.is_none());
        let told = self.telling(|| match space.story(path, broken) {
            Some(story) => Ok((Vec::new(), Some(story))),
            None => Ok((space.concretised(path, must_break)?, None)),
        });
        if self.panic.is_none() && self.broken.contains(Property::Totality) {
            self.panic = panics::latest();
        }
        match told {
            Ok((actions, story)) => (self.counterexample, self.story) = (Ok(actions), story),
            Err(why) => self.counterexample = Err(why),
        }
    }

    /// What is told of a violation. A panic in it does not undo the violation: it is one more.
    pub(crate) fn telling<T>(&mut self, tell: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        panics::caught(tell).unwrap_or_else(|why| {
            self.broken.insert(Property::Totality);
            self.panic.get_or_insert_with(|| why.clone());
            Err(format!("the telling panicked: {why}"))
        })
    }

    /// What single servers do counts as what the states show.
    fn with(mut self, simulated: Option<Results>) -> Outcome {
        let Some(Results { counts, failure, cut, .. }) = simulated else { return self };
        // Nothing was counted where nothing was tried.
        self.simulated = Some(Tally::of_numbers(counts.try_into().unwrap_or_default()));
        if let Some((_, failure)) = failure {
            self.verdict = Verdict::Violated;
            self.broken = PropertySet::of_bits(failure.broken);
            self.broken_in_layer = self.broken;
            self.steps = 1;
            self.story = Some(failure.story);
        } else if let Some(why) = cut {
            self.verdict = Verdict::Incomplete(format!("the local simulation was cut short: {why}"));
        }
        self
    }

    /// Every property held: whether that says anything.
    fn judged_by(mut self, expected: Expected) -> Outcome {
        if self.verdict != Verdict::Complete {
            return self;
        }
        let unmet = self.witnesses.iter().filter(|met| met.expected && !met.reached);
        let unmet = unmet.map(|met| format!("{} was never reached", met.name));
        let left_out = self.linked.filter(|linked| linked.left_out != 0).map(|linked| {
            format!("there is no room for the terms of {} states in the class of the invariant", linked.left_out)
        });
        let missing = unmet.chain(self.kinds.iter().filter_map(|kind| expected.lacks(kind))).chain(left_out);
        let missing: Vec<_> = missing.collect();
        if !missing.is_empty() {
            self.verdict = Verdict::Vacuous(missing);
        }
        self
    }
}

/// The properties of a set, by name.
pub(crate) fn names(set: PropertySet) -> Vec<&'static str> {
    set.iter().map(Property::name).collect()
}
