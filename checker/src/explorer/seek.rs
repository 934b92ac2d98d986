//! Runs on to the first state that has something: breadth first, so that there is no shorter way among
//! those that are tried.

use std::collections::{HashSet, VecDeque};

use crate::explorer::walked::{Goal, Walked};

/// So many states are tried with faults, and as many without.
pub(crate) const MAX_STATES: usize = 20_000;

/// A run from this state to the first that is sought, in few steps: first without faults, then with them.
/// None, if none was met among so many states.
pub(crate) fn run_to<W: Walked>(walked: &W, start: &W::State, goal: Goal) -> Option<Vec<W::Action>> {
    [false, true].iter().find_map(|&faults| breadth_first(walked, start, goal, faults))
}

/// A state with the number of the one before it, and the action between them.
type Reached<W> = (<W as Walked>::State, Option<(usize, <W as Walked>::Action)>);

fn breadth_first<W: Walked>(walked: &W, start: &W::State, goal: Goal, faults: bool) -> Option<Vec<W::Action>> {
    let mut reached: Vec<Reached<W>> = vec![(start.clone(), None)];
    let (mut known, mut open) = (HashSet::from([start.clone()]), VecDeque::from([0]));
    while let Some(at) = open.pop_front() {
        if walked.is_met(goal, start, &reached[at].0) {
            return Some(way::<W>(&reached, at));
        }
        for step in walked.tried(&reached[at].0, faults) {
            let next = walked.state(&step);
            if MAX_STATES <= known.len() || !known.insert(next.clone()) {
                continue;
            }
            open.push_back(reached.len());
            reached.push((next.clone(), Some((at, walked.action(&step).clone()))));
        }
    }
    None
}

fn way<W: Walked>(reached: &[Reached<W>], end: usize) -> Vec<W::Action> {
    let mut actions = Vec::new();
    let mut at = end;
    while let Some((before, action)) = &reached[at].1 {
        actions.push(action.clone());
        at = *before;
    }
    actions.reverse();
    actions
}
