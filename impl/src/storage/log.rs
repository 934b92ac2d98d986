//! The log: batches that are appended to segments, one flush each.
//!
//! It never rewinds. Cutting entries is a record like others; what a crash left is not written over;
//! numbers of batches and segments are never used again. What is written in place is the same bytes:
//! at the start the last batch, which may exist in the operating system's memory alone, and slots
//! that were lost.

use std::collections::VecDeque;

use bytes::Bytes;
use rafttree_model::{Durable, Index, Log, Position, Record, Term};

use super::ahead::{Ahead, Made, begin_segment, finish_segment};
use super::batch::{self, Header, MAX_BATCH_BYTES};
use super::current::{Current, highest_of, slot_bytes};
use super::disk::{Disk, DiskFile as _};
use super::error::{Attempt, StorageError};
use super::helper::Helper;
use super::identity::Incarnation;
use super::interface::{Recovered, Room, Storage};
use super::layout::{self, BLOCK_BYTES, Layout};
use super::record::{self, START_BYTES};
use super::recovery::{self, Recovery};
use super::removal::Removal;
use super::slot::{Effect, HardState};

/// The log of one directory.
#[derive(Debug)]
pub(crate) struct SegmentedLog<D: Disk> {
    disk: D,
    owner: Incarnation,
    /// How large segments are made.
    usual: Layout,
    helper: Helper,
    /// What is known once the log was read.
    open: Option<Open<D>>,
    is_sealed: bool,
}

/// A log that can be continued.
#[derive(Debug)]
struct Open<D: Disk> {
    /// What the batches written so far add up to, without the entries' payloads.
    shape: Durable,
    /// The number of the last batch that counts, and its checksum.
    last: (u64, u32),
    /// The highest number that a batch ever had.
    highest: u64,
    /// The segments that are full, from the oldest on.
    full: VecDeque<Full>,
    current: Current<D::File>,
    ahead: Ahead<D>,
    removal: Removal,
}

/// A segment that is no longer written.
#[derive(Debug)]
struct Full {
    number: u64,
    /// The highest index of an entry that it holds.
    highest: u64,
}

/// Records on their way into one batch.
#[derive(Debug, Default)]
struct Draft {
    bytes: Vec<u8>,
    /// Where the log began and ended before them.
    base: Position,
    last: Position,
    /// How many entries of the log before are in the log behind.
    kept: u64,
    moves_base: bool,
}

impl<D: Disk> SegmentedLog<D> {
    /// The log in this directory, which must be there.
    pub(crate) fn open(disk: D, owner: Incarnation, usual: Layout) -> Result<SegmentedLog<D>, StorageError> {
        for number in recovery::segment_numbers(&disk)? {
            let name = layout::file_name(number);
            let path = disk.path(&name);
            disk.open(&name).attempt("open", &path)?.forget_cached().attempt("flush", &path)?;
        }
        // The process may have ended between giving a segment its name and flushing that.
        disk.sync().attempt("flush", &disk.path(""))?;
        let helper = Helper::Itself(usize::MAX);
        Ok(SegmentedLog { disk, owner, usual, helper, open: None, is_sealed: false })
    }

    /// The same with somebody else who does its errands.
    pub(crate) fn with_helper(self, helper: Helper) -> SegmentedLog<D> {
        SegmentedLog { helper, ..self }
    }

    /// Makes a log without records, where there is none.
    pub(crate) fn create(disk: &D, owner: Incarnation, usual: Layout) -> Result<(), StorageError> {
        SegmentedLog::create_with(disk, owner, usual, &Recovered::default())
    }

    /// Makes a log that holds this, where there is none.
    pub(super) fn create_with(
        disk: &D,
        owner: Incarnation,
        usual: Layout,
        state: &Recovered,
    ) -> Result<(), StorageError> {
        let drafts = drafts_of(state)?;
        let needed: usize = drafts.iter().map(|(records, _)| batch::blocks(records.len())).sum();
        let layout = Layout { blocks: usual.blocks.max(within_a_segment(needed)?) };
        let mut made = match begin_segment(disk, owner, 1, layout)? {
            Made::Whole(made) => made,
            Made::NoRoom(source) => {
                return Err(StorageError::NoRoom { file: disk.path(&layout::file_name(1)), left: 0, source });
            }
        };
        let mut previous = 0;
        for (sequence, (records, effect)) in (1..).zip(drafts) {
            let header = Header { sequence, void: 0, previous, hard: effect.hard };
            previous = made.append(header, &records, effect)?;
        }
        finish_segment(disk, &made)
    }

