//! What the chain tends to as its steps shrink.

use std::time::{Duration, Instant};

use crate::timing::chain::{Exact, exact, grids};
use crate::timing::distribution::Distribution;
use crate::timing::setting::Setting;

/// Transitions that the largest chain may have, unless more are allowed.
pub(crate) const MAX_TRANSITIONS: usize = 1_000_000;

/// Grids that are tried: where chains stay small, more of them say nothing new.
const MAX_GRIDS: usize = 6;

/// From one grid to the next a chain grows about with this power of the fineness, and at most by this.
const GROWTH_POWER: i32 = 4;
const MAX_GROWTH: f64 = 8.0;

/// Finer grids that leave more of the probability than this, and more than twice what the coarsest one
/// does, would be known less well.
const MAX_LOST_PROBABILITY: f64 = 1e-5;

/// The chain on finer and finer grids.
pub(crate) struct Limit {
    pub(crate) grids: Vec<Refined>,
}

/// The chain on one grid.
pub(crate) struct Refined {
    pub(crate) exact: Exact,
    pub(crate) distribution: Distribution,
    pub(crate) took: Duration,
}

impl Limit {
    /// The chain on ever finer grids, while it has not more transitions than these.
    pub(crate) fn new(setting: &Setting, transitions: usize) -> Option<Limit> {
        let mut done: Vec<Refined> = Vec::new();
        if setting.spread() == 0 {
            return None; // Timers that are not drawn are no chain.
        }
        for grid in grids(setting)?.take(MAX_GRIDS) {
            let growth = |coarse: &Exact| (coarse.grid.half / grid.half).powi(GROWTH_POWER).min(MAX_GROWTH);
            let expected = done.last().map_or(0.0, |it| growth(&it.exact) * it.exact.transitions as f64);
            if (transitions as f64) < expected {
                break;
            }
            let began = Instant::now();
            let Ok(exact) = exact(setting, grid, transitions) else { break };
            if done.first().is_some_and(|it| MAX_LOST_PROBABILITY.max(2.0 * it.exact.lost) < exact.lost) {
                break;
            }
            let distribution = Distribution::new(&exact, setting);
            done.push(Refined { exact, distribution, took: began.elapsed() });
        }
        (!done.is_empty()).then_some(Limit { grids: done })
    }

    /// Whether the last three grids come ever closer to something. Where spans are rounded, each grid
    /// differently, values may go to and fro a little.
    pub(crate) fn tends(&self) -> bool {
        let [.., first, second, third] = self.grids.as_slice() else { return true };
        let [first, second, third] = [first, second, third].map(|it| it.within_terms(1));
        let (before, after) = (second - first, third - second);
        0.0 <= before * after && after.abs() <= before.abs()
    }

    /// How far the last three grids lie apart: the probability of a leader within one term.
    pub(crate) fn apart(&self) -> f64 {
        let last = self.grids.iter().rev().take(3).map(|it| it.within_terms(1));
        last.clone().fold(0.0, f64::max) - last.fold(1.0, f64::min)
    }

    pub(crate) fn finest(&self) -> &Refined {
        self.grids.last().expect("a limit has a grid")
    }

    /// What a value tends to as steps shrink. The error falls with the square of the step, so the two
    /// finest grids tell how much of it is left (Richardson).
    pub(crate) fn of(&self, value: impl Fn(&Refined) -> Option<f64>) -> Option<f64> {
        let fine = value(self.finest())?;
        let [.., coarse, _] = self.grids.as_slice() else { return Some(fine) };
        if !self.tends() {
            return Some(fine);
        }
        let (Some(rough), ratio) = (value(coarse), (coarse.exact.grid.half / self.finest().exact.grid.half).powi(2))
        else {
            return Some(fine);
        };
        Some(fine + (fine - rough) / (ratio - 1.0))
    }

    pub(crate) fn within_terms(&self, terms: usize) -> f64 {
        self.of(|it| Some(it.within_terms(terms))).unwrap_or_default().clamp(0.0, 1.0)
    }

    pub(crate) fn mean_terms(&self) -> f64 {
        self.of(|it| Some(it.mean_terms())).unwrap_or_default()
    }

    /// In nanoseconds.
    pub(crate) fn mean(&self) -> f64 {
        self.of(|it| Some(it.distribution.mean())).unwrap_or_default()
    }

    /// In nanoseconds; `None` if it is unknown.
    pub(crate) fn quantile(&self, probability: f64) -> Option<f64> {
        self.of(|it| it.distribution.quantile(probability))
    }
}

impl Refined {
    /// Of what was followed to its end.
    pub(crate) fn within_terms(&self, terms: usize) -> f64 {
        let terms_taken = &self.exact.terms;
        terms_taken.iter().take(terms).sum::<f64>() / terms_taken.iter().sum::<f64>()
    }

    pub(crate) fn mean_terms(&self) -> f64 {
        let terms = self.exact.terms.iter().enumerate();
        terms.map(|(at, probability)| (at + 1) as f64 * probability).sum::<f64>() / self.exact.terms.iter().sum::<f64>()
    }

    /// The length of a step in nanoseconds.
    pub(crate) fn step(&self) -> f64 {
        2.0 * self.exact.grid.half
    }
}
