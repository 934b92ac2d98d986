//! The log's shape against a plain list of its entries.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rafttree_model::{Durable, Entry, Index, Log, Payload, Position, Record, Term};

use crate::support::{at, log};

/// What a log is, said in the plainest way: `0@0` and every entry that was kept since, so that
/// each stands at its own index; the base is the last that was compacted.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Plain {
    entries: Vec<Position>,
    base: usize,
}

impl Plain {
    fn new() -> Plain {
        Plain { entries: vec![at(0, 0)], base: 0 }
    }

    fn apply(&mut self, record: &Record<()>) {
        match record {
            Record::Append(entry) => self.entries.push(entry.position),
            Record::Truncate { keep } => self.entries.truncate(keep.number() as usize + 1),
            Record::Compact { through } => self.base = through.number() as usize,
            Record::Restore { last } => {
                self.base = last.index.number() as usize;
                // What was there before is not known any more, and stands for nothing.
                self.entries.resize(self.base, Position::default());
                self.entries.push(*last);
            }
            Record::Term(_) | Record::Vote(_) | Record::Repair(_) => {}
        }
    }

    /// The base and what the log holds after it.
    fn known(&self) -> &[Position] {
        &self.entries[self.base..]
    }

    fn last(&self) -> Position {
        self.entries[self.entries.len() - 1]
    }

    fn position_at(&self, index: u64) -> Option<Position> {
        self.known().iter().copied().find(|known| known.index.number() == index)
    }

    fn last_within(&self, bound: Position) -> Option<Position> {
        let within = |known: &Position| known.index <= bound.index && known.term <= bound.term;
        self.known().iter().copied().rfind(within)
    }
}

fn append(index: u64, term: u64) -> Record<()> {
    Record::Append(Entry { position: at(index, term), payload: Payload::Blank })
}

/// Every record that the plain log can take, with terms up to `highest`.
fn next_records(plain: &Plain, highest: u64) -> Vec<Record<()>> {
    let last = plain.last();
    let appends = (last.term.number().max(1)..=highest).map(|term| append(last.index.number() + 1, term));
    let truncations = (plain.base as u64..=last.index.number()).map(|keep| Record::Truncate { keep: Index::new(keep) });
    let compactions =
        (plain.base as u64..=last.index.number()).map(|through| Record::Compact { through: Index::new(through) });
    let restored = (last.index.number() + 1..=2).flat_map(|index| (1..=highest).map(move |term| at(index, term)));
    let restorations = restored.map(|last| Record::Restore { last });
    appends.chain(truncations).chain(compactions).chain(restorations).collect()
}

/// Asks both logs every question there is about indices and terms up to a little beyond.
fn assert_same(log: &Log, plain: &Plain, highest: u64) {
    assert_eq!(log.base(), plain.entries[plain.base], "base of {plain:?}");
    assert_eq!(log.last(), plain.last(), "last of {plain:?}");
    for index in 0..=plain.last().index.number() + 2 {
        let expected = plain.position_at(index);
        assert_eq!(log.position_at(Index::new(index)), expected, "entry {index} of {plain:?}");
        assert_eq!(log.term_at(Index::new(index)), expected.map(|entry| entry.term), "term of {index} of {plain:?}");
        for term in 0..=highest + 1 {
            let asked = at(index, term);
            let holds = index < plain.base as u64 || expected == Some(asked);
            assert_eq!(log.holds(asked), holds, "{asked} in {plain:?}");
            assert_eq!(log.last_within(asked), plain.last_within(asked), "within {asked} in {plain:?}");
        }
    }
}

/// Every log that records can make whose last index is at most `longest`, with its plain twin.
fn all_logs(longest: u64, highest: u64) -> Vec<(Durable, Plain)> {
    let mut found = BTreeMap::from([(Plain::new(), Durable::default())]);
    let mut fresh = vec![(Durable::default(), Plain::new())];
    while let Some((durable, plain)) = fresh.pop() {
        for record in next_records(&plain, highest) {
            let (mut durable, mut plain) = (durable.clone(), plain.clone());
            durable.apply(&record);
            plain.apply(&record);
            if plain.last().index.number() <= longest && !found.contains_key(&plain) {
                found.insert(plain.clone(), durable.clone());
                fresh.push((durable, plain));
            }
        }
    }
    found.into_iter().map(|(plain, durable)| (durable, plain)).collect()
}

#[test]
fn every_short_log_answers_as_the_list_of_its_entries_does() {
    let logs = all_logs(6, 4);
    assert!(500 < logs.len(), "only {} logs were tried", logs.len());
    for (durable, plain) in &logs {
        assert_same(durable.log(), plain, 4);
    }
}

