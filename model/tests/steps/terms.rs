//! §5.1: terms, and what is not heard at all.

use rafttree_model::{Envelope, Event, Index, Message, Node, Output, Record, Role, Slice, Term, Timers};

use crate::support::{
    Command, FIRST, after, append, at, candidate, follower, follower_of_2, heartbeat, id, leader, leader_in_office,
    matched, on, receive, restarted, send, slice, vote, vote_request,
};

/// Every kind of message, each possible in a group whose log begins with 1@1 and 2@5.
fn all_messages() -> Vec<Message<Slice<Command>>> {
    vec![
        Message::PreVoteRequest { last: at(1, 1) },
        Message::PreVoteReply { granted: true },
        vote_request(at(1, 1)),
        Message::VoteRequest { last: at(1, 1), transfer: true },
        vote(true),
        heartbeat(at(1, 1), 1),
        append(at(1, 1), &[5], 2),
        Message::InstallSnapshot { last: at(1, 1), round: FIRST },
        matched(1),
        Message::AppendRefusal { missing: Index::new(1), hint: at(0, 0), round: FIRST },
        Message::TimeoutNow,
        Message::Stale,
    ]
}

/// Server 1 in every role, in term 5.
fn all_roles() -> Vec<Node> {
    let mut asking = follower(3, 5, &[1]);
    let _ = on(&mut asking, Event::ElectionTimeout);
    let mut transferring = leader_in_office(3, 5, &[1]);
    let _ = on(&mut transferring, Event::Transfer(id(3)));
    vec![
        restarted(3, crate::support::disk(5, &[1])),
        follower(3, 5, &[1]),
        follower_of_2(3, 5, &[1]),
        asking,
        candidate(3, 5, &[1]),
        leader(3, 5, &[1]),
        leader_in_office(3, 5, &[1]),
        transferring,
    ]
}

#[test]
fn a_newer_term_is_adopted_by_every_role_from_every_message_that_does_not_disturb() {
    for node in all_roles() {
        for message in all_messages() {
            let mut node = node.clone();
            let sticky = node.is_sticky();
            let done = on(&mut node, receive(3, 6, message.clone()));
            let transfer = matches!(message, Message::VoteRequest { transfer: true, .. });
            let asks = matches!(message, Message::PreVoteRequest { .. } | Message::VoteRequest { .. });
            if sticky && asks && !transfer {
                assert!(done.is_nothing(), "{message:?}");
                continue;
            }
            assert_eq!(done.records.first(), Some(&Record::Term(Term::new(6))), "{message:?}");
            assert!(matches!(node.role(), Role::Follower { .. }), "{:?} after {message:?}", node.role());
        }
    }
}

#[test]
fn a_follower_forgets_the_old_terms_leader_and_stays_as_sticky_as_it_was() {
    let mut node = follower_of_2(3, 5, &[1]);
    assert_eq!(node.role(), &Role::Follower { leader: Some(id(2)), sticky: true });
    let done = on(&mut node, receive(3, 6, Message::Stale));
    assert_eq!(done.records, [Record::Term(Term::new(6))]);
    assert_eq!((done.early, done.outputs), (vec![], vec![]), "its timers go on");
    assert_eq!(node.role(), &Role::Follower { leader: None, sticky: true });
}

#[test]
fn a_candidate_that_sees_a_newer_term_waits_as_a_follower() {
    for mut node in [candidate(3, 5, &[1]), all_roles()[3].clone()] {
        let done = on(&mut node, receive(3, 6, Message::Stale));
        assert_eq!(done.records, [Record::Term(Term::new(6))]);
        assert_eq!(done.early, [Output::Restart(Timers::Follower)]);
        assert_eq!(node.role(), &Role::Follower { leader: None, sticky: false });
    }
}

#[test]
fn a_leader_that_sees_a_newer_term_first_yields_the_term_that_ends() {
    let mut node = leader_in_office(3, 5, &[1]);
    let done = on(&mut node, receive(3, 6, Message::Stale));
    assert_eq!(done.early, [Output::Yielded(Term::new(5)), Output::Restart(Timers::Follower)]);
    assert_eq!(done.records, [Record::Term(Term::new(6))]);
    assert_eq!(node.role(), &Role::Follower { leader: None, sticky: false });
}

#[test]
fn whoever_asks_in_an_older_term_learns_the_current_one() {
    let snapshot = Message::InstallSnapshot { last: at(1, 1), round: FIRST };
    let asks = [vote_request(at(9, 4)), heartbeat(at(1, 1), 1), Message::PreVoteRequest { last: at(9, 4) }, snapshot];
    for message in asks {
        let mut node = follower(3, 5, &[1]);
        let before = node.clone();
        let done = on(&mut node, receive(3, 4, message));
        assert_eq!((done.records, done.early), (vec![], vec![]));
        assert_eq!(done.outputs, [send(3, 5, Message::Stale)]);
        assert_eq!(node, before);
    }
}

#[test]
fn replies_of_an_older_term_are_ignored_by_every_role() {
    let replies = [
        Message::PreVoteReply { granted: true },
        vote(true),
        matched(1),
        Message::AppendRefusal { missing: Index::new(1), hint: at(0, 0), round: FIRST },
        Message::TimeoutNow,
        Message::Stale,
    ];
    for before in all_roles() {
        for reply in &replies {
            let mut node = before.clone();
            assert!(on(&mut node, receive(3, 4, reply.clone())).is_nothing(), "{reply:?}");
            assert_eq!(node, before);
        }
    }
}

#[test]
fn votes_of_an_older_term_make_no_leader() {
    let mut node = candidate(3, 5, &[1]);
    assert!(after(&mut node, [1, 2, 3].map(|voter| receive(voter, 4, vote(true)))).is_nothing());
}

#[test]
fn strangers_are_not_heard() {
    for before in all_roles() {
        for message in all_messages() {
            for term in [4, 5, 6] {
                let mut node = before.clone();
                assert!(on(&mut node, receive(4, term, message.clone())).is_nothing(), "{message:?}");
                assert_eq!(node, before);
            }
        }
    }
}

#[test]
fn what_is_meant_for_another_server_is_ignored() {
    for before in all_roles() {
        for message in all_messages() {
            let mut node = before.clone();
            let astray = Envelope { from: id(2), to: id(3), term: Term::new(6), message };
            assert!(on(&mut node, Event::Receive(astray)).is_nothing());
            assert_eq!(node, before);
        }
    }
}

#[test]
fn no_leader_sends_entries_of_a_term_after_its_own() {
    let mut node = follower(3, 1, &[1]);
    let before = node.clone();
    for (previous, terms) in [(at(1, 1), &[1, 3][..]), (at(1, 3), &[])] {
        let message = Message::AppendRequest { entries: slice(previous, terms), commit: Index::new(1), round: FIRST };
        assert!(on(&mut node, receive(2, 2, message)).is_nothing());
        assert_eq!(node, before);
    }
}

/// C17: the network may repeat what it likes.
#[test]
fn a_message_that_is_delivered_twice_at_once_writes_nothing_the_second_time() {
    for before in all_roles() {
        for (message, term) in
            all_messages().into_iter().flat_map(|message| [4, 5, 6].map(|term| (message.clone(), term)))
        {
            let mut node = before.clone();
            let _ = on(&mut node, receive(2, term, message.clone()));
            let once = node.durable().clone();
            let done = on(&mut node, receive(2, term, message.clone()));
            assert_eq!(done.records, [], "{message:?} in {term} for {:?}", before.role());
            assert_eq!(node.durable(), &once);
        }
    }
}
