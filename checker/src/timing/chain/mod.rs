//! The distribution of an election, exact for time in steps: a Markov chain over the deployed steps.
//!
//! A state is what the live servers know, what travels between them, and for how long each timer has
//! run. When an election timer fires is not drawn when it is restarted, but decided step by step as
//! time passes, with the probability that is left: that is the same distribution, and a state need not know
//! the future. All else is fixed by the deployed steps, so the chain branches only there. Nothing
//! is started afresh between terms: the phases of the timers are part of the state.

mod grid;
mod masses;
mod states;
mod transitions;

pub(crate) use grid::{Grid, grids};
pub(crate) use transitions::TooLarge;

use crate::timing::chain::grid::Rounding;
use crate::timing::chain::masses::{Mass, Masses, Place};
use crate::timing::chain::transitions::Chain;
use crate::timing::setting::Setting;
use crate::timing::timers::Moment;

/// Transitions that are less probable than this are not followed.
const MIN_PROBABILITY: f64 = 1e-13;

/// The distribution of an election in time that goes in steps.
#[derive(Clone, Debug)]
pub(crate) struct Exact {
    pub(crate) grid: Grid,
    /// When elections end and with which probability: after the last restart of the timers of
    /// all, in nanoseconds, rising.
    pub(crate) atoms: Vec<(f64, f64)>,
    /// The probability of so many terms, from one on.
    pub(crate) terms: Vec<f64>,
    /// What was left out: nothing is known of it.
    pub(crate) lost: f64,
    /// States of the chain, and transitions from one to another.
    pub(crate) states: usize,
    pub(crate) transitions: usize,
}

/// Follows the chains of a grid until the election has ended, but for what is hardly probable. `limit`
/// bounds the transitions that are found.
pub(crate) fn exact(setting: &Setting, grid: Grid, limit: usize) -> Result<Exact, TooLarge> {
    let mut exact = Exact::nothing(grid);
    for rounding in grid.roundings() {
        let walk = Walk::new(setting, grid, rounding, limit - exact.transitions);
        exact.add(walk.finish(rounding)?, rounding.weight);
    }
    exact.atoms.sort_by(|one, other| one.0.total_cmp(&other.0));
    Ok(exact)
}

impl Exact {
    /// What is known before anything was followed.
    fn nothing(grid: Grid) -> Exact {
        Exact { grid, atoms: Vec::new(), terms: Vec::new(), lost: 0.0, states: 0, transitions: 0 }
    }

    /// Adds the probability of elections that took so many terms.
    fn add_term(&mut self, terms: u8, probability: f64) {
        let at = usize::from(terms) - 1;
        self.terms.resize(self.terms.len().max(at + 1), 0.0);
        self.terms[at] += probability;
    }

    /// Adds what another chain of the same grid says, with this weight.
    fn add(&mut self, other: Exact, weight: f64) {
        self.atoms.extend(other.atoms.into_iter().map(|(moment, probability)| (moment, weight * probability)));
        self.terms.resize(self.terms.len().max(other.terms.len()), 0.0);
        self.terms.iter_mut().zip(other.terms).for_each(|(sum, probability)| *sum += weight * probability);
        self.lost += weight * other.lost;
        self.states += other.states;
        self.transitions += other.transitions;
    }
}

/// One chain, and how far it was followed.
struct Walk {
    chain: Chain,
    masses: Masses,
    exact: Exact,
}

impl Walk {
    fn new(setting: &Setting, grid: Grid, rounding: Rounding, limit: usize) -> Walk {
        let mut chain = Chain::new(setting, grid, rounding, limit);
        let mut masses = Masses::default();
        masses.add(0, chain.start(), 1.0, 0);
        Walk { chain, masses, exact: Exact::nothing(grid) }
    }

    fn finish(mut self, rounding: Rounding) -> Result<Exact, TooLarge> {
        let grid = self.exact.grid;
        // What the first minimum timeout lost when it was rounded.
        let shortened = grid.minimum - rounding.spans.minimum as f64;
        let mut here = Vec::new();
        while let Some(moment) = self.masses.take_first(self.chain.states.len(), &mut here) {
            let ended = self.pass(moment, &here)?;
            if 0.0 < ended {
                self.exact.atoms.push((grid.half * (moment as f64 + shortened), ended));
            }
        }
        (self.exact.states, self.exact.transitions) = (self.chain.states.len(), self.chain.found);
        Ok(self.exact)
    }

    /// Follows what there is at one moment; the probability that ends there.
    fn pass(&mut self, moment: Moment, here: &[Mass]) -> Result<f64, TooLarge> {
        let mut ended = 0.0;
        for &Mass { place, terms, probability } in here {
            match place {
                Place::Ended => {
                    ended += probability;
                    self.exact.add_term(terms, probability);
                }
                Place::State(state) if probability < self.chain.min_probability(state) => {
                    self.exact.lost += probability;
                }
                Place::State(state) => self.leave(state, moment, terms, probability)?,
            }
        }
        Ok(ended)
    }

    /// Follows the transitions of a state.
    fn leave(&mut self, state: u32, moment: Moment, terms: u8, probability: f64) -> Result<(), TooLarge> {
        self.exact.lost += probability * self.chain.expand(state)?;
        for transition in self.chain.transitions(state) {
            let probability = probability * transition.probability;
            if probability < MIN_PROBABILITY {
                self.exact.lost += probability;
            } else {
                self.masses.add(moment, *transition, probability, terms);
            }
        }
        Ok(())
    }
}
