//! Values for encodings, drawn from numbers that a seed determines.

/// Numbers at which something ends: of a range, of a width, of a sign.
const EXTREMES: [u64; 8] =
    [0, 1, u64::MAX, u64::MAX / 2, u64::MAX / 2 + 1, u32::MAX as u64, u32::MAX as u64 + 1, i64::MAX as u64 - 1];

/// Draws what a value is made of.
pub(crate) struct Draw<'a>(&'a mut dyn FnMut() -> u64);

impl<'a> Draw<'a> {
    /// From this source of numbers.
    pub(crate) fn new(source: &'a mut dyn FnMut() -> u64) -> Draw<'a> {
        Draw(source)
    }

    /// A number below this one, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.0)() % bound
    }

    /// True in half of all cases.
    pub(crate) fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    /// Any number: often a small one, or one at which something ends.
    pub(crate) fn number(&mut self) -> u64 {
        match self.below(4) {
            0 => EXTREMES[self.below(EXTREMES.len() as u64) as usize],
            1 => (self.0)(),
            _ => self.below(300),
        }
    }

    /// Any number of 32 bits.
    pub(crate) fn short_number(&mut self) -> u32 {
        self.number() as u32
    }

    /// A number that a term or an index may have, and that more can follow.
    pub(crate) fn countable(&mut self) -> u64 {
        1 + self.number() % (u64::MAX / 2 - 1000)
    }

    /// As many bytes as are asked for.
    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        [0; N].map(|_| self.below(256) as u8)
    }

    /// Fewer bytes than this.
    pub(crate) fn bytes(&mut self, bound: u64) -> Vec<u8> {
        let length = self.below(bound);
        (0..length).map(|_| self.below(256) as u8).collect()
    }

    /// A short text, not of ASCII alone.
    pub(crate) fn text(&mut self) -> String {
        const LETTERS: [char; 8] = ['a', 'Z', '0', '"', '\\', '\n', 'ü', '\u{1f333}'];
        let length = self.below(8);
        (0..length).map(|_| LETTERS[self.below(LETTERS.len() as u64) as usize]).collect()
    }

    /// Fewer values than this.
    pub(crate) fn list<T>(&mut self, bound: u64, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.below(bound);
        (0..length).map(|_| one(self)).collect()
    }

    /// A value, or none.
    pub(crate) fn option<T>(&mut self, one: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.coin().then(|| one(self))
    }
}
