//! The log's entries in memory, with their payloads: what the [`Log`](crate::log::Log) leaves to
//! whoever stores them.

use alloc::vec::Vec;
use core::ops::Deref;

use crate::durable::Record;
use crate::faulty::Faulty;
use crate::message::{Range, Slice};
use crate::types::{Entry, Index, Position};

/// The entries that a log holds after its base, as a slice of them.
#[derive(Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Entries<P> {
    /// The last entry that compaction took away, or the start of an empty log.
    base: Position,
    /// Invariant: as consecutive as the records that brought them.
    held: Vec<Entry<P>>,
    /// Those of which the payloads are lost: what stands in their place is never sent and never applied.
    faulty: Faulty,
}

impl<P> Default for Entries<P> {
    fn default() -> Self {
        Entries::after(Position::default(), Vec::new())
    }
}

/// A clone into entries that are no longer needed uses their memory.
impl<P: Clone> Clone for Entries<P> {
    fn clone(&self) -> Self {
        Entries { base: self.base, held: self.held.clone(), faulty: self.faulty }
    }

    fn clone_from(&mut self, source: &Self) {
        self.base = source.base;
        self.held.clone_from(&source.held);
        self.faulty = source.faulty;
    }
}

impl<P> Deref for Entries<P> {
    type Target = [Entry<P>];

    fn deref(&self) -> &[Entry<P>] {
        &self.held
    }
}

impl<P: Clone> Entries<P> {
    /// Takes over one record; those that are about no entry change nothing.
    #[inline(always)]
    pub fn apply(&mut self, record: &Record<P>) {
        match record {
            Record::Append(entry) => return self.held.push(entry.clone()),
            Record::Truncate { keep } => self.held.truncate(self.count_to(*keep)),
            Record::Compact { through } => self.compact(*through),
            Record::Restore { last } => self.restore(*last),
            Record::Repair(entry) => self.repair(entry.clone()),
            Record::Term(_) | Record::Vote(_) => {}
        }
        self.faulty = self.faulty.after(record);
    }

    /// The entries of a range, as a message carries them; `None` if not exactly both its ends are
    /// held, which drops the message.
    pub fn fill(&self, range: Range) -> Option<Slice<P>> {
        Slice::new(range.previous, self.between(range)?.to_vec())
    }

    /// The same in parts, each for a message of its own: of the entries that are left, the next part
    /// has the first `count`, and at least one. Where there are none to send, that is one part. There are
    /// at most `most` parts, the first ones: it is as if the others were lost.
    pub fn fill_in_parts(
        &self,
        range: Range,
        most: usize,
        count: impl Fn(&[Entry<P>]) -> usize,
    ) -> Option<Vec<Slice<P>>> {
        let (mut previous, mut rest) = (range.previous, self.between(range)?);
        let mut parts = Vec::new();
        loop {
            let (part, after) = rest.split_at(count(rest).max(1).min(rest.len()));
            let slice = Slice::new(previous, part.to_vec())?;
            previous = slice.last();
            parts.push(slice);
            rest = after;
            if rest.is_empty() || parts.len() == most {
                return Some(parts);
            }
        }
    }

    fn restore(&mut self, last: Position) {
        self.base = last;
        self.held.clear();
    }

    fn repair(&mut self, entry: Entry<P>) {
        let place = self.count_to(entry.position.index.previous());
        if let Some(faulty) = self.held.get_mut(place) {
            *faulty = entry;
        }
    }

    fn compact(&mut self, through: Index) {
        let removed = self.count_to(through);
        if let Some(last) = self.held.drain(..removed).last() {
            self.base = last.position;
        }
    }
}

impl<P> Entries<P> {
    /// What a log holds that begins behind `base`.
    pub fn after(base: Position, held: Vec<Entry<P>>) -> Entries<P> {
        Entries { base, held, faulty: Faulty::NONE }
    }

    /// The same, of which the payloads of these are lost: whatever stands in their place means nothing.
    #[must_use]
    pub fn damaged(self, faulty: Faulty) -> Entries<P> {
        Entries { faulty, ..self }
    }

    /// Those that cannot be read.
    pub fn faulty(&self) -> Faulty {
        self.faulty
    }

    /// The entry before the first one; `0@0` if the log was never compacted.
    pub fn base(&self) -> Position {
        self.base
    }

    /// The entries of a range; `None` if not exactly both its ends are held, or not all of it can be
    /// read. The base counts as held: it is the entry before the first one.
    pub fn between(&self, range: Range) -> Option<&[Entry<P>]> {
        if !self.faulty.among(range.previous.index, range.last.index).is_none() {
            return None;
        }
        self.held.get(self.place_after(range.previous)?..self.place_after(range.last)?)
    }

    /// How many entries stand up to and including this very one.
    fn place_after(&self, position: Position) -> Option<usize> {
        let count = position.index.since(self.base.index)?;
        let held = count.checked_sub(1).map_or(Some(self.base), |last| Some(self.held.get(last)?.position));
        (held == Some(position)).then_some(count)
    }

    /// How many entries stand up to and including the one at `index`.
    fn count_to(&self, index: Index) -> usize {
        index.since(self.base.index).unwrap_or(0)
    }
}
