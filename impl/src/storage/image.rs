//! What the records of the log add up to while it is read: it may begin in the middle, and entries may
//! be known by name alone, or not even by that.

use bytes::Bytes;
use rafttree_model::{Durable, Entries, Entry, Faulty, Index, Log, Payload, Position, Record, Term};

use super::interface::Recovered;
use super::record::Written;
use super::slot::{Effect, HardState};

/// The state that the batches read so far add up to.
#[derive(Debug, Default)]
pub(super) struct Image {
    hard: HardState,
    /// The last entry that compaction took away.
    base: Position,
    /// How many entries stand before the first one that is held.
    before: u64,
    /// The term of the last of them, where it is known.
    term_before: Option<Term>,
    held: Vec<Held>,
}

/// An entry of the log.
#[derive(Clone, Debug)]
enum Held {
    Whole(Entry<Bytes>),
    /// It was in a damaged batch.
    Damaged {
        /// The batch's number.
        batch: u64,
        /// Its name, if that is known.
        position: Option<Position>,
    },
}

impl Held {
    /// Its name, if that is known.
    fn position(&self) -> Option<Position> {
        match self {
            Held::Whole(entry) => Some(entry.position),
            Held::Damaged { position, .. } => *position,
        }
    }
}

/// Records that contradict each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Contradiction(pub &'static str);

impl Image {
    pub(super) fn set_hard(&mut self, hard: HardState) {
        self.hard = hard;
    }

    /// Takes over one record.
    pub(super) fn apply(&mut self, record: Written) -> Result<(), Contradiction> {
        match record {
            Written::Record(Record::Term(term)) => self.hard = HardState { term, vote: None },
            Written::Record(Record::Vote(candidate)) => {
                self.hard.vote = Some(candidate).filter(|candidate| candidate.number() != 0)
            }
            Written::Record(Record::Truncate { keep }) => self.keep(keep.number()),
            Written::Record(Record::Append(entry)) => self.append(entry)?,
            Written::Record(Record::Repair(entry)) => self.repair(entry)?,
            Written::Record(Record::Restore { last }) => self.restore(last),
            Written::Record(Record::Compact { .. }) => return Err(Contradiction("it compacts as another format does")),
            Written::Base(base) => self.rebase(base)?,
            Written::Start { base, last } => self.start(base, last)?,
        }
        Ok(())
    }

    /// Takes over what the slot says of a damaged batch.
    pub(super) fn apply_effect(&mut self, sequence: u64, effect: &Effect) {
        self.hard = effect.hard;
        let (first, last, begins) = (effect.first, effect.last, effect.first.index.number());
        self.keep(begins.saturating_sub(1));
        let is_next = begins == self.length() + 1;
        // A log whose terms fall would end the program where it is put together.
        let is_log = is_next && !falls(self.last_term(), first.term) && !falls(first.term, last.term);
        let names = (0..effect.count).map(|at| effect.name(at).filter(|_| is_log));
        self.held.extend(names.map(|position| Held::Damaged { batch: sequence, position }));
    }

    /// The term of the last entry, or of the last before it that is known.
    fn last_term(&self) -> Term {
        match self.held.last() {
            Some(last) => last.position().map_or(self.base.term, |last| last.term),
            None => self.term_before.unwrap_or(self.base.term),
        }
    }

    /// Whether term and vote are these.
    pub(super) fn has(&self, hard: HardState) -> bool {
        self.hard == hard
    }

    /// How many entries the log has had, up to its last one.
    pub(super) fn length(&self) -> u64 {
        self.before + self.held.len() as u64
    }

    /// What a batch has led to that left so many entries of the log before; `None` if that cannot be
    /// known, since entries are damaged.
    pub(super) fn effect(&self, kept: u64, moves_base: bool) -> Option<Effect> {
        let (length, beginning) = (self.length(), self.base.index.number());
        let count = length - kept.max(beginning).min(length);
        let last = self.position_at(self.length())?;
        let index = Index::new(self.length() - count + 1);
        let first = if count == 0 { Position { index, ..last } } else { self.position_at(index.number())? };
        Some(Effect { first, count: count.try_into().ok()?, last, moves_base, hard: self.hard })
    }

    /// The entry at this place, or the one before the first.
    fn position_at(&self, place: u64) -> Option<Position> {
        match place.checked_sub(self.before)?.checked_sub(1) {
            None => Some(Position { index: Index::new(place), term: self.term_before.unwrap_or_default() })
                .filter(|_| place == 0 || self.term_before.is_some()),
            Some(at) => self.held.get(at as usize)?.position(),
        }
    }

