//! The entries in memory against the records that bring them and the log that describes them.

use rafttree_model::{Durable, Entries, Faulty, Index, Payload, Position, Range, Record, Slice};

use crate::support::{Command, all_terms, at, blank, id, position_in, slice};

/// Entries of these terms from index 1 on.
fn entries(terms: &[u64]) -> Entries<Command> {
    Entries::after(at(0, 0), slice(at(0, 0), terms).into_entries())
}

/// What is left of them once a snapshot holds everything up to this index.
fn compacted(terms: &[u64], through: u64) -> Entries<Command> {
    let mut entries = entries(terms);
    entries.apply(&Record::Compact { through: Index::new(through) });
    entries
}

fn range(previous: Position, last: Position) -> Range {
    Range { previous, last }
}

#[test]
fn entries_are_what_their_records_add_up_to() {
    let mut entries = entries(&[1, 1, 1, 1, 1]);
    entries.apply(&Record::Truncate { keep: Index::new(4) });
    entries.apply(&Record::Append(blank(5, 2)));
    entries.apply(&Record::Compact { through: Index::new(2) });
    assert_eq!(*entries, [blank(3, 1), blank(4, 1), blank(5, 2)]);
    entries.apply(&Record::Truncate { keep: Index::new(3) });
    assert_eq!(*entries, [blank(3, 1)], "indices still count from the start of the log");
    entries.apply(&Record::Compact { through: Index::new(3) });
    entries.apply(&Record::Append(blank(4, 3)));
    assert_eq!(*entries, [blank(4, 3)]);
    assert_eq!(entries, Entries::after(at(3, 1), vec![blank(4, 3)]));
    assert_eq!(entries.base(), at(3, 1));
}

#[test]
fn records_about_no_entry_change_none() {
    let before = compacted(&[1, 2], 1);
    let mut entries = before.clone();
    entries.apply(&Record::Term(at(0, 3).term));
    entries.apply(&Record::Vote(id(2)));
    entries.apply(&Record::Compact { through: Index::new(1) });
    entries.apply(&Record::Truncate { keep: Index::new(2) });
    assert_eq!(entries, before);
}

#[test]
fn a_range_is_filled_just_if_the_log_holds_both_its_ends() {
    for terms in all_terms(3, 2) {
        for through in 0..=terms.len() as u64 {
            let (held, mut log) = (compacted(&terms, through), Durable::default());
            entries(&terms).iter().for_each(|entry| log.apply(&Record::Append(*entry)));
            log.apply(&Record::<Command>::Compact { through: Index::new(through) });
            let ends = || (0..=4).flat_map(|index| (0..=3).map(move |term| at(index, term)));
            for range in ends().flat_map(|previous| ends().map(move |last| range(previous, last))) {
                let starts = log.log().base().index <= range.previous.index && range.previous.index <= range.last.index;
                let holds = starts && log.log().holds(range.previous) && log.log().holds(range.last);
                let inner = (range.previous.index.number()..range.last.index.number()).map(|index| index as usize);
                let expected = holds.then(|| slice(range.previous, &inner.map(|at| terms[at]).collect::<Vec<_>>()));
                assert_eq!(held.fill(range), expected, "{range:?} of {terms:?} after {through}");
            }
        }
    }
}

#[test]
fn what_a_range_carries_are_the_entries_themselves() {
    let mut entries = entries(&[1]);
    let said = crate::support::command(2, 1, "x");
    entries.apply(&Record::Append(said));
    let filled = entries.fill(range(at(1, 1), at(2, 1)));
    assert_eq!(filled.map(Slice::into_entries), Some(vec![said]));
    assert_eq!(entries.iter().filter(|entry| entry.payload == Payload::Blank).count(), 1);
}

