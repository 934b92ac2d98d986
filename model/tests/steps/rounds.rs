//! Rounds of heartbeats: when a read may be served, and what confirms that this server leads.

use rafttree_model::{Event, Index, Message, Output, Progress, Role, Round, Slice, Term};

use crate::support::{
    Command, Done, FIRST, after, at, candidate, follower, heard, leader, leader_in_office, matched, on, range_of,
    receive, send, vote,
};

fn answer(round: u64) -> Message<Slice<Command>> {
    Message::AppendReply { matched: Index::ZERO, round: Round::new(round) }
}

fn refusal(round: u64) -> Message<Slice<Command>> {
    Message::AppendRefusal { missing: Index::new(1), hint: at(0, 0), round: Round::new(round) }
}

/// What is said of rounds, those of single answers left out.
fn rounds(done: &Done) -> Vec<Output> {
    let outputs = done.early.iter().chain(&done.outputs);
    outputs.filter(|it| matches!(it, Output::Round { .. } | Output::Confirmed(_))).copied().collect()
}

fn begun(round: u64, read: Option<u64>) -> Output {
    Output::Round { round: Round::new(round), read: read.map(Index::new) }
}

fn confirmed(round: u64) -> Output {
    Output::Confirmed(Round::new(round))
}

#[test]
fn a_leadership_begins_with_its_first_round_and_each_heartbeat_is_the_next() {
    let mut node = candidate(3, 2, &[1]);
    let done = after(&mut node, [receive(1, 2, vote(true)), receive(2, 2, vote(true))]);
    assert_eq!(rounds(&done), [begun(1, None)]);
    for round in 2..5 {
        assert_eq!(rounds(&on(&mut node, Event::HeartbeatTimeout)), [begun(round, None)]);
    }
}

#[test]
fn what_is_sent_is_of_the_latest_round_entries_as_well() {
    let mut node = leader_in_office(3, 2, &[1]);
    let _ = on(&mut node, Event::HeartbeatTimeout);
    let entry = range_of(2, at(2, 2), at(3, 2), 2);
    assert_eq!(on(&mut node, Event::Propose("x")).early, [send(2, 2, entry), send(3, 2, entry)]);
}

