//! Where things stand in a segment of the log.
//!
//! A segment is a file of fixed size: a block for its header, an area of slots, the blocks of the
//! batches, and another area of slots. The slot of a batch is in the area that is farther away from
//! it, so that no damage within half a segment reaches both. Each area has pages for batches with
//! even numbers and for those with odd ones, in turn: the slot of the batch that was acknowledged
//! last is in no block that the next batch writes to.

use std::ops::RangeInclusive;

use bytes::BufMut;

use super::identity::Incarnation;

/// The unit that a disk writes as a whole: a crash keeps either all of it or nothing.
pub(super) const SECTOR_BYTES: usize = 512;

/// Batches begin at multiples of this, so that no sector that holds an acknowledged batch is ever
/// written again with other bytes.
pub(super) const BLOCK_BYTES: usize = 4096;

pub(super) const SECTORS_PER_BLOCK: usize = BLOCK_BYTES / SECTOR_BYTES;

/// Blocks for batches in a segment of usual size: with the rest that makes 4 MiB.
pub(super) const SEGMENT_BLOCKS: u16 = 991;

/// The size of a slot.
pub(super) const SLOT_BYTES: usize = 64;

const SLOTS_PER_PAGE: u64 = (BLOCK_BYTES / SLOT_BYTES) as u64;

/// Numbers of batches. They are counted up by one, so those at the end of their range were written by no correct server.
pub(super) const SEQUENCES: RangeInclusive<u64> = 1..=u64::MAX / 2;

/// The beginning of a segment.
pub(super) const MAGIC: &[u8; 12] = b"rafttree log";

/// The version of the log's files.
pub(super) const FORMAT: u32 = 2;

/// How many bytes of the first block a segment's header takes.
pub(super) const HEADER_BYTES: usize = 12 + 4 + 16 + 8 + 2 + 4;

const PREFIX: &str = "log-";

/// Where things stand in a segment with so many blocks for batches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Layout {
    pub(crate) blocks: u16,
}

impl Layout {
    fn area_bytes(self) -> u64 {
        u64::from(self.half()).div_ceil(SLOTS_PER_PAGE) * 2 * BLOCK_BYTES as u64
    }

    fn half(self) -> u16 {
        self.blocks.div_ceil(2)
    }

    /// Where a block for batches begins.
    pub(super) fn offset(self, block: u16) -> u64 {
        BLOCK_BYTES as u64 + self.area_bytes() + u64::from(block) * BLOCK_BYTES as u64
    }

    /// How large the file is.
    pub(super) fn size(self) -> u64 {
        self.offset(self.blocks) + self.area_bytes()
    }

    /// Where the slot stands of the batch with this number that begins at this block.
    pub(super) fn slot_offset(self, block: u16, sequence: u64) -> u64 {
        let half = self.half();
        let (area, place) =
            if block < half { (self.offset(self.blocks), block) } else { (BLOCK_BYTES as u64, block - half) };
        let page = u64::from(place) / SLOTS_PER_PAGE * 2 + sequence % 2;
        area + page * BLOCK_BYTES as u64 + u64::from(place) % SLOTS_PER_PAGE * SLOT_BYTES as u64
    }

    /// Where slots may stand.
    pub(super) fn slot_offsets(self) -> impl Iterator<Item = u64> {
        let area = self.area_bytes();
        let starts = [BLOCK_BYTES as u64, self.offset(self.blocks)].into_iter();
        starts.flat_map(move |start| (start..start + area).step_by(SLOT_BYTES))
    }
}

/// Makes checksums of what stands in one segment of one directory, in one place: nothing that was
/// written elsewhere is taken for it.
#[derive(Clone, Debug)]
pub(super) struct Seal {
    hasher: crc32fast::Hasher,
}

impl Seal {
    pub(super) fn new(owner: Incarnation, segment: u64) -> Seal {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&owner.to_bytes());
        hasher.update(&segment.to_le_bytes());
        Seal { hasher }
    }

    pub(super) fn checksum(&self, offset: u64, bytes: &[u8]) -> u32 {
        let mut hasher = self.hasher.clone();
        hasher.update(&offset.to_le_bytes());
        hasher.update(bytes);
        hasher.finalize()
    }
}

/// The header of a segment, written once when the file is made.
pub(super) fn header(owner: Incarnation, segment: u64, layout: Layout) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES);
    out.put_slice(MAGIC);
    out.put_u32_le(FORMAT);
    out.put_slice(&owner.to_bytes());
    out.put_u64_le(segment);
    out.put_u16_le(layout.blocks);
    out.put_u32_le(crc32fast::hash(&out));
    out
}

/// The name of a segment's file. Numbers rise, and are never used again.
pub(super) fn file_name(segment: u64) -> String {
    format!("{PREFIX}{segment:016}")
}

/// The number of the segment in the file of this name, if it is one.
pub(super) fn segment_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix(PREFIX)?.parse().ok()?;
    (file_name(number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_segment_of_usual_size_takes_four_mebibytes() {
        assert_eq!(Layout { blocks: SEGMENT_BLOCKS }.size(), 4 << 20);
    }

    #[test]
    fn slots_have_places_of_their_own_far_from_their_batches() {
        for blocks in [1, 2, 3, 127, 128, 129, SEGMENT_BLOCKS, u16::MAX] {
            let layout = Layout { blocks };
            let places: BTreeSet<u64> = layout.slot_offsets().collect();
            let mut used = BTreeSet::new();
            for block in 0..blocks {
                for sequence in [6, 7] {
                    let slot = layout.slot_offset(block, sequence);
                    assert!(places.contains(&slot) && used.insert(slot), "{block} of {blocks}");
                    let apart = slot.abs_diff(layout.offset(block));
                    assert!(u64::from(blocks / 2) * BLOCK_BYTES as u64 <= apart + BLOCK_BYTES as u64, "{block}");
                }
                let page = |sequence| layout.slot_offset(block, sequence) / BLOCK_BYTES as u64;
                assert_ne!(page(6), page(7));
            }
            assert!(places.iter().all(|&place| place + SLOT_BYTES as u64 <= layout.size()));
        }
    }

    #[test]
    fn names_of_segments_are_read_as_they_are_written() {
        for number in [1, 77, u64::MAX] {
            assert_eq!(segment_number(&file_name(number)), Some(number));
        }
        for name in ["log", "log-1", "log-0000000000000001.new", "log-000000000000000x", "log-+000000000000001"] {
            assert_eq!(segment_number(name), None, "{name}");
        }
    }
}
