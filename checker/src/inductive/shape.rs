//! The log's shape against a plain list of terms: every log of up to eight entries and eight runs, which
//! is more than it keeps in place, whichever way it was reached, asked everything that can be asked.

use std::cmp::Ordering;
use std::hash::BuildHasher;

use rafttree_model::{Durable, Index, Log, Position, Record, Term};
use rustc_hash::FxBuildHasher;

use crate::world::Tag;

/// Entries of the longest logs that are compared.
pub(crate) const LONGEST: u64 = 8;

/// How much was compared.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Compared {
    /// Logs made by pushing alone.
    pub(crate) logs: u64,
    pub(crate) most_runs: u64,
    /// Logs reached in other ways.
    pub(crate) truncated: u64,
    pub(crate) compacted: u64,
    pub(crate) pushed: u64,
    /// Places that were asked for.
    pub(crate) places: u64,
    /// Logs compared with each other.
    pub(crate) pairs: u64,
}

/// Compares all logs; the first difference in words, if there is one.
pub(crate) fn compare(longest: u64) -> (Compared, Option<String>) {
    let mut compared = Compared::default();
    let mut all = Vec::new();
    let differs = BASES.into_iter().find_map(|(term, index)| {
        let base = Plain { base: position(term, index), terms: Vec::new() };
        compared.each(base.log(), base, longest, &mut all).err()
    });
    let differs = differs.or_else(|| compared.pairs(&all).err());
    (compared, differs)
}

/// Terms and indices of bases: of a log that was never compacted, and of others.
const BASES: [(u64, u64); 3] = [(0, 0), (2, 1), (4, 7)];

/// Terms rise by two, so that each has one before it that is in no log.
const RISE: u64 = 2;

/// A log as the paper draws it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Plain {
    base: Position,
    /// The term of each entry after the base.
    terms: Vec<u64>,
}

impl Compared {
    /// This log, what can be made of it, and every longer one that begins with it.
    fn each(&mut self, log: Log, plain: Plain, longest: u64, all: &mut Vec<(Plain, Log)>) -> Result<(), String> {
        self.logs += 1;
        self.most_runs = self.most_runs.max(plain.runs());
        self.same(&log, &plain)?;
        self.ways(&log, &plain)?;
        all.push((plain.clone(), log.clone()));
        if longest <= plain.terms.len() as u64 {
            return Ok(());
        }
        plain.next_terms().try_for_each(|term| {
            let (log, plain) = pushed(&log, &plain, term);
            self.each(log, plain, longest, all)
        })
    }

    /// Every end of it that is cut, every beginning that is compacted, either after the other, and what
    /// is pushed then.
    fn ways(&mut self, log: &Log, plain: &Plain) -> Result<(), String> {
        for at in plain.indices() {
            let (cut, shorter) = (truncated(log, at), plain.truncated(at));
            self.truncated += 1;
            self.same(&cut, &shorter)?;
            self.push(&cut, &shorter)?;
            let (later, compact) = (compacted(log, at), plain.compacted(at));
            self.compacted += 1;
            self.same(&later, &compact)?;
            self.push(&later, &compact)?;
            for keep in compact.indices() {
                self.truncated += 1;
                self.same(&truncated(&later, keep), &compact.truncated(keep))?;
            }
            for through in shorter.indices() {
                self.compacted += 1;
                self.same(&compacted(&cut, through), &shorter.compacted(through))?;
            }
        }
        Ok(())
    }

    fn push(&mut self, log: &Log, plain: &Plain) -> Result<(), String> {
        plain.next_terms().try_for_each(|term| {
            self.pushed += 1;
            let (log, plain) = pushed(log, plain, term);
            self.same(&log, &plain)
        })
    }

    /// Whether both say the same of everything; and whether the log is the one that pushing alone makes.
    fn same(&mut self, log: &Log, plain: &Plain) -> Result<(), String> {
        let direct = plain.log();
        let hash = |log: &Log| FxBuildHasher.hash_one(log);
        let is_direct = *log == direct && log.cmp(&direct) == Ordering::Equal && hash(log) == hash(&direct);
        if !is_direct {
            return Err(format!("{log:?} is not equal to {direct:?}, which has the same entries"));
        }
        let is_whole = (log.base(), log.last()) == (plain.base, plain.last());
        if !is_whole || !log.positions().eq(plain.positions()) {
            return Err(format!("{log:?} has not the entries of {plain:?}"));
        }
        let last = plain.last();
        for index in 0..=last.index.number() + 2 {
            let at = Index::new(index);
            let term = plain.term_at(index);
            let is_so = log.term_at(at).map(Term::number) == term
                && log.position_at(at) == term.map(|term| position(term, index));
            if !is_so {
                return Err(format!("{log:?} has {:?} at {index}, and {plain:?} has not", log.position_at(at)));
            }
            for term in 0..=last.term.number() + 1 {
                self.place(log, plain, position(term, index))?;
            }
        }
        Ok(())
    }

