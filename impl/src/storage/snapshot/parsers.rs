//! The parsers of a snapshot's file, and of its name.

use std::io::{self, Read as _};
use std::path::Path;

use rafttree_model::{Index, Position, Term};

use super::format::{
    CHUNK_BYTES, Checker, Content, END_BYTES, HEADER_BYTES, Offer, arriving_name, arriving_position, begin_hash,
    file_name, frame, header, position,
};
use super::reader::{SnapshotReader, verify};
use crate::fuzz::{Draw, Format, Parser, of};
use crate::storage::disk::DiskFile;
use crate::storage::identity::Incarnation;

/// The directory that the files belong to.
const OWNER: Incarnation = Incarnation::from_bytes([7; 16]);

/// The last entry of each snapshot.
const LAST: Position = Position { term: Term::new(3), index: Index::new(9) };

/// Of so many snapshots one has more than a chunk.
const LONG: u64 = 40;

pub(in crate::storage) fn parsers() -> Vec<Box<dyn Parser>> {
    vec![of::<Snapshots>(), of::<Names>(), of::<ArrivingNames>()]
}

/// The service's bytes in a file.
struct Snapshots;

impl Format for Snapshots {
    type Value = Vec<u8>;

    const NAME: &'static str = "snapshots";

    const FACTOR: usize = 1;

    fn draw(draw: &mut Draw<'_>) -> Vec<u8> {
        let mut bytes = draw.bytes(200);
        if draw.below(LONG) == 0 {
            bytes.resize(CHUNK_BYTES + bytes.len() / 100 * bytes.len(), 5);
        }
        bytes
    }

    fn encode(value: &Vec<u8>) -> Vec<u8> {
        let (mut out, mut hash) = (header(OWNER, LAST), begin_hash(LAST));
        for chunk in value.chunks(CHUNK_BYTES) {
            let begin = out.len();
            out.extend(frame(begin as u64, chunk));
            out.extend(chunk);
            sha2::Digest::update(&mut hash, &out[begin..]);
        }
        out.extend(frame(out.len() as u64, &[]));
        out.extend(sha2::Digest::finalize(hash));
        out
    }

    /// What arrives is checked as it is read: what the one accepts is what the other gives.
    fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
        let found = verify(Held(bytes.to_vec()), Path::new("a snapshot"), OWNER, LAST, || {}).ok()?;
        let arrived = bytes.get(HEADER_BYTES..).filter(|_| found.is_some()).and_then(arrived);
        let mut read = Vec::new();
        let found = found.filter(|_| SnapshotReader::new(Held(bytes.to_vec()), LAST).read_to_end(&mut read).is_ok())?;
        assert_eq!((found.length, found.file_bytes), (read.len() as u64, bytes.len() as u64), "what is said of it");
        assert_eq!(arrived.as_ref(), Some(&read), "what arrives is what is read");
        Some(read)
    }

    fn held(value: &Vec<u8>) -> usize {
        value.len()
    }

    /// The checksums of the header, of each chunk that can be found, and the hash of them all.
    fn repair(bytes: &mut [u8]) {
        if let Some((sealed, checksum)) = bytes.split_at_mut_checked(HEADER_BYTES - 4)
            && let Some(checksum) = checksum.first_chunk_mut()
        {
            *checksum = crc32fast::hash(sealed).to_le_bytes();
        }
        let (mut at, mut hash) = (HEADER_BYTES, begin_hash(LAST));
        while let Some(length) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
            let length = u32::from_le_bytes(*length) as usize;
            let Some(part) = bytes.get_mut(at..at + FRAME_BYTES + length.min(CHUNK_BYTES)) else { return };
            let right = frame(at as u64, &part[FRAME_BYTES..]);
            part[4..FRAME_BYTES].copy_from_slice(&right[4..]);
            if length == 0 {
                if let Some(end) = bytes.get_mut(at + FRAME_BYTES..at + END_BYTES) {
                    end.copy_from_slice(&sha2::Digest::finalize(hash));
                }
                return;
            }
            sha2::Digest::update(&mut hash, &*part);
            at += part.len();
        }
    }
}

/// A file that is only read.
#[derive(Debug)]
struct Held(Vec<u8>);

impl DiskFile for Held {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }

    fn reserve(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn forget_cached(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes before a chunk.
const FRAME_BYTES: usize = END_BYTES - size_of::<super::format::SnapshotHash>();

/// The service's bytes, as the parts of a file tell them that arrives.
fn arrived(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut checker, mut all) = (Checker::new(LAST), Vec::new());
    while !checker.is_over() {
        let part = checker.take(bytes).ok()??;
        bytes = &bytes[part.bytes.len()..];
        if let Content::Chunk(chunk) = part.content {
            all.extend_from_slice(chunk);
        }
    }
    Some(all)
}

/// The name of a snapshot's file.
struct Names;

impl Format for Names {
    type Value = Position;

    const NAME: &'static str = "names of snapshots";

    fn draw(draw: &mut Draw<'_>) -> Position {
        Position { term: Term::new(draw.number()), index: Index::new(draw.number()) }
    }

    fn encode(value: &Position) -> Vec<u8> {
        file_name(*value).into()
    }

    fn decode(bytes: &[u8]) -> Option<Position> {
        position(str::from_utf8(bytes).ok()?)
    }

    fn held(_: &Position) -> usize {
        0
    }
}

/// The name of a file that arrives.
struct ArrivingNames;

impl Format for ArrivingNames {
    type Value = Position;

    const NAME: &'static str = "names of arriving snapshots";

    fn draw(draw: &mut Draw<'_>) -> Position {
        Names::draw(draw)
    }

    fn encode(value: &Position) -> Vec<u8> {
        arriving_name(Offer { last: *value, bytes: 5, hash: [9; 32] }).into()
    }

    fn decode(bytes: &[u8]) -> Option<Position> {
        arriving_position(str::from_utf8(bytes).ok()?)
    }

    fn held(_: &Position) -> usize {
        0
    }
}
