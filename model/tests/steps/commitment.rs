//! §5.3, §5.4.2: when an entry is committed.

use rafttree_model::{Event, Index, Message, Output, Record};

use crate::support::{
    FIRST, after, append, at, blank, follower, heartbeat, leader, leader_in_office, matched, on, range_of, receive,
    send,
};

#[test]
fn an_entry_is_committed_when_a_majority_holds_it_durably() {
    let mut node = leader_in_office(3, 2, &[]);
    let _ = on(&mut node, Event::Propose("x"));
    assert_eq!(on(&mut node, receive(2, 2, matched(2))).outputs, [], "the leader's own copy is not flushed yet");
    let done = on(&mut node, receive(1, 2, matched(2)));
    assert_eq!(done.outputs, [Output::Committed(Index::new(2))]);
    assert_eq!(node.commit(), Index::new(2));
}

#[test]
fn a_majority_without_the_leader_is_a_majority() {
    let mut node = leader_in_office(3, 2, &[]);
    let done = after(&mut node, [Event::Propose("x"), receive(2, 2, matched(2)), receive(3, 2, matched(2))]);
    assert_eq!(done.outputs, [Output::Committed(Index::new(2))]);
}

#[test]
fn in_a_group_of_four_two_are_not_enough() {
    let mut node = leader(4, 2, &[]);
    assert_eq!(after(&mut node, [receive(1, 2, matched(1)), receive(2, 2, matched(1))]).outputs, []);
    assert_eq!(on(&mut node, receive(4, 2, matched(1))).outputs, [Output::Committed(Index::new(1))]);
}

/// Figure 8: server 1 of five led term 2, whose entry is at index 2, and leads again in term 4.
#[test]
fn an_entry_of_an_earlier_term_is_not_committed_by_counting() {
    let mut node = leader(5, 4, &[1, 2]);
    let done = after(&mut node, [1, 2, 3].map(|server| receive(server, 4, matched(2))));
    assert_eq!(done.outputs, [], "(d): server 5 could still be elected and overwrite it");
    assert_eq!(node.commit(), Index::ZERO);
}

#[test]
fn an_entry_of_the_leaders_own_term_commits_everything_before_it() {
    let mut node = leader(5, 4, &[1, 2]);
    let done = after(&mut node, [1, 2, 3].map(|server| receive(server, 4, matched(3))));
    assert_eq!(done.outputs, [Output::Committed(Index::new(3))], "(e): now server 5 cannot win");
}

#[test]
fn what_is_committed_is_told_once() {
    let mut node = leader_in_office(3, 2, &[]);
    let _ = after(&mut node, [Event::Propose("x"), receive(1, 2, matched(2)), receive(2, 2, matched(2))]);
    for server in [2, 3, 1] {
        assert_eq!(on(&mut node, receive(server, 2, matched(2))).outputs, []);
    }
}

#[test]
fn followers_learn_the_commit_index_with_the_next_request() {
    let mut node = leader_in_office(3, 2, &[]);
    let done = on(&mut node, Event::HeartbeatTimeout);
    assert_eq!(done.early[1], send(2, 2, range_of(2, at(1, 2), at(1, 2), 1)));
}

#[test]
fn a_follower_commits_no_more_than_it_has_compared() {
    let mut node = follower(3, 3, &[1, 2, 2]);
    let done = on(&mut node, receive(2, 3, heartbeat(at(1, 1), 3)));
    assert_eq!(done.outputs[0], Output::Committed(Index::new(1)), "its entries 2 and 3 may not be the leader's");
    let done = on(&mut node, receive(2, 3, append(at(1, 1), &[3], 9)));
    assert_eq!(done.outputs[0], Output::Committed(Index::new(2)));
    assert_eq!(done.records, [Record::Truncate { keep: Index::new(1) }, Record::Append(blank(2, 3))]);
}

#[test]
fn a_follower_commits_no_more_than_its_leader() {
    let mut node = follower(3, 2, &[1]);
    let done = on(&mut node, receive(2, 2, append(at(1, 1), &[2, 2], 2)));
    assert_eq!(done.outputs[0], Output::Committed(Index::new(2)));
}

#[test]
fn a_late_request_takes_no_commit_back() {
    let mut node = follower(3, 2, &[1, 1, 1]);
    let _ = on(&mut node, receive(2, 2, heartbeat(at(3, 1), 3)));
    for late in [heartbeat(at(3, 1), 1), heartbeat(at(1, 1), 3), append(at(0, 0), &[1], 0)] {
        let done = on(&mut node, receive(2, 2, late));
        assert_eq!((done.outputs.len(), node.commit()), (1, Index::new(3)), "only the reply");
    }
}

#[test]
fn an_acknowledgement_of_more_than_the_leader_holds_is_ignored() {
    let mut node = leader(3, 2, &[1]);
    let _ = on(&mut node, receive(1, 2, matched(2)));
    for claimed in [3, 9, u64::MAX] {
        assert!(on(&mut node, receive(2, 2, matched(claimed))).is_nothing());
        assert_eq!(node.commit(), Index::ZERO);
    }
}

#[test]
fn refusals_commit_nothing() {
    let mut node = leader(3, 2, &[1]);
    let refusal = Message::AppendRefusal { missing: Index::new(1), hint: at(0, 0), round: FIRST };
    let done = after(&mut node, [receive(1, 2, matched(2)), receive(2, 2, refusal.clone()), receive(3, 2, refusal)]);
    assert_eq!((done.outputs, node.commit()), (vec![], Index::ZERO));
}

#[test]
#[should_panic(expected = "a committed entry is never removed")]
fn to_cut_a_committed_entry_is_a_defect() {
    let mut node = follower(3, 2, &[1]);
    let _ = on(&mut node, receive(2, 2, heartbeat(at(1, 1), 1)));
    let _ = on(&mut node, receive(2, 2, append(at(0, 0), &[2], 1)));
}
