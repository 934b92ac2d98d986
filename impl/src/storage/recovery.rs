//! Reading the log back: which batches count, and what a bad one means.
//!
//! One batch is in flight at most, so a trace of batch k + 1 proves that k was durable. A batch that a
//! crash cut short does not count: the next start writes an empty batch behind it that says so, by
//! the number of the batch that it follows, before anything else is written.
//!
//! | batch | its slot | later batches | meaning | what opening does |
//! | --- | --- | --- | --- | --- |
//! | good | good | any | good | keeps it |
//! | good | bad | any | the slot was lost or is damaged | keeps it, writes the slot again |
//! | bad | bad | none | cut short by a crash | leaves it out |
//! | bad, sectors missing | good | none | cut short by a crash | leaves it out |
//! | bad, sectors spoiled | good | none | cannot be decided | takes its entries to be faulty |
//! | bad | good | some | it was acknowledged, and is damaged | takes its entries to be faulty |
//! | bad | bad | some | what it was about is lost | refuses |
//!
//! Entries are *faulty* of which the names are known, term and index, and the payloads are lost. The
//! server votes by the names, does not lead and acknowledges nothing from them on until its leader has sent
//! them again (`model::faulty`). A batch that spans terms has entries between its first and its last of
//! which the slot does not tell the terms: where those are lost as well, opening names what it can, and
//! refuses.
//!
//! A batch without entries is about term and vote alone, and its slot has both: where only the slot is
//! good, it is as good as the batch. So it is where the entries were removed by later batches, or
//! repaired. A batch that repairs entries says nothing of that in its slot: if it is damaged, they are
//! faulty as they were.
//!
//! What tells a crash from damage is that a disk writes a sector of 512 bytes as a whole: what a crash
//! leaves out are sectors of zeros, as the segment was made. What cannot be told from a crash, and is
//! left out: a last batch of which sectors read as zeros though they were acknowledged (a write or a
//! flush that the disk confirmed and lost); damage to the last batch *and* its slot; damage to the
//! last batches, all their sectors and all their slots. A disk that leaves garbage instead of a sector
//! in flight, and has written the slot, makes entries faulty that were never acknowledged.

use std::collections::BTreeMap;

use rafttree_model::{Position, Record};

use super::batch::Batch;
use super::disk::Disk;
use super::error::{Attempt, StorageError};
use super::identity::Incarnation;
use super::image::{Contradiction, Image};
use super::interface::Recovered;
use super::layout;
use super::record::{self, NoRecord, Written};
use super::segment::{Remains, Segment};
use super::slot::{Effect, Slot};

/// A batch of which entries are in the log, and cannot be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Damage {
    /// The number of the segment.
    pub(crate) segment: u64,
    /// Where the batch begins in it.
    pub(crate) offset: u64,
    /// What is known of it.
    pub(super) slot: Slot,
    /// Whether another batch follows it.
    pub(crate) is_acknowledged: bool,
    /// Whether the names of its entries are known that are in the log.
    pub(crate) is_named: bool,
}

/// One batch that counts.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub sequence: u64,
    /// The segment's place among those that were read.
    pub segment: usize,
    pub block: u16,
    pub checksum: u32,
    /// The records, if they can be read.
    pub batch: Option<Batch>,
    /// What its slot says, or should say.
    pub slot: Option<Slot>,
    /// Whether the slot cannot be read.
    pub lacks_slot: bool,
}

impl Link {
    /// How many bytes of records it has.
    pub(super) fn length(&self) -> usize {
        match (&self.batch, &self.slot) {
            (Some(batch), _) => batch.records.len(),
            (None, slot) => slot.map_or(0, |slot| slot.length as usize),
        }
    }
}

/// A log as it was read back, from the oldest segment on.
#[derive(Debug)]
pub(super) struct Recovery {
    pub segments: Vec<Segment>,
    /// The batches that count, in their order.
    pub chain: Vec<Link>,
    /// The highest number that any trace shows.
    pub highest: u64,
    /// The batches that must be read to know the log, and cannot be.
    pub damaged: Vec<Damage>,
    pub recovered: Recovered,
}

/// Reads a log that nobody writes.
pub(super) fn recover<D: Disk>(disk: &D, owner: Incarnation) -> Result<Recovery, StorageError> {
    let segments = read_segments(disk, owner)?;
    let found = gather(&segments);
    let highest = found.keys().next_back().copied().unwrap_or(0);
    let mut chain = proven(&segments, &found)?;
    let undecided = judge_the_last(&segments, &found, &mut chain);
    check_links(&segments, &chain)?;
    let (recovered, damaged) = replay(&segments, &mut chain, undecided)?;
    Ok(Recovery { segments, chain, highest, damaged, recovered })
}

