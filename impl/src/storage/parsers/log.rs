//! Segments, whole logs, and logs of format 1.

use std::collections::BTreeMap;

use bytes::Bytes;
use rafttree_model::{Entry, Index, Payload, Position, Record, ServerId, Term};

use super::directory::holding;
use super::record::{OWNER, hard, position, repair_sectors, repair_slot};
use crate::fuzz::{Draw, Format, Parser};
use crate::storage::batch::{self, Batch, Header};
use crate::storage::disk::Disk as _;
use crate::storage::error::StorageError;
use crate::storage::interface::Recovered;
use crate::storage::layout::{self, HEADER_BYTES, Layout, SEQUENCES, SLOT_BYTES, Seal};
use crate::storage::log::SegmentedLog;
use crate::storage::record::MIN_ENTRY_BYTES;
use crate::storage::segment::{Remains, Segment};
use crate::storage::simulate::{SimulatedDisk, former};
use crate::storage::slot::{Effect, Slot};
use crate::storage::{format1, recovery};

/// Segments are small, so that little of them are zeros.
const LAYOUT: Layout = Layout { blocks: 3 };

/// The number of the only segment.
const NUMBER: u64 = 1;

/// What is whole in a segment: batches by their blocks, and slots, both by the batches' numbers.
#[derive(Debug, PartialEq)]
pub(super) struct Contents {
    blocks: u16,
    batches: BTreeMap<u64, (u16, Header, Bytes)>,
    slots: BTreeMap<u64, Slot>,
}

/// One segment.
pub(super) struct Segments;

impl Format for Segments {
    type Value = Contents;

    const NAME: &'static str = "segments";

    fn draw(draw: &mut Draw<'_>) -> Contents {
        let mut contents = Contents { blocks: LAYOUT.blocks, batches: BTreeMap::new(), slots: BTreeMap::new() };
        let begins = 1 + draw.below(100);
        for block in 0..draw.below(1 + u64::from(LAYOUT.blocks)) as u16 {
            let sequence = begins + u64::from(block);
            let records = Bytes::from(draw.bytes(800));
            let slot = slot(draw, sequence, block, records.len() as u32);
            let header = Header { sequence, void: 0, previous: draw.short_number(), hard: slot.effect.hard };
            contents.batches.insert(sequence, (block, header, records));
            contents.slots.insert(sequence, slot);
        }
        contents
    }

