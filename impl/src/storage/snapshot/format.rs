//! The format of a snapshot's file: a header, chunks, and an end.
//!
//! The header names the directory that the file belongs to. What follows it does not, so it is the
//! same, byte for byte, in the file of a server that was sent the snapshot.

use bytes::{Buf as _, BufMut as _};
use rafttree_model::{Index, Position, Term};
use sha2::{Digest as _, Sha256};

use crate::storage::identity::Incarnation;

const MAGIC: &[u8; 16] = b"rafttree snapsht";

/// The version of these files.
const FORMAT: u32 = 1;

const PREFIX: &str = "snapshot-";

const ARRIVING_PREFIX: &str = "incoming-";

/// Magic, format, owner, position; then a checksum.
pub(super) const HEADER_BYTES: usize = 16 + 4 + 16 + 16 + 4;

/// Length and checksum before each chunk. A length of zero is the end, and the hash follows.
const FRAME_BYTES: usize = 4 + 4;

/// Bytes of one chunk. Only the last may have fewer.
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// Bytes of the longest part of a file: a chunk behind its frame.
pub(super) const MAX_PART_BYTES: usize = FRAME_BYTES + CHUNK_BYTES;

/// Bytes of the shortest chunk behind its frame.
pub(super) const MIN_PART_BYTES: usize = FRAME_BYTES + 1;

/// Bytes of the end: a frame and the hash.
pub(super) const END_BYTES: usize = FRAME_BYTES + size_of::<SnapshotHash>();

/// The SHA-256 of a position, and of all chunks with their frames.
pub(crate) type SnapshotHash = [u8; 32];

/// What is said of a snapshot before it is sent: only what has the same hash is continued.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Offer {
    /// The last entry that is in it.
    pub(crate) last: Position,
    /// Bytes of its file.
    pub(crate) bytes: u64,
    /// The end of its file.
    pub(crate) hash: SnapshotHash,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the snapshot is damaged: {0}")]
pub(crate) struct Damage(pub(super) &'static str);

/// A part of a file behind its header: a chunk, or the end.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// All of it, as it stands in the file.
    pub(super) bytes: &'a [u8],
    pub(super) content: Content<'a>,
}

/// What a part says.
#[derive(Debug)]
pub(super) enum Content<'a> {
    Chunk(&'a [u8]),
    /// The hash of everything before.
    End(SnapshotHash),
}

/// Checks the parts of one file in their order.
#[derive(Clone, Debug)]
pub(super) struct Checker {
    offset: u64,
    hash: Sha256,
    length: u64,
    stage: Stage,
}

/// What may come next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Chunks,
    /// The last chunk was short, so the end must follow.
    End,
    Over,
}

impl Checker {
    /// At the first part of a file.
    pub(super) fn new(last: Position) -> Checker {
        Checker { offset: HEADER_BYTES as u64, hash: begin_hash(last), length: 0, stage: Stage::Chunks }
    }

    /// Where the next part begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes of all chunks up to here.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether the end was there, and it was right.
    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// The hash of everything up to here.
    pub(super) fn hash(&self) -> SnapshotHash {
        self.hash.clone().finalize().into()
    }

    /// Takes in the first part of these bytes. `None` if they are fewer than it has.
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Part<'a>>, Damage> {
        let Some(part) = part(bytes, self.offset)? else { return Ok(None) };
        match (self.stage, &part.content) {
            (Stage::Over, _) => return Err(Damage("something follows its end")),
            (Stage::End, Content::Chunk(_)) => return Err(Damage("a chunk follows one that was short")),
            (_, Content::Chunk(chunk)) => {
                self.hash.update(part.bytes);
                self.length += chunk.len() as u64;
                self.stage = if chunk.len() < CHUNK_BYTES { Stage::End } else { Stage::Chunks };
            }
            (_, Content::End(hash)) if *hash == self.hash() => self.stage = Stage::Over,
            (_, Content::End(_)) => return Err(Damage("it is not what was written as a whole")),
        }
        self.offset += part.bytes.len() as u64;
        Ok(Some(part))
    }
}

/// The part that begins with these bytes, if all of it is there. It stands at this place of the file.
pub(super) fn part(bytes: &[u8], offset: u64) -> Result<Option<Part<'_>>, Damage> {
    let Some((framed, behind)) = bytes.split_at_checked(FRAME_BYTES) else { return Ok(None) };
    let length = { framed }.get_u32_le() as usize;
    if CHUNK_BYTES < length {
        return Err(Damage("a chunk is longer than any"));
    }
    let Some(chunk) = behind.get(..length) else { return Ok(None) };
    if framed != frame(offset, chunk) {
        return Err(Damage("a chunk is not what was written"));
    }
    if !chunk.is_empty() {
        let bytes = &bytes[..FRAME_BYTES + length];
        return Ok(Some(Part { bytes, content: Content::Chunk(chunk) }));
    }
    let Some(hash) = behind.first_chunk() else { return Ok(None) };
    let bytes = &bytes[..END_BYTES];
    Ok(Some(Part { bytes, content: Content::End(*hash) }))
}

/// The hash that a file ends with, before its first chunk.
pub(super) fn begin_hash(last: Position) -> Sha256 {
    let [term, index] = [last.term.number(), last.index.number()].map(u64::to_le_bytes);
    Sha256::new().chain_update(term).chain_update(index)
}

/// What stands before a chunk that begins at this place of the file.
pub(super) fn frame(offset: u64, chunk: &[u8]) -> [u8; FRAME_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&offset.to_le_bytes());
    hasher.update(chunk);
    let [length, checksum] = [chunk.len() as u32, hasher.finalize()].map(u32::to_le_bytes);
    let mut out = [0; FRAME_BYTES];
    out[..4].copy_from_slice(&length);
    out[4..].copy_from_slice(&checksum);
    out
}

/// The beginning of a file.
pub(super) fn header(owner: Incarnation, last: Position) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES);
    out.put_slice(MAGIC);
    out.put_u32_le(FORMAT);
    out.put_slice(&owner.to_bytes());
    out.put_u64_le(last.term.number());
    out.put_u64_le(last.index.number());
    out.put_u32_le(crc32fast::hash(&out));
    out
}

/// By index and term: no two snapshots of one server have the same name and stand for other entries.
pub(super) fn file_name(last: Position) -> String {
    format!("{PREFIX}{:016}-{:016}", last.index.number(), last.term.number())
}

/// What the file of this name is up to, if it is one of a snapshot.
pub(super) fn position(name: &str) -> Option<Position> {
    let last = parse(name.strip_prefix(PREFIX)?)?;
    (file_name(last) == name).then_some(last)
}

/// The name of a file that arrives: all that is known of what it is to become.
pub(super) fn arriving_name(Offer { last, bytes, hash }: Offer) -> String {
    let (index, term) = (last.index.number(), last.term.number());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{ARRIVING_PREFIX}{index:016}-{term:016}-{bytes}-{hash}")
}

/// What the file of this name is to be up to, if it is one that arrives.
pub(super) fn arriving_position(name: &str) -> Option<Position> {
    parse(name.strip_prefix(ARRIVING_PREFIX)?)
}

fn parse(name: &str) -> Option<Position> {
    let mut numbers = name.split('-').map(|number| number.parse().ok());
    let (index, term) = (numbers.next()??, numbers.next()??);
    Some(Position { term: Term::new(term), index: Index::new(index) })
}
