//! What two servers say to each other about one snapshot, on the wire and as values.

use bytes::Bytes;
use rafttree_model::{Index, Position, Term};

use super::failure::SnapshotFailure;
use crate::storage::snapshot::Offer;
use crate::transport::wire::Malformed;

/// One message about a snapshot.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Word {
    /// The sender begins.
    Offer(Offer),
    /// The receiver needs the file from this place on.
    From(u64),
    /// The receiver holds this snapshot, or a later one.
    Have,
    /// Bytes that stand at this place of the file.
    Chunk { offset: u64, bytes: Bytes },
    /// Everything was sent.
    End,
    /// Everything is durable, and reads back.
    Arrived,
    /// The speaker does not go on.
    Failed(SnapshotFailure),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WireWord {
    #[prost(oneof = "WireKind", tags = "1, 2, 3, 4, 5, 6, 7")]
    kind: Option<WireKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum WireKind {
    #[prost(message, tag = "1")]
    Offer(WireOffer),
    #[prost(uint64, tag = "2")]
    From(u64),
    #[prost(message, tag = "3")]
    Have(()),
    #[prost(message, tag = "4")]
    Chunk(WireChunk),
    #[prost(message, tag = "5")]
    End(()),
    #[prost(message, tag = "6")]
    Arrived(()),
    #[prost(message, tag = "7")]
    Failed(WireFailure),
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireOffer {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    index: u64,
    #[prost(uint64, tag = "3")]
    bytes: u64,
    #[prost(bytes = "bytes", tag = "4")]
    hash: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WireChunk {
    #[prost(uint64, tag = "1")]
    offset: u64,
    #[prost(bytes = "bytes", tag = "2")]
    bytes: Bytes,
}

/// A reason by its number, and what its disk says.
#[derive(Clone, PartialEq, prost::Message)]
struct WireFailure {
    #[prost(uint32, tag = "1")]
    reason: u32,
    #[prost(string, tag = "2")]
    problem: String,
}

impl From<Word> for WireWord {
    fn from(word: Word) -> WireWord {
        let kind = match word {
            Word::Offer(Offer { last, bytes, hash }) => {
                let (term, index) = (last.term.number(), last.index.number());
                WireKind::Offer(WireOffer { term, index, bytes, hash: Bytes::copy_from_slice(&hash) })
            }
            Word::From(offset) => WireKind::From(offset),
            Word::Have => WireKind::Have(()),
            Word::Chunk { offset, bytes } => WireKind::Chunk(WireChunk { offset, bytes }),
            Word::End => WireKind::End(()),
            Word::Arrived => WireKind::Arrived(()),
            Word::Failed(failure) => WireKind::Failed(failure.into()),
        };
        WireWord { kind: Some(kind) }
    }
}

impl TryFrom<WireWord> for Word {
    type Error = Malformed;

    fn try_from(wire: WireWord) -> Result<Word, Malformed> {
        Ok(match wire.kind.ok_or(Malformed("no word about a snapshot that this version knows"))? {
            WireKind::Offer(WireOffer { term, index, bytes, hash }) => {
                let hash = hash[..].try_into().map_err(|_| Malformed("a hash of another length"))?;
                Word::Offer(Offer { last: Position { term: Term::new(term), index: Index::new(index) }, bytes, hash })
            }
            WireKind::From(offset) => Word::From(offset),
            WireKind::Have(()) => Word::Have,
            WireKind::Chunk(WireChunk { offset, bytes }) => Word::Chunk { offset, bytes },
            WireKind::End(()) => Word::End,
            WireKind::Arrived(()) => Word::Arrived,
            WireKind::Failed(failure) => Word::Failed(failure.into()),
        })
    }
}

impl From<SnapshotFailure> for WireFailure {
    fn from(failure: SnapshotFailure) -> WireFailure {
        let (reason, problem) = match failure {
            SnapshotFailure::Rotten => (1, String::new()),
            SnapshotFailure::Unreadable(problem) => (2, problem),
            SnapshotFailure::Damaged => (3, String::new()),
            SnapshotFailure::NoRoom => (4, String::new()),
            SnapshotFailure::Unwritable(problem) => (5, problem),
            SnapshotFailure::Busy => (6, String::new()),
            SnapshotFailure::Nonsense => (7, String::new()),
            SnapshotFailure::NotHeld | SnapshotFailure::Refused(_) | SnapshotFailure::Other => (0, String::new()),
        };
        WireFailure { reason, problem }
    }
}

impl From<WireFailure> for SnapshotFailure {
    fn from(WireFailure { reason, problem }: WireFailure) -> SnapshotFailure {
        match reason {
            1 => SnapshotFailure::Rotten,
            2 => SnapshotFailure::Unreadable(problem),
            3 => SnapshotFailure::Damaged,
            4 => SnapshotFailure::NoRoom,
            5 => SnapshotFailure::Unwritable(problem),
            6 => SnapshotFailure::Busy,
            7 => SnapshotFailure::Nonsense,
            _ => SnapshotFailure::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn failures() -> impl Strategy<Value = SnapshotFailure> {
        (0_u32..9, ".*").prop_map(|(reason, problem)| WireFailure { reason, problem }.into())
    }

    fn words() -> impl Strategy<Value = Word> {
        let offers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<[u8; 32]>());
        let chunks = (any::<u64>(), proptest::collection::vec(any::<u8>(), 0..40));
        prop_oneof![
            offers.prop_map(|(term, index, bytes, hash)| {
                let last = Position { term: Term::new(term), index: Index::new(index) };
                Word::Offer(Offer { last, bytes, hash })
            }),
            any::<u64>().prop_map(Word::From),
            chunks.prop_map(|(offset, bytes)| Word::Chunk { offset, bytes: bytes.into() }),
            failures().prop_map(Word::Failed),
            Just(Word::Have),
            Just(Word::End),
            Just(Word::Arrived),
        ]
    }

    proptest! {
        #[test]
        fn every_word_arrives_as_it_was_said(word in words()) {
            let bytes = WireWord::from(word.clone()).encode_to_vec();
            prop_assert_eq!(WireWord::decode(&*bytes).unwrap().try_into(), Ok(word));
        }

        #[test]
        fn any_bytes_are_a_word_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = WireWord::decode(&*bytes).map(Word::try_from);
        }
    }

    #[test]
    fn a_word_of_a_later_version_is_malformed() {
        assert!(Word::try_from(WireWord::default()).is_err());
    }
}