impl Recovery {
    /// Refuses a log of which not even the names of all entries are known.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        let Some(damage) = self.damaged.iter().find(|damage| !damage.is_named) else { return Ok(()) };
        let segment = self.segments.iter().find(|segment| segment.number == damage.segment);
        Err(StorageError::DamagedEntries {
            file: segment.map(|segment| segment.path.clone()).unwrap_or_default(),
            offset: damage.offset,
            batch: damage.slot.sequence,
            first: damage.slot.effect.first,
            last: damage.slot.effect.last,
            is_acknowledged: damage.is_acknowledged,
        })
    }
}

/// The segments, none of which is missing.
fn read_segments<D: Disk>(disk: &D, owner: Incarnation) -> Result<Vec<Segment>, StorageError> {
    let numbers = segment_numbers(disk)?;
    let missing = |number| StorageError::MissingFile { file: disk.path(&layout::file_name(number)) };
    let first = *numbers.first().ok_or_else(|| missing(1))?;
    if let Some((number, _)) = (first..).zip(&numbers).find(|(expected, found)| expected != *found) {
        return Err(missing(number));
    }
    let read = |&number: &u64| {
        let name = layout::file_name(number);
        let file = disk.open_to_read(&name).attempt("open", &disk.path(&name))?;
        Segment::read(disk, &file, owner, number)
    };
    numbers.iter().map(read).collect()
}

/// The numbers of the segments that there are, in their order.
pub(super) fn segment_numbers<D: Disk>(disk: &D) -> Result<Vec<u64>, StorageError> {
    let names = disk.names().attempt("list", &disk.path(""))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| layout::segment_number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// What there is of each batch, and in which segment.
fn gather<'a>(segments: &'a [Segment]) -> BTreeMap<u64, (usize, &'a Remains)> {
    let of = |(at, segment): (usize, &'a Segment)| {
        segment.found.iter().map(move |(&sequence, remains)| (sequence, (at, remains)))
    };
    segments.iter().enumerate().flat_map(of).collect()
}

/// The batches that are known to have been durable: those that are good, those that another one
/// follows, and those before them.
fn proven(segments: &[Segment], found: &BTreeMap<u64, (usize, &Remains)>) -> Result<Vec<Link>, StorageError> {
    let good = found.iter().filter(|(_, (_, remains))| remains.whole.is_some()).map(|(&sequence, _)| sequence);
    let followed = found.iter().map(|(&sequence, (_, remains))| predecessor(sequence, remains));
    let (mut sequence, mut chain) = (good.chain(followed).max().unwrap_or(0), Vec::new());
    while sequence != 0 {
        let lost = || {
            let later = chain.last().map_or(segments.len() - 1, |link: &Link| link.segment);
            StorageError::IdentityLost { file: segments[later].path.clone(), batch: sequence }
        };
        let &(segment, remains) = found.get(&sequence).ok_or_else(lost)?;
        let link = link(segment, sequence, remains).ok_or_else(lost)?;
        let before = predecessor(sequence, remains);
        let is_first = begins_a_segment(&link) && found.range(..=before).next().is_none();
        chain.push(link);
        sequence = if is_first { 0 } else { before };
    }
    chain.reverse();
    Ok(chain)
}

/// The number of the batch that this one follows. What is known by a part alone is no empty batch, and
/// only those come after batches that do not count.
fn predecessor(sequence: u64, remains: &Remains) -> u64 {
    match (&remains.whole, &remains.slot) {
        (Some((_, batch)), _) => batch.header.predecessor(),
        (None, Some(slot)) => slot.predecessor(),
        (None, None) => sequence.saturating_sub(1),
    }
}

fn link(segment: usize, sequence: u64, remains: &Remains) -> Option<Link> {
    let (block, checksum) = match (&remains.whole, &remains.slot) {
        (Some((block, batch)), _) => (*block, batch.checksum),
        (None, Some(slot)) => (slot.block, slot.checksum),
        (None, None) => return None,
    };
    let batch = remains.whole.as_ref().map(|(_, batch)| batch.clone());
    let slot = remains.slot.filter(|slot| slot.checksum == checksum && slot.block == block);
    Some(Link { sequence, segment, block, checksum, batch, slot, lacks_slot: slot.is_none() })
}

/// Whether the log can be read from this batch on, without what came before.
fn begins_a_segment(link: &Link) -> bool {
    let Some(batch) = &link.batch else { return false };
    matches!(record::decode_written(&mut batch.records.clone()), Ok(Written::Start { .. }))
}

/// Of what is left behind the last batch that is proven: takes in the latest one, if it was damaged rather than cut
/// short, and gives its number if it cannot be decided. A start had found that those before it do not count, whatever
/// has become of their sectors since.
fn judge_the_last(
    segments: &[Segment],
    found: &BTreeMap<u64, (usize, &Remains)>,
    chain: &mut Vec<Link>,
) -> Option<u64> {
    let last = chain.last().map_or(0, |link| link.sequence);
    let (&sequence, &(segment, remains)) = found.range(last + 1..).next_back()?;
    let is_damaged = |slot: &Slot| slot.predecessor() == last && segments[segment].is_spoiled(slot);
    let slot = remains.slot.filter(is_damaged)?;
    chain.extend(link(segment, sequence, remains));
    let is_settled = is_about_hard_state_alone(&slot.effect);
    (!is_settled).then_some(sequence)
}

