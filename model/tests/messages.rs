//! What travels, and what is checked of it once.

use rafttree_model::{Envelope, Index, Message, Range, Slice, Term};

use crate::support::{FIRST, all_terms, at, blank, id, log, position_in, slice, terms_of};

#[test]
fn a_slice_is_consecutive_and_its_terms_never_fall() {
    let (third, fourth) = (blank(3, 2), blank(4, 3));
    assert!(Slice::new(at(2, 2), vec![third, fourth]).is_some());
    assert!(Slice::new(at(2, 3), vec![third]).is_none(), "an earlier term than the entry before");
    assert!(Slice::new(at(2, 1), vec![third, blank(4, 1)]).is_none(), "a falling term");
    assert!(Slice::new(at(1, 1), vec![third]).is_none(), "a gap at the start");
    assert!(Slice::new(at(2, 1), vec![third, third]).is_none(), "an index twice");
    assert!(Slice::new(at(2, 1), vec![third, blank(5, 3)]).is_none(), "a gap");
    assert!(Slice::new(at(3, 2), vec![third]).is_none(), "the entry before is the first");
}

#[test]
fn every_part_of_a_log_is_a_slice_that_ends_where_the_part_ends() {
    for terms in all_terms(4, 3) {
        for start in 0..=terms.len() {
            for end in start..=terms.len() {
                let previous = position_in(&terms, start as u64).expect("start is in the log");
                let part = slice(previous, &terms[start..end]);
                assert_eq!(part.previous(), previous);
                assert_eq!(Some(part.last()), position_in(&terms, end as u64));
                assert_eq!(part.entries().len(), end - start);
            }
        }
        assert_eq!(terms_of(&log(&terms)), terms);
    }
}

fn envelope<E>(message: Message<E>) -> Envelope<E> {
    Envelope { from: id(1), to: id(2), term: Term::new(3), message }
}

/// Every kind of message, with entries carried as `entries`.
fn all_messages<E>(entries: E) -> Vec<Message<E>> {
    vec![
        Message::PreVoteRequest { last: at(1, 1) },
        Message::PreVoteReply { granted: true },
        Message::VoteRequest { last: at(1, 1), transfer: true },
        Message::VoteReply { granted: false },
        Message::AppendReply { matched: Index::new(1), round: FIRST },
        Message::RepairRequest { matched: Index::new(1), round: FIRST },
        Message::AppendRefusal { missing: Index::new(2), hint: at(1, 1), round: FIRST },
        Message::InstallSnapshot { last: at(1, 1), round: FIRST },
        Message::TimeoutNow,
        Message::Stale,
        Message::AppendRequest { entries, commit: Index::new(1), round: FIRST },
    ]
}

#[test]
fn only_entries_are_carried_in_another_way_and_the_rest_stays_as_it_is() {
    let range = Range { previous: at(1, 1), last: at(3, 2) };
    let part = slice(at(1, 1), &[2, 2]);
    let as_slices = all_messages(part.clone()).into_iter().map(envelope);
    for (as_range, as_slice) in all_messages(range).into_iter().map(envelope).zip(as_slices) {
        let filled = as_range.with_entries(|asked| {
            assert_eq!(asked, range, "the entries asked for are those of the message");
            Some(part.clone())
        });
        assert_eq!(filled, Some(as_slice));
    }
}

#[test]
fn a_message_whose_entries_are_gone_is_dropped_and_no_other() {
    for message in all_messages(Range { previous: at(1, 1), last: at(3, 2) }) {
        let carries = matches!(message, Message::AppendRequest { .. });
        let filled: Option<Envelope<Slice<()>>> = envelope(message).with_entries(|_| None);
        assert_eq!(filled.is_none(), carries, "{message:?}");
    }
}

#[test]
fn positions_are_written_as_index_and_term_and_ordered_by_term_first() {
    assert_eq!(at(3, 2).to_string(), "3@2");
    assert!(at(9, 1) < at(1, 2) && at(1, 2) < at(2, 2));
}