    /// Reads the log, and makes sure that what was read is durable and is told from what a crash left,
    /// before anything is promised on it.
    pub(crate) fn load(&mut self) -> Result<Recovered, StorageError> {
        self.sealing(|log| {
            let recovery = recovery::recover(&log.disk, log.owner)?;
            recovery.check()?;
            log.rewrite(&recovery)?;
            log.open = Some(log.continue_after(&recovery)?);
            if recovery.chain.last().map_or(0, |link| link.sequence) < recovery.highest {
                log.append_batch(&Draft::after(&recovery.recovered.durable))?;
            }
            Ok(recovery.recovered)
        })
    }

    /// Adds records; they are durable when this returns.
    pub(crate) fn write(&mut self, records: &[Record<Bytes>]) -> Result<(), StorageError> {
        self.sealing(|log| {
            let mut draft = Draft::after(&log.opened()?.shape);
            let mut encoded = Vec::new();
            for record in records {
                encoded.clear();
                encode(record, &log.opened()?.shape, &mut encoded);
                check_size(encoded.len())?;
                if draft.is_full(encoded.len()) {
                    log.append_batch(&draft)?;
                    draft = Draft::after(&log.opened()?.shape);
                }
                draft.add(record, &encoded);
                log.opened()?.shape.apply(record);
            }
            if draft.bytes.is_empty() { Ok(()) } else { log.append_batch(&draft) }
        })
    }

    /// Sees to it that the next segment is there before it is needed, and that those whose entries were all compacted go.
    /// A disk without room harms nobody yet.
    pub(crate) fn prepare(&mut self) -> Result<Room, StorageError> {
        self.sealing(|log| {
            log.remove_compacted()?;
            let Open { current, ahead, .. } = log.opened()?;
            let left = u64::from(current.left()) * BLOCK_BYTES as u64;
            Ok(if ahead.prepare(current)? { Room::Enough } else { Room::Scarce { left } })
        })
    }

    /// The batch and its slot, apart from each other, and one flush for both.
    fn append_batch(&mut self, draft: &Draft) -> Result<(), StorageError> {
        self.make_room(batch::blocks(draft.bytes.len() + START_BYTES))?;
        let open = self.opened()?;
        let records = draft.records(!open.current.is_begun);
        let sequence = open.highest + 1;
        let void = u16::try_from(open.highest - open.last.0).map_err(|_| StorageError::Corrupt {
            file: open.current.path.clone(),
            offset: open.current.layout.offset(open.current.block),
            batch: open.last.0,
            problem: "it was followed by too many that do not count",
        })?;
        let effect = draft.effect(&open.shape);
        let header = Header { sequence, void, previous: open.last.1, hard: effect.hard };
        let checksum = open.current.append(header, &records, effect)?;
        (open.last, open.highest) = ((sequence, checksum), sequence);
        Ok(())
    }

    /// Goes on to the next segment if so many blocks do not fit into this one.
    fn make_room(&mut self, blocks: usize) -> Result<(), StorageError> {
        let open = self.opened()?;
        let left = open.current.left();
        if blocks <= usize::from(left) {
            return Ok(());
        }
        match open.ahead.next(&open.current, within_a_segment(blocks)?)? {
            Made::Whole(next) => {
                let former = std::mem::replace(&mut open.current, next);
                open.full.push_back(Full { number: former.number, highest: former.highest });
                Ok(())
            }
            Made::NoRoom(source) => {
                let left = u64::from(left) * BLOCK_BYTES as u64;
                Err(StorageError::NoRoom { file: open.current.path.clone(), left, source })
            }
        }
    }

    /// Removes the oldest segments as far as all their entries are in a snapshot, by a record that is
    /// durable in one that stays.
    fn remove_compacted(&mut self) -> Result<(), StorageError> {
        let open = self.open.as_mut().ok_or(StorageError::NotLoaded)?;
        if !open.removal.is_over()? || !open.current.is_begun {
            return Ok(());
        }
        let through = open.shape.log().base().index.number();
        let compacted = open.full.iter().take_while(|segment| segment.highest <= through).count();
        let numbers = open.full.drain(..compacted).map(|segment| segment.number).collect();
        open.removal.begin(&self.disk, numbers)
    }

