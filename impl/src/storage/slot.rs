//! The slot of a batch: what it is about, kept away from it under the same flush.
//!
//! Where the batch is damaged, its slot still names the entries that were in it, and has the hard
//! state that it led to.

use bytes::{Buf, BufMut};
use rafttree_model::{Durable, Index, Position, ServerId, Term};

use super::layout::{SEQUENCES, SLOT_BYTES, Seal};
use super::record::MIN_ENTRY_BYTES;

/// The bytes that the checksum covers.
const SEALED_BYTES: usize = SLOT_BYTES - 4;

/// Where no slot was ever written.
const BLANK: [u8; SLOT_BYTES] = [0; SLOT_BYTES];

/// The bit of the length that says that the batch moves the log's beginning.
const MOVES_BASE: u32 = 1 << 31;

/// Term and vote, Figure 2's persistent state without the log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct HardState {
    pub term: Term,
    pub vote: Option<ServerId>,
}

impl HardState {
    pub(super) fn of(durable: &Durable) -> HardState {
        HardState { term: durable.term(), vote: durable.vote() }
    }

    pub(super) fn encode(self, out: &mut Vec<u8>) {
        out.put_u64_le(self.term.number());
        // Servers are counted from 1 on.
        out.put_u32_le(self.vote.map_or(0, ServerId::number));
    }

    pub(super) fn decode(bytes: &mut &[u8]) -> Option<HardState> {
        let term = Term::new(bytes.try_get_u64_le().ok()?);
        let candidate = bytes.try_get_u32_le().ok()?;
        Some(HardState { term, vote: (candidate != 0).then(|| ServerId::new(candidate)) })
    }
}

/// What the records of a batch add up to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Effect {
    /// The first entry of the batch that is in the log behind it; the place behind the log's end, in
    /// the term of the last entry, if none is.
    pub first: Position,
    /// How many entries of the batch are in the log behind it.
    pub count: u32,
    /// The log's last entry behind the batch.
    pub last: Position,
    /// Whether it moves the log's beginning.
    pub moves_base: bool,
    /// Term and vote behind the batch.
    pub hard: HardState,
}

impl Effect {
    /// The name of the batch's entry at this place, from 0 on: known of the first and the last, and of
    /// those between them if those are of one term, since terms never fall.
    pub(super) fn name(&self, at: u32) -> Option<Position> {
        let is_end = at == 0 || at + 1 == self.count;
        let term = if at == 0 { self.first.term } else { self.last.term };
        let index = Index::new(self.first.index.number() + u64::from(at));
        let [begins, ends] = [self.first.term, self.last.term];
        let is_known = is_end || begins == ends;
        is_known.then_some(Position { term, index })
    }
}

/// What is known of a batch apart from it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Slot {
    /// The batch's number.
    pub sequence: u64,
    /// How many numbers right before it were given to batches that do not count.
    pub void: u16,
    /// The block that the batch begins at.
    pub block: u16,
    /// How many bytes of records it has.
    pub length: u32,
    /// Its checksum.
    pub checksum: u32,
    pub effect: Effect,
}

impl Slot {
    /// The number of the batch that this one follows.
    pub(super) fn predecessor(&self) -> u64 {
        (self.sequence - 1).saturating_sub(self.void.into())
    }

    /// The slot as it goes to this place of a segment.
    pub(super) fn encode(&self, seal: &Seal, offset: u64) -> Vec<u8> {
        let Effect { first, count, last, moves_base, hard } = self.effect;
        let mut out = Vec::with_capacity(SLOT_BYTES);
        out.put_u64_le(self.sequence);
        out.put_u64_le(first.term.number());
        out.put_u64_le(first.index.number());
        out.put_u64_le(last.term.number());
        out.put_u32_le(count);
        out.put_u16_le(self.block);
        out.put_u16_le(self.void);
        out.put_u32_le(self.length | if moves_base { MOVES_BASE } else { 0 });
        out.put_u32_le(self.checksum);
        hard.encode(&mut out);
        out.put_u32_le(seal.checksum(offset, &out));
        out
    }

