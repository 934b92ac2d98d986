//! Small spaces.

use std::collections::HashSet;
use std::hash::Hash;

use stateright::{Model, Property};

use super::two_phase_commit::Action;
use crate::search::{Bits, Identity, Judgement, Space, fingerprint};

/// Counters from 0 to `top`, of which each step turns one.
#[derive(Clone, Copy)]
pub(super) struct Counters<'a> {
    pub(super) counters: usize,
    pub(super) top: u8,
    /// Counters are alike: states that differ by their order are one.
    pub(super) alike: bool,
    pub(super) breaks: fn(&[u8]) -> Bits,
    pub(super) step_breaks: fn(&[u8], Turn) -> Bits,
    /// Called with each state before it is expanded.
    pub(super) hook: &'a (dyn Fn(&[u8]) + Sync),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Turn {
    Up(usize),
    Down(usize),
}

pub(super) fn counters(counters: usize, top: u8) -> Counters<'static> {
    Counters { counters, top, alike: false, breaks: |_| 0, step_breaks: |_, _| 0, hook: &|_| {} }
}

pub(super) fn sum(state: &[u8]) -> u32 {
    state.iter().map(|&counter| u32::from(counter)).sum()
}

impl Counters<'_> {
    pub(super) fn after(&self, state: &[u8], turn: Turn) -> Option<Vec<u8>> {
        let mut after = state.to_vec();
        match turn {
            Turn::Up(counter) if state[counter] < self.top => after[counter] += 1,
            Turn::Down(counter) if 0 < state[counter] => after[counter] -= 1,
            _ => return None,
        }
        Some(after)
    }
}

impl Space for Counters<'_> {
    type State = Vec<u8>;
    type Action = Turn;
    /// The turns that were tried, by kind.
    type Worker = [u64; 2];

    fn worker(&self) -> [u64; 2] {
        [0; 2]
    }

    fn starts(&self) -> Vec<Vec<u8>> {
        vec![vec![0; self.counters]]
    }

    fn expand(&self, tried: &mut [u64; 2], state: &Vec<u8>, visit: &mut dyn FnMut(Turn, Vec<u8>, Judgement)) {
        (self.hook)(state);
        for turn in (0..self.counters).flat_map(|counter| [Turn::Up(counter), Turn::Down(counter)]) {
            tried[self.kind(&turn)] += 1;
            if let Some(after) = self.after(state, turn) {
                let broken = (self.step_breaks)(state, turn);
                visit(turn, after, Judgement { broken, met: 0 });
            }
        }
    }

    fn judge(&self, _: &mut [u64; 2], state: &Vec<u8>) -> Judgement {
        let all = |value| state.iter().all(|&counter| counter == value);
        let met = u64::from(all(0)) | u64::from(all(self.top)) << 1 | u64::from(all(self.top + 1)) << 2;
        Judgement { broken: (self.breaks)(state), met }
    }

    fn fingerprint(&self, state: &Vec<u8>, seed: u64) -> u128 {
        let mut state = state.clone();
        if self.alike {
            state.sort_unstable();
        }
        fingerprint(&state, seed)
    }

    fn kinds(&self) -> usize {
        2
    }

    fn kind(&self, turn: &Turn) -> usize {
        usize::from(matches!(turn, Turn::Down(_)))
    }

    fn count_offers(&self, tried: &mut [u64; 2], offered: &mut [u64]) {
        std::mem::take(tried).into_iter().zip(offered).for_each(|(new, total)| *total += new);
    }

    fn identity(&self) -> Option<Identity> {
        Some(Identity::default().with("counters", self.counters).with("top", self.top))
    }

    fn encode(&self, state: &Vec<u8>, out: &mut Vec<u8>) {
        out.extend_from_slice(state);
    }

    fn decode(&self, bytes: &mut &[u8]) -> Option<Vec<u8>> {
        let (state, rest) = bytes.split_at_checked(self.counters)?;
        *bytes = rest;
        Some(state.to_vec())
    }
}

/// Numbers without end: only something else ends a search of them.
pub(super) struct Endless;

impl Space for Endless {
    type State = u64;
    type Action = u64;
    type Worker = ();

    fn worker(&self) {}

    fn starts(&self) -> Vec<u64> {
        vec![1]
    }

    fn expand(&self, _: &mut (), state: &u64, visit: &mut dyn FnMut(u64, u64, Judgement)) {
        for digit in 0..4 {
            visit(digit, state.wrapping_mul(5).wrapping_add(digit), Judgement::default());
        }
    }

    fn judge(&self, _: &mut (), _: &u64) -> Judgement {
        Judgement::default()
    }

    fn fingerprint(&self, state: &u64, seed: u64) -> u128 {
        fingerprint(state, seed)
    }

    fn kinds(&self) -> usize {
        4
    }

    fn kind(&self, digit: &u64) -> usize {
        *digit as usize
    }
}

/// States and arrows between them, the first state being the start, as a Stateright model.
#[derive(Clone)]
pub(super) struct Arrows {
    pub(super) arrows: &'static [(u8, u8)],
    pub(super) bad: &'static [u8],
    /// States from here on are out of bounds.
    pub(super) bound: u8,
}

