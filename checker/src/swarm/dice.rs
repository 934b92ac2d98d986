//! Dice: all that is drawn in a run comes from its seed and its number.
//!
//! The generator is one by name, and numbers are made of its bits here: so a run is the same on every
//! machine.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

/// The random numbers of one run.
pub(super) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    /// Those of the run with this number, of all runs of a seed.
    pub(super) fn of_run(seed: u64, number: u64) -> Dice {
        Dice(Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number)))
    }

    /// A number below this one; 0, if there is none.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from the first to the last; the first, if that is not below the last.
    pub(super) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last.saturating_sub(first) + 1)
    }

    /// Whether that happens which happens once in so many times.
    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these; none, if there are none.
    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        if all.is_empty() { None } else { Some(all[self.below(all.len() as u64) as usize]) }
    }

    /// The place of one of these, each as likely as its weight; none, if none has any.
    pub(super) fn weighed(&mut self, weights: &[u64]) -> Option<usize> {
        let sum = weights.iter().sum();
        if sum == 0 {
            return None;
        }
        let mut left = self.below(sum);
        weights.iter().position(|&weight| {
            let is_it = left < weight;
            left = left.saturating_sub(weight);
            is_it
        })
    }
}
