//! The exact account of what was acknowledged, and of what may be found beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use bytes::Bytes;
use rafttree_model::{Index, Members, Position, Record, ServerId};

use super::history::content;
use super::report::Violation;
use crate::storage::simulate::whole::Whole;
use crate::storage::{Incarnation, Recovered};

type Pins = BTreeMap<ServerId, Incarnation>;

/// What a start must find.
#[derive(Clone, Debug, Default)]
pub(super) struct Promise {
    /// Whether the directory was made.
    pub(super) is_made: bool,
    /// What the log's batches add up to that were acknowledged.
    pub(super) held: Recovered,
    /// Which batch brought which entry.
    brought: BTreeMap<Index, u64>,
    batches: u64,
    /// The batch that was being written.
    pub(super) writing: Vec<Record<Bytes>>,
    /// The newest snapshot that was acknowledged.
    pub(super) snapshot: Option<Position>,
    /// Snapshots that were being made or taken, and did not fail in a way that leaves none.
    pub(super) coming: BTreeSet<Position>,
    pub(super) pins: Pins,
    /// What the pins were to become when that failed.
    pub(super) pinning: Vec<Pins>,
    pub(super) group: Option<Members>,
    /// What the group was to become.
    pub(super) grouping: Option<Members>,
}

impl Promise {
    /// The batch that was being written is durable.
    pub(super) fn acknowledge_batch(&mut self) {
        self.batches += 1;
        for record in std::mem::take(&mut self.writing) {
            self.held.apply(&record);
            if let Record::Append(entry) = record {
                self.brought.insert(entry.position.index, self.batches);
            }
        }
    }

    /// The number of the batch that brought the entry of this index; 0 for those that were there at the beginning.
    pub(super) fn batch_of(&self, index: Index) -> u64 {
        self.brought.get(&index).copied().unwrap_or(0)
    }

    /// A snapshot is durable.
    pub(super) fn acknowledge_snapshot(&mut self, last: Position) {
        self.coming.remove(&last);
        self.snapshot = self.snapshot.max(Some(last));
    }

    /// Judges what a start has found. From then on it is what was promised.
    pub(super) fn settle(&mut self, whole: &Whole) -> Result<(), Violation> {
        self.settle_log(&whole.recovered)?;
        self.settle_snapshots(whole)?;
        self.settle_notes(whole)?;
        let base = self.held.durable.log().base().index.number();
        let held = self.snapshot.map_or(0, |last| last.index.number());
        if held < base {
            return Err(Violation::new(format!(
                "the log begins behind entry {base}, and the newest snapshot ends with {held}"
            )));
        }
        Ok(())
    }

    fn settle_log(&mut self, found: &Recovered) -> Result<(), Violation> {
        if *found == self.held {
            self.writing.clear();
            return Ok(());
        }
        let acknowledged = self.held.clone();
        self.acknowledge_batch();
        if *found == self.held {
            return Ok(());
        }
        Err(Violation::new(format!(
            "the log is not what was acknowledged\n{}",
            difference(found, &acknowledged, &self.held)
        )))
    }

    fn settle_snapshots(&mut self, whole: &Whole) -> Result<(), Violation> {
        let found = whole.snapshots.newest().map(|newest| newest.last);
        let is_known = found == self.snapshot || found.is_some_and(|last| self.coming.contains(&last));
        if found < self.snapshot || !is_known {
            let (found, promised) = (in_words(found), in_words(self.snapshot));
            return Err(Violation::new(format!("the newest snapshot is {found}, and {promised} was promised")));
        }
        for snapshot in whole.snapshots.all() {
            let mut bytes = Vec::new();
            let read = whole.snapshots.read(&snapshot).map(|mut reader| reader.read_to_end(&mut bytes));
            let is_spared = matches!(read, Ok(Ok(_))) || !whole.disk().has_failed();
            if is_spared && bytes != content(snapshot.last) {
                return Err(Violation::new(format!(
                    "the snapshot up to {} does not read as it was written",
                    snapshot.last
                )));
            }
        }
        self.snapshot = found;
        self.coming.clear();
        Ok(())
    }

    fn settle_notes(&mut self, whole: &Whole) -> Result<(), Violation> {
        if whole.pins != self.pins && !self.pinning.contains(&whole.pins) {
            return Err(Violation::new(format!("the pins are {:?}, and {:?} were promised", whole.pins, self.pins)));
        }
        if whole.group != self.group && whole.group != self.grouping {
            return Err(Violation::new("the group is another one".to_owned()));
        }
        (self.pins, self.group) = (whole.pins.clone(), whole.group);
        self.pinning.clear();
        self.grouping = None;
        Ok(())
    }
}

fn in_words(last: Option<Position>) -> String {
    last.map_or_else(|| "none".to_owned(), |last| last.to_string())
}

/// What was found beside what may be: term, vote, and where the log begins and ends.
fn difference(found: &Recovered, acknowledged: &Recovered, with_batch: &Recovered) -> String {
    let words = |state: &Recovered| {
        let durable = &state.durable;
        let (base, last) = (durable.log().base(), durable.log().last());
        let vote = durable.vote().map_or(0, ServerId::number);
        format!("term {}, vote {vote}, log behind {base} up to {last}, faulty {:?}", durable.term(), durable.faulty())
    };
    format!(
        "  found        {}\n  acknowledged {}\n  or           {}",
        words(found),
        words(acknowledged),
        words(with_batch)
    )
}
