//! Random numbers that are the same on every machine and in every version.

use std::ops::Range;

/// A source of random numbers that a seed determines (SplitMix64, Steele et al., OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A source of its own for each purpose: what one draws does not change what another one does.
    pub(crate) fn stream(seed: u64, purpose: u64) -> Random {
        let mut random = Random::new(seed ^ purpose.wrapping_mul(0xd134_2543_de82_ef95));
        random.number();
        random
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound != 0, "no number is below 0");
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// A number of a range, which is not empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }

    /// Whether something happens that does so in so many cases of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these, of which there is at least one.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the algorithm's reference implementation.
    #[test]
    fn numbers_are_those_of_splitmix() {
        let mut random = Random::new(1234567);
        let numbers = [0; 3].map(|_| random.number());
        assert_eq!(numbers, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }

    #[test]
    fn every_number_of_a_range_is_drawn_and_no_other() {
        let mut random = Random::new(1);
        let mut drawn = [0; 10];
        (0..1000).for_each(|_| drawn[random.within(3..7) as usize] += 1);
        assert!((0..10).all(|number| (drawn[number] != 0) == (3..7).contains(&number)), "{drawn:?}");
    }
}
