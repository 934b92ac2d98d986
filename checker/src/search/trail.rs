//! How to get to a violation.
//!
//! A search keeps no parents: most searches find nothing to trace back, and parents would double
//! what a state costs. When something was found, the layers are explored once more, with parents
//! this time, and without looking at properties or counts. Of several parents in the layer before,
//! the one with the smallest fingerprint counts, so that threads have no say in it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Mutex;

use crate::search::fingerprint::Print;
use crate::search::found::Progress;
use crate::search::frontier::{Frontier, Pile};
use crate::search::settings::Search;
use crate::search::space::{Bits, Panicked, Space, attempt, first_step};
use crate::search::table::Table;
use crate::search::watch::Watch;

/// Something that is broken, and what is known of how one gets there.
pub(super) struct Violation<A, P> {
    /// The broken state, or where the broken step leads.
    pub(super) target: P,
    /// Where the broken step starts, or what panics when it is expanded; a broken state may be reached
    /// from several.
    source: Option<P>,
    /// An action that leads there; none, if it is a start state, or a panic.
    pub(super) last: Option<A>,
    pub(super) broken: Bits,
    /// What it panicked with, if it did.
    pub(super) panic: Option<String>,
}

/// The whole way from a start to a violation.
pub(super) struct Route<A> {
    /// Which of the start states.
    pub(super) start: usize,
    pub(super) actions: Vec<A>,
    /// What the end of it breaks.
    pub(super) broken: Bits,
}

impl<A, P: Print> Violation<A, P> {
    pub(super) fn of_state(target: P, broken: Bits, panic: Option<String>) -> Violation<A, P> {
        Violation { target, source: None, last: None, broken, panic }
    }

    /// Nothing is known of where such a state leads.
    pub(super) fn of_panic(source: P, Panicked { broken, why }: Panicked) -> Violation<A, P> {
        Violation { target: source, source: Some(source), last: None, broken, panic: Some(why) }
    }

    pub(super) fn of_step(target: P, source: P, action: A, broken: Bits) -> Violation<A, P> {
        Violation { target, source: Some(source), last: Some(action), broken, panic: None }
    }

    /// As another process tells it, which keeps the action to itself.
    #[cfg(feature = "hosts")]
    pub(super) fn told(target: P, source: Option<P>, broken: Bits, panic: Option<String>) -> Violation<A, P> {
        Violation { target, source, last: None, broken, panic }
    }

    /// Whether the way ends before a step, since none can be taken: that state was expanded, and it panicked.
    fn ends_at_source(&self) -> bool {
        self.source.is_some() && self.panic.is_some()
    }

    /// The least violation of a layer is the one that is told.
    pub(super) fn order(&self) -> (P, Option<P>) {
        (self.target, self.source)
    }
}

/// Layers again, with parents.
struct Trail<'a, S: Space, P> {
    space: &'a S,
    search: &'a Search,
    /// What the violation breaks.
    broken: Bits,
    known: Known<P>,
    frontier: Frontier<S::State>,
    hands: Vec<Hand<S, P>>,
    /// Per layer but the first: each state with its parent.
    parents: Vec<Vec<(P, P)>>,
    states: u64,
    transitions: u64,
}

struct Hand<S: Space, P> {
    worker: S::Worker,
    pile: Pile<S::State>,
    states: u64,
    transitions: u64,
    /// The least state found that leads to the violation.
    source: Option<P>,
}

/// How a search for the path failed.
pub(super) const AMBIGUOUS: &str = "two states share a fingerprint, or the space does not answer the same twice";

/// The whole path to a violation at a depth, or why it was not found.
pub(super) fn retrace<S: Space, P: Print>(
    search: &Search,
    space: &S,
    violation: &Violation<S::Action, P>,
    depth: u64,
    watch: &mut Watch,
    progress: &mut dyn FnMut(&Progress),
) -> Result<Route<S::Action>, String> {
    let mut prints = Vec::new();
    if 0 < depth {
        let mut trail = Trail::start(search, space, violation.broken);
        for _ in 1..depth {
            trail.climb(watch, progress)?;
        }
        let source = match violation.source {
            Some(source) => source,
            None => trail.source_of(violation.target, watch, progress)?,
        };
        prints = trail.back_from(source).ok_or(AMBIGUOUS)?;
    }
    walk(search, space, &prints, violation).ok_or_else(|| AMBIGUOUS.to_owned())
}

