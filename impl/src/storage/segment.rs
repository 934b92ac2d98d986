//! One segment of the log as it is read back: which batches are whole, which slots are, and of what
//! else there are traces.
//!
//! Every sector says by its own checksum what it is and where it belongs, so batches are found by
//! their places and nothing that a command contains is taken for one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::batch::{self, Batch, Sector};
use super::disk::{Disk, DiskFile};
use super::error::{Attempt, StorageError};
use super::identity::Incarnation;
use super::layout::{
    self, BLOCK_BYTES, FORMAT, HEADER_BYTES, Layout, MAGIC, SECTOR_BYTES, SECTORS_PER_BLOCK, SLOT_BYTES, Seal,
};
use super::slot::Slot;

/// What is left of a batch.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Remains {
    /// The batch and the block that it begins at, if it is whole.
    pub whole: Option<(u16, Batch)>,
    pub slot: Option<Slot>,
}

/// A segment as it was read back.
#[derive(Debug)]
pub(super) struct Segment {
    pub number: u64,
    pub path: PathBuf,
    pub layout: Layout,
    pub seal: Seal,
    /// What there is of batches, by their numbers.
    pub found: BTreeMap<u64, Remains>,
    /// The first block from which on nothing was ever written, as far as that shows.
    pub unused: u16,
    bytes: Vec<u8>,
}

impl Segment {
    /// Reads a whole segment.
    pub(super) fn read<D: Disk>(
        disk: &D,
        file: &D::File,
        owner: Incarnation,
        number: u64,
    ) -> Result<Segment, StorageError> {
        let path = disk.path(&layout::file_name(number));
        let length = file.len().attempt("measure", &path)?;
        let bytes = file.read_up_to(usize::try_from(length).unwrap_or(usize::MAX), 0).attempt("read", &path)?;
        let layout = check_header(&bytes, &path, owner, number)?;
        let seal = Seal::new(owner, number);
        let mut segment = Segment { number, path, layout, seal, found: BTreeMap::new(), unused: 0, bytes };
        segment.find_batches();
        segment.find_slots();
        Ok(segment)
    }

    /// Whether nothing was ever written to it.
    pub(super) fn is_unused(&self) -> bool {
        self.unused == 0 && self.found.is_empty()
    }

    /// The blocks of a whole batch, as they are on the disk.
    pub(super) fn blocks(&self, block: u16, length: usize) -> Vec<u8> {
        let begin = self.layout.offset(block) as usize;
        self.bytes[begin..begin + batch::blocks(length) * BLOCK_BYTES].to_vec()
    }

    /// Whether the batch of this slot was damaged: a crash leaves out sectors, but spoils none.
    pub(super) fn is_spoiled(&self, slot: &Slot) -> bool {
        let first = usize::from(slot.block) * SECTORS_PER_BLOCK;
        let last =
            (first + batch::sectors(slot.length as usize)).min(usize::from(self.layout.blocks) * SECTORS_PER_BLOCK);
        (first..last).any(|place| self.sector(place) == Sector::Illegible)
    }

