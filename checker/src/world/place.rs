//! Positions of entries in bytes.

use rafttree_model::{Index, Position, Term};

/// Term and index of an entry, in as little room as a search has for them.
///
/// The order of the fields is the comparison of §5.4.1: term first, then index.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Place {
    pub(crate) term: u8,
    pub(crate) index: u8,
}

impl Place {
    /// Before the first entry of all, where an empty log ends.
    pub(crate) const START: Place = Place::new(0, 0);

    pub(crate) const fn new(term: u8, index: u8) -> Place {
        Place { term, index }
    }

    pub(crate) fn of(position: Position) -> Place {
        Place { term: position.term.number() as u8, index: position.index.number() as u8 }
    }

    /// The same as the model has it.
    pub(crate) fn position(self) -> Position {
        Position { term: Term::new(self.term.into()), index: Index::new(self.index.into()) }
    }
}
