//! Every bit of a directory, one at a time: harmless, repaired, named as faulty, or refused.

use std::collections::BTreeSet;

use rafttree_model::Record;

use super::crashes::keeping;
use super::promise::Promise;
use super::report::{Counts, Violation};
use super::scale::Scale;
use super::server::{Runner, guarded, more};
use crate::simulate::Random;
use crate::storage::simulate::whole::Whole;
use crate::storage::simulate::{Fault, SimulatedDisk, audit};
use crate::storage::{Recovered, StorageError};

/// How many crashes a directory has been through, at most.
const MAX_CRASHES: u64 = 3;

/// One campaign over one history.
pub(super) struct Bits<'a> {
    pub(super) runner: &'a Runner<'a>,
    pub(super) scale: Scale,
    pub(super) random: Random,
    pub(super) counts: &'a mut Counts,
}

impl Bits<'_> {
    pub(super) fn run(&mut self) -> Result<(), Violation> {
        let (disk, promise) = self.directory()?;
        for (name, bytes) in disk.files() {
            let bits = 8 * bytes.len() as u64;
            let mut bit = self.random.below(self.scale.bits);
            while bit < bits {
                let damaged = disk.restarted();
                damaged.flip(&name, bit as usize / 8, bit as u8 % 8);
                let place = Place { name: &name, offset: bit as usize / 8, bytes: &bytes };
                let fault = || format!("bit {} of byte {} of {name} has flipped", bit % 8, bit / 8);
                self.counts.add("bits");
                guarded(|| self.judge(&damaged, &promise, &place)).map_err(|it| it.after(fault()))?;
                bit += self.step();
            }
        }
        Ok(())
    }

    /// To the next bit: another one of each byte in turn.
    fn step(&mut self) -> u64 {
        if self.scale.bits == 1 { 1 } else { self.random.within(1..2 * self.scale.bits) }
    }

    /// A directory that was in use, and through crashes; whole, as its server leaves it.
    fn directory(&mut self) -> Result<(SimulatedDisk, Promise), Violation> {
        let (mut disk, mut promise) = self.runner.begin();
        self.runner.run(&disk, &mut promise)?;
        for number in 0..self.random.below(MAX_CRASHES + 1) {
            let (again, before) = if number == 0 { self.runner.begin() } else { (disk.restarted(), promise.clone()) };
            let calls = disk.changing_calls();
            let mut ended = before;
            again.plan(*self.random.pick(&calls), Fault::Crash);
            if number == 0 {
                self.runner.run(&again, &mut ended)?;
            } else {
                self.runner.go_on(&again, &mut ended)?;
            }
            disk = keeping(&again, self.random.number());
            promise = ended;
            // The calls of this start are those that the next crash may come at.
            let next = disk.restarted();
            self.runner.go_on(&next, &mut promise)?;
            self.counts.add("crashes before");
            disk = next;
        }
        Ok((disk.crashed(|| false), promise))
    }

    fn judge(&mut self, damaged: &SimulatedDisk, promise: &Promise, place: &Place) -> Result<(), Violation> {
        let whole = match Whole::open(damaged, self.runner.layout()) {
            Ok(whole) => whole,
            Err(error) => return self.judge_refusal(&error, place),
        };
        let (found, held) = (&whole.recovered.durable, &promise.held.durable);
        if (found.term(), found.vote(), found.log()) != (held.term(), held.vote(), held.log()) {
            return Err(Violation::new("term, vote, or the names of the entries are others"));
        }
        self.judge_entries(&whole.recovered, promise)?;
        if let Some(at) = place.changed_beside(damaged) {
            return Err(Violation::new(format!("a slot was written again with other bytes, at {at}")));
        }
        if whole.pins != promise.pins || whole.group != promise.group {
            return Err(Violation::new("the pins or the group are others"));
        }
        let newest = whole.snapshots.newest().map(|newest| newest.last);
        if newest != promise.snapshot && !(place.is_of_a_snapshot() && newest < promise.snapshot) {
            return Err(Violation::new("the newest snapshot is another one"));
        }
        if newest.unwrap_or_default() < held.log().base() {
            self.counts.add("refused: no snapshot up to where the log begins");
            return Ok(());
        }
        let is_as_it_was = found.faulty().is_none() && !place.was_repaired(damaged);
        self.counts.add(match (found.faulty().is_none(), place.was_repaired(damaged)) {
            (false, _) => "named as faulty",
            (true, true) => "repaired",
            (true, false) => "harmless",
        });
        if is_as_it_was && !self.random.chance(10) {
            return Ok(());
        }
        self.go_on(damaged, whole, promise)
    }

    /// What is lost are entries of one batch; all others are as they were.
    fn judge_entries(&self, found: &Recovered, promise: &Promise) -> Result<(), Violation> {
        let faulty = found.durable.faulty();
        let is_faulty = |at: &rafttree_model::Entry<_>| faulty.contains(at.position.index);
        let is_right = found.entries.len() == promise.held.entries.len()
            && found.entries.iter().zip(promise.held.entries.iter()).all(|(it, was)| is_faulty(was) || it == was);
        if !is_right {
            return Err(Violation::new("an entry has other bytes"));
        }
        let lost = promise.held.entries.iter().filter(|entry| is_faulty(entry));
        let batches: BTreeSet<_> = lost.map(|entry| promise.batch_of(entry.position.index)).collect();
        if 1 < batches.len() {
            return Err(Violation::new("one bit makes entries of several batches faulty"));
        }
        Ok(())
    }

    /// Whether it may be refused: never for a slot, which is there twice, nor for a snapshot.
    fn judge_refusal(&mut self, error: &StorageError, place: &Place) -> Result<(), Violation> {
        let why = match error {
            StorageError::Foreign { .. } => "refused: a file that is damaged as a whole",
            StorageError::Format { .. } => "refused: another format",
            StorageError::Corrupt { .. } => "refused: a batch that moves the log's beginning",
            StorageError::DamagedEntries { .. } => "refused: entries without names",
            StorageError::IdentityLost { .. } => "refused: the beginning of the oldest segment",
            _ => return Err(Violation::new(format!("it fails in another way: {error}"))),
        };
        if place.is_of_a_snapshot() || audit::is_slot(place.name, place.offset, place.bytes) {
            return Err(Violation::new(format!("it need not be refused: {error}")));
        }
        self.counts.add(why);
        Ok(())
    }

    /// Entries that are faulty are sent again, others follow, and all are there after a loss of power.
    fn go_on(&mut self, damaged: &SimulatedDisk, mut whole: Whole, promise: &Promise) -> Result<(), Violation> {
        let failed = |error: StorageError| Violation::new(format!("it does not go on: {error}"));
        let faulty = whole.recovered.durable.faulty();
        let lost = promise.held.entries.iter().filter(|entry| faulty.contains(entry.position.index));
        let repairs: Vec<_> = lost.cloned().map(Record::Repair).collect();
        let mut expected = promise.held.clone();
        for batch in [vec![repairs], more(&promise.held).to_vec()].concat() {
            whole.log.write(&batch).and_then(|()| whole.log.prepare()).map_err(failed)?;
            batch.iter().for_each(|record| expected.apply(record));
        }
        let again = Whole::open(&damaged.crashed(|| false), self.runner.layout()).map_err(failed)?;
        if again.recovered != expected {
            return Err(Violation::new("what is written after the start is not there after the next one"));
        }
        Ok(())
    }
}

/// Where a bit has flipped.
struct Place<'a> {
    name: &'a str,
    offset: usize,
    /// The file as it was.
    bytes: &'a [u8],
}

impl Place<'_> {
    fn is_of_a_snapshot(&self) -> bool {
        self.name.starts_with("snapshot-") || self.name.starts_with("incoming-")
    }

    /// A slot that was lost is written again as it was, or not at all: where something else stands in its file.
    fn changed_beside(&self, disk: &SimulatedDisk) -> Option<usize> {
        let files = disk.files();
        let now = files.get(self.name).filter(|_| audit::is_slot(self.name, self.offset, self.bytes))?;
        (0..now.len()).find(|&at| at != self.offset && self.bytes.get(at) != now.get(at))
    }

    /// Whether it is again as it was.
    fn was_repaired(&self, disk: &SimulatedDisk) -> bool {
        disk.files().get(self.name).and_then(|now| now.get(self.offset)) == self.bytes.get(self.offset)
    }
}