    /// The slot in these bytes; `None` if a single bit is wrong, or none was written.
    pub(super) fn decode(seal: &Seal, offset: u64, bytes: &[u8]) -> Option<Slot> {
        if bytes == BLANK {
            return None;
        }
        let (sealed, mut checksum) = bytes.split_at_checked(SEALED_BYTES)?;
        if checksum.try_get_u32_le().ok()? != seal.checksum(offset, sealed) {
            return None;
        }
        let mut rest = sealed;
        let sequence = rest.try_get_u64_le().ok().filter(|sequence| SEQUENCES.contains(sequence))?;
        let first =
            Position { term: Term::new(rest.try_get_u64_le().ok()?), index: Index::new(rest.try_get_u64_le().ok()?) };
        let last_term = Term::new(rest.try_get_u64_le().ok()?);
        let count = rest.try_get_u32_le().ok()?;
        let last = Position {
            term: last_term,
            index: Index::new(first.index.number().checked_sub(1)?.checked_add(count.into())?),
        };
        let (block, void) = (rest.try_get_u16_le().ok()?, rest.try_get_u16_le().ok()?);
        let (length, checksum) = (rest.try_get_u32_le().ok()?, rest.try_get_u32_le().ok()?);
        let hard = HardState::decode(&mut rest)?;
        let effect = Effect { first, count, last, moves_base: length & MOVES_BASE != 0, hard };
        // More entries than there were bytes for would claim any amount of memory, when their batch is damaged.
        if ((length & !MOVES_BASE) as usize) < count as usize * MIN_ENTRY_BYTES {
            return None;
        }
        Some(Slot { sequence, void, block, length: length & !MOVES_BASE, checksum, effect })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::identity::Incarnation;

    #[test]
    fn a_slot_reads_as_it_was_written_and_in_its_place_alone() {
        let owner = Incarnation::from_bytes([7; 16]);
        let seal = Seal::new(owner, 3);
        let at = |term, index| Position { term: Term::new(term), index: Index::new(index) };
        for (vote, moves_base) in [(None, false), (Some(ServerId::new(9)), true)] {
            let hard = HardState { term: Term::new(6), vote };
            let effect = Effect { first: at(4, 10), count: 3, last: at(5, 12), moves_base, hard };
            let slot = Slot { sequence: 17, void: 2, block: 8, length: 300, checksum: 99, effect };
            let bytes = slot.encode(&seal, 4096);
            assert_eq!((bytes.len(), Slot::decode(&seal, 4096, &bytes)), (SLOT_BYTES, Some(slot)));
            assert_eq!(slot.predecessor(), 14);
            assert_eq!(Slot::decode(&seal, 4160, &bytes), None);
            assert_eq!(Slot::decode(&Seal::new(owner, 4), 4096, &bytes), None);
            for bit in 0..8 * SLOT_BYTES {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Slot::decode(&seal, 4096, &damaged), None, "bit {bit}");
            }
        }
        assert_eq!(Slot::decode(&seal, 0, &[0; SLOT_BYTES]), None);
    }

    #[test]
    fn a_slot_of_more_entries_than_its_batch_has_bytes_for_is_none() {
        let seal = Seal::new(Incarnation::from_bytes([7; 16]), 3);
        for (count, length, is_one) in [(2, 34, true), (2, 33, false), (u32::MAX - 10, 34, false)] {
            let at = |index| Position { term: Term::new(1), index: Index::new(index) };
            let (first, last) = (at(10), at(9 + u64::from(count)));
            let effect = Effect { first, count, last, moves_base: true, hard: HardState::default() };
            let slot = Slot { sequence: 17, void: 0, block: 8, length, checksum: 99, effect };
            assert_eq!(Slot::decode(&seal, 4096, &slot.encode(&seal, 4096)), is_one.then_some(slot));
        }
    }
}
