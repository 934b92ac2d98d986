//! The log of format 1 as earlier versions wrote it; the present one only reads it.

use bytes::{BufMut as _, Bytes};
use rafttree_model::Record;

use crate::storage::identity::Incarnation;
use crate::storage::record;

/// The name of its file.
pub(crate) const FILE: &str = "log";

const BLOCK_BYTES: usize = 4096;

/// Where a batch has its checksum, and where its records begin.
const CHECKSUM_OFFSET: usize = 32;
const HEADER_BYTES: usize = CHECKSUM_OFFSET + 4;

/// A log of this owner that holds these batches.
pub(crate) fn log(owner: Incarnation, batches: &[Vec<Record<Bytes>>]) -> Vec<u8> {
    let mut out = header(owner);
    let mut previous = crc32fast::hash(&out);
    out.resize(BLOCK_BYTES, 0);
    for (sequence, batch) in (1..).zip(batches) {
        let mut records = Vec::new();
        batch.iter().for_each(|record| record::encode(record, &mut records));
        let (blocks, checksum) = self::batch(sequence, out.len() as u64, previous, owner, &records);
        out.extend(blocks);
        previous = checksum;
    }
    out
}

/// The beginning of a log, without the zeros that fill its block.
fn header(owner: Incarnation) -> Vec<u8> {
    let mut out = b"rafttree log".to_vec();
    out.put_u32_le(1);
    out.put_slice(&owner.to_bytes());
    out.put_u32_le(crc32fast::hash(&out));
    out
}

/// A batch and its checksum: its number, where the one before it ended, and that one's checksum.
pub(crate) fn batch(sequence: u64, after: u64, previous: u32, owner: Incarnation, records: &[u8]) -> (Vec<u8>, u32) {
    let mut out = b"RTbatch\n".to_vec();
    out.put_u64_le(sequence);
    out.put_u64_le(after);
    out.put_u32_le(previous);
    out.put_u32_le(records.len() as u32);
    out.put_u32_le(0);
    out.put_slice(records);
    out.resize(out.len().next_multiple_of(BLOCK_BYTES), 0);
    let sealed = [&owner.to_bytes()[..], &out[..CHECKSUM_OFFSET], &out[HEADER_BYTES..]].concat();
    let checksum = crc32fast::hash(&sealed);
    out[CHECKSUM_OFFSET..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    (out, checksum)
}

/// Makes the checksums of a log right: the header's, and those of the batches whose lengths can be followed, each of
/// which has that of the one before it.
pub(crate) fn repair(owner: Incarnation, bytes: &mut [u8]) {
    let sealed = header(owner).len() - 4;
    let Some(first) = bytes.get_mut(..BLOCK_BYTES) else { return };
    let checksum = crc32fast::hash(&first[..sealed]).to_le_bytes();
    first[sealed..sealed + 4].copy_from_slice(&checksum);
    let (mut at, mut previous) = (BLOCK_BYTES, crc32fast::hash(&first[..sealed + 4]));
    while let Some(head) = bytes.get_mut(at..at + HEADER_BYTES) {
        head[24..28].copy_from_slice(&previous.to_le_bytes());
        let length = u32::from_le_bytes([head[28], head[29], head[30], head[31]]) as usize;
        let end = at + (HEADER_BYTES + length).next_multiple_of(BLOCK_BYTES);
        let Some(blocks) = bytes.get_mut(at..end) else { return };
        let sealed = [&owner.to_bytes()[..], &blocks[..CHECKSUM_OFFSET], &blocks[HEADER_BYTES..]].concat();
        previous = crc32fast::hash(&sealed);
        blocks[CHECKSUM_OFFSET..HEADER_BYTES].copy_from_slice(&previous.to_le_bytes());
        at = end;
    }
}
