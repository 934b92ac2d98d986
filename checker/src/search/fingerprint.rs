//! Fingerprints: what the search keeps of a state that it has seen.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};

/// The fingerprint of anything that can be hashed; the same in every run and on every thread.
pub fn fingerprint<T: Hash + ?Sized>(value: &T, seed: u64) -> u128 {
    let mut hasher = Fingerprinter::new(seed);
    value.hash(&mut hasher);
    hasher.fingerprint()
}

/// Odd, so that multiplying by it loses nothing; otherwise digits of pi, so that nobody chose them.
const FACTOR: u128 = 0x243f_6a88_85a3_08d3_1319_8a2e_0370_7345;

/// A hasher of 128 bits.
///
/// Every step is a bijection of the 128 bits: two streams that have come apart fall together again
/// only if later words happen to cancel the difference, not by the steps losing bits. Small values
/// are packed into words first, since states are mostly small values.
pub struct Fingerprinter {
    mixed: u128,
    word: u64,
    /// Bits of `word` in use.
    used: u32,
}

impl Fingerprinter {
    /// Under this seed.
    pub fn new(seed: u64) -> Fingerprinter {
        let mut hasher = Fingerprinter { mixed: !FACTOR, word: 0, used: 0 };
        hasher.mix(seed);
        hasher
    }

    /// What was written so far, in 128 bits of which each is as good as any other.
    pub fn fingerprint(&self) -> u128 {
        let mut last = Fingerprinter { ..*self };
        last.mix(last.word);
        last.mix(u64::from(last.used));
        last.mix(0);
        last.mix(0);
        last.mixed
    }

    #[inline]
    fn mix(&mut self, word: u64) {
        let product = (self.mixed ^ u128::from(word)).wrapping_mul(FACTOR);
        // Multiplying carries upwards only, so the upper half is brought down.
        self.mixed = product ^ (product >> 64);
    }

    #[inline]
    fn pack(&mut self, value: u64, bits: u32) {
        if self.used + bits > 64 {
            self.mix(self.word);
            (self.word, self.used) = (0, 0);
        }
        self.word |= value << self.used;
        self.used += bits;
    }

    /// Variants and lengths: eight bytes by their type, nearly always one by their value.
    #[inline]
    fn pack_mostly_small(&mut self, value: u64) {
        if value < 0xff {
            self.pack(value, 8);
        } else {
            self.pack(0xff, 8);
            self.pack(value, 64);
        }
    }
}

impl Hasher for Fingerprinter {
    fn finish(&self) -> u64 {
        self.fingerprint() as u64
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.pack(u64::from_le_bytes(*word), 64);
        }
        for byte in rest {
            self.pack(u64::from(*byte), 8);
        }
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.pack(u64::from(value), 8);
    }

    #[inline]
    fn write_u16(&mut self, value: u16) {
        self.pack(u64::from(value), 16);
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.pack(u64::from(value), 32);
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.pack(value, 64);
    }

    #[inline]
    fn write_u128(&mut self, value: u128) {
        self.pack(value as u64, 64);
        self.pack((value >> 64) as u64, 64);
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.pack_mostly_small(value as u64);
    }

    #[inline]
    fn write_isize(&mut self, value: isize) {
        self.pack_mostly_small(value as u64);
    }
}

/// As much of a fingerprint as a search keeps. Never 0, which stands for an empty place.
pub(super) trait Print: Copy + Debug + Eq + Hash + Ord + Send + Sync {
    const EMPTY: Self;
    const BYTES: usize;

    fn of(fingerprint: u128) -> Self;

    /// The bits that say where in a table it belongs.
    fn place(self) -> u64;

    /// As a number, of which `of` makes the same again.
    #[cfg(feature = "hosts")]
    fn number(self) -> u128;

    fn write(self, out: &mut Vec<u8>);

    fn read(bytes: &[u8]) -> Option<Self>;
}

impl Print for u64 {
    const EMPTY: u64 = 0;
    const BYTES: usize = 8;

    #[inline]
    fn of(fingerprint: u128) -> u64 {
        (fingerprint as u64).max(1)
    }

    #[inline]
    fn place(self) -> u64 {
        self
    }

    #[cfg(feature = "hosts")]
    fn number(self) -> u128 {
        self.into()
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<u64> {
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }
}

impl Print for u128 {
    const EMPTY: u128 = 0;
    const BYTES: usize = 16;

    #[inline]
    fn of(fingerprint: u128) -> u128 {
        fingerprint.max(1)
    }

    #[inline]
    fn place(self) -> u64 {
        (self >> 64) as u64
    }

    #[cfg(feature = "hosts")]
    fn number(self) -> u128 {
        self
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<u128> {
        Some(u128::from_le_bytes(bytes.try_into().ok()?))
    }
}