/// The states that were found: those of finished layers, and with parents those of the next one.
pub(super) struct Known<P> {
    pub(super) table: Table<P>,
    /// In parts that have a lock each.
    young: Vec<Mutex<Parents<P>>>,
}

type Parents<P> = HashMap<P, P, BuildHasherDefault<AsItIs>>;

const PART_BITS: u32 = 8;

impl<P: Print> Known<P> {
    pub(super) fn new() -> Known<P> {
        Known { table: Table::new(), young: (0..1 << PART_BITS).map(|_| Mutex::default()).collect() }
    }

    /// Whether this state is new, too; a parent is kept if there is no lesser one.
    pub(super) fn insert(&self, state: P, parent: P) -> bool {
        if self.table.contains(state) {
            return false;
        }
        let part = &self.young[(state.place() >> (u64::BITS - PART_BITS)) as usize];
        let mut part = part.lock().expect("nothing panics while it holds a part");
        let mut is_new = false;
        let kept = part.entry(state).or_insert_with(|| {
            is_new = true;
            parent
        });
        *kept = parent.min(*kept);
        is_new
    }

    /// The next layer is finished: its states, with their parents.
    pub(super) fn finish_layer(&mut self) -> Vec<(P, P)> {
        let mut parts: Vec<_> = self.young.iter_mut().map(|part| part.get_mut().expect("nobody panicked")).collect();
        let mut layer = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        for part in &mut parts {
            layer.extend(part.drain());
        }
        for &(state, _) in &layer {
            self.table.insert(state);
        }
        layer
    }
}

impl<'a, S: Space, P: Print> Trail<'a, S, P> {
    fn start(search: &'a Search, space: &'a S, broken: Bits) -> Trail<'a, S, P> {
        let known = Known::new();
        let mut pile = Pile::new();
        let mut states = 0;
        for start in space.starts() {
            if known.table.insert(P::of(space.fingerprint(&start, search.seed))) {
                pile.push(start);
                states += 1;
            }
        }
        let mut frontier = Frontier::new(search.room(space, 1));
        frontier.push(pile.take_all());
        frontier.advance();
        let hands = (0..search.threads.max(1)).map(|_| Hand::new(space)).collect();
        Trail { space, search, broken, known, frontier, hands, parents: Vec::new(), states, transitions: 0 }
    }

    /// Expands the current layer, and goes on to the next.
    fn climb(&mut self, watch: &mut Watch, progress: &mut dyn FnMut(&Progress)) -> Result<(), String> {
        self.work_off(watch, progress, Hand::find_children)?;
        for hand in &mut self.hands {
            self.frontier.push(hand.pile.take_all());
        }
        self.parents.push(self.known.finish_layer());
        if self.frontier.advance() { Ok(()) } else { Err(AMBIGUOUS.to_owned()) }
    }

    /// The least state of the current layer that has a step to this one.
    fn source_of(&mut self, target: P, watch: &mut Watch, progress: &mut dyn FnMut(&Progress)) -> Result<P, String> {
        self.work_off(watch, progress, |hand, space, seed, _, state| hand.try_source(space, seed, target, state))?;
        self.hands.iter().filter_map(|hand| hand.source).min().ok_or_else(|| AMBIGUOUS.to_owned())
    }

    fn work_off(
        &mut self,
        watch: &mut Watch,
        progress: &mut dyn FnMut(&Progress),
        work: impl Fn(&mut Hand<S, P>, &S, u64, &Known<P>, &S::State) + Sync,
    ) -> Result<(), String> {
        while !self.frontier.is_layer_done() {
            if let Some(reason) = watch.struck(self.states, 0).or_else(|| self.frontier.trouble()) {
                return Err(reason);
            }
            let (space, seed, known, alarm) = (self.space, self.search.seed, &self.known, watch.alarm(0));
            self.frontier.batch(space, &mut self.hands, alarm, |hand, block| {
                for state in block {
                    work(hand, space, seed, known, &state);
                }
            });
            for hand in &mut self.hands {
                self.frontier.push(hand.pile.take_full());
                self.states += std::mem::take(&mut hand.states);
                self.transitions += std::mem::take(&mut hand.transitions);
            }
            self.frontier.spill(space);
            progress(&self.progress(watch));
        }
        Ok(())
    }

    /// The states on the way to this one, from a start, itself included.
    fn back_from(&self, source: P) -> Option<Vec<P>> {
        let mut prints = vec![source];
        for layer in self.parents.iter().rev() {
            let child = prints[prints.len() - 1];
            // Each layer is looked through once, so putting it in order would not pay.
            let (_, parent) = layer.iter().find(|(state, _)| *state == child)?;
            prints.push(*parent);
        }
        prints.reverse();
        Some(prints)
    }

    fn progress(&self, watch: &Watch) -> Progress {
        Progress {
            states: self.states,
            transitions: self.transitions,
            depth: self.parents.len() as u64,
            waiting: self.frontier.waiting(),
            layers: [2, 1].map(|back| self.parents.iter().nth_back(back - 1).map_or(0, |layer| layer.len() as u64)),
            resident: watch.resident(),
            table_bytes: self.known.table.bytes(),
            on_disk: self.frontier.on_disk(),
            elapsed: watch.elapsed(),
            retracing: Some(self.broken),
            simulated: None,
        }
    }
}

