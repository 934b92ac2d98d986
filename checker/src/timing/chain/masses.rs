//! The probability that is where, moment by moment.

use std::collections::VecDeque;

use crate::timing::timers::Moment;

/// Terms that are told apart; more count as so many.
pub(super) const MAX_TERMS: u8 = 31;

/// Where a transition leads.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Place {
    /// There is a leader.
    Ended,
    State(u32),
}

/// A transition from one state to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transition {
    pub(super) to: Place,
    /// How long it takes.
    pub(super) after: u32,
    /// How many terms it takes.
    pub(super) terms: u8,
    pub(super) probability: f64,
}

/// The probability of being at a place, after so many terms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mass {
    pub(super) place: Place,
    pub(super) terms: u8,
    pub(super) probability: f64,
}

/// All that is known of where the probability is, now and later.
#[derive(Default)]
pub(super) struct Masses {
    /// What was added, moment by moment.
    coming: VecDeque<Vec<Mass>>,
    /// The moment that comes first.
    first: Moment,
    /// Sums of one moment, by place and terms; zero between moments.
    sums: Vec<f64>,
}

impl Masses {
    /// Adds what goes through a transition that begins at this moment, after so many terms.
    pub(super) fn add(&mut self, begins: Moment, transition: Transition, probability: f64, terms: u8) {
        let terms = MAX_TERMS.min(terms.saturating_add(transition.terms));
        let ahead = (begins + Moment::from(transition.after) - self.first) as usize;
        if self.coming.len() <= ahead {
            self.coming.resize_with(ahead + 1, Vec::new);
        }
        self.coming[ahead].push(Mass { place: transition.to, terms, probability });
    }

    /// The earliest moment, and what there is of each place, each once. The chain has so many states.
    pub(super) fn take_first(&mut self, states: usize, here: &mut Vec<Mass>) -> Option<Moment> {
        let empty = self.coming.iter().take_while(|added| added.is_empty()).count();
        self.coming.drain(..empty);
        let added = self.coming.pop_front()?;
        self.first += empty as Moment;
        // Transitions take time, but for those of timers that fire at one moment.
        self.coming.push_front(Vec::new());
        self.sums.resize((states + 1) * TERMS_WIDTH, 0.0);
        self.sum(added, here);
        Some(self.first)
    }

    fn sum(&mut self, added: Vec<Mass>, here: &mut Vec<Mass>) {
        here.clear();
        for mass in added {
            let sum = &mut self.sums[mass.slot()];
            if *sum == 0.0 {
                here.push(mass);
            }
            *sum += mass.probability;
        }
        here.iter_mut().for_each(|mass| mass.probability = std::mem::take(&mut self.sums[mass.slot()]));
    }
}

/// Sums that belong to one place.
const TERMS_WIDTH: usize = MAX_TERMS as usize + 1;

impl Mass {
    /// Where its sum is.
    fn slot(&self) -> usize {
        let row = if let Place::State(state) = self.place { state as usize + 1 } else { 0 };
        row * TERMS_WIDTH + usize::from(self.terms)
    }
}
