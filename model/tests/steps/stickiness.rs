//! Dissertation 4.2.3 and 6.2: who may have a leader does not help to replace it, and a leader
//! that is not heard steps down.

use rafttree_model::{Event, Message, Output, Role, RoleName, Slice, Timers};

use crate::support::{
    Command, FIRST, after, at, disk, follower, follower_of_2, heard, heartbeat, id, leader, leader_in_office, matched,
    on, receive, restarted, send, vote_request,
};

fn requests() -> [Message<Slice<Command>>; 2] {
    [Message::PreVoteRequest { last: at(9, 9) }, vote_request(at(9, 9))]
}

#[test]
fn a_follower_that_hears_a_leader_ignores_requests_for_votes_and_their_terms() {
    let mut node = follower_of_2(3, 1, &[1]);
    let before = node.clone();
    for request in requests() {
        for term in [0, 1, 2, 9] {
            assert!(on(&mut node, receive(3, term, request.clone())).is_nothing());
            assert_eq!(node, before);
        }
    }
}

#[test]
fn a_leader_ignores_requests_for_votes_and_their_terms() {
    for mut node in [leader(3, 2, &[1]), leader_in_office(3, 2, &[1])] {
        let before = node.clone();
        for request in requests() {
            assert!(on(&mut node, receive(3, 9, request)).is_nothing());
            assert_eq!(node, before);
        }
    }
}

#[test]
fn the_leader_itself_may_ask() {
    let mut node = follower_of_2(3, 1, &[1]);
    let done = on(&mut node, receive(2, 1, Message::PreVoteRequest { last: at(1, 1) }));
    assert_eq!(done.outputs, [send(2, 1, Message::PreVoteReply { granted: true })]);
    let done = on(&mut node, receive(2, 2, vote_request(at(1, 1))));
    assert_eq!(done.outputs, [send(2, 2, Message::VoteReply { granted: true })]);
}

#[test]
fn whom_the_leader_told_to_take_over_gets_the_vote() {
    let mut node = follower_of_2(3, 1, &[1]);
    let done = on(&mut node, receive(3, 2, Message::VoteRequest { last: at(1, 1), transfer: true }));
    assert_eq!(done.outputs, [send(3, 2, Message::VoteReply { granted: true })]);
    assert_eq!(node.vote(), Some(id(3)));
}

#[test]
fn a_transferred_leadership_still_needs_a_log_that_is_up_to_date() {
    let mut node = follower_of_2(3, 1, &[1]);
    let done = on(&mut node, receive(3, 2, Message::VoteRequest { last: at(0, 0), transfer: true }));
    assert_eq!(done.outputs, [send(3, 2, Message::VoteReply { granted: false })]);
}

#[test]
fn a_server_that_starts_sticks_to_a_leader_it_may_have_forgotten_until_the_minimum_timeout() {
    let mut node = restarted(3, disk(1, &[1]));
    assert_eq!(node.role(), &Role::Follower { leader: None, sticky: true });
    for request in requests() {
        assert!(on(&mut node, receive(3, 1, request)).is_nothing());
    }
    let done = after(&mut node, [Event::MinimumTimeout, receive(3, 1, vote_request(at(9, 1)))]);
    assert_eq!(done.outputs, [send(3, 1, Message::VoteReply { granted: true })]);
}

#[test]
fn the_minimum_timeout_ends_stickiness_and_the_next_heartbeat_renews_it() {
    let mut node = follower_of_2(3, 1, &[1]);
    assert!(on(&mut node, Event::MinimumTimeout).is_nothing());
    assert_eq!(node.role(), &Role::Follower { leader: None, sticky: false });
    let done = on(&mut node, receive(2, 1, heartbeat(at(1, 1), 0)));
    assert_eq!(done.early, [Output::Restart(Timers::Follower)]);
    assert_eq!(node.role(), &Role::Follower { leader: Some(id(2)), sticky: true });
}

#[test]
fn a_request_that_does_not_fit_the_log_renews_stickiness_all_the_same() {
    let mut node = follower(3, 1, &[1]);
    let done = on(&mut node, receive(2, 1, heartbeat(at(4, 1), 0)));
    assert_eq!(done.early, [Output::Restart(Timers::Follower)]);
    assert_eq!(node.leader(), Some(id(2)));
}

#[test]
fn who_campaigns_itself_sticks_to_nobody() {
    let mut node = follower_of_2(3, 1, &[1]);
    let done = after(&mut node, [Event::ElectionTimeout, receive(3, 1, Message::PreVoteRequest { last: at(1, 1) })]);
    assert_eq!(done.outputs, [send(3, 1, Message::PreVoteReply { granted: true })]);
    let done = on(&mut node, Event::MinimumTimeout);
    assert!(done.is_nothing() && node.role().name() == RoleName::PreCandidate, "the timeout means nothing to it");
}

#[test]
fn a_leader_that_no_majority_answered_steps_down_at_the_next_minimum_timeout() {
    let mut node = leader_in_office(5, 2, &[1]);
    let answers = [receive(2, 2, matched(1)), receive(2, 2, matched(2))];
    let done = after(&mut node, [Event::MinimumTimeout].into_iter().chain(answers).chain([Event::MinimumTimeout]));
    let term = node.term();
    assert_eq!(done.early, [Output::Yielded(term), Output::Restart(Timers::Follower)]);
    assert_eq!(done.records, [], "the term stays");
    assert_eq!(node.role(), &Role::Follower { leader: None, sticky: false });
}

#[test]
fn a_leader_that_a_majority_answers_stays() {
    let mut node = leader_in_office(5, 2, &[1]);
    for _ in 0..3 {
        let _ = after(&mut node, [receive(2, 2, matched(1)), receive(4, 2, matched(1))]);
        assert!(on(&mut node, Event::MinimumTimeout).is_nothing());
        assert_eq!(node.role().name(), RoleName::Leader);
    }
}

#[test]
fn a_refusal_is_an_answer_too() {
    let mut node = leader_in_office(3, 2, &[1]);
    let _ = on(&mut node, Event::MinimumTimeout);
    let refusal = Message::AppendRefusal { missing: rafttree_model::Index::new(2), hint: at(1, 1), round: FIRST };
    let done = on(&mut node, receive(3, 2, refusal));
    assert_eq!(done.early[0], heard(3));
    assert!(on(&mut node, Event::MinimumTimeout).is_nothing());
    assert_eq!(node.role().name(), RoleName::Leader);
}

#[test]
fn a_leader_alone_in_its_group_hears_itself() {
    let mut node = leader_in_office(1, 2, &[1]);
    for _ in 0..3 {
        assert!(on(&mut node, Event::MinimumTimeout).is_nothing());
    }
    assert_eq!(node.role().name(), RoleName::Leader);
}
