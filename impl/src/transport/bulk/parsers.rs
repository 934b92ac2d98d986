//! The parser of what two servers say about a snapshot.

use prost::Message as _;
use rafttree_model::{Index, Position, Term};

use super::failure::SnapshotFailure;
use super::words::{WireWord, Word};
use crate::fuzz::{Draw, Format, Parser, of};
use crate::storage::snapshot::Offer;

/// The parser of words.
pub(in crate::transport) fn words() -> Box<dyn Parser> {
    of::<Words>()
}

struct Words;

impl Format for Words {
    type Value = Word;

    const NAME: &'static str = "words about snapshots";

    fn draw(draw: &mut Draw<'_>) -> Word {
        match draw.below(7) {
            0 => {
                let last = Position { term: Term::new(draw.number()), index: Index::new(draw.number()) };
                Word::Offer(Offer { last, bytes: draw.number(), hash: draw.array() })
            }
            1 => Word::From(draw.number()),
            2 => Word::Have,
            3 => Word::Chunk { offset: draw.number(), bytes: draw.bytes(60).into() },
            4 => Word::End,
            5 => Word::Arrived,
            _ => Word::Failed(failure(draw)),
        }
    }

    fn encode(value: &Word) -> Vec<u8> {
        WireWord::from(value.clone()).encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Word> {
        WireWord::decode(bytes).ok()?.try_into().ok()
    }

    fn held(value: &Word) -> usize {
        let behind = match value {
            Word::Chunk { bytes, .. } => bytes.len(),
            Word::Failed(SnapshotFailure::Unreadable(text) | SnapshotFailure::Unwritable(text)) => text.capacity(),
            _ => 0,
        };
        size_of::<Word>() + behind
    }
}

/// One that a server tells another.
fn failure(draw: &mut Draw<'_>) -> SnapshotFailure {
    match draw.below(8) {
        0 => SnapshotFailure::Rotten,
        1 => SnapshotFailure::Unreadable(draw.text()),
        2 => SnapshotFailure::Damaged,
        3 => SnapshotFailure::NoRoom,
        4 => SnapshotFailure::Unwritable(draw.text()),
        5 => SnapshotFailure::Busy,
        6 => SnapshotFailure::Nonsense,
        _ => SnapshotFailure::Other,
    }
}
