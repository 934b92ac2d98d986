//! The nouns: server, term, index, position, entry.

use core::fmt;

/// Names a server of one group, for ever: an id is never used again for another server.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ServerId(u32);

/// §5.1: time is divided into terms, numbered with consecutive integers.
/// Terms are compared and counted up by one; nothing depends on their absolute value.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Term(u64);

/// Position of an entry in the log; the first entry has index 1.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Index(u64);

/// Counts the rounds of heartbeats of one leadership, from its first (section 8).
/// Rounds are compared and counted up by one; nothing depends on their absolute value.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Round(u64);

/// Names an entry: §5.3 shows that two entries of one term and index are the same entry.
///
/// The order of the fields is the comparison of §5.4.1: term first, then index.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Position {
    /// Term in which a leader created the entry.
    pub term: Term,
    /// Where the entry stands in the log.
    pub index: Index,
}

/// What an entry carries.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Payload<P> {
    /// Section 8: the first entry of a leader's term, which carries no command.
    Blank,
    /// A command for the state machine.
    Command(P),
}

/// One entry of the log.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Entry<P> {
    /// The entry's name.
    pub position: Position,
    /// What it carries. It passes through the transitions untouched.
    pub payload: Payload<P>,
}

impl ServerId {
    /// The server of this number.
    pub const fn new(number: u32) -> ServerId {
        ServerId(number)
    }

    /// Its number, for what goes to disks, wires and people: no transition asks for it.
    pub fn number(self) -> u32 {
        self.0
    }
}

impl From<u32> for ServerId {
    fn from(number: u32) -> ServerId {
        ServerId(number)
    }
}

impl Term {
    /// The term of this number.
    pub const fn new(number: u64) -> Term {
        Term(number)
    }

    /// Its number, for what goes to disks, wires and people: no transition asks for it.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The term after this one.
    pub fn next(self) -> Term {
        Term(self.0 + 1)
    }
}

impl Round {
    /// Before the first round of a leadership: what nobody has answered.
    pub const ZERO: Round = Round(0);

    /// The round of this number.
    pub const fn new(number: u64) -> Round {
        Round(number)
    }

    /// Its number, for what goes to wires and people: no transition asks for it.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The round after this one.
    pub fn next(self) -> Round {
        Round(self.0 + 1)
    }
}

impl Index {
    /// The index before the first entry of all: a log that ends there is empty.
    pub const ZERO: Index = Index(0);

    /// The index of this number.
    pub const fn new(number: u64) -> Index {
        Index(number)
    }

    /// Its number, for what goes to disks, wires and people: no transition asks for it.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The index after this one.
    pub fn next(self) -> Index {
        Index(self.0 + 1)
    }

    /// The index before this one; before the first there is only the empty log's own, 0.
    pub fn previous(self) -> Index {
        Index(self.0.saturating_sub(1))
    }
}

// Whatever else reads a number stands here, with the reason why nothing depends on its absolute
// value. A test counts these operations.

impl Index {
    /// The index so many entries after this one, which is as far away wherever indices begin.
    pub(crate) fn after(self, count: usize) -> Index {
        Index(self.0 + count as u64)
    }

    /// How many indices after `earlier` this one is, which is as far wherever indices begin; `None` if
    /// it is before it.
    pub(crate) fn since(self, earlier: Index) -> Option<usize> {
        usize::try_from(self.0.checked_sub(earlier.0)?).ok()
    }

    /// The indices after this one up to and including `last`, as many wherever indices begin.
    pub(crate) fn until(self, last: Index) -> impl Iterator<Item = Index> {
        (self.0 + 1..=last.0).map(Index)
    }
}

impl Term {
    /// Whether this term is at most so many after `ours`, which is as far wherever terms begin. No
    /// transition asks for it.
    pub(crate) fn is_within(self, most: u64, ours: Term) -> bool {
        self.0.saturating_sub(ours.0) <= most
    }
}

impl ServerId {
    /// How far this id is from `first`, which decides how long a lookup takes, never what it finds.
    pub(crate) fn distance(self, first: ServerId) -> usize {
        self.0.wrapping_sub(first.0) as usize
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

impl fmt::Display for Index {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

impl fmt::Display for Round {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

/// Index, then term, as in `3@2`.
impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}@{}", self.index, self.term)
    }
}