impl Model for Arrows {
    type State = u8;
    type Action = u8;

    fn init_states(&self) -> Vec<u8> {
        vec![self.arrows[0].0]
    }

    fn actions(&self, state: &u8, actions: &mut Vec<u8>) {
        actions.extend(self.arrows.iter().filter(|(from, _)| from == state).map(|(_, to)| to));
    }

    fn next_state(&self, _: &u8, to: u8) -> Option<u8> {
        Some(to)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("good", |model: &Self, state| !model.bad.contains(state)),
            // Stateright goes on for as long as there is something that it has not found.
            Property::always("anything", |_, _| true),
        ]
    }

    fn within_boundary(&self, state: &u8) -> bool {
        *state < self.bound
    }
}

/// A sliding puzzle of two rows and three columns.
#[derive(Clone)]
pub(super) struct Puzzle {
    pub(super) start: [u8; 6],
}

pub(super) const SOLVED: [u8; 6] = [0, 1, 2, 3, 4, 5];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Slide {
    Down,
    Up,
    Right,
    Left,
}

impl Model for Puzzle {
    type State = [u8; 6];
    type Action = Slide;

    fn init_states(&self) -> Vec<[u8; 6]> {
        vec![self.start]
    }

    fn actions(&self, _: &[u8; 6], actions: &mut Vec<Slide>) {
        actions.extend([Slide::Down, Slide::Up, Slide::Right, Slide::Left]);
    }

    fn next_state(&self, state: &[u8; 6], slide: Slide) -> Option<[u8; 6]> {
        let empty = state.iter().position(|&tile| tile == 0)?;
        let from = match slide {
            Slide::Down if 3 <= empty => empty - 3,
            Slide::Up if empty < 3 => empty + 3,
            Slide::Right if empty % 3 != 0 => empty - 1,
            Slide::Left if empty % 3 != 2 => empty + 1,
            _ => return None,
        };
        let mut next = *state;
        next.swap(empty, from);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::sometimes("solved", |_, state| *state == SOLVED),
            Property::always("every tile is there", |_, state: &[u8; 6]| state.iter().sum::<u8>() == 15),
        ]
    }
}

/// The same puzzle, to which a solution is a counterexample.
#[derive(Clone)]
pub(super) struct Unsolvable(pub(super) Puzzle);

impl Model for Unsolvable {
    type State = [u8; 6];
    type Action = Slide;

    fn init_states(&self) -> Vec<[u8; 6]> {
        self.0.init_states()
    }

    fn actions(&self, state: &[u8; 6], actions: &mut Vec<Slide>) {
        self.0.actions(state, actions);
    }

    fn next_state(&self, state: &[u8; 6], slide: Slide) -> Option<[u8; 6]> {
        self.0.next_state(state, slide)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("unsolved", |_, state| *state != SOLVED)]
    }
}

/// The kinds of what happens in a two-phase commit.
pub(super) fn two_phase_kind(action: &Action) -> usize {
    match action {
        Action::CoordinatorDecides(_) => 0,
        Action::CoordinatorHears(_) => 1,
        Action::ManagerPrepares(_) => 2,
        Action::ManagerAborts(_) => 3,
        Action::ManagerObeys(..) => 4,
    }
}

/// What a search must count.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Naive {
    pub(super) states: u64,
    pub(super) transitions: u64,
    pub(super) layers: Vec<u64>,
    pub(super) offered: Vec<u64>,
    pub(super) fired: Vec<u64>,
    pub(super) met: Bits,
}

/// A search with whole states in a set, and nothing clever.
pub(super) fn naive<S: Space<State: Eq + Hash>>(space: &S) -> Naive {
    let mut worker = space.worker();
    let kinds = vec![0; space.kinds()];
    let mut counts = Naive { offered: kinds.clone(), fired: kinds, ..Naive::default() };
    for layer in naive_layers(space) {
        counts.states += layer.len() as u64;
        counts.layers.push(layer.len() as u64);
        for state in layer {
            counts.met |= space.judge(&mut worker, &state).met;
            space.expand(&mut worker, &state, &mut |action, _, _| {
                counts.transitions += 1;
                counts.fired[space.kind(&action)] += 1;
            });
        }
    }
    space.count_offers(&mut worker, &mut counts.offered);
    counts
}

/// States by their distance from the starts.
pub(super) fn naive_layers<S: Space<State: Eq + Hash>>(space: &S) -> Vec<Vec<S::State>> {
    let mut seen = HashSet::new();
    let mut layers = Vec::new();
    let mut next: Vec<S::State> = space.starts().into_iter().filter(|start| seen.insert(start.clone())).collect();
    while !next.is_empty() {
        let layer = std::mem::take(&mut next);
        for state in &layer {
            space.expand(&mut space.worker(), state, &mut |_, target, _| {
                if seen.insert(target.clone()) {
                    next.push(target);
                }
            });
        }
        layers.push(layer);
    }
    layers
}
