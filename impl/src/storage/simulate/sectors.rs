//! The sectors of a file that were written and not flushed.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of sectors, as ranges: a file that is filled is one of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Sectors {
    /// Where each begins, and where it ends. No two of them touch.
    ranges: BTreeMap<usize, usize>,
}

impl Sectors {
    /// Adds these.
    pub(super) fn add(&mut self, mut added: Range<usize>) {
        if added.is_empty() {
            return;
        }
        while let Some((&start, &end)) =
            self.ranges.range(..=added.end).next_back().filter(|(_, end)| added.start <= **end)
        {
            self.ranges.remove(&start);
            added = added.start.min(start)..added.end.max(end);
        }
        self.ranges.insert(added.start, added.end);
    }

    /// The ranges, from the first on.
    pub(super) fn into_ranges(self) -> impl Iterator<Item = Range<usize>> {
        self.ranges.into_iter().map(|(start, end)| start..end)
    }
}
