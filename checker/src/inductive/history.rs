//! History: what the invariant remembers beside one server. For each term it is the log of the
//! leader of that term, as long as it ever was in that term.

use std::fmt;

use rafttree_model::{Entry, Log, Payload, Position, ServerId, Slice};

use crate::world::{Place, Tag};

/// Entries of the longest log there is room for.
pub(crate) const MOST_ENTRIES: usize = 16;

/// The highest term there is room for.
pub(crate) const MOST_TERMS: usize = 14;

/// A log as the paper draws it: a row of terms. Logs are judged in this form and not in the one that
/// the model keeps them in.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Terms {
    len: u8,
    terms: [u8; MOST_ENTRIES],
}

impl Terms {
    pub(crate) fn of(log: &Log) -> Terms {
        log.positions().fold(Terms::default(), |terms, position| terms.and(position.term.number() as u8))
    }

    /// The same with one more entry.
    #[must_use]
    pub(crate) fn and(mut self, term: u8) -> Terms {
        self.terms[self.len as usize] = term;
        self.len += 1;
        self
    }

    /// The same with more entries of one term.
    #[must_use]
    pub(crate) fn and_many(self, term: u8, count: u8) -> Terms {
        (0..count).fold(self, |terms, _| terms.and(term))
    }

    /// The first entries.
    #[must_use]
    pub(crate) fn first(self, count: u8) -> Terms {
        let mut terms = Terms { len: self.len.min(count), ..Terms::default() };
        terms.terms[..terms.len as usize].copy_from_slice(&self.terms[..terms.len as usize]);
        terms
    }

    pub(crate) fn len(&self) -> u8 {
        self.len
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = u8> + '_ {
        self.terms[..self.len as usize].iter().copied()
    }

    /// Term and index of every entry.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.iter().zip(1..).map(|(term, index)| Place { term, index })
    }

    pub(crate) fn last(&self) -> Place {
        self.place(self.len)
    }

    /// The term of an entry; 0 before the first.
    pub(crate) fn at(&self, index: u8) -> u8 {
        if index == 0 { 0 } else { self.terms[index as usize - 1] }
    }

    /// Term and index of an entry; before the first, where an empty log ends.
    fn place(&self, index: u8) -> Place {
        Place { term: self.at(index), index }
    }

    /// Whether it holds this entry.
    pub(crate) fn has(&self, Place { term, index }: Place) -> bool {
        index <= self.len && self.at(index) == term
    }

    /// How many entries both logs begin with.
    pub(crate) fn common(&self, other: &Terms) -> u8 {
        self.iter().zip(other.iter()).take_while(|(ours, theirs)| ours == theirs).count() as u8
    }

    pub(crate) fn starts_with(&self, other: &Terms) -> bool {
        self.common(other) == other.len
    }

    /// Whether both hold the same entries up to this one.
    pub(crate) fn agrees(&self, other: &Terms, upto: u8) -> bool {
        upto <= self.common(other)
    }

    /// Term and index of the entries of this term, at the end.
    pub(crate) fn own(self, term: u8) -> impl Iterator<Item = Place> {
        (self.before(term) + 1..=self.len).map(move |index| Place { term, index })
    }

    /// How many entries come before those of this term, at the end.
    pub(crate) fn before(&self, term: u8) -> u8 {
        self.len - self.iter().rev().take_while(|own| *own == term).count() as u8
    }

    /// The log in the form that the model keeps it in.
    pub(crate) fn log(&self) -> Log {
        let mut log = Log::starting_at(Position::default());
        self.places().for_each(|place| log.push(place.position()));
        log
    }

    /// The entries after `previous` up to `last`, as a message carries them.
    pub(crate) fn slice(&self, previous: u8, last: u8) -> Slice<Tag> {
        let entries = (previous + 1..=last).map(|index| entry(self.place(index))).collect();
        let slice = Slice::new(self.place(previous).position(), entries);
        slice.expect("a log has no gaps, and its terms never fall")
    }
}

/// The one entry of this term and index that there is: each carries a command of its own.
pub(crate) fn entry(place: Place) -> Entry<Tag> {
    let Place { term, index } = place;
    let command = Tag(ServerId::new(u32::from(term) * 100 + u32::from(index)));
    Entry { position: place.position(), payload: Payload::Command(command) }
}

