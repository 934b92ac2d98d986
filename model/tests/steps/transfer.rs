//! Dissertation 3.10: leadership is handed to another server, or given up.

use rafttree_model::{Event, Index, Message, Output, Record, Role, RoleName, ServerSet, Term, Timers};

use crate::support::{
    after, at, candidate, disk, follower, follower_of_2, id, leader, leader_in_office, matched, on, range, receive,
    restarted, send,
};

#[test]
fn a_target_that_holds_the_whole_log_is_told_at_once() {
    let mut node = leader_in_office(3, 2, &[1]);
    let done = on(&mut node, Event::Transfer(id(2)));
    assert_eq!(done.records, []);
    let request = send(2, 2, range(at(2, 2), at(2, 2), 2));
    assert_eq!(done.early, [Output::Yielded(Term::new(2)), Output::Restart(Timers::Leader), request]);
    assert_eq!(done.outputs, [send(2, 2, Message::TimeoutNow)]);
}

#[test]
fn only_who_holds_the_whole_log_could_take_over_at_once() {
    let mut node = leader_in_office(3, 2, &[1]);
    let ready = |node: &rafttree_model::Node| [1, 2, 3, 4].map(|target| node.may_transfer_to(id(target)));
    assert_eq!(ready(&node), [true, true, false, false]);
    let _ = on(&mut node, Event::Propose("x"));
    assert_eq!(ready(&node), [false; 4]);
    let _ = after(&mut node, [receive(3, 2, matched(3)), receive(1, 2, matched(3))]);
    assert_eq!(ready(&node), [true, false, true, false]);
    assert_eq!(ready(&follower_of_2(3, 1, &[1])), [false; 4]);
}

#[test]
fn a_target_that_is_behind_is_waited_for() {
    let mut node = leader_in_office(3, 2, &[1]);
    let done = on(&mut node, Event::Transfer(id(3)));
    assert_eq!(done.outputs, [], "server 3 has acknowledged nothing yet");
    assert_eq!(on(&mut node, receive(3, 2, matched(1))).outputs, []);
    assert_eq!(on(&mut node, receive(2, 2, matched(2))).outputs, [], "another is not the target");
    assert_eq!(on(&mut node, receive(3, 2, matched(2))).outputs, [send(3, 2, Message::TimeoutNow)]);
}

#[test]
fn a_target_that_may_not_have_heard_it_is_told_again_with_the_next_answer() {
    let mut node = leader_in_office(3, 2, &[1]);
    let done = after(&mut node, [Event::Transfer(id(2)), Event::HeartbeatTimeout, receive(2, 2, matched(2))]);
    assert_eq!(done.outputs, [send(2, 2, Message::TimeoutNow)]);
}

#[test]
fn while_it_transfers_leadership_a_leader_takes_no_proposals() {
    let mut node = leader_in_office(3, 2, &[1]);
    let done = after(&mut node, [Event::Transfer(id(3)), Event::Propose("x")]);
    assert_eq!((done.records, done.early), (vec![], vec![]));
    assert_eq!(done.outputs, [Output::Refused]);
}

#[test]
fn what_was_accepted_before_is_still_committed_during_a_transfer() {
    let mut node = leader_in_office(3, 2, &[1]);
    let events = [Event::Propose("x"), Event::Transfer(id(3)), receive(1, 2, matched(3))];
    assert_eq!(after(&mut node, events).outputs, []);
    let done = on(&mut node, receive(3, 2, matched(3)));
    assert_eq!(done.outputs, [Output::Committed(Index::new(3)), send(3, 2, Message::TimeoutNow)]);
}

#[test]
fn who_is_told_to_take_over_campaigns_at_once_and_says_why() {
    let mut node = follower_of_2(3, 1, &[1]);
    let done = on(&mut node, receive(2, 1, Message::TimeoutNow));
    assert_eq!(done.records, [Record::Term(Term::new(2)), Record::Vote(id(1))]);
    let request = Message::VoteRequest { last: at(1, 1), transfer: true };
    let asks = [send(2, 2, request), send(3, 2, request)];
    assert_eq!(done.early, [vec![Output::Restart(Timers::Candidate)], asks.to_vec()].concat());
    assert_eq!(done.outputs, [send(1, 2, Message::VoteReply { granted: true })]);
    assert_eq!(node.role(), &Role::Candidate { votes: ServerSet::default(), transfer: true });
    assert_eq!(on(&mut node, Event::HeartbeatTimeout).early, asks, "asked again in the same words");
}

#[test]
fn only_the_leader_that_is_followed_may_transfer() {
    let nobodys = [restarted(3, disk(1, &[1])), follower(3, 1, &[1]), candidate(3, 1, &[]), leader(3, 1, &[])];
    for mut node in nobodys {
        for term in [0, 1] {
            assert!(on(&mut node, receive(2, term, Message::TimeoutNow)).is_nothing(), "{:?}", node.role());
        }
    }
    assert!(on(&mut follower_of_2(3, 1, &[1]), receive(3, 1, Message::TimeoutNow)).is_nothing());
}

/// The target may campaign at any later time, and nobody sticks to the old leader then.
#[test]
fn a_transfer_that_failed_ends_the_leadership_whoever_answered() {
    let mut node = leader_in_office(3, 2, &[1]);
    let done = after(&mut node, [Event::Transfer(id(3)), receive(2, 2, matched(2)), receive(3, 2, matched(1))]);
    assert_eq!(done.outputs, []);
    let done = on(&mut node, Event::MinimumTimeout);
    assert_eq!(done.early, [Output::Restart(Timers::Follower)], "the end was told when the transfer began");
    assert_eq!(node.role(), &Role::Follower { leader: None, sticky: false });
}

#[test]
fn a_transfer_to_itself_or_to_a_stranger_is_none() {
    let mut node = leader_in_office(3, 2, &[1]);
    let before = node.clone();
    for target in [1, 4] {
        assert!(on(&mut node, Event::Transfer(id(target))).is_nothing());
        assert_eq!(node, before);
    }
}

#[test]
fn who_does_not_lead_has_nothing_to_transfer_or_give_up() {
    for mut node in [follower(3, 1, &[1]), follower_of_2(3, 1, &[1]), candidate(3, 1, &[])] {
        assert!(on(&mut node, Event::Transfer(id(3))).is_nothing());
        assert!(on(&mut node, Event::StepDown).is_nothing());
    }
}

#[test]
fn another_target_may_be_named_and_the_end_is_not_told_again() {
    let mut node = leader_in_office(3, 2, &[1]);
    let _ = on(&mut node, Event::Transfer(id(3)));
    let done = on(&mut node, Event::Transfer(id(2)));
    assert_eq!(done.early, [Output::Restart(Timers::Leader), send(2, 2, range(at(2, 2), at(2, 2), 2))]);
    assert_eq!(done.outputs, [send(2, 2, Message::TimeoutNow)]);
    let done = on(&mut node, receive(3, 2, matched(2)));
    assert_eq!(done.outputs, [send(2, 2, Message::TimeoutNow)], "server 3 is the target no longer");
}

#[test]
fn who_steps_down_keeps_its_term_and_follows_nobody() {
    let mut node = leader_in_office(3, 2, &[1]);
    let done = on(&mut node, Event::StepDown);
    assert_eq!((done.records, done.outputs), (vec![], vec![]));
    assert_eq!(done.early, [Output::Yielded(Term::new(2)), Output::Restart(Timers::Follower)]);
    assert_eq!((node.term(), node.role().name()), (Term::new(2), RoleName::Follower));
    assert_eq!(on(&mut node, Event::Propose("x")).outputs, [Output::Refused]);
}
