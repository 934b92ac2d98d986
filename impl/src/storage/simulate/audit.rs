//! What the files of a log show of the order in which it was written, whatever the log itself makes of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::storage::batch::{self, Sector};
use crate::storage::identity::Incarnation;
use crate::storage::layout::{self, HEADER_BYTES, Layout, SECTOR_BYTES, SECTORS_PER_BLOCK, SLOT_BYTES, Seal};
use crate::storage::slot::Slot;

/// Files by their names.
type Files = BTreeMap<String, Vec<u8>>;

/// A place in a log: the segment's number, and the sector at which a batch begins.
type Place = (u64, i64);

/// The number of a batch of which parts stand in two places, if there is one: it was used twice.
pub(crate) fn reused_number(files: &Files, owner: Incarnation) -> Option<u64> {
    let mut places: BTreeMap<u64, BTreeSet<Place>> = BTreeMap::new();
    for (number, layout, bytes) in segments(files) {
        let seal = Seal::new(owner, number);
        for (at, offset) in sector_offsets(layout).enumerate() {
            let found = batch::sector(&seal, offset as u64, &bytes[offset..offset + SECTOR_BYTES]);
            if let Sector::Part { sequence, place } = found {
                places.entry(sequence).or_default().insert((number, at as i64 - i64::from(place)));
            }
        }
        for offset in layout.slot_offsets() {
            let slot = Slot::decode(&seal, offset, &bytes[offset as usize..offset as usize + SLOT_BYTES]);
            if let Some(slot) = slot {
                let first = i64::from(slot.block) * SECTORS_PER_BLOCK as i64;
                places.entry(slot.sequence).or_default().insert((number, first));
            }
        }
    }
    places.into_iter().find(|(_, places)| 1 < places.len()).map(|(sequence, _)| sequence)
}

/// A sector of a batch that held something and holds something else now: the file, and where it begins.
pub(crate) fn overwritten_sector(before: &Files, after: &Files) -> Option<(String, usize)> {
    segments(before).find_map(|(number, layout, bytes)| {
        let name = layout::file_name(number);
        let now = after.get(&name)?;
        let is_overwritten = |&offset: &usize| {
            let (was, is) = (&bytes[offset..offset + SECTOR_BYTES], now.get(offset..offset + SECTOR_BYTES));
            was.iter().any(|&byte| byte != 0) && is != Some(was)
        };
        sector_offsets(layout).find(is_overwritten).map(|offset| (name, offset))
    })
}

/// Whether there may be a slot at this byte of a file.
pub(crate) fn is_slot(name: &str, offset: usize, bytes: &[u8]) -> bool {
    let files = BTreeMap::from([(name.to_owned(), bytes.to_vec())]);
    let is_one = |(_, layout, _): (_, Layout, _)| {
        layout.slot_offsets().any(|slot| (slot..slot + SLOT_BYTES as u64).contains(&(offset as u64)))
    };
    segments(&files).any(is_one)
}

/// The segments that are whole, by their numbers.
fn segments(files: &Files) -> impl Iterator<Item = (u64, Layout, &Vec<u8>)> {
    files.iter().filter_map(|(name, bytes)| {
        let number = layout::segment_number(name)?;
        let blocks = bytes.get(HEADER_BYTES - 6..HEADER_BYTES - 4)?.try_into().ok()?;
        let layout = Layout { blocks: u16::from_le_bytes(blocks) };
        (layout.size() <= bytes.len() as u64).then_some((number, layout, bytes))
    })
}

fn sector_offsets(layout: Layout) -> impl Iterator<Item = usize> {
    let (first, end) = (layout.offset(0) as usize, layout.offset(layout.blocks) as usize);
    (first..end).step_by(SECTOR_BYTES)
}