impl<S: Space, P: Print> Hand<S, P> {
    fn new(space: &S) -> Hand<S, P> {
        Hand { worker: space.worker(), pile: Pile::new(), states: 0, transitions: 0, source: None }
    }

    fn find_children(&mut self, space: &S, seed: u64, known: &Known<P>, state: &S::State) {
        let parent = P::of(space.fingerprint(state, seed));
        let Hand { worker, pile, states, transitions, .. } = self;
        space.expand(worker, state, &mut |_, child, _| {
            *transitions += 1;
            if known.insert(P::of(space.fingerprint(&child, seed)), parent) {
                *states += 1;
                pile.push(child);
            }
        });
    }

    fn try_source(&mut self, space: &S, seed: u64, target: P, state: &S::State) {
        let mut leads_there = false;
        let Hand { worker, transitions, .. } = self;
        // Another state of the layer may be the one that panics.
        let _ = attempt(space, || {
            space.expand(worker, state, &mut |_, child, _| {
                *transitions += 1;
                leads_there |= P::of(space.fingerprint(&child, seed)) == target;
            });
        });
        if leads_there {
            let source = P::of(space.fingerprint(state, seed));
            self.source = Some(self.source.map_or(source, |kept| kept.min(source)));
        }
    }
}

/// Walks along the fingerprints from a start, and then on to the violation: this turns them into
/// actions, and shows that they can happen one after the other.
pub(super) fn walk<S: Space, P: Print>(
    search: &Search,
    space: &S,
    prints: &[P],
    violation: &Violation<S::Action, P>,
) -> Option<Route<S::Action>> {
    let print = |state: &S::State| P::of(space.fingerprint(state, search.seed));
    let first = *prints.first().unwrap_or(&violation.target);
    let mut worker = space.worker();
    let (start, mut state) = space.starts().into_iter().enumerate().find(|(_, state)| print(state) == first)?;
    let mut actions = Vec::new();
    for next in prints.iter().skip(1) {
        let (action, target, _) = first_step(space, &mut worker, &state, |target, _| print(target) == *next)?;
        actions.push(action);
        state = target;
    }
    if violation.ends_at_source() {
        return Some(Route { start, actions, broken: violation.broken });
    }
    let mut broken = 0;
    if !prints.is_empty() {
        let must_break = violation.source.is_some();
        let is_last = |target: &S::State, broken| print(target) == violation.target && (!must_break || broken != 0);
        let (action, target, broken_by_step) = first_step(space, &mut worker, &state, is_last)?;
        actions.push(action);
        (state, broken) = (target, broken_by_step);
    }
    broken |= match attempt(space, || space.judge(&mut worker, &state)) {
        Ok(judgement) => judgement.broken,
        Err(panicked) => panicked.broken,
    };
    Some(Route { start, actions, broken })
}

/// Fingerprints need no hashing. The bits that chose the part are turned away from where a map looks.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a fingerprint is one number");
    }

    fn write_u64(&mut self, print: u64) {
        self.0 = print.rotate_left(PART_BITS);
    }

    fn write_u128(&mut self, print: u128) {
        self.write_u64(print as u64);
    }
}
