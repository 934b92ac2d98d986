//! What can be walked through: states, and the steps that can be taken in each.

use std::hash::Hash;

use serde::Serialize;

use crate::properties::Property;
use crate::trace::render::Chart;

/// A system that can be walked through, step by step.
pub(crate) trait Walked: Send + Sync + 'static {
    /// A state, with what was broken on the way to it.
    type State: Clone + Eq + Hash;
    /// Something that happens.
    type Action: Clone + PartialEq + Send + Sync;
    /// An action that was taken, and the state that it led to.
    type Step: Clone;

    /// The kinds of steps, in the order in which they are shown.
    const GROUPS: &'static [&'static str];

    /// What is shown beside the chart, in words.
    const ABOUT: &'static str;

    /// Where walks begin.
    fn start(&self) -> Self::State;

    /// The steps that can be taken, in an order that depends on the state alone.
    fn steps(&self, state: &Self::State) -> Vec<Self::Step>;

    /// The steps that are tried where a state is sought, with faults or without.
    fn tried(&self, state: &Self::State, with_faults: bool) -> Vec<Self::Step>;

    /// What happens in a step.
    fn action<'a>(&self, step: &'a Self::Step) -> &'a Self::Action;

    /// Where it leads.
    fn state<'a>(&self, step: &'a Self::Step) -> &'a Self::State;

    /// A step from this state, in words.
    fn told(&self, before: &Self::State, step: &Self::Step) -> Told;

    /// Whether a state is sought, where one began to seek it in that state.
    fn is_met(&self, goal: Goal, start: &Self::State, state: &Self::State) -> bool;

    /// The steps of a walk as a chart.
    fn chart(&self, title: &str, steps: &[Self::Step]) -> Chart;

    /// A run of the concrete system to where these steps lead, or why there is none; nothing, where this is that system.
    fn concrete(&self, _title: &str, _steps: &[Self::Step]) -> Option<Result<Chart, String>> {
        None
    }

    /// All that there is to say of a state.
    fn whole(&self, state: &Self::State) -> String;
}

/// A step in words.
#[derive(Serialize)]
pub(crate) struct Told {
    pub(crate) action: String,
    pub(crate) group: &'static str,
    /// What it changes; nothing, if it changes nothing.
    pub(crate) changes: Vec<String>,
    /// The properties that it breaks.
    pub(crate) broken: Vec<&'static str>,
    /// Whether what arrives was sent before.
    pub(crate) sent: bool,
}

/// What is sought.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    Leader,
    Commit,
    SplitVote,
    /// Any property is broken that was not.
    Violation,
    Broken(Property),
}

/// Those with names of their own; properties have theirs.
pub(crate) const GOALS: [(&str, &str, Goal); 4] = [
    ("leader", "there is a leader", Goal::Leader),
    ("commit", "something more is committed", Goal::Commit),
    ("split-vote", "nobody can win the votes", Goal::SplitVote),
    ("violation", "a property is broken", Goal::Violation),
];

impl Goal {
    /// One of these names, or a property's.
    pub(crate) fn named(name: &str) -> Option<Goal> {
        let own = GOALS.iter().find(|(known, ..)| *known == name).map(|(.., goal)| *goal);
        own.or_else(|| Property::named(name).map(Goal::Broken))
    }
}
