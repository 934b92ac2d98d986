//! What the state machine is given: all that is committed, in order, each entry once.

use rafttree_model::{Applying, Due, End, Entries, Index, Log, Position, Record};

use crate::support::{Command, all_terms, at, command, log, slice};

/// The entries of a log with these terms, behind its first so many.
fn entries(terms: &[u64], compacted: usize) -> (Log, Entries<Command>) {
    let (mut durable, mut entries) = (crate::support::disk(0, terms), Entries::default());
    let all = slice(at(0, 0), terms).into_entries().into_iter().map(Record::Append);
    all.for_each(|record| entries.apply(&record));
    let compact = Record::Compact { through: Index::new(compacted as u64) };
    if 0 < compacted {
        durable.apply(&compact);
        entries.apply(&compact);
    }
    (durable.log().clone(), entries)
}

/// A log that a snapshot replaced, and one entry behind it.
fn replaced(base: Position, entry: Position) -> (Log, Entries<Command>) {
    let mut log = Log::starting_at(base);
    log.push(entry);
    let Position { term, index } = entry;
    (log, Entries::after(base, vec![command(index.number(), term.number(), "x")]))
}

/// What is due with everything up to there committed: the places that are applied, and who is told what.
fn due(
    applying: &mut Applying<Position>,
    (log, entries): &(Log, Entries<Command>),
    commit: u64,
) -> (Vec<Position>, Vec<(Position, Option<End>)>) {
    let (mut applied, mut told) = (Vec::new(), Vec::new());
    while let Some(due) = applying.next(log, entries, Index::new(commit)) {
        match due {
            Due::Apply { entry, proposer } => {
                applied.push(entry.position);
                told.extend(proposer.map(|proposer| (proposer, None)));
            }
            Due::Over { proposer, end } => told.push((proposer, Some(end))),
        }
    }
    (applied, told)
}

fn started(log: &Log, snapshot: Option<Position>) -> Applying<Position> {
    Applying::start(log, snapshot).expect("nothing is missing between the snapshot and the log")
}

/// Every log, cut anywhere by compaction, every place where the state machine starts, every pair of commit
/// indices one after the other.
#[test]
fn everything_committed_is_applied_once_and_in_order() {
    let mut cases = 0;
    for terms in all_terms(4, 3) {
        let last = terms.len() as u64;
        let whole: Vec<_> = log(&terms).positions().collect();
        for (base, snapshot) in (0..=last).flat_map(|base| (base..=last).map(move |snapshot| (base, snapshot))) {
            let held = entries(&terms, base as usize);
            for (first, second) in (snapshot..=last).flat_map(|first| (first..=last).map(move |second| (first, second)))
            {
                let from = snapshot.checked_sub(1).map(|before| whole[before as usize]);
                let mut applying = started(&held.0, from);
                let mut applied = due(&mut applying, &held, first).0;
                applied.extend(due(&mut applying, &held, second).0);
                assert_eq!(applied, whole[snapshot as usize..second as usize]);
                assert_eq!(applying.through(), Index::new(second));
                assert_eq!(due(&mut applying, &held, second), (vec![], vec![]), "nothing is due twice");
                cases += 1;
            }
        }
    }
    assert!(1_000 < cases, "{cases}");
}

#[test]
fn who_proposed_an_entry_here_waits_for_its_answer() {
    let held = entries(&[1, 1, 1], 0);
    let mut applying = started(&held.0, None);
    applying.accept(at(2, 1), at(2, 1));
    assert_eq!(applying.open(), 1);
    assert_eq!(due(&mut applying, &held, 3), (vec![at(1, 1), at(2, 1), at(3, 1)], vec![(at(2, 1), None)]));
    assert_eq!(applying.open(), 0);
}

/// Another entry of the same index is no answer.
#[test]
fn who_proposed_what_was_cut_hears_that_it_is_not_committed() {
    let held = entries(&[1, 2, 2], 0);
    let mut applying = started(&held.0, None);
    applying.accept(at(2, 1), at(2, 1));
    applying.accept(at(3, 2), at(3, 2));
    assert_eq!(
        due(&mut applying, &held, 3),
        (vec![at(1, 1), at(2, 2), at(3, 2)], vec![(at(2, 1), Some(End::NotCommitted)), (at(3, 2), None)])
    );
}

#[test]
fn a_log_that_begins_behind_the_snapshot_lacks_entries() {
    let held = entries(&[1, 1, 2], 2);
    assert_eq!(Applying::<()>::start(&held.0, None), None);
    assert_eq!(Applying::<()>::start(&held.0, Some(at(1, 1))), None);
    assert!(Applying::<()>::start(&held.0, Some(at(2, 1))).is_some());
}

/// A snapshot that was being sent when the server crashed may be further than its log.
#[test]
fn a_snapshot_ahead_of_the_log_is_applied_over_by_nothing() {
    let held = entries(&[1, 1, 1, 2], 0);
    let mut applying = started(&entries(&[1, 1], 0).0, Some(at(3, 1)));
    assert_eq!(due(&mut applying, &held, 2).0, []);
    assert_eq!(due(&mut applying, &held, 4).0, [at(4, 2)]);
}

#[test]
fn where_a_snapshot_replaced_the_log_nothing_is_applied_before_it() {
    let mut applying = started(&log(&[1]), None);
    applying.accept(at(1, 1), at(1, 1));
    let restored = replaced(at(3, 2), at(4, 2));
    assert_eq!(due(&mut applying, &restored, 4), (vec![], vec![]), "first the snapshot");
    assert!(applying.restore(at(3, 2)));
    assert_eq!(due(&mut applying, &restored, 4), (vec![at(4, 2)], vec![(at(1, 1), Some(End::Unknown))]));
    assert!(!applying.restore(at(3, 2)), "the state machine is further by now");
}

/// Its answer came about where the snapshot was made.
#[test]
fn what_came_with_a_snapshot_has_no_answer_here() {
    let restored = replaced(at(2, 1), at(3, 1));
    let mut applying = started(&log(&[1]), None);
    applying.accept(at(2, 1), at(2, 1));
    assert!(applying.restore(at(2, 1)));
    assert_eq!(due(&mut applying, &restored, 3), (vec![at(3, 1)], vec![(at(2, 1), Some(End::Committed))]));
}
