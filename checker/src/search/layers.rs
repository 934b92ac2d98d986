//! Breadth first, layer by layer.
//!
//! A layer is finished before its successor begins, whatever is found in it. So every count is the
//! same at any number of threads, and the first violation that is found has no shorter one.

use crate::search::checkpoint::{self, Saver};
use crate::search::explored::Explored;
use crate::search::fingerprint::Print;
use crate::search::found::{Ended, Progress};
use crate::search::hand::Hand;
use crate::search::settings::Search;
use crate::search::space::Space;
use crate::search::trail::Violation;
use crate::search::watch::Watch;

/// The search at a moment at which no thread works.
pub(super) struct Layers<'a, S: Space, P> {
    pub(super) space: &'a S,
    pub(super) search: &'a Search,
    pub(super) explored: Explored<S, P>,
    pub(super) violation: Option<Violation<S::Action, P>>,
    /// How many states the checkpoint held that this began with.
    pub(super) resumed_from: Option<u64>,
    hands: Vec<Hand<S, P>>,
}

impl<'a, S: Space, P: Print> Layers<'a, S, P> {
    /// Before the start states, which are found already, as any layer is.
    pub(super) fn start(search: &'a Search, space: &'a S) -> Layers<'a, S, P> {
        let mut layers = Layers::at(search, space, Explored::nothing(space.kinds(), search.room(space, 1)));
        let hand = &mut layers.hands[0];
        for start in space.starts() {
            if layers.explored.table.insert(P::of(space.fingerprint(&start, search.seed))) {
                hand.fresh.push(start);
            }
        }
        hand.judge_fresh(space, search.seed, None);
        layers.gather();
        layers
    }

    /// At any moment.
    pub(super) fn at(search: &'a Search, space: &'a S, explored: Explored<S, P>) -> Layers<'a, S, P> {
        let hands = (0..search.threads.max(1)).map(|_| Hand::new(space)).collect();
        Layers { space, search, explored, violation: None, resumed_from: None, hands }
    }

    pub(super) fn run(&mut self, watch: &mut Watch, saver: &mut Saver, progress: &mut dyn FnMut(&Progress)) -> Ended {
        loop {
            if self.explored.frontier.is_layer_done() {
                self.close_layer();
                if self.violation.is_some() {
                    return Ended::Violated(self.explored.totals.broken);
                }
                if !self.explored.frontier.advance() {
                    return Ended::Exhausted;
                }
                self.explored.totals.layer += 1;
            }
            let struck = watch.struck(self.explored.totals.states, self.reserve());
            if let Some(reason) = struck.or_else(|| self.explored.frontier.trouble()) {
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
            return Ended::Violated(self.explored.totals.broken);
        }
        self.save(saver, watch);
        Ended::Cut(reason)
    }

    fn save(&mut self, saver: &mut Saver, watch: &Watch) {
        self.close_layer();
        let identity = checkpoint::identity::<S, P>(self.search, self.space);
        let mut gathered = Vec::new();
        self.space.encode_gathered(&mut gathered);
        saver.save(|path| checkpoint::write(path, &identity, self.space, &self.explored, watch.elapsed(), &gathered));
    }

    fn batch(&mut self, watch: &Watch) {
        let (space, seed, table) = (self.space, self.search.seed, &self.explored.table);
        let alarm = watch.alarm(self.reserve());
        self.explored.frontier.batch(space, &mut self.hands, alarm, |hand, block| {
            for state in block {
                hand.expand(space, seed, &state, |print, target| table.insert(print).then_some(target));
            }
        });
        self.gather();
        self.explored.frontier.spill(space);
    }

    /// What the search for the path to a violation holds beyond what this one holds: each state with
    /// its parent, and those of one layer twice.
    fn reserve(&self) -> u64 {
        let widest = self.explored.totals.layers.iter().max().copied().unwrap_or_default();
        2 * P::BYTES as u64 * (self.explored.totals.states + widest)
    }

    /// Adds up what the threads found in the layer.
    fn gather(&mut self) {
        for hand in &mut self.hands {
            self.explored.frontier.push(hand.pile.take_full());
            self.explored.totals.add_states(std::mem::take(&mut hand.states));
            self.explored.totals.transitions += std::mem::take(&mut hand.transitions);
            self.space.count_offers(&mut hand.worker, &mut self.explored.totals.offered);
            for (total, fired) in self.explored.totals.fired.iter_mut().zip(&mut hand.fired) {
                *total += std::mem::take(fired);
            }
            self.explored.totals.met |= hand.met;
            self.explored.totals.broken |= hand.broken;
            let violations = self.violation.take().into_iter().chain(hand.violation.take());
            self.violation = violations.min_by_key(Violation::order);
        }
        // Of a step into a state that was seen before, only the step is in the next layer.
        if self.violation.is_some() {
            self.explored.totals.reach_layer();
        }
    }

    /// Blocks that are not full belong to the next layer, too.
    fn close_layer(&mut self) {
        for hand in &mut self.hands {
            self.explored.frontier.push(hand.pile.take_all());
        }
    }

    fn progress(&self, watch: &Watch) -> Progress {
        Progress {
            states: self.explored.totals.states,
            transitions: self.explored.totals.transitions,
            depth: self.explored.totals.depth(),
            waiting: self.explored.frontier.waiting(),
            layers: self.explored.totals.current_layers(),
            resident: watch.resident(),
            table_bytes: self.explored.table.bytes(),
            on_disk: self.explored.frontier.on_disk(),
            elapsed: watch.elapsed(),
            retracing: None,
            simulated: None,
        }
    }
}