    /// Writes the last batch again, as it was read, and slots that were lost. Bytes that were read may
    /// exist in the operating system's memory alone, if a flush failed before the server ended: batches
    /// before the last one are durable, since it was begun only then.
    fn rewrite(&self, recovery: &Recovery) -> Result<(), StorageError> {
        let last = recovery.chain.last().map(|link| link.sequence);
        for (at, segment) in recovery.segments.iter().enumerate() {
            let name = layout::file_name(segment.number);
            let mut writes = Vec::new();
            for link in recovery.chain.iter().filter(|link| link.segment == at) {
                let is_last = last == Some(link.sequence);
                if is_last && link.batch.is_some() {
                    writes.push((segment.layout.offset(link.block), segment.blocks(link.block, link.length())));
                }
                if is_last || link.lacks_slot {
                    writes.extend(link.slot.map(|slot| slot_bytes(&segment.seal, segment.layout, &slot)));
                }
            }
            if writes.is_empty() {
                continue;
            }
            let file = self.disk.open(&name).attempt("open", &segment.path)?;
            for (offset, bytes) in writes {
                file.write_all_at(&bytes, offset).attempt("write", &segment.path)?;
            }
            file.sync_data().attempt("flush", &segment.path)?;
        }
        Ok(())
    }

    /// Where the log goes on.
    fn continue_after(&self, recovery: &Recovery) -> Result<Open<D>, StorageError> {
        // Whatever comes after the first one that is unused was made ahead and never used either.
        let used = recovery.segments.iter().rposition(|segment| !segment.is_unused()).unwrap_or(0);
        let entries = recovery.highest_entries();
        let full = |at: usize| Full { number: recovery.segments[at].number, highest: entries[at] };
        let current = self.current(recovery, used, entries[used])?;
        let spare = match recovery.segments.len() {
            count if used + 1 < count => Some(self.current(recovery, used + 1, 0)?),
            _ => None,
        };
        let last = recovery.chain.last().map_or((0, 0), |link| (link.sequence, link.checksum));
        let shape = recovery.recovered.durable.clone();
        let ahead = Ahead::found(&self.disk, self.owner, (self.usual, self.helper), spare);
        let full = (0..used).map(full).collect();
        let removal = Removal::new(self.helper);
        Ok(Open { shape, last, highest: recovery.highest, full, current, ahead, removal })
    }

    fn current(&self, recovery: &Recovery, at: usize, highest: u64) -> Result<Current<D::File>, StorageError> {
        let segment = &recovery.segments[at];
        let file = self.disk.open(&layout::file_name(segment.number)).attempt("open", &segment.path)?;
        let is_begun = recovery.chain.iter().any(|link| link.segment == at);
        let (number, layout, seal, path) = (segment.number, segment.layout, segment.seal.clone(), segment.path.clone());
        Ok(Current { number, layout, seal, file, path, block: segment.unused, is_begun, highest })
    }

    fn opened(&mut self) -> Result<&mut Open<D>, StorageError> {
        self.open.as_mut().ok_or(StorageError::NotLoaded)
    }

    /// After an error nobody knows what the disk holds, so nothing is written any more. So it is after a flush of the
    /// directory that failed for somebody else: what this log has renamed may be lost with it.
    fn sealing<T>(
        &mut self,
        attempt: impl FnOnce(&mut SegmentedLog<D>) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if self.is_sealed {
            return Err(StorageError::Sealed);
        }
        let is_sound = self.disk.syncs().check().attempt("flush", &self.disk.path(""));
        let outcome = is_sound.and_then(|()| attempt(self));
        self.is_sealed = outcome.is_err();
        outcome
    }
}

impl<D: Disk> Storage for SegmentedLog<D> {
    fn load(&mut self) -> Result<Recovered, StorageError> {
        SegmentedLog::load(self)
    }

    fn write(&mut self, records: &[Record<Bytes>]) -> Result<(), StorageError> {
        SegmentedLog::write(self, records)
    }

    fn prepare(&mut self) -> Result<Room, StorageError> {
        SegmentedLog::prepare(self)
    }
}

impl Draft {
    /// The records to come after what is durable.
    fn after(shape: &Durable) -> Draft {
        let log = shape.log();
        let kept = log.last().index.number();
        Draft { bytes: Vec::new(), base: log.base(), last: log.last(), kept, moves_base: false }
    }