fn is_about_hard_state_alone(effect: &Effect) -> bool {
    effect.count == 0 && !effect.moves_base
}

/// Refuses a chain of which a batch follows another one than the one before it.
fn check_links(segments: &[Segment], chain: &[Link]) -> Result<(), StorageError> {
    for pair in chain.windows(2) {
        let [before, link] = pair else { continue };
        if link.batch.as_ref().is_some_and(|batch| batch.header.previous != before.checksum) {
            return Err(corrupt(segments, link, "it does not follow the one before"));
        }
    }
    Ok(())
}

fn replay(
    segments: &[Segment],
    chain: &mut [Link],
    undecided: Option<u64>,
) -> Result<(Recovered, Vec<Damage>), StorageError> {
    let mut image = Image::default();
    for link in &mut *chain {
        match (&link.batch, &link.slot) {
            (Some(batch), _) => {
                let effect = apply(segments, link, batch, &mut image)?;
                link.slot = link.slot.or_else(|| Some(slot_of(link, batch, effect?)));
            }
            (None, Some(slot)) if slot.effect.moves_base => {
                return Err(corrupt(segments, link, "where the log begins is lost with it"));
            }
            (None, Some(slot)) => image.apply_effect(link.sequence, &slot.effect),
            (None, None) => {}
        }
    }
    if let Some(link) = chain.first().filter(|_| image.lacks_entries()) {
        return Err(corrupt(segments, link, "entries before it are missing"));
    }
    let mut missing: BTreeMap<u64, bool> = BTreeMap::new();
    for (sequence, is_named) in image.damaged() {
        *missing.entry(sequence).or_insert(true) &= is_named;
    }
    let damage = |(sequence, is_named): (&u64, &bool)| {
        let link = chain.iter().find(|link| link.sequence == *sequence)?;
        let segment = &segments[link.segment];
        let offset = segment.layout.offset(link.block);
        let is_acknowledged = undecided != Some(*sequence);
        Some(Damage { segment: segment.number, offset, slot: link.slot?, is_acknowledged, is_named: *is_named })
    };
    let damaged = missing.iter().filter_map(damage).collect();
    Ok((image.into_recovered(), damaged))
}

/// Takes over the records of a batch; what they lead to, as far as that is known.
fn apply(segments: &[Segment], link: &Link, batch: &Batch, image: &mut Image) -> Result<Option<Effect>, StorageError> {
    let (mut records, mut kept, mut moves_base) = (batch.records.clone(), image.length(), false);
    while !records.is_empty() {
        let record = record::decode_written(&mut records).map_err(|problem| match problem {
            NoRecord::Nonsense => corrupt(segments, link, "it holds no known record"),
            NoRecord::OfALaterVersion => {
                StorageError::UnknownRecord { file: segments[link.segment].path.clone(), batch: link.sequence }
            }
        })?;
        moves_base |= match record {
            Written::Base(_) | Written::Record(Record::Restore { .. }) => true,
            // The first batch of all, of a log that was converted.
            Written::Start { base, .. } => batch.header.predecessor() == 0 && is_beyond_the_start(base),
            Written::Record(_) => false,
        };
        let begins = matches!(record, Written::Start { .. });
        image.apply(record).map_err(|Contradiction(problem)| corrupt(segments, link, problem))?;
        // Where the segments before are gone, only this record tells how many entries there were.
        kept = if begins { image.length() } else { kept.min(image.length()) };
    }
    // The first batch that is left may build on those before.
    if batch.header.predecessor() != 0 && begins_a_segment(link) {
        image.set_hard(batch.header.hard);
    }
    if !image.has(batch.header.hard) {
        return Err(corrupt(segments, link, "its records lead elsewhere than it says"));
    }
    Ok(image.effect(kept, moves_base))
}

fn is_beyond_the_start(base: Position) -> bool {
    let beginning = base.index.number();
    beginning != 0
}

fn slot_of(link: &Link, batch: &Batch, effect: Effect) -> Slot {
    let Link { sequence, block, checksum, .. } = *link;
    Slot { sequence, void: batch.header.void, block, length: batch.records.len() as u32, checksum, effect }
}

fn corrupt(segments: &[Segment], link: &Link, problem: &'static str) -> StorageError {
    let segment = &segments[link.segment];
    let offset = segment.layout.offset(link.block);
    StorageError::Corrupt { file: segment.path.clone(), offset, batch: link.sequence, problem }
}