#[test]
fn an_answer_names_the_round_of_what_it_answers() {
    for (sent, matched) in [(at(1, 1), true), (at(5, 2), false)] {
        let mut node = follower(3, 2, &[1]);
        let entries = Slice::new(sent, vec![]).unwrap();
        let request = Message::AppendRequest { entries, commit: Index::ZERO, round: Round::new(7) };
        let [answer] = on(&mut node, receive(2, 2, request)).messages()[..] else { panic!("one answer") };
        match answer.message {
            Message::AppendReply { round, .. } if matched => assert_eq!(round, Round::new(7)),
            Message::AppendRefusal { round, .. } if !matched => assert_eq!(round, Round::new(7)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_read_index_is_given_once_an_entry_of_the_own_term_is_committed() {
    let mut node = leader(3, 2, &[1]);
    assert_eq!(rounds(&on(&mut node, Event::HeartbeatTimeout)), [begun(2, None)]);
    let _ = after(&mut node, [1, 2].map(|server| receive(server, 2, matched(2))));
    assert_eq!(rounds(&on(&mut node, Event::HeartbeatTimeout)), [begun(3, Some(2))]);
    let _ = after(&mut node, [Event::Propose("x"), receive(1, 2, matched(3)), receive(3, 2, matched(3))]);
    assert_eq!(rounds(&on(&mut node, Event::HeartbeatTimeout)), [begun(4, Some(3))]);
}

#[test]
fn a_round_is_confirmed_when_a_majority_has_answered_it_or_a_later_one() {
    type Answer = fn(u64) -> Message<Slice<Command>>;
    let (stored, refused): (Answer, Answer) = (answer, refusal);
    for [first, second] in [[stored, stored], [refused, stored], [stored, refused]] {
        let mut node = leader(5, 2, &[1]);
        for _ in 0..2 {
            let _ = on(&mut node, Event::HeartbeatTimeout);
        }
        assert_eq!(rounds(&on(&mut node, receive(2, 2, first(2)))), []);
        assert_eq!(rounds(&on(&mut node, receive(3, 2, second(1)))), [confirmed(1)]);
        assert_eq!(rounds(&on(&mut node, receive(4, 2, second(3)))), [confirmed(2)]);
        assert_eq!(rounds(&on(&mut node, receive(3, 2, first(3)))), [confirmed(3)]);
        assert_eq!(node.confirmed(), Some(Round::new(3)));
    }
}

#[test]
fn an_answer_confirms_once_however_often_it_arrives() {
    let mut node = leader(5, 2, &[1]);
    for _ in 0..3 {
        assert_eq!(rounds(&on(&mut node, receive(2, 2, answer(1)))), [], "one follower is no majority of five");
    }
    assert_eq!(rounds(&on(&mut node, receive(3, 2, answer(1)))), [confirmed(1)]);
    for server in [2, 3, 4] {
        assert_eq!(rounds(&on(&mut node, receive(server, 2, answer(1)))), []);
    }
}

#[test]
fn an_answer_to_an_earlier_round_confirms_no_later_one() {
    let mut node = leader(3, 2, &[1]);
    let _ = on(&mut node, Event::HeartbeatTimeout);
    assert_eq!(rounds(&on(&mut node, receive(2, 2, answer(1)))), [confirmed(1)]);
    assert_eq!(rounds(&on(&mut node, receive(3, 2, answer(1)))), []);
    assert_eq!(node.confirmed(), Some(FIRST));
}

#[test]
fn what_a_step_refuses_answers_nothing() {
    let too_late = receive(2, 1, answer(1));
    let of_no_round = receive(2, 2, answer(2));
    let of_no_entry = receive(2, 2, Message::AppendReply { matched: Index::new(9), round: FIRST });
    let of_a_stranger = receive(4, 2, answer(1));
    let of_what_was_stale = receive(2, 2, Message::Stale);
    for event in [too_late, of_no_round, of_no_entry, of_a_stranger, of_what_was_stale] {
        let mut node = leader(3, 2, &[1]);
        let before = node.clone();
        assert!(on(&mut node, event.clone()).is_nothing(), "{event:?}");
        assert_eq!(node, before, "{event:?}");
    }
}

#[test]
fn who_does_not_lead_any_more_confirms_nothing() {
    for ending in [Event::StepDown, receive(2, 3, Message::Stale)] {
        let mut node = leader(3, 2, &[1]);
        let _ = on(&mut node, ending);
        assert!(on(&mut node, receive(2, 2, answer(1))).messages().is_empty());
        assert_eq!((node.round(), node.confirmed()), (None, None));
    }
}

#[test]
fn the_rounds_of_another_leadership_begin_anew_and_nobody_has_answered_them() {
    let mut node = leader(3, 2, &[1]);
    let _ =
        after(&mut node, [Event::HeartbeatTimeout, receive(2, 2, answer(2)), Event::StepDown, Event::ElectionTimeout]);
    let granted = Message::PreVoteReply { granted: true };
    let _ = after(&mut node, [1, 2].map(|server| receive(server, 2, granted.clone())));
    let _ = after(&mut node, [1, 2].map(|server| receive(server, 3, vote(true))));
    let Role::Leader { progress, round, confirmed, .. } = node.role() else { panic!("it leads") };
    assert_eq!((node.term(), *round, *confirmed), (Term::new(3), FIRST, Round::ZERO));
    assert!(progress.iter().all(|(_, Progress { answered, .. })| answered == Round::ZERO));
}

#[test]
fn a_group_of_one_confirms_its_own_rounds() {
    let mut node = leader(1, 2, &[1]);
    assert_eq!(rounds(&on(&mut node, Event::HeartbeatTimeout)), [begun(2, None), confirmed(2)]);
}

#[test]
fn who_answers_is_told_with_the_round() {
    let mut node = leader_in_office(5, 2, &[1]);
    assert_eq!(on(&mut node, receive(2, 2, matched(2))).early, [heard(2)]);
}
