//! One batch of records on disk: sectors, each of which says which batch it is of and where it stands
//! in it.
//!
//! What a sector begins with is never a byte of a command, so no command can look like a batch. And
//! each has a checksum, so what a crash left out (a sector of zeros, as it was before) is told from
//! what was damaged (a sector that is neither zeros nor right).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::layout::{SECTOR_BYTES, SECTORS_PER_BLOCK, SEQUENCES, Seal};
use super::slot::HardState;

/// The most bytes of records in one batch.
pub(super) const MAX_BATCH_BYTES: usize = 64 << 20;

/// Checksum, the batch's number, the sector's place in the batch.
const FRAME_BYTES: usize = 4 + 8 + 4;

const PIECE_BYTES: usize = SECTOR_BYTES - FRAME_BYTES;

const BLANK: [u8; SECTOR_BYTES] = [0; SECTOR_BYTES];

/// Void numbers, checksum of the batch before, length of the records, hard state.
const HEADER_BYTES: usize = 2 + 4 + 4 + 12;

/// What stands before the records of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Header {
    /// The batch's number; the first is 1.
    pub sequence: u64,
    /// How many numbers right before it were given to batches that a crash cut short: they do not count.
    pub void: u16,
    /// Checksum of the batch that it follows.
    pub previous: u32,
    /// Term and vote behind it.
    pub hard: HardState,
}

impl Header {
    /// The number of the batch that this one follows.
    pub(super) fn predecessor(&self) -> u64 {
        (self.sequence - 1).saturating_sub(self.void.into())
    }
}

/// A batch as it was read back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Batch {
    pub header: Header,
    pub checksum: u32,
    pub records: Bytes,
}

/// What a sector holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sector {
    /// Zeros: nothing was written.
    Blank,
    /// A part of a batch.
    Part { sequence: u64, place: u32 },
    /// Anything else.
    Illegible,
}

/// How many blocks a batch with so many bytes of records takes.
pub(super) fn blocks(length: usize) -> usize {
    sectors(length).div_ceil(SECTORS_PER_BLOCK)
}

/// How many sectors a batch with so many bytes of records takes.
pub(super) fn sectors(length: usize) -> usize {
    (HEADER_BYTES + length).div_ceil(PIECE_BYTES)
}

/// A batch as it goes to this place of a segment, and its checksum.
pub(super) fn encode(seal: &Seal, offset: u64, header: Header, records: &[u8]) -> (Vec<u8>, u32) {
    let length = u32::try_from(records.len()).expect("the writer keeps batches within bounds");
    let mut text = Vec::with_capacity(sectors(records.len()) * PIECE_BYTES);
    text.put_u16_le(header.void);
    text.put_u32_le(header.previous);
    text.put_u32_le(length);
    header.hard.encode(&mut text);
    text.put_slice(records);
    text.resize(sectors(records.len()) * PIECE_BYTES, 0);
    let mut out = Vec::with_capacity(blocks(records.len()) * SECTORS_PER_BLOCK * SECTOR_BYTES);
    let mut whole = crc32fast::Hasher::new();
    for (place, piece) in (0u32..).zip(text.chunks(PIECE_BYTES)) {
        let begin = out.len();
        out.put_u32_le(0);
        out.put_u64_le(header.sequence);
        out.put_u32_le(place);
        out.put_slice(piece);
        let checksum = seal.checksum(offset + begin as u64, &out[begin + 4..]).to_le_bytes();
        out[begin..begin + 4].copy_from_slice(&checksum);
        whole.update(&checksum);
    }
    // Whole blocks, so that nothing has to be read for them.
    out.resize(blocks(records.len()) * SECTORS_PER_BLOCK * SECTOR_BYTES, 0);
    (out, whole.finalize())
}

/// What the sector at this place of a segment holds.
pub(super) fn sector(seal: &Seal, offset: u64, bytes: &[u8]) -> Sector {
    if bytes == BLANK {
        return Sector::Blank;
    }
    let (mut frame, sealed) = bytes.split_at(4);
    if frame.get_u32_le() == seal.checksum(offset, sealed) {
        let mut rest = sealed;
        let (sequence, place) = (rest.get_u64_le(), rest.get_u32_le());
        if SEQUENCES.contains(&sequence) {
            return Sector::Part { sequence, place };
        }
    }
    Sector::Illegible
}

