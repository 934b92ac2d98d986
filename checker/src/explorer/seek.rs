//! Runs on to the first state that has something: breadth first, so that there is no shorter way among
//! those that are tried.

use std::collections::{HashSet, VecDeque};

use crate::concrete::{has_leader, is_split};
use crate::properties::Property;
use crate::system::{Action, Bounds, System};
use crate::world::World;

/// So many states are tried with faults, and as many without.
pub(crate) const MAX_STATES: usize = 20_000;

/// What is sought.
#[derive(Clone, Copy)]
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

    fn is_met(self, start: &World, world: &World) -> bool {
        match self {
            Goal::Leader => has_leader(world),
            Goal::Commit => start.history.committed.len() < world.history.committed.len(),
            Goal::SplitVote => is_split(world),
            Goal::Violation => !world.broken.without(start.broken).is_empty(),
            Goal::Broken(property) => world.broken.contains(property),
        }
    }
}

/// A run from this state to the first that is sought, in few steps: first without faults, then with them.
/// None, if none was met among so many states.
pub(crate) fn run_to(system: &System, start: &World, goal: Goal) -> Option<Vec<Action>> {
    // A step that nobody can have seen is flushed before anything else happens: fewer ways to the same.
    let system = System { bounds: Bounds { interleaved: false, ..system.bounds }, symmetric: false, ..system.clone() };
    [false, true].iter().find_map(|&faults| breadth_first(&system, start, goal, faults))
}

/// A state with the number of the one before it, and the action between them.
type Reached = (World, Option<(usize, Action)>);

fn breadth_first(system: &System, start: &World, goal: Goal, faults: bool) -> Option<Vec<Action>> {
    let mut reached: Vec<Reached> = vec![(start.clone(), None)];
    let (mut known, mut open) = (HashSet::from([start.clone()]), VecDeque::from([0]));
    while let Some(at) = open.pop_front() {
        if goal.is_met(start, &reached[at].0) {
            return Some(way(&reached, at));
        }
        let world = reached[at].0.clone();
        for action in system.offered(&world).into_iter().filter(|action| faults || !is_fault(action)) {
            let next = system.after(&world, &action).filter(|next| !known.contains(next));
            let Some(next) = next.filter(|_| known.len() < MAX_STATES) else { continue };
            known.insert(next.clone());
            open.push_back(reached.len());
            reached.push((next, Some((at, action))));
        }
    }
    None
}

fn way(reached: &[Reached], end: usize) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut at = end;
    while let Some((before, action)) = &reached[at].1 {
        actions.push(action.clone());
        at = *before;
    }
    actions.reverse();
    actions
}

/// What is tried only where nothing else leads there.
fn is_fault(action: &Action) -> bool {
    matches!(
        action,
        Action::Crash { .. }
            | Action::CrashTorn(_)
            | Action::Damage { .. }
            | Action::Snapshot { .. }
            | Action::Transfer { .. }
            | Action::StepDown(_)
            | Action::HeartbeatTimeout(_)
    )
}
