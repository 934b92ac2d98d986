//! Records as bytes: a tag, then little-endian numbers, then the payload with its length.
//!
//! Tags that are to come are set aside, so that a version that does not know them says so instead of
//! taking them for damage: an entry with a configuration, the founding record of a cluster.

use std::ops::RangeInclusive;

use bytes::{Buf, BufMut, Bytes};
use rafttree_model::{Entry, Index, Payload, Position, Record, ServerId, Term};

const TERM_TAG: u8 = 1;
const VOTE_TAG: u8 = 2;
const TRUNCATE_TAG: u8 = 3;
const APPEND_BLANK_TAG: u8 = 4;
const APPEND_COMMAND_TAG: u8 = 5;
/// Compaction, as format 1 has it: the term of the entry was that of the entry itself.
const COMPACT_TAG: u8 = 6;
const RESTORE_TAG: u8 = 7;
const BASE_TAG: u8 = 8;
const START_TAG: u8 = 9;
const REPAIR_BLANK_TAG: u8 = 10;
const REPAIR_COMMAND_TAG: u8 = 11;
/// `Append` with members, founding: not written yet.
const RESERVED_TAGS: RangeInclusive<u8> = 12..=15;

/// Numbers of a term that has begun, or of an entry. They are counted up by one, so those at the end
/// of their range were written by no correct server.
const COUNTABLE_NUMBERS: RangeInclusive<u64> = 1..=u64::MAX / 2;

/// A record of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Written {
    /// One of the protocol's.
    Record(Record<Bytes>),
    /// Every entry up to this one is in a snapshot. It has the term that the entry had, since the entry
    /// itself may be gone when this is read.
    Base(Position),
    /// The first record in a segment: where the log began and ended before it. With it the segments
    /// before can go.
    Start { base: Position, last: Position },
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NoRecord {
    /// They make no sense.
    Nonsense,
    /// A later version gave them a meaning.
    OfALaterVersion,
}

/// Adds the log's move to this base at the end of `out`.
pub(super) fn encode_base(base: Position, out: &mut Vec<u8>) {
    put_position(out, BASE_TAG, base);
}

/// Adds the beginning of a segment at the end of `out`.
pub(super) fn encode_start(base: Position, last: Position, out: &mut Vec<u8>) {
    put_position(out, START_TAG, base);
    out.put_u64_le(last.term.number());
    out.put_u64_le(last.index.number());
}

/// How many bytes the beginning of a segment takes.
pub(super) const START_BYTES: usize = 33;

/// How many bytes the shortest record takes that adds an entry.
pub(super) const MIN_ENTRY_BYTES: usize = 17;

fn put_position(out: &mut Vec<u8>, tag: u8, position: Position) {
    put(out, tag, position.term.number());
    out.put_u64_le(position.index.number());
}

/// Takes one record of the log from the front of `bytes`.
pub(super) fn decode_written(bytes: &mut Bytes) -> Result<Written, NoRecord> {
    match bytes.first() {
        Some(tag) if RESERVED_TAGS.contains(tag) => return Err(NoRecord::OfALaterVersion),
        Some(&tag @ (BASE_TAG | START_TAG)) => {
            let _ = bytes.split_to(1);
            let position = any_position(bytes).ok_or(NoRecord::Nonsense)?;
            return match tag {
                BASE_TAG => Ok(Written::Base(position)),
                _ => any_position(bytes).map(|last| Written::Start { base: position, last }).ok_or(NoRecord::Nonsense),
            };
        }
        _ => {}
    }
    decode(bytes).map(Written::Record).ok_or(NoRecord::Nonsense)
}

/// A position, or that of the start of all logs.
fn any_position(bytes: &mut Bytes) -> Option<Position> {
    let (term, index) = (bytes.try_get_u64_le().ok()?, bytes.try_get_u64_le().ok()?);
    let is_possible = [term, index].iter().all(|number| number <= COUNTABLE_NUMBERS.end());
    is_possible.then(|| Position { term: Term::new(term), index: Index::new(index) })
}