    fn place(&mut self, log: &Log, plain: &Plain, place: Position) -> Result<(), String> {
        self.places += 1;
        let (holds, within) = (log.holds(place), log.last_within(place));
        if (holds, within) == (plain.holds(place), plain.last_within(place)) {
            return Ok(());
        }
        let words = if holds { "holds" } else { "does not hold" };
        Err(format!("{log:?} {words} {place}, its last within is {within:?}; {plain:?} differs"))
    }

    /// Logs are equal where their entries are, and ordered so that only equal ones are neither before
    /// nor after each other.
    fn pairs(&mut self, all: &[(Plain, Log)]) -> Result<(), String> {
        for (plain, log) in all {
            for (other_plain, other) in all {
                self.pairs += 1;
                let is_equal = plain == other_plain;
                let order = log.cmp(other);
                let is_so = (log == other) == is_equal
                    && (order == Ordering::Equal) == is_equal
                    && other.cmp(log) == order.reverse();
                if !is_so {
                    return Err(format!("{log:?} and {other:?} are not compared by their entries"));
                }
            }
        }
        Ok(())
    }
}

impl Plain {
    fn indices(&self) -> impl Iterator<Item = u64> + use<> {
        self.base.index.number()..=self.last().index.number()
    }

    fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        let first = self.base.index.number() + 1;
        self.terms.iter().zip(first..).map(|(term, index)| position(*term, index))
    }

    fn last(&self) -> Position {
        self.positions().last().unwrap_or(self.base)
    }

    fn runs(&self) -> u64 {
        let mut terms = self.terms.clone();
        terms.dedup();
        terms.len() as u64
    }

    fn term_at(&self, index: u64) -> Option<u64> {
        let known = [self.base].into_iter().chain(self.positions());
        known.filter(|position| position.index.number() == index).map(|position| position.term.number()).next()
    }

    /// What was compacted is taken for held.
    fn holds(&self, place: Position) -> bool {
        place.index < self.base.index || self.term_at(place.index.number()) == Some(place.term.number())
    }

    fn last_within(&self, bound: Position) -> Option<Position> {
        let is_within = |place: &Position| place.index <= bound.index && place.term <= bound.term;
        [self.base].into_iter().chain(self.positions()).filter(is_within).last()
    }

    /// The last entry's term, and a later one; before the first there is none to go on with.
    fn next_terms(&self) -> impl Iterator<Item = u64> + use<> {
        let last = self.last().term.number();
        [last, last + RISE].into_iter().filter(|term| 0 < *term)
    }

    fn truncated(&self, keep: u64) -> Plain {
        let held = keep - self.base.index.number();
        Plain { base: self.base, terms: self.terms[..held as usize].to_vec() }
    }

    fn compacted(&self, through: u64) -> Plain {
        let gone = through - self.base.index.number();
        let term = self.term_at(through).unwrap_or_default();
        Plain { base: position(term, through), terms: self.terms[gone as usize..].to_vec() }
    }

    /// The log that pushing alone makes of it.
    fn log(&self) -> Log {
        let mut log = Log::starting_at(self.base);
        self.positions().for_each(|position| log.push(position));
        log
    }
}

fn pushed(log: &Log, plain: &Plain, term: u64) -> (Log, Plain) {
    let (mut log, mut plain) = (log.clone(), plain.clone());
    log.push(position(term, plain.last().index.next().number()));
    plain.terms.push(term);
    (log, plain)
}

fn truncated(log: &Log, keep: u64) -> Log {
    applied(log, &Record::Truncate { keep: Index::new(keep) })
}

fn compacted(log: &Log, through: u64) -> Log {
    applied(log, &Record::Compact { through: Index::new(through) })
}

/// Logs change by records.
fn applied(log: &Log, record: &Record<Tag>) -> Log {
    let mut durable = Durable::assume(Term::default(), None, log.clone());
    durable.apply(record);
    durable.log().clone()
}

fn position(term: u64, index: u64) -> Position {
    Position { term: Term::new(term), index: Index::new(index) }
}
