//! §5.2, §5.4.1 and dissertation 9.6: who may lead.

use rafttree_model::{
    Effects, Event, Index, Message, Node, Output, Record, Role, RoleName, ServerSet, Term, Timers, step,
};

use crate::support::{
    FIRST, after, append, at, blank, candidate, disk, follower, heard, id, matched, on, range, receive, restarted,
    send, vote, vote_request,
};

const TIMEOUT: Event<&str> = Event::ElectionTimeout;

fn pre_vote(from: u32, term: u64, granted: bool) -> Event<&'static str> {
    receive(from, term, Message::PreVoteReply { granted })
}

#[test]
fn a_timeout_asks_first_and_writes_nothing() {
    let mut node = follower(3, 2, &[1, 2]);
    let done = on(&mut node, TIMEOUT);
    assert_eq!(done.records, []);
    assert_eq!(done.early, [Output::Restart(Timers::Candidate)]);
    let request = Message::PreVoteRequest { last: at(2, 2) };
    let own = send(1, 2, Message::PreVoteReply { granted: true });
    assert_eq!(done.outputs, [send(2, 2, request), send(3, 2, request), own]);
    assert_eq!((node.term(), node.role().name()), (Term::new(2), RoleName::PreCandidate));
}

#[test]
fn a_majority_of_pre_votes_raises_the_term_votes_for_itself_and_asks() {
    let mut node = follower(3, 2, &[1, 2]);
    assert!(after(&mut node, [TIMEOUT, pre_vote(1, 2, true)]).is_nothing(), "one of three is no majority");
    let done = on(&mut node, pre_vote(3, 2, true));
    assert_eq!(done.records, [Record::Term(Term::new(3)), Record::Vote(id(1))]);
    let request = Message::VoteRequest { last: at(2, 2), transfer: false };
    let asks = [send(2, 3, request), send(3, 3, request)];
    assert_eq!(done.early, [vec![Output::Restart(Timers::Candidate)], asks.to_vec()].concat(), "at once");
    assert_eq!(done.outputs, [send(1, 3, Message::VoteReply { granted: true })], "itself after the flush");
    assert_eq!(node.role(), &Role::Candidate { votes: ServerSet::default(), transfer: false });
}

#[test]
fn who_asks_while_its_log_is_being_written_waits_for_that() {
    let request = Message::VoteRequest { last: at(2, 2), transfer: false };
    let asks = [send(2, 3, request), send(3, 3, request)];
    let own = send(1, 3, Message::VoteReply { granted: true });
    let campaigns = |effects: &mut Effects<&'static str>| {
        let mut node = follower(3, 2, &[1, 2]);
        let _ = after(&mut node, [TIMEOUT, pre_vote(1, 2, true)]);
        step(&mut node, pre_vote(3, 2, true), effects);
    };
    let mut effects = Effects::new().while_writing(true);
    campaigns(&mut effects);
    assert_eq!(effects.early(), [Output::Restart(Timers::Candidate)]);
    assert_eq!(effects.after_sync(), [&asks[..], &[own]].concat());

    let mut node = follower(3, 2, &[1, 2]);
    let mut effects = Effects::new();
    let append = receive(2, 2, append(at(2, 2), &[2], 0));
    for event in [append, TIMEOUT, pre_vote(1, 2, true), pre_vote(3, 2, true)] {
        step(&mut node, event, &mut effects);
    }
    let early = effects.early().iter().filter(|output| matches!(output, Output::Send(_)));
    assert_eq!(early.count(), 0, "what an earlier step appended shares its flush");
}

#[test]
fn nobody_leads_before_its_own_vote_counts() {
    let mut node = candidate(5, 2, &[1]);
    assert!(after(&mut node, (2..=5).map(|voter| receive(voter, 2, vote(true)))).is_nothing());
    assert_eq!(node.role().name(), RoleName::Candidate, "a crash may take its own vote");
    assert_eq!(on(&mut node, receive(1, 2, vote(true))).records, [Record::Append(blank(2, 2))]);
    assert_eq!(node.role().name(), RoleName::Leader);
}

#[test]
fn refused_pre_votes_and_repeated_ones_do_not_add_up() {
    let mut node = follower(5, 1, &[]);
    let events = [TIMEOUT, pre_vote(1, 1, true), pre_vote(2, 1, true), pre_vote(2, 1, true), pre_vote(3, 1, false)];
    assert!(after(&mut node, events).is_nothing());
    assert_eq!(node.role().name(), RoleName::PreCandidate);
    assert_eq!(after(&mut node, [pre_vote(4, 1, true)]).records, [Record::Term(Term::new(2)), Record::Vote(id(1))]);
}

