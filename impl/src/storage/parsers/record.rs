//! Records, and what stands around them in a segment: batches and slots.

use bytes::Bytes;
use rafttree_model::{Entry, Index, Payload, Position, Record, ServerId, Term};

use crate::fuzz::{Draw, Format};
use crate::storage::batch::{self, Batch, Header};
use crate::storage::identity::Incarnation;
use crate::storage::layout::{SECTOR_BYTES, SLOT_BYTES, Seal};
use crate::storage::record::{self, MIN_ENTRY_BYTES, Written};
use crate::storage::slot::{Effect, HardState, Slot};

/// The directory that all of it belongs to.
pub(super) const OWNER: Incarnation = Incarnation::from_bytes([7; 16]);

/// Where a batch or a slot begins in its segment.
const OFFSET: u64 = 8192;

/// The records of one batch.
pub(super) struct Records;

impl Format for Records {
    type Value = Vec<Written>;

    const NAME: &'static str = "records";

    fn draw(draw: &mut Draw<'_>) -> Vec<Written> {
        draw.list(6, written)
    }

    fn encode(value: &Vec<Written>) -> Vec<u8> {
        let mut out = Vec::new();
        for written in value {
            match written {
                Written::Record(record) => record::encode(record, &mut out),
                Written::Base(base) => record::encode_base(*base, &mut out),
                Written::Start { base, last } => record::encode_start(*base, *last, &mut out),
            }
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Vec<Written>> {
        let (mut rest, mut records) = (Bytes::copy_from_slice(bytes), Vec::new());
        while !rest.is_empty() {
            records.push(record::decode_written(&mut rest).ok()?);
        }
        Some(records)
    }

    fn held(value: &Vec<Written>) -> usize {
        let commands = value.iter().map(|written| match written {
            Written::Record(Record::Append(entry) | Record::Repair(entry)) => match &entry.payload {
                Payload::Command(command) => command.len(),
                Payload::Blank => 0,
            },
            _ => 0,
        });
        commands.sum::<usize>() + value.len() * size_of::<Written>()
    }
}

fn written(draw: &mut Draw<'_>) -> Written {
    match draw.below(8) {
        0 => Written::Base(position(draw)),
        1 => Written::Start { base: position(draw), last: position(draw) },
        _ => Written::Record(record(draw)),
    }
}

fn record(draw: &mut Draw<'_>) -> Record<Bytes> {
    match draw.below(8) {
        0 => Record::Term(Term::new(draw.countable())),
        1 => Record::Vote(ServerId::new(draw.short_number())),
        2 => Record::Truncate { keep: Index::new(draw.number()) },
        3 => Record::Compact { through: Index::new(draw.countable()) },
        4 => Record::Restore { last: position(draw) },
        5 => Record::Repair(entry(draw)),
        _ => Record::Append(entry(draw)),
    }
}

fn entry(draw: &mut Draw<'_>) -> Entry<Bytes> {
    let payload = draw.option(|draw| Payload::Command(draw.bytes(40).into())).unwrap_or(Payload::Blank);
    Entry { position: position(draw), payload }
}

pub(super) fn position(draw: &mut Draw<'_>) -> Position {
    Position { term: Term::new(draw.countable()), index: Index::new(draw.countable()) }
}

pub(super) fn hard(draw: &mut Draw<'_>) -> HardState {
    let vote = draw.option(|draw| ServerId::new(1 + draw.below(9) as u32));
    HardState { term: Term::new(draw.number()), vote }
}

fn seal() -> Seal {
    Seal::new(OWNER, 1)
}

/// The header and the records of a batch.
pub(super) struct Batches;

impl Format for Batches {
    type Value = (Header, Bytes);

    const NAME: &'static str = "batches";

    fn draw(draw: &mut Draw<'_>) -> (Header, Bytes) {
        let header = Header {
            sequence: draw.countable(),
            void: draw.number() as u16,
            previous: draw.short_number(),
            hard: hard(draw),
        };
        (header, draw.bytes(1200).into())
    }

    fn encode((header, records): &(Header, Bytes)) -> Vec<u8> {
        batch::encode(&seal(), OFFSET, *header, records).0
    }

    fn decode(bytes: &[u8]) -> Option<(Header, Bytes)> {
        batch::decode(&seal(), OFFSET, bytes).map(|Batch { header, records, .. }| (header, records))
    }

    fn held((_, records): &(Header, Bytes)) -> usize {
        records.len()
    }

    fn repair(bytes: &mut [u8]) {
        repair_sectors(&seal(), OFFSET, bytes);
    }
}

/// Makes the checksums of these sectors right, but of those that are blank.
pub(super) fn repair_sectors(seal: &Seal, offset: u64, bytes: &mut [u8]) {
    for (place, sector) in (0_u64..).zip(bytes.chunks_exact_mut(SECTOR_BYTES)) {
        if sector.iter().any(|&byte| byte != 0) {
            let checksum = seal.checksum(offset + place * SECTOR_BYTES as u64, &sector[4..]);
            sector[..4].copy_from_slice(&checksum.to_le_bytes());
        }
    }
}

/// The slot of a batch.
pub(super) struct Slots;

impl Format for Slots {
    type Value = Slot;

    const NAME: &'static str = "slots";

    fn draw(draw: &mut Draw<'_>) -> Slot {
        let (first, last_term) = (position(draw), Term::new(draw.number()));
        let length = draw.below(1 << 20) as u32;
        let count = draw.below(1 + u64::from(length) / MIN_ENTRY_BYTES as u64) as u32;
        let index = Index::new(first.index.number() - 1 + u64::from(count));
        let last = Position { term: last_term, index };
        let effect = Effect { first, count, last, moves_base: draw.coin(), hard: hard(draw) };
        Slot {
            sequence: draw.countable(),
            void: draw.number() as u16,
            block: draw.number() as u16,
            length,
            checksum: draw.short_number(),
            effect,
        }
    }

    fn encode(value: &Slot) -> Vec<u8> {
        value.encode(&seal(), OFFSET)
    }

    fn decode(bytes: &[u8]) -> Option<Slot> {
        Slot::decode(&seal(), OFFSET, bytes)
    }

    /// Its entries are in as many bytes of records as it says.
    fn held(value: &Slot) -> usize {
        (value.effect.count as usize * MIN_ENTRY_BYTES).saturating_sub(value.length as usize)
    }

    fn repair(bytes: &mut [u8]) {
        repair_slot(&seal(), OFFSET, bytes);
    }
}

/// Makes the checksum of this slot right, if it is all there.
pub(super) fn repair_slot(seal: &Seal, offset: u64, bytes: &mut [u8]) {
    if let Some((sealed, checksum)) = bytes.split_at_mut_checked(SLOT_BYTES - 4)
        && sealed.iter().any(|&byte| byte != 0)
        && let Some(checksum) = checksum.first_chunk_mut()
    {
        *checksum = seal.checksum(offset, sealed).to_le_bytes();
    }
}
