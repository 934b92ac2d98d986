//! What a campaign has counted, and what it has found.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

use crate::simulate::Digest;

/// How often what was done, and what came of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counts(BTreeMap<Cow<'static, str>, u64>);

/// Something that must never be: what it displays tells it to people, with the history that led to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Violation {
    /// What is wrong.
    pub words: String,
    /// What had gone wrong before, as the campaign planned it.
    pub faults: Vec<String>,
    /// What was done to the directory, line by line; or the bytes that a parser was given, in hexadecimal digits.
    pub history: Vec<String>,
}

impl Counts {
    /// One more of this.
    pub(super) fn add(&mut self, name: impl Into<Cow<'static, str>>) {
        *self.0.entry(name.into()).or_default() += 1;
    }

    /// How many of this.
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// All of them by their names, in alphabetical order.
    pub fn all(&self) -> impl Iterator<Item = (&str, u64)> + '_ {
        self.0.iter().map(|(name, count)| (&**name, *count))
    }

    /// Equal for equal counts.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::new();
        for (name, count) in self.all() {
            digest.add_bytes(name.as_bytes());
            digest.add(count);
        }
        digest.value()
    }
}

impl AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, other: &Counts) {
        other.0.iter().for_each(|(name, count)| *self.0.entry(name.clone()).or_default() += count);
    }
}

impl Violation {
    pub(super) fn new(words: impl Into<String>) -> Violation {
        Violation { words: words.into(), faults: Vec::new(), history: Vec::new() }
    }

    /// The same after this had gone wrong, before what went wrong already.
    #[must_use]
    pub(super) fn after(mut self, fault: impl Into<String>) -> Violation {
        self.faults.insert(0, fault.into());
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.words)?;
        self.faults.iter().try_for_each(|fault| writeln!(out, "  after {fault}"))?;
        writeln!(out, "of this history, or these bytes:")?;
        self.history.iter().try_for_each(|line| writeln!(out, "  {line}"))
    }
}
