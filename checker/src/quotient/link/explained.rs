//! Histories that explain a state of the search: logs of leaders, those that still lead and those that
//! are gone, from which all that its servers hold, and say, could have come.
//!
//! A state remembers of history what its servers hold and what may still be heard. The rest is free:
//! that some history explains a state is all that is asked. Where every server knows a first part of
//! all logs to be committed, a state keeps of it the term of its last entry; that is the first entry
//! here.

use crate::inductive::class::Assumption;
use crate::inductive::conjuncts::Conjunct;
use crate::inductive::history::{History, MOST_TERMS, Terms};
use crate::quotient::server::{Cells, term_of};
use crate::quotient::state::State;
use crate::world::Place;

/// Terms there is room for, with 0.
const ROOM: usize = MOST_TERMS + 2;

/// Indices there is room for, with 0, where the log of a candidate ended.
const ENDS: u8 = 8;

// One bit for each term, and one for each place.
const _: () = assert!(ROOM <= u16::BITS as usize && ROOM * ENDS as usize <= u128::BITS as usize);

/// What a state says of history.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Traces {
    pub(super) base: u8,
    /// By term the longest part of any log that ends in an entry of it.
    logs: [Cells; ROOM],
    /// The terms of which this is the leader's whole log, one bit each.
    whole: u16,
    /// Where logs of candidates ended that nobody holds any more; one bit for each place.
    pub(super) lost: u128,
}

/// Why a state is in no class: the short name of what does not hold, and what that says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Fault {
    pub(super) id: &'static str,
    pub(super) says: &'static str,
}

impl From<Conjunct> for Fault {
    fn from(conjunct: Conjunct) -> Fault {
        Fault { id: conjunct.id(), says: conjunct.says() }
    }
}

/// E6.
fn two_leaders() -> Fault {
    Fault { id: Assumption::OneLeader.id(), says: "a term has one leader" }
}

impl Traces {
    /// A fault, if no history at all explains the state.
    pub(super) fn of(state: &State) -> Result<Traces, Fault> {
        let mut traces = Traces { base: state.base, logs: [Cells::default(); ROOM], whole: 0, lost: 0 };
        for past in state.leaderships() {
            if traces.whole & 1 << past.term != 0 {
                return Err(two_leaders());
            }
            traces.whole |= 1 << past.term;
            traces.logs[past.term as usize] = past.cells;
        }
        let held = state.seats().map(|(_, seat)| seat.cells());
        for cells in held.chain(state.past.iter().map(|past| past.cells)).chain([state.committed]) {
            traces.note(cells)?;
        }
        for asked in &state.asked {
            traces.note_end(asked.last);
        }
        // What entries carry was compared; history knows of their terms alone.
        traces.logs = traces.logs.map(|cells| Cells { bits: cells.bits & 0x1f1f_1f1f, ..cells });
        Ok(traces)
    }

    /// S1: each part of a log that ends with the last entry of a term is a part of its leader's log.
    fn note(&mut self, cells: Cells) -> Result<(), Fault> {
        for end in 1..=cells.len {
            let term = term_of(cells.get(end - 1));
            if end < cells.len && term_of(cells.get(end)) == term {
                continue;
            }
            let (part, known) = (cells.first(end), &mut self.logs[term as usize]);
            let is_whole = self.whole & 1 << term != 0;
            if part.common(*known) < part.len.min(known.len) || is_whole && known.len < part.len {
                return Err(Conjunct::PartOfLeaders.into());
            }
            if known.len < part.len {
                *known = part;
            }
        }
        Ok(())
    }

    fn note_end(&mut self, Place { term, index }: Place) {
        let known = self.logs[term as usize];
        let is_known = match index {
            0 => term == self.base || term == 0,
            _ => index <= known.len && term_of(known.get(index - 1)) == term,
        };
        if !is_known {
            self.lost |= 1 << (term * ENDS + index);
        }
    }

    /// The log of these cells, behind what every server knows to be committed.
    pub(super) fn terms(base: u8, cells: Cells) -> Terms {
        let start = if base == 0 { Terms::default() } else { Terms::default().and(base) };
        cells.iter().map(term_of).fold(start, Terms::and)
    }

    /// A history that explains all of it; a fault, if none was found.
    pub(super) fn explained(&self) -> Result<History, Fault> {
        let mut history = History::NONE;
        for (term, &cells) in (0..).zip(&self.logs) {
            if cells.len != 0 || term != 0 && term == self.base {
                history = history.with(term, Traces::terms(self.base, cells));
            }
        }
        let shift = u8::from(self.base != 0);
        for term in (1..ROOM as u8).filter(|term| self.lost >> (term * ENDS) & ((1 << ENDS) - 1) != 0) {
            let ends = (0..ENDS).filter(|index| self.lost >> (term * ENDS + index) & 1 != 0).map(|index| index + shift);
            history = self.with_lost(history, term, ends)?;
        }
        let is_rooted = (0..ROOM as u8).all(|term| history.is_rooted(term));
        if is_rooted { Ok(history) } else { Err(Conjunct::Rooted.into()) }
    }

    /// The same history with a leader of this term whose log has ended, at one time or another, at
    /// these indices, in ascending order.
    fn with_lost(&self, history: History, term: u8, ends: impl Iterator<Item = u8> + Clone) -> Result<History, Fault> {
        let first = ends.clone().next().unwrap_or_default();
        let last = ends.last().unwrap_or_default();
        let with = |start: Terms| history.with(term, start.and_many(term, last - start.len()));
        if let Some(log) = history.leader(term) {
            // It may have been longer, unless it still leads or what it said may still be heard.
            let may_be = self.whole & 1 << term == 0 && log.before(term) < first && log.len() < last;
            return if may_be { Ok(with(log)) } else { Err(Conjunct::AsksWithItsLog.into()) };
        }
        // What the others need is that as much as possible may have been committed before. That is a row of
        // entries of which each leader has the first ones, so that the longest part of it leaves the most. Its own
        // entries, of which nobody knows, are not among what others need.
        let leaves = |start: &Terms| {
            let committable = with(*start).committable();
            (committable.iter().filter(|entry| entry.term < term).count(), start.len())
        };
        let starts = history.logs(term - 1).into_iter().filter(|start| start.len() < first);
        starts.max_by_key(leaves).map(with).ok_or_else(|| Conjunct::AsksWithItsLog.into())
    }
}

/// The place in history of an entry, or an end of a log, of a state.
pub(super) fn place_of(base: u8, Place { term, index }: Place) -> Place {
    // What has no term ended before anything that is still known.
    if term == 0 { Place::START } else { Place { term, index: index + u8::from(base != 0) } }
}

impl State {
    /// The same, if there is room for its terms in a history; where they are too high, they are numbered
    /// anew in their order, which is all that the invariant looks at.
    pub(crate) fn within_history(&self) -> Option<State> {
        if self.terms() < 1 << ROOM {
            return Some(*self);
        }
        let present = self.terms() & !1;
        let rank = |term: u8| (present & ((1 << term) - 1)).count_ones() as u8 + u8::from(term != 0);
        let ranked = self.with_terms(rank);
        (ranked.terms() < 1 << ROOM).then_some(ranked)
    }
}