#[test]
fn parts_follow_each_other_from_end_to_end_and_are_as_large_as_was_asked() {
    let entries = entries(&[1, 1, 2, 2, 2]);
    let parts = |whole: Range, most: usize| entries.fill_in_parts(whole, 9, move |_| most);
    let position = |index| position_in(&[1, 1, 2, 2, 2], index).expect("the log has five entries");
    let whole = range(position(0), position(5));
    assert_eq!(
        parts(whole, 2),
        Some(vec![slice(position(0), &[1, 1]), slice(position(2), &[2, 2]), slice(position(4), &[2])])
    );
    assert_eq!(parts(whole, 9), Some(vec![slice(position(0), &[1, 1, 2, 2, 2])]));
    assert_eq!(parts(whole, 0), parts(whole, 1), "a part without entries would not lead on");
    assert_eq!(parts(range(position(5), position(5)), 2), Some(vec![slice(position(5), &[])]), "a heartbeat is one");
    assert_eq!(parts(range(position(0), at(5, 1)), 2), None, "an end that is not held");
}

#[test]
fn a_part_is_sized_by_what_is_left() {
    let entries = entries(&[1, 2, 3]);
    let whole = range(at(0, 0), at(3, 3));
    let parts = entries.fill_in_parts(whole, 9, |rest| rest.len() - 1);
    assert_eq!(parts, Some(vec![slice(at(0, 0), &[1, 2]), slice(at(2, 2), &[3])]));
}

/// What follows is sent when these are acknowledged.
#[test]
fn there_are_no_more_parts_than_asked_for_and_they_are_the_first() {
    let entries = entries(&[1, 2, 3]);
    let whole = range(at(0, 0), at(3, 3));
    let parts = entries.fill_in_parts(whole, 2, |_| 1);
    assert_eq!(parts, Some(vec![slice(at(0, 0), &[1]), slice(at(1, 1), &[2])]));
}

#[test]
fn a_clone_into_other_entries_is_the_same_as_a_clone() {
    let mut other = entries(&[1, 2, 3]);
    other.clone_from(&compacted(&[1, 1], 1));
    assert_eq!(other, compacted(&[1, 1], 1));
}

#[test]
fn what_cannot_be_read_is_not_sent_until_it_is_repaired() {
    let terms = [1, 1, 2, 2];
    let faulty = Faulty::between(Index::new(2), Index::new(3));
    let mut damaged = entries(&terms).damaged(faulty);
    let position = |index| position_in(&terms, index).expect("the log has four entries");
    for (first, last) in (0..=4).flat_map(|first| (first..=4).map(move |last| (first, last))) {
        let reads = (first + 1..=last).all(|index| !faulty.contains(Index::new(index)));
        let asked = range(position(first), position(last));
        assert_eq!(damaged.fill(asked), entries(&terms).fill(asked).filter(|_| reads), "{first} to {last}");
    }
    damaged.apply(&Record::Repair(crate::support::command(2, 1, "x")));
    assert_eq!(damaged.faulty(), Faulty::between(Index::new(3), Index::new(3)));
    assert_eq!(damaged.fill(range(position(1), position(2))).map(Slice::into_entries), Some(vec![damaged[1]]));
    damaged.apply(&Record::Repair(crate::support::command(3, 2, "y")));
    assert!(damaged.faulty().is_none());
    let repaired = [crate::support::command(2, 1, "x"), crate::support::command(3, 2, "y")];
    assert_eq!(damaged[1..3], repaired);
}

#[test]
fn what_leaves_the_log_is_not_faulty_any_more() {
    let faulty = Faulty::between(Index::new(2), Index::new(3));
    let left = |record| {
        let mut damaged = entries(&[1, 1, 1, 1]).damaged(faulty);
        damaged.apply(&record);
        let mut copy = entries(&[1]);
        copy.clone_from(&damaged);
        assert_eq!(copy, damaged);
        damaged.faulty()
    };
    assert_eq!(left(Record::Truncate { keep: Index::new(2) }), Faulty::between(Index::new(2), Index::new(2)));
    assert_eq!(left(Record::Compact { through: Index::new(2) }), Faulty::between(Index::new(3), Index::new(3)));
    assert_eq!(left(Record::Restore { last: at(9, 1) }), Faulty::NONE);
    assert_eq!(left(Record::Append(blank(5, 1))), faulty);
}