/// Adds a record at the end of `out`.
pub(super) fn encode(record: &Record<Bytes>, out: &mut Vec<u8>) {
    match record {
        Record::Term(term) => put(out, TERM_TAG, term.number()),
        Record::Vote(candidate) => put(out, VOTE_TAG, candidate.number().into()),
        Record::Truncate { keep } => put(out, TRUNCATE_TAG, keep.number()),
        Record::Compact { through } => put(out, COMPACT_TAG, through.number()),
        Record::Restore { last } => {
            put(out, RESTORE_TAG, last.term.number());
            out.put_u64_le(last.index.number());
        }
        Record::Append(entry) => put_entry(out, [APPEND_BLANK_TAG, APPEND_COMMAND_TAG], entry),
        Record::Repair(entry) => put_entry(out, [REPAIR_BLANK_TAG, REPAIR_COMMAND_TAG], entry),
    }
}

/// An entry, with the tag for what it carries.
fn put_entry(out: &mut Vec<u8>, [blank, command]: [u8; 2], Entry { position, payload }: &Entry<Bytes>) {
    let (tag, carried) = match payload {
        Payload::Blank => (blank, None),
        Payload::Command(bytes) => (command, Some(bytes)),
    };
    put(out, tag, position.term.number());
    out.put_u64_le(position.index.number());
    if let Some(bytes) = carried {
        out.put_u64_le(bytes.len() as u64);
        out.put_slice(bytes);
    }
}

fn put(out: &mut Vec<u8>, tag: u8, number: u64) {
    out.put_u8(tag);
    out.put_u64_le(number);
}

/// Takes one record from the front of `bytes`; `None` if there is none that makes sense.
pub(super) fn decode(bytes: &mut Bytes) -> Option<Record<Bytes>> {
    let tag = bytes.try_get_u8().ok()?;
    let number = bytes.try_get_u64_le().ok()?;
    Some(match tag {
        TERM_TAG => Record::Term(Term::new(counted(number)?)),
        VOTE_TAG => Record::Vote(ServerId::new(number.try_into().ok()?)),
        TRUNCATE_TAG => Record::Truncate { keep: Index::new(number) },
        COMPACT_TAG => Record::Compact { through: Index::new(counted(number)?) },
        RESTORE_TAG => Record::Restore { last: position(number, bytes)? },
        APPEND_BLANK_TAG | REPAIR_BLANK_TAG => {
            with_entry(tag, Entry { position: position(number, bytes)?, payload: Payload::Blank })
        }
        APPEND_COMMAND_TAG | REPAIR_COMMAND_TAG => {
            let position = position(number, bytes)?;
            with_entry(tag, Entry { position, payload: Payload::Command(command(bytes)?) })
        }
        _ => return None,
    })
}

fn with_entry(tag: u8, entry: Entry<Bytes>) -> Record<Bytes> {
    match tag {
        REPAIR_BLANK_TAG | REPAIR_COMMAND_TAG => Record::Repair(entry),
        _ => Record::Append(entry),
    }
}

fn position(term: u64, bytes: &mut Bytes) -> Option<Position> {
    let index = bytes.try_get_u64_le().ok()?;
    Some(Position { term: Term::new(counted(term)?), index: Index::new(counted(index)?) })
}

fn counted(number: u64) -> Option<u64> {
    COUNTABLE_NUMBERS.contains(&number).then_some(number)
}

