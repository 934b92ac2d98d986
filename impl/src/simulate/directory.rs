//! A server's data directory on a simulated disk: who it belongs to, and what was promised on it.

use std::collections::BTreeMap;

use bytes::Bytes;
use rafttree_model::{Record, ServerId};

use super::random::Random;
use crate::storage::simulate::SimulatedDisk;
use crate::storage::{Identity, Incarnation, Recovered};

/// What a server may rely on when it starts again.
#[derive(Clone, Debug, Default)]
pub(super) struct Promise {
    /// What was said to be durable.
    held: Recovered,
    /// What was being written, of which any beginning may be found.
    writing: Vec<Record<Bytes>>,
}

/// What may be wrong with a directory, so that the server that finds it so may refuse it, or forget.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Wounds {
    /// A bit has flipped, so it may be refused.
    pub(super) rot: bool,
    /// The disk lied, or it is an older copy: what was promised may be gone, and nobody can tell here.
    pub(super) forgets: bool,
}

/// The directory of one server. Directories can be exchanged, emptied and put back.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    pub(super) disk: SimulatedDisk,
    /// Nothing where it was never initialised, or was emptied.
    pub(super) owner: Option<(Identity, Incarnation)>,
    /// By which incarnations the peers are known.
    pub(super) pins: BTreeMap<ServerId, Incarnation>,
    pub(super) promise: Promise,
    pub(super) wounds: Wounds,
}

impl Promise {
    /// A batch goes to the disk.
    pub(super) fn begin(&mut self, records: &[Record<Bytes>]) {
        self.writing = records.to_vec();
    }

    /// The batch is said to be durable.
    pub(super) fn keep(&mut self) {
        let Promise { held, writing } = self;
        writing.drain(..).for_each(|record| held.apply(&record));
    }

    /// Whether what was found is what was promised, with any beginning of what was being written, entries
    /// that are named as unreadable apart. From then on it is what is held.
    pub(super) fn settle(&mut self, found: &Recovered) -> bool {
        let mut expected = self.held.clone();
        let mut is_kept = is_as(found, &expected);
        for record in std::mem::take(&mut self.writing) {
            expected.apply(&record);
            is_kept |= is_as(found, &expected);
        }
        self.held = found.clone();
        is_kept
    }
}

/// Whether the one is the other, as far as it can be read.
fn is_as(found: &Recovered, expected: &Recovered) -> bool {
    let (one, other) = (&found.durable, &expected.durable);
    let is_legible = |index| !one.faulty().contains(index);
    let entries = found.entries.iter().zip(expected.entries.iter());
    (one.term(), one.vote(), one.log()) == (other.term(), other.vote(), other.log())
        && entries.into_iter().all(|(one, other)| !is_legible(one.position.index) || one == other)
}

impl Directory {
    /// After the process has ended, or the machine has lost power: then each sector that was not flushed is
    /// kept or not.
    pub(super) fn ended(&mut self, power_is_lost: bool, random: &mut Random) {
        self.disk = if power_is_lost {
            let share = [0, 50, 100][random.below(3) as usize];
            self.disk.crashed(|| random.chance(share))
        } else {
            self.disk.restarted()
        };
    }

    /// Flips a bit of the log, or of a snapshot, where something is written. Whether there is one.
    pub(super) fn rot(&mut self, in_snapshot: bool, random: &mut Random) -> bool {
        let prefix = if in_snapshot { "snapshot-" } else { "log-" };
        let files: Vec<_> = self.disk.files().into_iter().filter(|(name, _)| name.starts_with(prefix)).collect();
        if files.is_empty() {
            return false;
        }
        let (name, bytes) = random.pick(&files);
        let written: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at] != 0).collect();
        if written.is_empty() {
            return false;
        }
        self.disk.flip(name, *random.pick(&written), random.below(8) as u8);
        self.wounds.rot = true;
        true
    }
}
