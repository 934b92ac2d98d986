//! Breadth first, layer by layer.
//!
//! A layer is finished before its successor begins, whatever is found in it. So every count is the
//! same at any number of threads, and the first violation that is found has no shorter one.

use super::checkpoint::{self, Saver};
use super::fingerprint::Print;
use super::frontier::{Frontier, Pile};
use super::space::{Bits, Judgement, Panicked, Space, attempt, first_step};
use super::table::Table;
use super::trail::Violation;
use super::watch::Watch;
use super::{Ended, Progress, Search};

/// The search at a moment at which no thread works.
pub(super) struct Layers<'a, S: Space, P> {
    pub(super) space: &'a S,
    pub(super) search: &'a Search,
    pub(super) table: Table<P>,
    pub(super) frontier: Frontier<S::State>,
    pub(super) totals: Totals,
    pub(super) violation: Option<Violation<S::Action, P>>,
    /// How many states the checkpoint held that this began with.
    pub(super) resumed_from: Option<u64>,
    hands: Vec<Hand<S, P>>,
}

/// What is counted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Totals {
    pub(super) states: u64,
    /// The same by the layer that they are in.
    pub(super) layers: Vec<u64>,
    /// The layer that is being found, by expanding the one before it.
    pub(super) layer: usize,
    pub(super) transitions: u64,
    /// By kind: what was tried, and what of it changed something.
    pub(super) offered: Vec<u64>,
    pub(super) fired: Vec<u64>,
    pub(super) met: Bits,
    pub(super) broken: Bits,
}

/// What one thread has to itself, and what it found in this batch.
struct Hand<S: Space, P> {
    worker: S::Worker,
    pile: Pile<S::State>,
    /// New states of one expansion.
    fresh: Vec<S::State>,
    states: u64,
    transitions: u64,
    fired: Vec<u64>,
    met: Bits,
    broken: Bits,
    violation: Option<Violation<S::Action, P>>,
}

impl Totals {
    pub(super) fn of_kinds(kinds: usize) -> Totals {
        Totals { offered: vec![0; kinds], fired: vec![0; kinds], ..Totals::default() }
    }

    /// The deepest layer that anything was found in.
    pub(super) fn depth(&self) -> u64 {
        (self.layers.len() as u64).saturating_sub(1)
    }

    /// States of the layer before the one that is expanded, and of that one.
    fn current_layers(&self) -> [u64; 2] {
        [2, 1].map(|back| self.layer.checked_sub(back).map_or(0, |at| self.layers[at]))
    }

    fn add_states(&mut self, states: u64) {
        if 0 < states {
            self.reach_layer();
            self.layers[self.layer] += states;
            self.states += states;
        }
    }

    /// Something was found in the layer.
    fn reach_layer(&mut self) {
        if self.layers.len() == self.layer {
            self.layers.push(0);
        }
    }
}

impl<'a, S: Space, P: Print> Layers<'a, S, P> {
    /// Before the start states, which are found already, as any layer is.
    pub(super) fn start(search: &'a Search, space: &'a S) -> Layers<'a, S, P> {
        let totals = Totals::of_kinds(space.kinds());
        let frontier = Frontier::new(Vec::new(), Vec::new());
        let mut layers = Layers::at(search, space, Table::new(), frontier, totals);
        let hand = &mut layers.hands[0];
        for start in space.starts() {
            if layers.table.insert(P::of(space.fingerprint(&start, search.seed))) {
                hand.fresh.push(start);
            }
        }
        hand.judge_fresh(space, search.seed, None);
        layers.gather();
        layers
    }

    /// At any moment.
    pub(super) fn at(
        search: &'a Search,
        space: &'a S,
        table: Table<P>,
        frontier: Frontier<S::State>,
        totals: Totals,
    ) -> Layers<'a, S, P> {
        let hands = (0..search.threads.max(1)).map(|_| Hand::new(space)).collect();
        Layers { space, search, table, frontier, totals, violation: None, resumed_from: None, hands }
    }

    pub(super) fn run(&mut self, watch: &mut Watch, saver: &mut Saver, progress: &mut dyn FnMut(&Progress)) -> Ended {
        loop {
            if self.frontier.is_layer_done() {
                self.close_layer();
                if self.violation.is_some() {
                    return Ended::Violated(self.totals.broken);
                }
                if !self.frontier.advance() {
                    return Ended::Exhausted;
                }
                self.totals.layer += 1;
            }
            if let Some(reason) = watch.struck(self.totals.states, self.reserve()) {
                return self.cut(reason, saver, watch);
            }
            if self.violation.is_none() && saver.is_due() {
                self.save(saver, watch);
            }
            self.batch(watch);
            progress(&self.progress(watch));
        }
    }

    /// What was found in a layer that is not finished was found all the same.
    fn cut(&mut self, reason: String, saver: &mut Saver, watch: &Watch) -> Ended {
        if self.violation.is_some() {
            return Ended::Violated(self.totals.broken);
        }
        self.save(saver, watch);
        Ended::Cut(reason)
    }

    fn save(&mut self, saver: &mut Saver, watch: &Watch) {
        self.close_layer();
        saver.save(|path| checkpoint::write(path, self, watch.elapsed()));
    }

    fn batch(&mut self, watch: &Watch) {
        let (space, seed, table) = (self.space, self.search.seed, &self.table);
        let alarm = watch.alarm(self.reserve());
        self.frontier.batch(&mut self.hands, alarm, |hand, block| {
            for state in block {
                hand.expand(space, seed, table, &state);
            }
        });
        self.gather();
    }

    /// What the search for the path to a violation holds beyond what this one holds: each state with
    /// its parent, and those of one layer twice.
    fn reserve(&self) -> u64 {
        let widest = self.totals.layers.iter().max().copied().unwrap_or_default();
        2 * P::BYTES as u64 * (self.totals.states + widest)
    }

    /// Adds up what the threads found in the layer.
    fn gather(&mut self) {
        for hand in &mut self.hands {
            self.frontier.push(hand.pile.take_full());
            self.totals.add_states(std::mem::take(&mut hand.states));
            self.totals.transitions += std::mem::take(&mut hand.transitions);
            self.space.count_offers(&mut hand.worker, &mut self.totals.offered);
            for (total, fired) in self.totals.fired.iter_mut().zip(&mut hand.fired) {
                *total += std::mem::take(fired);
            }
            self.totals.met |= hand.met;
            self.totals.broken |= hand.broken;
            let violations = self.violation.take().into_iter().chain(hand.violation.take());
            self.violation = violations.min_by_key(Violation::order);
        }
        // Of a step into a state that was seen before, only the step is in the next layer.
        if self.violation.is_some() {
            self.totals.reach_layer();
        }
    }

    /// Blocks that are not full belong to the next layer, too.
    fn close_layer(&mut self) {
        for hand in &mut self.hands {
            self.frontier.push(hand.pile.take_all());
        }
    }

    fn progress(&self, watch: &Watch) -> Progress {
        Progress {
            states: self.totals.states,
            transitions: self.totals.transitions,
            depth: self.totals.depth(),
            waiting: self.frontier.waiting(),
            layers: self.totals.current_layers(),
            resident: watch.resident(),
            table_bytes: self.table.bytes(),
            elapsed: watch.elapsed(),
            is_retracing: false,
            simulated: None,
        }
    }
}