    /// The numbers of the damaged batches of which entries are still in the log, and have not been
    /// repaired; and whether the entries' names are known.
    pub(super) fn damaged(&self) -> impl Iterator<Item = (u64, bool)> + '_ {
        self.held.iter().filter_map(|held| match held {
            Held::Whole(_) => None,
            Held::Damaged { batch, position } => Some((*batch, position.is_some())),
        })
    }

    /// Whether entries are missing between the log's beginning and the first that is held.
    pub(super) fn lacks_entries(&self) -> bool {
        let beginning = self.base.index.number();
        beginning != self.before
    }

    /// The state. The entries of which the names alone are known are faulty; the log goes up to the
    /// first of which not even that is.
    pub(super) fn into_recovered(self) -> Recovered {
        let (mut entries, mut faulty) = (Vec::new(), Faulty::NONE);
        for held in self.held {
            let Some(position) = held.position() else { break };
            if let Held::Damaged { .. } = held {
                faulty = Faulty::between(faulty.first().unwrap_or(position.index), position.index);
            }
            entries.push(match held {
                Held::Whole(entry) => entry,
                // Nobody reads it: it is faulty.
                Held::Damaged { .. } => Entry { position, payload: Payload::Blank },
            });
        }
        let mut log = Log::starting_at(self.base);
        entries.iter().for_each(|entry| log.push(entry.position));
        let durable = Durable::assume(self.hard.term, self.hard.vote, log).damaged(faulty);
        Recovered { durable, entries: Entries::after(self.base, entries).damaged(faulty) }
    }

    /// Where the log was before the first segment that is left. Later ones say what is known already.
    fn start(&mut self, base: Position, last: Position) -> Result<(), Contradiction> {
        if falls(base.term, last.term) {
            return Err(Contradiction("its log begins with a later term than it ends with"));
        }
        if self.before == 0 && self.held.is_empty() {
            (self.base, self.before, self.term_before) = (base, last.index.number(), Some(last.term));
        }
        Ok(())
    }

    /// A snapshot that ends with this entry replaces the log.
    fn restore(&mut self, last: Position) {
        self.held.clear();
        (self.base, self.before, self.term_before) = (last, last.index.number(), Some(last.term));
    }

    fn append(&mut self, entry: Entry<Bytes>) -> Result<(), Contradiction> {
        let earlier = self.last_term();
        let place = entry.position.index.number();
        let is_next = place == self.before + self.held.len() as u64 + 1;
        // A log whose terms fall would end the program where it is put together.
        if !is_next || falls(earlier, entry.position.term) {
            return Err(Contradiction("its entries do not follow those before"));
        }
        self.held.push(Held::Whole(entry));
        Ok(())
    }

    /// What an entry of a damaged batch carried. What was compacted since needs no repair.
    fn repair(&mut self, entry: Entry<Bytes>) -> Result<(), Contradiction> {
        let Some(at) = entry.position.index.number().checked_sub(self.before + 1) else { return Ok(()) };
        let (held, name) = (usize::try_from(at).ok().and_then(|at| self.held.get_mut(at)), entry.position);
        match held {
            Some(held) if held.position().is_none_or(|known| known == name) => {
                *held = Held::Whole(entry);
                Ok(())
            }
            _ => Err(Contradiction("it repairs an entry that was not there")),
        }
    }

    fn keep(&mut self, count: u64) {
        self.held.truncate(usize::try_from(count.saturating_sub(self.before)).unwrap_or(usize::MAX));
        // What is before is gone with the segments that held it; it is written again, or compacted.
        if count < self.before {
            (self.before, self.term_before) = (count, None);
        }
    }

    fn rebase(&mut self, base: Position) -> Result<(), Contradiction> {
        let beginning = base.index.number();
        let known = beginning.saturating_sub(self.before);
        let going = usize::try_from(known).unwrap_or(usize::MAX).min(self.held.len());
        self.held.drain(..going);
        if self.before <= beginning {
            self.term_before = Some(base.term);
        }
        self.before += known;
        self.base = base;
        match self.held.first() {
            Some(next) if next.position().is_some_and(|next| falls(base.term, next.term)) => {
                Err(Contradiction("its entries do not follow those that were compacted"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a log in which the one follows the other is none that a server could have written.
fn falls(earlier: Term, later: Term) -> bool {
    later.number() < earlier.number()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(term: u64, index: u64) -> Position {
        Position { term: Term::new(term), index: Index::new(index) }
    }

    fn append(term: u64, index: u64) -> Written {
        Written::Record(Record::Append(Entry { position: at(term, index), payload: Payload::Blank }))
    }

    /// Whether these records are taken in one after the other, and what they add up to can be put together.
    fn is_log(records: &[Written]) -> bool {
        let mut image = Image::default();
        let is_taken = records.iter().all(|record| image.apply(record.clone()).is_ok());
        is_taken && image.into_recovered().durable.log().last() != Position::default()
    }

    #[test]
    fn records_that_contradict_each_other_are_refused_before_a_log_is_made_of_them() {
        let start = |base, last| Written::Start { base, last };
        assert!(is_log(&[start(at(0, 0), at(0, 0)), append(1, 1)]));
        assert!(is_log(&[start(at(2, 5), at(2, 5)), append(2, 6)]));
        assert!(!is_log(&[start(at(255, 0), at(0, 0)), append(1, 1)]), "it begins with a later term");
        assert!(!is_log(&[append(2, 1), append(1, 2)]), "a term falls");
        assert!(!is_log(&[append(1, 2)]), "an entry is missing");
    }
}