#[test]
fn a_pre_vote_binds_nobody() {
    let mut node = follower(3, 2, &[2]);
    let before = node.clone();
    for candidate in [2, 3, 2] {
        let done = on(&mut node, receive(candidate, 2, Message::PreVoteRequest { last: at(1, 2) }));
        assert_eq!((done.records, done.early), (vec![], vec![]));
        assert_eq!(done.outputs, [send(candidate, 2, Message::PreVoteReply { granted: true })]);
    }
    assert_eq!(node, before);
}

#[test]
fn a_pre_vote_is_refused_to_an_out_of_date_log() {
    let mut node = follower(3, 3, &[1, 2]);
    for last in [at(0, 0), at(1, 1), at(7, 1), at(1, 2)] {
        let done = on(&mut node, receive(2, 3, Message::PreVoteRequest { last }));
        assert_eq!(done.outputs, [send(2, 3, Message::PreVoteReply { granted: false })], "asked by {last}");
    }
}

#[test]
fn a_server_alone_leads_when_its_own_reply_comes_back_and_not_before() {
    let mut node = restarted(1, disk(0, &[]));
    let done = on(&mut node, TIMEOUT);
    assert_eq!(done.outputs, [send(1, 0, Message::PreVoteReply { granted: true })]);
    let done = on(&mut node, pre_vote(1, 0, true));
    assert_eq!(done.records, [Record::Term(Term::new(1)), Record::Vote(id(1))]);
    assert_eq!(done.outputs, [send(1, 1, Message::VoteReply { granted: true })]);
    assert_eq!(node.role().name(), RoleName::Candidate, "its vote is not known to be durable yet");

    let done = on(&mut node, receive(1, 1, vote(true)));
    assert_eq!(done.records, [Record::Append(blank(1, 1))]);
    assert_eq!(done.outputs, [send(1, 1, Message::AppendReply { matched: Index::new(1), round: FIRST })]);
    assert_eq!((node.role().name(), node.commit()), (RoleName::Leader, Index::ZERO));

    let done = on(&mut node, receive(1, 1, matched(1)));
    assert_eq!(done.outputs, [Output::Committed(Index::new(1))]);
    assert_eq!(done.early, [heard(1), Output::Leading(Term::new(1))]);
}

#[test]
fn of_two_servers_neither_leads_by_the_vote_of_one() {
    for first in [1, 2] {
        let mut node = candidate(2, 1, &[]);
        assert!(on(&mut node, receive(first, 1, vote(true))).is_nothing());
        assert!(on(&mut node, receive(first, 1, vote(true))).is_nothing(), "the same vote twice");
        assert_eq!(node.role().name(), RoleName::Candidate);
        let _ = on(&mut node, receive(3 - first, 1, vote(true)));
        assert_eq!(node.role().name(), RoleName::Leader);
    }
}

#[test]
fn refused_votes_do_not_count() {
    let mut node = candidate(3, 1, &[]);
    let events = [receive(1, 1, vote(true)), receive(2, 1, vote(false)), receive(3, 1, vote(false))];
    assert!(after(&mut node, events).is_nothing());
    assert_eq!(node.role().name(), RoleName::Candidate);
}

#[test]
fn a_vote_is_durable_before_it_is_told() {
    let mut node = follower(3, 1, &[1]);
    let done = on(&mut node, receive(2, 2, vote_request(at(1, 1))));
    assert_eq!(done.records, [Record::Term(Term::new(2)), Record::Vote(id(2))]);
    assert_eq!(done.early, [Output::Restart(Timers::Follower)]);
    assert_eq!(done.outputs, [send(2, 2, Message::VoteReply { granted: true })]);
    assert_eq!((node.term(), node.vote()), (Term::new(2), Some(id(2))));
}

#[test]
fn one_vote_a_term() {
    let mut node = follower(3, 1, &[1]);
    let _ = on(&mut node, receive(2, 2, vote_request(at(1, 1))));
    let done = on(&mut node, receive(3, 2, vote_request(at(5, 1))));
    assert_eq!((done.records, done.early), (vec![], vec![]), "a better log comes too late");
    assert_eq!(done.outputs, [send(3, 2, Message::VoteReply { granted: false })]);
    let done = on(&mut node, receive(3, 3, vote_request(at(5, 1))));
    assert_eq!(done.records, [Record::Term(Term::new(3)), Record::Vote(id(3))], "the next term has a vote of its own");
}

#[test]
fn a_repeated_request_gets_the_same_vote_again_and_writes_nothing() {
    let mut node = follower(3, 1, &[1]);
    let _ = on(&mut node, receive(2, 2, vote_request(at(1, 1))));
    let done = on(&mut node, receive(2, 2, vote_request(at(1, 1))));
    assert_eq!(done.records, []);
    assert_eq!(done.outputs, [send(2, 2, Message::VoteReply { granted: true })]);
}

