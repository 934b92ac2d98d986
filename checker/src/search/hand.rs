//! What one thread does with a state: expand it, and judge what comes of it that is new.

use crate::search::fingerprint::Print;
use crate::search::frontier::Pile;
use crate::search::space::{Bits, Judgement, Panicked, Space, attempt, first_step};
use crate::search::trail::Violation;

/// What one thread has to itself, and what it found in this batch.
pub(super) struct Hand<S: Space, P> {
    pub(super) worker: S::Worker,
    pub(super) pile: Pile<S::State>,
    /// New states of one expansion.
    pub(super) fresh: Vec<S::State>,
    pub(super) states: u64,
    pub(super) transitions: u64,
    pub(super) fired: Vec<u64>,
    pub(super) met: Bits,
    pub(super) broken: Bits,
    pub(super) violation: Option<Violation<S::Action, P>>,
}

impl<S: Space, P: Print> Hand<S, P> {
    pub(super) fn new(space: &S) -> Hand<S, P> {
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

    /// Follows all transitions of a state. Of each target that `keep` gives back nobody knew before, and it
    /// is judged here.
    pub(super) fn expand(
        &mut self,
        space: &S,
        seed: u64,
        state: &S::State,
        keep: impl FnMut(P, S::State) -> Option<S::State>,
    ) {
        if let Err(panicked) = attempt(space, || self.visit(space, seed, state, keep)) {
            self.broken |= panicked.broken;
            let source = P::of(space.fingerprint(state, seed));
            keep_least(&mut self.violation, Violation::of_panic(source, panicked));
        }
        // What was found before a panic was found all the same.
        self.judge_fresh(space, seed, Some(state));
    }

    fn visit(&mut self, space: &S, seed: u64, state: &S::State, mut keep: impl FnMut(P, S::State) -> Option<S::State>) {
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
            fresh.extend(keep(print, target));
        });
    }

    /// Judges the states that nobody had seen before, and keeps them for the next layer.
    pub(super) fn judge_fresh(&mut self, space: &S, seed: u64, source: Option<&S::State>) {
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

pub(super) fn keep_least<A, P: Print>(kept: &mut Option<Violation<A, P>>, found: Violation<A, P>) {
    // Of one state's steps the first stays.
    if kept.as_ref().is_none_or(|kept| found.order() < kept.order()) {
        *kept = Some(found);
    }
}
