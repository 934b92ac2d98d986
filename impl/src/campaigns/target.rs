//! The parsers of bytes from outside, for fuzzers that bring inputs of their own.

use std::fmt;

use super::bytes::parsers;
use super::hexadecimal::bytes_of;
use crate::fuzz::{Draw, Parser};
use crate::simulate::Random;

/// A parser under attack.
pub struct Target(Box<dyn Parser>);

impl Target {
    /// All parsers that [`Campaign::Bytes`](super::Campaign::Bytes) attacks, in an order that stays.
    pub fn all() -> Vec<Target> {
        parsers().into_iter().map(Target).collect()
    }

    /// What it parses, in words.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// An encoding that it accepts. Equal seeds are equal encodings.
    ///
    /// # Errors
    ///
    /// What is wrong, where it does not read as what was written.
    pub fn example(&self, seed: u64) -> Result<Vec<u8>, String> {
        let mut random = Random::stream(seed, 1);
        self.0.example(&mut Draw::new(&mut || random.number()))
    }

    /// Its inputs in a text: behind its name an input a line, as [`hexadecimal`](super::hexadecimal) writes it.
    ///
    /// # Errors
    ///
    /// A line that is no input.
    pub fn inputs_in(&self, text: &str) -> Result<Vec<Vec<u8>>, String> {
        let sections = text.split("# ").map(|section| section.split_once('\n').unwrap_or((section, "")));
        let mine = sections.filter(|(name, _)| *name == self.name()).flat_map(|(_, inputs)| inputs.lines());
        mine.map(|line| bytes_of(line).ok_or_else(|| format!("{}: not an input: {line}", self.name()))).collect()
    }

    /// Whether these bytes are accepted: as they are, and with checksums that were made right.
    ///
    /// # Errors
    ///
    /// What is wrong with the value that was made of them.
    ///
    /// # Panics
    ///
    /// Where the parser does, which none should.
    pub fn judge(&self, bytes: &[u8]) -> Result<[bool; 2], String> {
        let mut repaired = bytes.to_vec();
        self.0.repair(&mut repaired);
        Ok([self.0.judge(bytes)?, self.0.judge(&repaired)?])
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.name()).finish()
    }
}