/// For each term the log of its leader; none before it has one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct History {
    leaders: [Option<Terms>; MOST_TERMS + 2],
}

impl History {
    /// Nobody ever led.
    pub(crate) const NONE: History = History { leaders: [None; MOST_TERMS + 2] };

    /// Every history with terms and logs up to these, the shortest first (G2).
    pub(crate) fn all(terms: u8, entries: u8) -> Vec<History> {
        History::some(terms, entries, usize::MAX).unwrap_or_default()
    }

    /// The same, if they are no more than this.
    pub(crate) fn some(terms: u8, entries: u8, most: usize) -> Option<Vec<History>> {
        let mut all = vec![History::NONE];
        for term in 1..=terms {
            for at in 0..all.len() {
                let history: History = all[at];
                for start in history.logs(term - 1) {
                    let longer = (1..=entries - start.len()).map(|own| history.with(term, start.and_many(term, own)));
                    all.extend(longer);
                }
                if most < all.len() {
                    return None;
                }
            }
        }
        all.sort_by_key(|history| (history.entries(), history.leaders));
        Some(all)
    }

    fn entries(&self) -> usize {
        self.leaders.iter().flatten().map(|log| log.len() as usize).sum()
    }

    #[must_use]
    pub(crate) fn with(mut self, term: u8, log: Terms) -> History {
        self.leaders[term as usize] = Some(log);
        self
    }

    /// The log of the leader of this term.
    pub(crate) fn leader(&self, term: u8) -> Option<Terms> {
        self.leaders.get(term as usize).copied().flatten()
    }

    /// The terms that have had a leader, with its log.
    pub(crate) fn leaders(&self) -> impl Iterator<Item = (u8, Terms)> + '_ {
        (0..).zip(self.leaders.iter()).filter_map(|(term, log)| log.map(|log| (term, log)))
    }

    /// S1: every log that a server may hold whose last entry has at most this term.
    pub(crate) fn logs(&self, term: u8) -> Vec<Terms> {
        let leaders = self.leaders().filter(|(of, _)| *of <= term);
        let own = leaders.flat_map(|(of, log)| (log.before(of) + 1..=log.len()).map(move |last| log.first(last)));
        [Terms::default()].into_iter().chain(own).collect()
    }

    /// S1: whether a server may hold this log.
    pub(crate) fn allows(&self, log: &Terms) -> bool {
        log.len() == 0 || self.leader(log.last().term).is_some_and(|leader| leader.starts_with(log))
    }

    /// G2: whether the leader's log of this term goes back to the log of an earlier leader.
    pub(crate) fn is_rooted(&self, term: u8) -> bool {
        let Some(log) = self.leader(term) else { return true };
        let start = log.first(log.before(term));
        start.len() < log.len() && start.iter().all(|earlier| earlier < term) && self.allows(&start)
    }

    /// Whether a leader of a term after `after` and up to `upto` lacks this entry.
    pub(crate) fn lacks(&self, after: u8, upto: u8, entry: Place) -> bool {
        self.leaders().any(|(term, log)| after < term && term <= upto && !log.has(entry))
    }

    /// Entries that a majority may have acknowledged in their own term: every later leader has them
    /// (leader completeness).
    pub(crate) fn committable(&self) -> Vec<Place> {
        let own = self.leaders().flat_map(|(term, log)| log.own(term));
        own.filter(|&entry| !self.lacks(entry.term, u8::MAX, entry)).collect()
    }

    /// CM: whether a server in this term, with this log, may take its first entries for committed.
    pub(crate) fn is_committed(&self, committable: &[Place], log: &Terms, index: u8, term: u8) -> bool {
        let reaches = |last: &Place| {
            last.term <= term
                && index <= last.index
                && self.leader(last.term).is_some_and(|leader| leader.agrees(log, index))
        };
        index == 0 || committable.iter().any(reaches)
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms: Vec<String> = self.iter().map(|term| term.to_string()).collect();
        write!(out, "[{}]", terms.join(" "))
    }
}

/// The leader's log of each term that has had one.
impl fmt::Display for History {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leaders: Vec<String> = self.leaders().map(|(term, log)| format!("leader of {term} {log}")).collect();
        if leaders.is_empty() { write!(out, "no term had a leader") } else { write!(out, "{}", leaders.join(", ")) }
    }
}