impl<S: Space, P: Print> Hand<S, P> {
    fn new(space: &S) -> Hand<S, P> {
        Hand {
            worker: space.worker(),
            pile: Pile::new(),
            fresh: Vec::new(),
            states: 0,
            transitions: 0,
            fired: vec![0; space.kinds()],
            met: 0,
            broken: 0,
            violation: None,
        }
    }

    fn expand(&mut self, space: &S, seed: u64, table: &Table<P>, state: &S::State) {
        if let Err(panicked) = attempt(space, || self.visit(space, seed, table, state)) {
            self.broken |= panicked.broken;
            let source = P::of(space.fingerprint(state, seed));
            keep_least(&mut self.violation, Violation::of_panic(source, panicked));
        }
        // What was found before a panic was found all the same.
        self.judge_fresh(space, seed, Some(state));
    }

    fn visit(&mut self, space: &S, seed: u64, table: &Table<P>, state: &S::State) {
        let Hand { worker, fresh, transitions, fired, broken: all_broken, met: all_met, violation, .. } = self;
        space.expand(worker, state, &mut |action, target, Judgement { broken, met }| {
            *transitions += 1;
            *all_met |= met;
            fired[space.kind(&action)] += 1;
            let print = P::of(space.fingerprint(&target, seed));
            if broken != 0 {
                *all_broken |= broken;
                let source = P::of(space.fingerprint(state, seed));
                let found = Violation::of_step(print, source, action, broken);
                keep_least(violation, found);
            }
            if table.insert(print) {
                fresh.push(target);
            }
        });
    }

    /// Judges the states that nobody had seen before, and keeps them for the next layer.
    fn judge_fresh(&mut self, space: &S, seed: u64, source: Option<&S::State>) {
        self.states += self.fresh.len() as u64;
        let mut fresh = std::mem::take(&mut self.fresh);
        for state in fresh.drain(..) {
            match attempt(space, || space.judge(&mut self.worker, &state)) {
                Ok(Judgement { broken: 0, met }) => self.met |= met,
                Ok(Judgement { broken, met }) => {
                    self.met |= met;
                    self.note_broken_state(space, seed, source, &state, (broken, None));
                }
                Err(Panicked { broken, why }) => {
                    self.note_broken_state(space, seed, source, &state, (broken, Some(why)));
                }
            }
            self.pile.push(state);
        }
        self.fresh = fresh;
    }

    fn note_broken_state(
        &mut self,
        space: &S,
        seed: u64,
        source: Option<&S::State>,
        state: &S::State,
        (broken, panic): (Bits, Option<String>),
    ) {
        self.broken |= broken;
        let print = |state: &S::State| P::of(space.fingerprint(state, seed));
        let target = print(state);
        let mut found = Violation::of_state(target, broken, panic);
        if self.violation.as_ref().is_some_and(|kept| kept.order() <= found.order()) {
            return;
        }
        if let Some(source) = source {
            // By another worker, since what this one tries is counted.
            let step = first_step(space, &mut space.worker(), source, |state, _| print(state) == target);
            found.last = step.map(|(action, _, _)| action);
        }
        self.violation = Some(found);
    }
}

fn keep_least<A, P: Print>(kept: &mut Option<Violation<A, P>>, found: Violation<A, P>) {
    // Of one state's steps the first stays.
    if kept.as_ref().is_none_or(|kept| found.order() < kept.order()) {
        *kept = Some(found);
    }
}