    /// Where a slot stands that is neither legible nor blank.
    pub(super) fn spoiled_slots(&self) -> impl Iterator<Item = u64> + '_ {
        let is_spoiled = |&offset: &u64| {
            let bytes = self.slot_bytes(offset);
            bytes.iter().any(|&byte| byte != 0) && Slot::decode(&self.seal, offset, bytes).is_none()
        };
        self.layout.slot_offsets().filter(is_spoiled)
    }

    /// Sectors of the batches' blocks that are neither legible nor blank, by where they begin.
    pub(super) fn spoiled_sectors(&self) -> impl Iterator<Item = u64> + '_ {
        let places = 0..usize::from(self.layout.blocks) * SECTORS_PER_BLOCK;
        places.filter(|&place| self.sector(place) == Sector::Illegible).map(|place| self.sector_offset(place))
    }

    fn find_batches(&mut self) {
        let (mut place, places) = (0, usize::from(self.layout.blocks) * SECTORS_PER_BLOCK);
        while place < places {
            let found = self.sector(place);
            if found != Sector::Blank {
                self.unused = (place / SECTORS_PER_BLOCK + 1) as u16;
            }
            place += match found {
                Sector::Part { sequence, place: 0 } if place % SECTORS_PER_BLOCK == 0 => {
                    self.find_batch(sequence, place)
                }
                Sector::Part { sequence, .. } => {
                    self.found.entry(sequence).or_default();
                    1
                }
                Sector::Blank | Sector::Illegible => 1,
            };
        }
    }

    /// Takes in the batch that begins at this sector; how many sectors it takes, so far as it is whole.
    fn find_batch(&mut self, sequence: u64, place: usize) -> usize {
        let offset = self.sector_offset(place);
        let until = self.layout.offset(self.layout.blocks) as usize;
        let found = batch::decode(&self.seal, offset, &self.bytes[offset as usize..until]);
        let remains = self.found.entry(sequence).or_default();
        let Some(batch) = found else { return 1 };
        let blocks = batch::blocks(batch.records.len());
        let block = place / SECTORS_PER_BLOCK;
        self.unused = (block + blocks) as u16;
        remains.whole = Some((block as u16, batch));
        blocks * SECTORS_PER_BLOCK
    }

    fn find_slots(&mut self) {
        for offset in self.layout.slot_offsets() {
            let Some(slot) = Slot::decode(&self.seal, offset, self.slot_bytes(offset)) else { continue };
            if self.may_stand(&slot, offset) {
                self.found.entry(slot.sequence).or_default().slot = Some(slot);
                // All of its batch may read as zeros. A batch in its place would take the slot's place as well.
                self.unused = self.unused.max(end_of(&slot) as u16);
            }
        }
    }

    /// Whether the slot stands where its batch has one, and the batch is within the segment: a length that is beyond
    /// it is not believed.
    fn may_stand(&self, slot: &Slot, offset: u64) -> bool {
        end_of(slot) <= usize::from(self.layout.blocks) && self.layout.slot_offset(slot.block, slot.sequence) == offset
    }

    fn sector(&self, place: usize) -> Sector {
        let offset = self.sector_offset(place);
        batch::sector(&self.seal, offset, &self.bytes[offset as usize..offset as usize + SECTOR_BYTES])
    }

    fn sector_offset(&self, place: usize) -> u64 {
        self.layout.offset(0) + (place * SECTOR_BYTES) as u64
    }

    fn slot_bytes(&self, offset: u64) -> &[u8] {
        &self.bytes[offset as usize..offset as usize + SLOT_BYTES]
    }
}

/// The block behind its batch.
fn end_of(slot: &Slot) -> usize {
    usize::from(slot.block) + batch::blocks(slot.length as usize)
}

/// Refuses a file that is no segment of this number and directory, or not all of one.
fn check_header(bytes: &[u8], path: &Path, owner: Incarnation, number: u64) -> Result<Layout, StorageError> {
    let foreign = |problem| Err(StorageError::Foreign { file: path.to_owned(), problem });
    let Some((magic, rest)) = bytes.split_first_chunk::<12>() else { return foreign("it is too short for a log") };
    if magic != MAGIC {
        return foreign("it is no log of rafttree");
    }
    let Some(found) = bytes.get(..HEADER_BYTES) else { return foreign("it is too short for a log") };
    let blocks = u16::from_le_bytes([found[HEADER_BYTES - 6], found[HEADER_BYTES - 5]]);
    let layout = Layout { blocks };
    if found != layout::header(owner, number, layout) {
        return match rest.first_chunk().map_or(FORMAT, |format| u32::from_le_bytes(*format)) {
            FORMAT => foreign("it is damaged, or another directory's log"),
            found => Err(StorageError::Format { file: path.to_owned(), found, expected: FORMAT }),
        };
    }
    if (bytes.len() as u64) < layout.size() {
        return foreign("it is shorter than it was made, so what it held is lost");
    }
    Ok(layout)
}
