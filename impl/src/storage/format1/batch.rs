//! One batch of records on disk: whole blocks, with a number, a checksum, and the checksum of the
//! batch before it.

use bytes::{Buf, Bytes};

use crate::storage::identity::Incarnation;

/// Batches begin at multiples of this, so that no sector that holds acknowledged bytes is ever
/// written again.
pub(super) const BLOCK_BYTES: usize = 4096;

/// The most bytes of records in one batch: a length beyond it is not believed.
pub(super) const MAX_BATCH_BYTES: usize = 64 << 20;

/// The beginning of a batch.
const MAGIC: &[u8; 8] = b"RTbatch\n";

/// Magic, number, where the one before ended, its checksum, length; then the own checksum.
const CHECKSUM_OFFSET: usize = 8 + 8 + 8 + 4 + 4;

/// Where the records begin.
const HEADER_BYTES: usize = CHECKSUM_OFFSET + 4;

/// The place of a batch in the chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ChainLink {
    /// Number of the batch; the first is 1.
    pub sequence: u64,
    /// Where the batch before it ended. If the batch does not begin there, what lies between was
    /// never acknowledged: opening the log found it cut short, and left it alone.
    pub after: u64,
    /// Checksum of the batch before it.
    pub previous: u32,
}

/// A batch as it was read back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Batch {
    pub link: ChainLink,
    pub checksum: u32,
    pub records: Bytes,
    /// How many bytes it takes on disk: whole blocks.
    pub size: u64,
}

/// A batch's header, as its first block has it; nothing vouches for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Header {
    pub link: ChainLink,
    /// How many bytes the batch takes on disk.
    pub size: usize,
}

/// The header of the batch that this block begins; `None` if none begins here, or if its length
/// cannot be right.
pub(super) fn announced(block: &[u8]) -> Option<Header> {
    let mut rest = block.strip_prefix(MAGIC)?;
    let link = read_link(&mut rest)?;
    let length = rest.try_get_u32_le().ok()? as usize;
    (length <= MAX_BATCH_BYTES).then(|| Header { link, size: size_of(length) })
}

/// The batch in these blocks, as many as [`announced`] told; `None` if a single bit is wrong.
pub(super) fn decode(owner: Incarnation, blocks: Vec<u8>) -> Option<Batch> {
    let mut rest = blocks.strip_prefix(MAGIC)?;
    let link = read_link(&mut rest)?;
    let length = rest.try_get_u32_le().ok()? as usize;
    let written = rest.try_get_u32_le().ok()?;
    let is_whole = size_of(length) == blocks.len() && written == checksum(owner, &blocks);
    let size = blocks.len() as u64;
    is_whole.then(|| Batch {
        link,
        checksum: written,
        records: Bytes::from(blocks).slice(HEADER_BYTES..HEADER_BYTES + length),
        size,
    })
}

fn read_link(bytes: &mut &[u8]) -> Option<ChainLink> {
    Some(ChainLink {
        sequence: bytes.try_get_u64_le().ok()?,
        after: bytes.try_get_u64_le().ok()?,
        previous: bytes.try_get_u32_le().ok()?,
    })
}

/// The owner takes part in the checksum, so that no batch of another log is taken for one of ours.
fn checksum(owner: Incarnation, blocks: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&owner.to_bytes());
    hasher.update(&blocks[..CHECKSUM_OFFSET]);
    hasher.update(&blocks[HEADER_BYTES..]);
    hasher.finalize()
}

/// Whole blocks for so many bytes of records.
fn size_of(length: usize) -> usize {
    (HEADER_BYTES + length).next_multiple_of(BLOCK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::simulate::former;

    const OWNER: Incarnation = Incarnation::from_bytes([7; 16]);
    fn encode(link: ChainLink, owner: Incarnation, records: &[u8]) -> (Vec<u8>, u32) {
        former::batch(link.sequence, link.after, link.previous, owner, records)
    }

    const LINK: ChainLink = ChainLink { sequence: 3, after: 8192, previous: 99 };

    #[test]
    fn a_batch_reads_as_it_was_written() {
        for length in [0, 1, BLOCK_BYTES - HEADER_BYTES, BLOCK_BYTES - HEADER_BYTES + 1, 3 * BLOCK_BYTES] {
            let records = vec![5; length];
            let (blocks, checksum) = encode(LINK, OWNER, &records);
            assert_eq!(announced(&blocks[..BLOCK_BYTES]), Some(Header { link: LINK, size: blocks.len() }));
            let size = blocks.len() as u64;
            assert_eq!(decode(OWNER, blocks), Some(Batch { link: LINK, checksum, records: records.into(), size }));
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (blocks, _) = encode(LINK, OWNER, b"some records");
        for bit in 0..8 * blocks.len() {
            let mut damaged = blocks.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(OWNER, damaged), None, "bit {bit}");
        }
    }

    #[test]
    fn a_batch_of_another_owner_is_none() {
        let (blocks, _) = encode(LINK, OWNER, b"some records");
        assert_eq!(decode(Incarnation::from_bytes([8; 16]), blocks), None);
    }

    #[test]
    fn a_length_beyond_the_bound_is_not_believed() {
        let (mut blocks, _) = encode(LINK, OWNER, b"some records");
        blocks[CHECKSUM_OFFSET - 4..CHECKSUM_OFFSET].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(announced(&blocks), None);
        assert_eq!(decode(OWNER, blocks), None);
    }
}