/// The batch that begins at this place, if all its sectors are there. `bytes` go on to where it could
/// end at the latest.
pub(super) fn decode(seal: &Seal, offset: u64, bytes: &[u8]) -> Option<Batch> {
    let piece_of = |sequence: Option<u64>, place: u32| {
        let begin = place as usize * SECTOR_BYTES;
        let sector_bytes = bytes.get(begin..begin + SECTOR_BYTES)?;
        match sector(seal, offset + begin as u64, sector_bytes) {
            Sector::Part { sequence: found, place: at } if at == place && sequence.is_none_or(|it| it == found) => {
                Some((found, sector_bytes))
            }
            _ => None,
        }
    };
    let (sequence, first) = piece_of(None, 0)?;
    let mut text = &first[FRAME_BYTES..];
    let (void, previous, length) = (text.get_u16_le(), text.get_u32_le(), text.get_u32_le() as usize);
    let header = Header { sequence, void, previous, hard: HardState::decode(&mut text)? };
    if MAX_BATCH_BYTES < length {
        return None;
    }
    let (mut records, mut whole) = (BytesMut::new(), crc32fast::Hasher::new());
    for place in 0..sectors(length) as u32 {
        let (_, sector_bytes) = piece_of(Some(sequence), place)?;
        whole.update(&sector_bytes[..4]);
        records.put_slice(if place == 0 { text } else { &sector_bytes[FRAME_BYTES..] });
    }
    records.truncate(length);
    Some(Batch { header, checksum: whole.finalize(), records: records.freeze() })
}

#[cfg(test)]
mod tests {
    use rafttree_model::{ServerId, Term};

    use super::*;
    use crate::storage::identity::Incarnation;

    fn header() -> Header {
        let hard = HardState { term: Term::new(4), vote: Some(ServerId::new(2)) };
        Header { sequence: 3, void: 1, previous: 99, hard }
    }

    fn seal() -> Seal {
        Seal::new(Incarnation::from_bytes([7; 16]), 1)
    }

    #[test]
    fn a_batch_reads_as_it_was_written() {
        for length in [0, 1, PIECE_BYTES - HEADER_BYTES, PIECE_BYTES - HEADER_BYTES + 1, 8 * PIECE_BYTES, 20_000] {
            let records: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let (bytes, checksum) = encode(&seal(), 8192, header(), &records);
            assert_eq!(bytes.len(), blocks(length) * SECTORS_PER_BLOCK * SECTOR_BYTES);
            let batch = Batch { header: header(), checksum, records: records.into() };
            assert_eq!(decode(&seal(), 8192, &bytes), Some(batch));
        }
        assert_eq!(header().predecessor(), 1);
    }

    #[test]
    fn every_flipped_bit_is_noticed_in_its_sector() {
        let (bytes, _) = encode(&seal(), 8192, header(), &[5; 700]);
        for bit in 0..8 * sectors(700) * SECTOR_BYTES {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&seal(), 8192, &damaged), None, "bit {bit}");
            let begin = bit / 8 / SECTOR_BYTES * SECTOR_BYTES;
            let found = sector(&seal(), 8192 + begin as u64, &damaged[begin..begin + SECTOR_BYTES]);
            assert_eq!(found, Sector::Illegible, "bit {bit}");
        }
    }

    #[test]
    fn a_batch_of_a_number_that_no_server_counts_to_is_none() {
        for (sequence, is_one) in [(0, false), (1, true), (u64::MAX / 2, true), (1 << 63, false), (u64::MAX, false)] {
            let (bytes, _) = encode(&seal(), 8192, Header { sequence, ..header() }, b"some records");
            assert_eq!(decode(&seal(), 8192, &bytes).is_some(), is_one, "{sequence}");
            assert_eq!(sector(&seal(), 8192, &bytes[..SECTOR_BYTES]) != Sector::Illegible, is_one, "{sequence}");
        }
    }

    #[test]
    fn a_batch_of_another_owner_segment_or_place_is_none() {
        let (bytes, _) = encode(&seal(), 8192, header(), b"some records");
        for other in [Seal::new(Incarnation::from_bytes([8; 16]), 1), Seal::new(Incarnation::from_bytes([7; 16]), 2)] {
            assert_eq!(decode(&other, 8192, &bytes), None);
        }
        assert_eq!(decode(&seal(), 12288, &bytes), None);
        assert_eq!(sector(&seal(), 0, &[0; SECTOR_BYTES]), Sector::Blank);
    }
}
