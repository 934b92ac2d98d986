//! The log's entries in memory.

use bytes::Bytes;
use rafttree_model::{Entry, Index, Record};

/// The entries that a log holds after its base.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Entries {
    /// Index of the entry before the first one.
    base: Index,
    entries: Vec<Entry<Bytes>>,
}

impl Entries {
    /// Takes over one record; those that are about no entry change nothing.
    pub fn apply(&mut self, record: &Record<Bytes>) {
        match record {
            Record::Append(entry) => self.entries.push(entry.clone()),
            Record::Truncate { keep } => self.entries.truncate(self.count_to(*keep)),
            Record::Compact { through } => {
                self.entries.drain(..self.count_to(*through));
                self.base = *through;
            }
            Record::Term(_) | Record::Vote(_) => {}
        }
    }

    /// The entries after `previous` up to and including `last`, if all of them are here.
    pub fn between(&self, previous: Index, last: Index) -> Option<&[Entry<Bytes>]> {
        let skip = previous.number().checked_sub(self.base.number())?;
        self.entries.get(skip as usize..self.count_to(last))
    }

    /// How many entries stand up to and including the one at `index`.
    fn count_to(&self, index: Index) -> usize {
        index.number().saturating_sub(self.base.number()) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rafttree_model::{Payload, Position, Term};

    fn at(term: u64, index: u64) -> Entry<Bytes> {
        Entry { position: Position { term: Term::new(term), index: Index::new(index) }, payload: Payload::Blank }
    }

    #[test]
    fn entries_follow_their_records() {
        let mut entries = Entries::default();
        (1..=5).for_each(|index| entries.apply(&Record::Append(at(1, index))));
        entries.apply(&Record::Truncate { keep: Index::new(4) });
        entries.apply(&Record::Append(at(2, 5)));
        entries.apply(&Record::Compact { through: Index::new(2) });
        assert_eq!(entries.between(Index::new(2), Index::new(5)), Some(&[at(1, 3), at(1, 4), at(2, 5)][..]));
        assert_eq!(entries.between(Index::new(4), Index::new(5)), Some(&[at(2, 5)][..]));
        assert_eq!(entries.between(Index::new(5), Index::new(5)), Some(&[][..]));
        assert_eq!(entries.between(Index::new(1), Index::new(5)), None);
        assert_eq!(entries.between(Index::new(4), Index::new(6)), None);
    }
}
