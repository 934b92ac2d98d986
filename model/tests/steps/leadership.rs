//! When a service may act as leader: told once a term, and ended once.

use rafttree_model::{Event, Index, Message, Output, RoleName, Status, Term};

use crate::support::{
    Command, Done, after, candidate, follower_of_2, heard, id, leader, leader_in_office, matched, on, receive,
};

fn told(done: &Done) -> Vec<Output> {
    let outputs = done.early.iter().chain(&done.outputs);
    outputs.filter(|output| matches!(output, Output::Leading(_) | Output::Yielded(_))).cloned().collect()
}

#[test]
fn leading_is_told_when_an_entry_of_the_own_term_is_committed_and_not_before() {
    let mut node = leader(3, 2, &[1, 1]);
    for (server, index) in [(1, 2), (2, 2), (3, 2), (1, 3)] {
        assert_eq!(told(&on(&mut node, receive(server, 2, matched(index)))), [], "{server} holds {index}");
    }
    let done = on(&mut node, receive(3, 2, matched(3)));
    assert_eq!(done.early, [heard(3), Output::Leading(Term::new(2))]);
    assert_eq!(done.outputs, [Output::Committed(Index::new(3))]);
}

#[test]
fn leading_is_told_once_a_term() {
    let mut node = leader_in_office(3, 2, &[1]);
    let events = [Event::Propose("x"), receive(1, 2, matched(3)), receive(3, 2, matched(3)), receive(2, 2, matched(3))];
    for event in events {
        assert_eq!(told(&on(&mut node, event)), []);
    }
    assert_eq!(node.commit(), Index::new(3));
}

#[test]
fn an_answer_is_told_even_if_it_brings_nothing_new() {
    let mut node = leader_in_office(3, 2, &[1]);
    for _ in 0..2 {
        assert_eq!(on(&mut node, receive(2, 2, matched(2))).early, [heard(2)]);
    }
}

/// What may end a leadership.
fn endings() -> [Vec<Event<Command>>; 4] {
    [
        vec![Event::StepDown],
        vec![receive(3, 9, Message::Stale)],
        vec![Event::MinimumTimeout, Event::MinimumTimeout],
        vec![Event::Transfer(id(3)), Event::MinimumTimeout],
    ]
}

#[test]
fn the_end_of_a_leadership_is_told_once_and_before_anything_else() {
    for ending in endings() {
        let mut node = leader_in_office(3, 2, &[1]);
        let _ = on(&mut node, Event::MinimumTimeout);
        let mut ends = vec![];
        for event in ending {
            let done = on(&mut node, event);
            if !told(&done).is_empty() {
                assert_eq!(done.early[0], Output::Yielded(Term::new(2)));
            }
            ends.extend(told(&done));
        }
        assert_eq!(ends, [Output::Yielded(Term::new(2))]);
        assert_eq!(node.role().name(), RoleName::Follower);
        let afterwards = [Event::StepDown, Event::MinimumTimeout, receive(3, 10, Message::Stale)];
        assert!(afterwards.into_iter().all(|event| told(&on(&mut node, event)).is_empty()));
    }
}

#[test]
fn a_leadership_that_was_never_told_ends_unsaid() {
    for ending in endings() {
        let mut node = leader(3, 2, &[1]);
        for event in ending {
            assert_eq!(told(&on(&mut node, event)), []);
        }
        assert_eq!(node.role().name(), RoleName::Follower);
    }
}

#[test]
fn a_leader_that_transfers_before_it_could_lead_never_does() {
    let mut node = leader(3, 2, &[1]);
    let _ = on(&mut node, Event::Transfer(id(3)));
    for server in [1, 2, 3] {
        assert_eq!(told(&on(&mut node, receive(server, 2, matched(2)))), []);
    }
    assert_eq!(node.commit(), Index::new(2));
    assert_eq!(told(&on(&mut node, Event::StepDown)), []);
}

#[test]
fn the_next_term_won_is_told_anew() {
    let mut node = leader_in_office(3, 2, &[1]);
    let _ = after(&mut node, [Event::StepDown, Event::ElectionTimeout]);
    for voter in [1, 2] {
        let _ = on(&mut node, receive(voter, 2, Message::PreVoteReply { granted: true }));
    }
    for voter in [1, 2] {
        let _ = on(&mut node, receive(voter, 3, Message::VoteReply { granted: true }));
    }
    let done = after(&mut node, [receive(1, 3, matched(3)), receive(2, 3, matched(3))]);
    assert_eq!(told(&done), [Output::Leading(Term::new(3))]);
}

#[test]
fn a_watcher_sees_what_the_server_knows() {
    let mut node = leader_in_office(3, 2, &[1]);
    let _ = on(&mut node, Event::Transfer(id(3)));
    let expected = Status {
        id: id(1),
        role: RoleName::Leader,
        term: Term::new(2),
        vote: Some(id(1)),
        leader: Some(id(1)),
        last: crate::support::at(2, 2),
        commit: Index::new(2),
        transfer: Some(id(3)),
    };
    assert_eq!(node.status(), expected);
    let status = follower_of_2(3, 1, &[1]).status();
    assert_eq!((status.role, status.leader, status.vote), (RoleName::Follower, Some(id(2)), None));
    let status = candidate(3, 4, &[1]).status();
    assert_eq!((status.role, status.leader, status.vote), (RoleName::Candidate, None, Some(id(1))));
}

#[test]
fn roles_are_written_in_the_papers_words() {
    let roles = [RoleName::Follower, RoleName::PreCandidate, RoleName::Candidate, RoleName::Leader];
    assert_eq!(roles.map(|role| role.to_string()), ["follower", "pre-candidate", "candidate", "leader"]);
    assert_eq!(format!("{:>8}", RoleName::Leader), "  leader");
}