#[test]
fn each_record_makes_of_a_short_log_what_it_makes_of_the_list() {
    for (durable, plain) in all_logs(4, 3) {
        for record in next_records(&plain, 3) {
            let (mut durable, mut plain) = (durable.clone(), plain.clone());
            durable.apply(&record);
            plain.apply(&record);
            assert_same(durable.log(), &plain, 3);
        }
    }
}

/// Checked states are told apart by comparing them: one log must not have two shapes.
#[test]
fn logs_that_answer_alike_are_equal_however_they_came_about() {
    let mut shapes: BTreeMap<Vec<Position>, Log> = BTreeMap::new();
    for (durable, plain) in all_logs(4, 3) {
        for record in next_records(&plain, 3) {
            let (mut durable, mut plain) = (durable.clone(), plain.clone());
            durable.apply(&record);
            plain.apply(&record);
            let shape = shapes.entry(plain.known().to_vec()).or_insert_with(|| durable.log().clone());
            assert_eq!(shape, durable.log(), "two shapes of {plain:?}");
        }
    }
}

#[test]
fn a_record_changes_nothing_but_what_it_names() {
    let mut durable = Durable::default();
    durable.apply(&Record::<()>::Term(Term::new(4)));
    durable.apply(&Record::<()>::Vote(rafttree_model::ServerId::new(2)));
    durable.apply(&append(1, 3));
    assert_eq!((durable.term(), durable.vote()), (Term::new(4), Some(rafttree_model::ServerId::new(2))));
    assert_eq!(durable.log(), &log(&[3]));
    durable.apply(&Record::<()>::Term(Term::new(5)));
    assert_eq!((durable.term(), durable.vote()), (Term::new(5), None), "a new term begins without a vote");
    assert_eq!(durable.log(), &log(&[3]));
}

#[test]
fn nothing_is_within_what_only_compacted_entries_could_agree_with() {
    let mut durable = Durable::default();
    for record in [append(1, 2), append(2, 2), append(3, 3), Record::Compact { through: Index::new(2) }] {
        durable.apply(&record);
    }
    assert_eq!(durable.log().last_within(at(1, 1)), None);
    assert_eq!(durable.log().last_within(at(1, 2)), None);
    assert_eq!(durable.log().last_within(at(2, 1)), None);
    assert_eq!(durable.log().last_within(at(3, 2)), Some(at(2, 2)));
    assert_eq!(durable.log().last_within(at(9, 9)), Some(at(3, 3)));
}

#[test]
#[should_panic(expected = "a log has no gaps")]
fn an_entry_beyond_the_next_index_is_a_defect() {
    Durable::default().apply(&append(2, 1));
}

#[test]
#[should_panic(expected = "terms never fall along a log")]
fn an_entry_of_an_earlier_term_than_the_last_is_a_defect() {
    let mut durable = Durable::default();
    durable.apply(&append(1, 2));
    durable.apply(&append(2, 1));
}

#[test]
#[should_panic(expected = "what was compacted was committed and is never removed")]
fn to_truncate_what_was_compacted_is_a_defect() {
    let mut durable = Durable::default();
    for record in [append(1, 1), append(2, 1), Record::Compact { through: Index::new(2) }] {
        durable.apply(&record);
    }
    durable.apply(&Record::<()>::Truncate { keep: Index::new(1) });
}

#[test]
#[should_panic(expected = "only entries that the log holds are compacted")]
fn to_compact_what_the_log_does_not_hold_is_a_defect() {
    let mut durable = Durable::default();
    durable.apply(&append(1, 1));
    durable.apply(&Record::<()>::Compact { through: Index::new(2) });
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default()
    })]

    /// Many terms, so that the boundaries outgrow what a log keeps in place.
    #[test]
    fn a_long_history_leaves_what_it_leaves_of_the_list(choices in prop::collection::vec((0..20u8, any::<u16>()), 0..150)) {
        let (mut durable, mut plain) = (Durable::default(), Plain::new());
        for (kind, amount) in choices {
            let (last, amount) = (plain.last(), u64::from(amount));
            let kept = plain.base as u64 + amount % plain.known().len() as u64;
            let record = match kind {
                0 => Record::Compact { through: Index::new(kept) },
                1..=3 => Record::Truncate { keep: Index::new(last.index.number() - (last.index.number() - kept) / 4) },
                _ => append(last.index.number() + 1, (last.term.number() + u64::from(amount % 4 == 0)).max(1)),
            };
            durable.apply(&record);
            plain.apply(&record);
        }
        let highest = plain.last().term.number();
        assert_same(durable.log(), &plain, highest);
    }
}