fn command(bytes: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(bytes.try_get_u64_le().ok()?).ok()?;
    (length <= bytes.len()).then(|| bytes.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record() -> impl Strategy<Value = Record<Bytes>> {
        let number = || prop_oneof![COUNTABLE_NUMBERS, 1..4u64, Just(*COUNTABLE_NUMBERS.end())];
        let payload = prop_oneof![
            Just(Payload::Blank),
            prop::collection::vec(any::<u8>(), 0..50).prop_map(|bytes| Payload::Command(bytes.into()))
        ];
        prop_oneof![
            number().prop_map(|term| Record::Term(Term::new(term))),
            any::<u32>().prop_map(|id| Record::Vote(ServerId::new(id))),
            number().prop_map(|keep| Record::Truncate { keep: Index::new(keep) }),
            number().prop_map(|through| Record::Compact { through: Index::new(through) }),
            (number(), number()).prop_map(|(term, index)| Record::Restore {
                last: Position { term: Term::new(term), index: Index::new(index) }
            }),
            (number(), number(), payload, any::<bool>()).prop_map(|(term, index, payload, is_new)| {
                let position = Position { term: Term::new(term), index: Index::new(index) };
                let entry = Entry { position, payload };
                if is_new { Record::Append(entry) } else { Record::Repair(entry) }
            }),
        ]
    }

    proptest! {
        #[test]
        fn records_read_as_they_were_written(records in prop::collection::vec(record(), 0..20)) {
            let mut out = Vec::new();
            records.iter().for_each(|record| encode(record, &mut out));
            let mut bytes = Bytes::from(out);
            for record in records {
                prop_assert_eq!(decode(&mut bytes), Some(record));
            }
            prop_assert!(bytes.is_empty());
        }

        #[test]
        fn a_record_cut_short_is_none(record in record(), cut in 1usize..100) {
            let mut out = Vec::new();
            encode(&record, &mut out);
            out.truncate(out.len().saturating_sub(cut));
            prop_assert_eq!(decode(&mut Bytes::from(out)), None);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = Bytes::from(bytes);
            while decode(&mut bytes).is_some() {}
        }
    }

    #[test]
    fn a_number_that_no_server_counts_to_is_no_record() {
        for (tag, rest) in [(TERM_TAG, &[][..]), (COMPACT_TAG, &[]), (APPEND_BLANK_TAG, &[1, 0, 0, 0, 0, 0, 0, 0])] {
            for (number, is_one) in [(0, false), (1, true), (u64::MAX / 2, true), (1 << 63, false), (u64::MAX, false)] {
                let mut out = Vec::new();
                put(&mut out, tag, number);
                out.extend(rest);
                assert_eq!(decode(&mut Bytes::from(out)).is_some(), is_one, "{tag} {number}");
            }
        }
        let [mut first, mut last] = [0, u64::MAX].map(|index| {
            let mut out = Vec::new();
            put(&mut out, APPEND_BLANK_TAG, 1);
            out.put_u64_le(index);
            Bytes::from(out)
        });
        assert_eq!((decode(&mut first), decode(&mut last)), (None, None));
    }

    #[test]
    fn what_the_log_adds_reads_as_it_was_written() {
        let at = |term, index| Position { term: Term::new(term), index: Index::new(index) };
        let mut out = Vec::new();
        encode_base(at(3, 9), &mut out);
        encode_start(at(0, 0), at(4, 12), &mut out);
        assert_eq!(out.len(), 17 + START_BYTES);
        let mut bytes = Bytes::from(out);
        assert_eq!(decode_written(&mut bytes), Ok(Written::Base(at(3, 9))));
        assert_eq!(decode_written(&mut bytes), Ok(Written::Start { base: at(0, 0), last: at(4, 12) }));
        assert_eq!(decode_written(&mut bytes), Err(NoRecord::Nonsense));
        for (tag, expected) in [(9, NoRecord::Nonsense), (12, NoRecord::OfALaterVersion), (16, NoRecord::Nonsense)] {
            assert_eq!(decode_written(&mut Bytes::from(vec![tag; 20])), Err(expected));
        }
    }

    #[test]
    fn the_format_stays_as_it_is() {
        let mut out = Vec::new();
        let position = Position { term: Term::new(2), index: Index::new(3) };
        encode(&Record::Append(Entry { position, payload: Payload::Command(Bytes::from_static(b"a")) }), &mut out);
        let expected = [5, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, b'a'];
        assert_eq!(out, expected);
        out.clear();
        encode(&Record::Repair(Entry { position, payload: Payload::Command(Bytes::from_static(b"a")) }), &mut out);
        assert_eq!(out[..1], [11]);
        assert_eq!(out[1..], expected[1..]);
    }
}