#[test]
fn a_vote_outlives_a_crash() {
    let mut node = follower(3, 1, &[1]);
    let _ = on(&mut node, receive(2, 2, vote_request(at(1, 1))));
    let mut node = restarted(3, node.durable().clone());
    let done = after(&mut node, [Event::MinimumTimeout, receive(3, 2, vote_request(at(1, 1)))]);
    assert_eq!(done.outputs, [send(3, 2, Message::VoteReply { granted: false })]);
}

#[test]
fn an_out_of_date_log_gets_no_vote_though_its_term_is_adopted() {
    let mut node = follower(3, 3, &[1, 2]);
    for (term, last) in [(4, at(0, 0)), (5, at(1, 1)), (6, at(7, 1)), (7, at(1, 2))] {
        let done = on(&mut node, receive(2, term, vote_request(last)));
        assert_eq!(done.records, [Record::Term(Term::new(term))], "asked by {last}");
        assert_eq!(done.early, [], "who gives no vote waits no longer");
        assert_eq!(done.outputs, [send(2, term, Message::VoteReply { granted: false })]);
    }
}

#[test]
fn candidates_and_leaders_give_no_vote_to_another_of_their_term() {
    let mut node = candidate(3, 2, &[1]);
    let done = on(&mut node, receive(2, 2, vote_request(at(9, 1))));
    assert_eq!(done.records, []);
    assert_eq!(done.outputs, [send(2, 2, Message::VoteReply { granted: false })]);
}

#[test]
fn a_pre_candidate_that_votes_for_another_campaigns_no_more() {
    let mut node = follower(3, 1, &[1]);
    let _ = on(&mut node, TIMEOUT);
    let done = on(&mut node, receive(2, 1, vote_request(at(1, 1))));
    assert_eq!(done.records, [Record::Vote(id(2))]);
    assert_eq!(done.early, [Output::Restart(Timers::Follower)]);
    assert_eq!(node.role(), &Role::Follower { leader: None, sticky: false });
    assert!(after(&mut node, [pre_vote(1, 1, true), pre_vote(3, 1, true)]).is_nothing());
}

#[test]
fn an_undecided_election_is_followed_by_another_question() {
    let mut node = candidate(3, 2, &[1]);
    let done = on(&mut node, TIMEOUT);
    assert_eq!(done.records, [], "the term does not rise while nobody answers");
    assert_eq!(node.role().name(), RoleName::PreCandidate);
    assert!(after(&mut node, [receive(1, 2, vote(true)), receive(2, 2, vote(true))]).is_nothing(), "too late");
}

#[test]
fn votes_that_did_not_arrive_are_asked_for_again() {
    let mut node = follower(5, 1, &[1]);
    let _ = after(&mut node, [TIMEOUT, pre_vote(1, 1, true), pre_vote(3, 1, true)]);
    let request = Message::PreVoteRequest { last: at(1, 1) };
    let again = [2, 4, 5].map(|peer| send(peer, 1, request));
    assert_eq!(on(&mut node, Event::HeartbeatTimeout).outputs, again);

    let mut node = candidate(5, 2, &[1]);
    let _ = on(&mut node, receive(4, 2, vote(true)));
    let request = Message::VoteRequest { last: at(1, 1), transfer: false };
    let again = [2, 3, 5].map(|peer| send(peer, 2, request));
    assert_eq!(on(&mut node, Event::HeartbeatTimeout).early, again);
}

#[test]
fn a_new_leader_appends_an_entry_of_its_own_and_tells_everyone_at_once() {
    let mut node = candidate(3, 2, &[1, 1]);
    let done = after(&mut node, [receive(1, 2, vote(true)), receive(2, 2, vote(true))]);
    assert_eq!(done.records, [Record::Append(blank(3, 2))]);
    let entries = range(at(2, 1), at(3, 2), 0);
    let begins = Output::Round { round: FIRST, read: None };
    assert_eq!(done.early, [Output::Restart(Timers::Leader), begins, send(2, 2, entries), send(3, 2, entries)]);
    assert_eq!(
        done.outputs,
        [send(1, 2, Message::AppendReply { matched: Index::new(3), round: FIRST })],
        "itself after the flush"
    );
}

#[test]
fn a_new_leader_knows_of_nobody_what_it_holds() {
    let node = crate::support::leader(3, 2, &[1, 1]);
    let Role::Leader { progress, heard, transfer: None, .. } = node.role() else { panic!("{:?}", node.role()) };
    assert!(progress.iter().all(|(_, progress)| progress.matched == Index::ZERO), "{progress:?}");
    assert!(heard.ids().eq([id(1)]));
}

#[test]
fn a_leader_does_not_campaign() {
    let mut node = crate::support::leader(3, 2, &[1, 1]);
    assert!(on(&mut node, TIMEOUT).is_nothing());
}

#[test]
fn a_server_outside_the_group_does_not_campaign() {
    let mut node = Node::recover(id(9), crate::support::group(3), disk(1, &[1]));
    assert!(after(&mut node, [Event::MinimumTimeout, TIMEOUT]).is_nothing());
}