    fn encode(Contents { blocks, batches, slots }: &Contents) -> Vec<u8> {
        let (layout, seal) = (Layout { blocks: *blocks }, Seal::new(OWNER, NUMBER));
        let mut out = layout::header(OWNER, NUMBER, layout);
        out.resize(layout.size() as usize, 0);
        let mut put = |offset: u64, bytes: &[u8]| out[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        for (block, header, records) in batches.values() {
            put(layout.offset(*block), &batch::encode(&seal, layout.offset(*block), *header, records).0);
        }
        for slot in slots.values() {
            let offset = layout.slot_offset(slot.block, slot.sequence);
            put(offset, &slot.encode(&seal, offset));
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Contents> {
        let segment = read(bytes)?;
        // What is said of damage must be found for any bytes.
        let _ = segment.spoiled_slots().chain(segment.spoiled_sectors()).count();
        let mut contents = Contents { blocks: segment.layout.blocks, batches: BTreeMap::new(), slots: BTreeMap::new() };
        for (&sequence, Remains { whole, slot }) in &segment.found {
            if let Some((block, Batch { header, records, .. })) = whole {
                let _ = segment.blocks(*block, records.len());
                contents.batches.insert(sequence, (*block, *header, records.clone()));
            }
            if let Some(slot) = slot {
                let _ = segment.is_spoiled(slot);
                contents.slots.insert(sequence, *slot);
            }
        }
        Some(contents)
    }

    fn held(value: &Contents) -> usize {
        let records = value.batches.values().map(|(_, _, records)| records.len()).sum::<usize>();
        let entries = value.slots.values().map(|slot| slot.effect.count as usize).sum::<usize>();
        records + entries * size_of::<Position>()
    }

    fn repair(bytes: &mut [u8]) {
        repair_segment(bytes);
    }
}

fn slot(draw: &mut Draw<'_>, sequence: u64, block: u16, length: u32) -> Slot {
    let first = position(draw);
    let count = draw.below(1 + u64::from(length) / MIN_ENTRY_BYTES as u64) as u32;
    let last = Position { term: first.term, index: Index::new(first.index.number() - 1 + u64::from(count)) };
    let effect = Effect { first, count, last, moves_base: draw.coin(), hard: hard(draw) };
    Slot { sequence, void: 0, block, length, checksum: draw.short_number(), effect }
}

fn read(bytes: &[u8]) -> Option<Segment> {
    let name = layout::file_name(NUMBER);
    let disk = holding(&name, bytes);
    let file = disk.open_to_read(&name).ok()?;
    Segment::read(&disk, &file, OWNER, NUMBER).ok()
}

/// Makes the checksums of header, slots and sectors right, where this layout has them.
fn repair_segment(bytes: &mut [u8]) {
    let seal = Seal::new(OWNER, NUMBER);
    if let Some((header, checksum)) = bytes.split_at_mut_checked(HEADER_BYTES - 4)
        && let Some(checksum) = checksum.first_chunk_mut()
    {
        *checksum = crc32fast::hash(header).to_le_bytes();
    }
    for offset in LAYOUT.slot_offsets() {
        if let Some(slot) = bytes.get_mut(offset as usize..offset as usize + SLOT_BYTES) {
            repair_slot(&seal, offset, slot);
        }
    }
    let [begin, end] = [0, LAYOUT.blocks].map(|block| LAYOUT.offset(block));
    if let Some(sectors) = bytes.get_mut(begin as usize..end as usize) {
        repair_sectors(&seal, begin, sectors);
    }
}

/// The parser of whole logs.
pub(super) fn logs() -> Box<dyn Parser> {
    Box::new(Logs)
}

/// A log of one segment, from its bytes to the server's state. What it reads as cannot be written as the same bytes,
/// so it is judged by going on: the next start finds what this one has found, and what was written since.
struct Logs;

impl Parser for Logs {
    fn name(&self) -> &'static str {
        "logs"
    }

    fn example(&self, draw: &mut Draw<'_>) -> Result<Vec<u8>, String> {
        let (disk, told) = (SimulatedDisk::default(), |error| format!("it cannot be written: {error}"));
        SegmentedLog::create(&disk, OWNER, LAYOUT).map_err(told)?;
        let (mut log, mut expected) = opened(&disk).map_err(told)?;
        for _ in 0..draw.below(1 + u64::from(LAYOUT.blocks)) {
            let batch = batch_after(draw, &expected);
            log.write(&batch).map_err(told)?;
            batch.iter().for_each(|record| expected.apply(record));
        }
        let found = opened(&disk).map_err(told)?.1;
        if found != expected {
            return Err(format!("{expected:?} was written, and {found:?} is found"));
        }
        disk.files().remove(&layout::file_name(NUMBER)).ok_or_else(|| "it has no first segment".to_owned())
    }

    fn judge(&self, bytes: &[u8]) -> Result<bool, String> {
        let disk = holding(&layout::file_name(NUMBER), bytes);
        let Ok((mut log, mut found)) = opened(&disk) else { return Ok(false) };
        if is_at_the_end(&disk) {
            return Ok(true);
        }
        if bytes.len() < found.entries.len() * MIN_ENTRY_BYTES {
            return Err(format!("{} entries are found in {} bytes", found.entries.len(), bytes.len()));
        }
        // Faulty entries stay so in a log that goes on, and no server of a term that has no next one goes on.
        if found.durable.term().number() < u64::MAX / 2 {
            let next = Record::Term(found.durable.term().next());
            log.write(std::slice::from_ref(&next)).map_err(|error| format!("it does not go on: {error}"))?;
            found.apply(&next);
        }
        match opened(&disk) {
            Ok((_, again)) if again == found => Ok(true),
            Ok((_, again)) => Err(format!("the next start finds {again:?} instead of {found:?}")),
            Err(error) => Err(format!("the next start finds {error} instead of {found:?}")),
        }
    }

    fn repair(&self, bytes: &mut [u8]) {
        repair_segment(bytes);
    }
}

/// Whether the numbers of batches are almost used up: no server gets there, and none could go on.
fn is_at_the_end(disk: &SimulatedDisk) -> bool {
    recovery::recover(disk, OWNER).is_ok_and(|found| SEQUENCES.end() - 9 < found.highest)
}

fn opened(disk: &SimulatedDisk) -> Result<(SegmentedLog<SimulatedDisk>, Recovered), StorageError> {
    let mut log = SegmentedLog::open(disk.clone(), OWNER, LAYOUT)?;
    let found = log.load()?;
    Ok((log, found))
}

/// Records that a server could write next.
fn batch_after(draw: &mut Draw<'_>, now: &Recovered) -> Vec<Record<Bytes>> {
    let (term, last) = (now.durable.term().next(), now.durable.log().last());
    let mut records = vec![Record::Term(term)];
    records.extend(draw.option(|draw| Record::Vote(ServerId::new(1 + draw.below(5) as u32))));
    let (base, mut index) = (now.durable.log().base().index, last.index);
    match draw.below(6) {
        0 if base.number() < index.number() => {
            index = Index::new(index.number() - 1);
            records.push(Record::Truncate { keep: index });
        }
        1 if base.number() < index.number() => {
            records.push(Record::Compact { through: Index::new(base.number() + 1) });
        }
        2 => {
            index = Index::new(index.number() + 1 + draw.below(10));
            records.push(Record::Restore { last: Position { term, index } });
        }
        _ => {}
    }
    records.extend(entries_after(draw, term, index).into_iter().map(Record::Append));
    records
}

fn entries_after(draw: &mut Draw<'_>, term: Term, mut index: Index) -> Vec<Entry<Bytes>> {
    draw.list(5, |draw| {
        index = index.next();
        let payload = draw.option(|draw| Payload::Command(draw.bytes(60).into())).unwrap_or(Payload::Blank);
        Entry { position: Position { term, index }, payload }
    })
}

/// The log of format 1, which is read once.
pub(super) struct FormerLogs;

impl Format for FormerLogs {
    type Value = Recovered;

    const NAME: &'static str = "logs of format 1";

    fn draw(draw: &mut Draw<'_>) -> Recovered {
        let mut state = Recovered::default();
        for _ in 0..draw.below(4) {
            batch_after(draw, &state).iter().for_each(|record| state.apply(record));
        }
        state
    }

    /// As three batches at most: each has a number, and follows another one.
    fn encode(value: &Recovered) -> Vec<u8> {
        let (term, base) = (value.durable.term(), value.durable.log().base());
        let mut first = Vec::new();
        first.extend((term != Term::default()).then_some(Record::Term(term)));
        first.extend(value.durable.vote().map(Record::Vote));
        first.extend((base.index != Index::default()).then_some(Record::Restore { last: base }));
        let entries: Vec<_> = value.entries.iter().cloned().map(Record::Append).collect();
        let (some, others) = entries.split_at(entries.len() / 2);
        former::log(OWNER, &[first, some.to_vec(), others.to_vec()])
    }

    fn decode(bytes: &[u8]) -> Option<Recovered> {
        format1::read(&holding(former::FILE, bytes), OWNER).ok()
    }

    fn held(value: &Recovered) -> usize {
        let commands = value.entries.iter().map(|entry| match &entry.payload {
            Payload::Command(command) => command.len(),
            Payload::Blank => 0,
        });
        commands.sum::<usize>() + value.entries.len() * size_of::<Entry<Bytes>>()
    }

    fn repair(bytes: &mut [u8]) {
        former::repair(OWNER, bytes);
    }
}
