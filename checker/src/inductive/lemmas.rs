//! What needs no code: that history implies Figure 3, and that what holds of other servers goes on to
//! hold when history grows. `docs/inductive.md` says which step of the argument each carries.

use crate::inductive::history::{History, Terms};
use crate::world::Place;

/// How often each was asked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Shown {
    pub(crate) histories: u64,
    /// Log matching: leaders' logs with one entry in common are the same up to there.
    pub(crate) log_matching: u64,
    /// Leader completeness: whoever gets the vote of a server that held an entry has the entry.
    pub(crate) completeness: u64,
    /// What a server has, lacks, knows to be committed goes on to hold when a leader appends or is elected.
    pub(crate) lasting: u64,
}

impl Shown {
    pub(crate) fn total(&self) -> u64 {
        self.log_matching + self.completeness + self.lasting
    }

    fn add(&mut self, other: Shown) {
        self.histories += other.histories;
        self.log_matching += other.log_matching;
        self.completeness += other.completeness;
        self.lasting += other.lasting;
    }
}

/// All of them, for every history; which one fails and for which history, if one does.
pub(crate) fn show(terms: u8, entries: u8) -> (Shown, Option<String>) {
    let mut shown = Shown::default();
    for history in History::all(terms, entries) {
        let mut these = Shown { histories: 1, ..Shown::default() };
        let fails = [
            ("log matching", log_matching(&history, &mut these.log_matching)),
            ("leader completeness", completeness(&history, &mut these.completeness)),
            ("what holds goes on to hold", lasting(&history, terms, entries, &mut these.lasting)),
        ];
        shown.add(these);
        if let Some((lemma, _)) = fails.iter().find(|(_, holds)| !holds) {
            return (shown, Some(format!("{lemma} does not follow for {history}")));
        }
    }
    (shown, None)
}

fn log_matching(history: &History, count: &mut u64) -> bool {
    history.leaders().all(|(_, one)| {
        history.leaders().all(|(_, other)| {
            one.places().filter(|entry| other.has(*entry)).all(|Place { index, .. }| {
                *count += 1;
                one.agrees(&other, index)
            })
        })
    })
}

/// §5.4.3: a voter held an entry in its own term and every leader since then has it; so does the next.
fn completeness(history: &History, count: &mut u64) -> bool {
    own_entries(history).all(|(entry, first)| {
        let Place { term: of, index } = entry;
        history.leaders().filter(|(term, _)| of < *term).all(|(term, elected)| {
            let candidate = elected.first(elected.before(term)).last();
            if history.lacks(of, term - 1, entry) || candidate < entry {
                return true;
            }
            *count += 1;
            elected.has(entry) && elected.agrees(&first, index)
        })
    })
}

fn own_entries(history: &History) -> impl Iterator<Item = (Place, Terms)> + '_ {
    history.leaders().flat_map(|(term, log)| log.own(term).map(move |entry| (entry, log)))
}

/// Whatever is said of servers by `has`, `lacks`, S1, A1 and CM stays true in every later history.
fn lasting(history: &History, terms: u8, entries: u8, count: &mut u64) -> bool {
    let committable = history.committable();
    later(history, terms, entries).all(|grown| {
        *count += 1;
        let keeps_entries =
            history.leaders().all(|(term, log)| grown.leader(term).is_some_and(|it| it.starts_with(&log)));
        let keeps_lacks = own_entries(history).all(|(entry, _)| {
            (entry.term..=terms)
                .all(|upto| !history.lacks(entry.term, upto, entry) || grown.lacks(entry.term, upto, entry))
        });
        // What really is committed is in the log of every leader, so also in the grown history.
        let still: Vec<Place> = committable.iter().copied().filter(|it| !grown.lacks(it.term, u8::MAX, *it)).collect();
        let keeps_logs = history.logs(terms).iter().all(|log| {
            let knows = |index: u8| !history.is_committed(&still, log, index, terms);
            grown.allows(log)
                && (0..=log.len()).all(|index| knows(index) || grown.is_committed(&still, log, index, terms))
        });
        grown.is_rooted(terms) && keeps_entries && keeps_lacks && keeps_logs
    })
}

/// One entry more of some leader, or one leader more.
fn later(history: &History, terms: u8, entries: u8) -> impl Iterator<Item = History> + '_ {
    (1..=terms).flat_map(move |term| {
        let starts = match history.leader(term) {
            Some(log) => vec![log],
            None => history.logs(term - 1),
        };
        starts
            .into_iter()
            .filter(move |start| start.len() < entries)
            .map(move |start| history.with(term, start.and(term)))
    })
}