    fn add(&mut self, record: &Record<Bytes>, encoded: &[u8]) {
        self.bytes.extend(encoded);
        match record {
            Record::Truncate { keep } => self.kept = self.kept.min(keep.number()),
            Record::Compact { .. } => self.moves_base = true,
            Record::Restore { last } => {
                let replaced = last.index.number();
                self.kept = self.kept.min(replaced);
                self.moves_base = true;
            }
            _ => {}
        }
    }

    /// Whether so many bytes more are too many.
    fn is_full(&self, more: usize) -> bool {
        MAX_BATCH_BYTES < self.bytes.len() + more + START_BYTES
    }

    /// The records as they are written, where a segment begins with a word on what came before.
    fn records(&self, begins_a_segment: bool) -> Vec<u8> {
        let mut records = Vec::with_capacity(START_BYTES + self.bytes.len());
        if begins_a_segment {
            record::encode_start(self.base, self.last, &mut records);
        }
        records.extend(&self.bytes);
        records
    }

    /// What the records have led to.
    fn effect(&self, shape: &Durable) -> Effect {
        let log = shape.log();
        let (last, beginning) = (log.last(), log.base().index.number());
        let before = self.kept.max(beginning);
        let count = last.index.number().saturating_sub(before);
        let place = Index::new(last.index.number() - count + 1);
        let first = log.position_at(place).unwrap_or(Position { index: place, ..last });
        let count = u32::try_from(count).expect("a batch holds fewer entries than bytes");
        Effect { first, count, last, moves_base: self.moves_base, hard: HardState::of(shape) }
    }
}

impl Recovery {
    /// The highest index of an entry that each segment holds.
    fn highest_entries(&self) -> Vec<u64> {
        let mut highest = vec![0; self.segments.len()];
        for link in &self.chain {
            let Some(slot) = link.slot.filter(|slot| 0 < slot.effect.count) else { continue };
            highest[link.segment] = highest_of(&slot.effect).max(highest[link.segment]);
        }
        highest
    }
}

fn encode(record: &Record<Bytes>, shape: &Durable, out: &mut Vec<u8>) {
    match record {
        Record::Compact { through } => {
            let base = shape.log().position_at(*through).expect("only entries that the log holds are compacted");
            record::encode_base(base, out);
        }
        record => record::encode(record, out),
    }
}

/// Batches that add up to this state, as they stand in the first segment.
fn drafts_of(state: &Recovered) -> Result<Vec<(Vec<u8>, Effect)>, StorageError> {
    let durable = &state.durable;
    let mut shape = Durable::assume(Term::default(), None, Log::starting_at(durable.log().base()));
    let latest = durable.term();
    let has_begun = latest.number() != 0;
    let begun = has_begun.then_some(Record::Term(latest));
    let vote = durable.vote().map(Record::Vote);
    let entries = state.entries.iter().cloned().map(Record::Append);
    let (mut drafts, mut draft) = (Vec::new(), Draft::after(&shape));
    // Only the first batch says where the log begins, so nothing else can stand for it.
    draft.moves_base = shape != Durable::default();
    for record in begun.into_iter().chain(vote).chain(entries) {
        let mut encoded = Vec::new();
        encode(&record, &shape, &mut encoded);
        check_size(encoded.len())?;
        if draft.is_full(encoded.len()) {
            drafts.push((draft.records(drafts.is_empty()), draft.effect(&shape)));
            draft = Draft::after(&shape);
        }
        draft.add(&record, &encoded);
        shape.apply(&record);
    }
    let is_begun = shape != Durable::default();
    if is_begun {
        drafts.push((draft.records(drafts.is_empty()), draft.effect(&shape)));
    }
    Ok(drafts)
}

/// As many blocks as a segment can have.
fn within_a_segment(blocks: usize) -> Result<u16, StorageError> {
    let limit = usize::from(u16::MAX) * BLOCK_BYTES;
    u16::try_from(blocks).map_err(|_| StorageError::TooLarge { bytes: blocks * BLOCK_BYTES, limit })
}

fn check_size(bytes: usize) -> Result<(), StorageError> {
    let limit = MAX_BATCH_BYTES - START_BYTES;
    if bytes <= limit { Ok(()) } else { Err(StorageError::TooLarge { bytes, limit }) }
}

#[cfg(test)]
mod tests;
