//! The loop around a step: what is performed when, written when, and heard by the server itself.

use rafttree_model::{Entries, Event, Index, Message, Next, Node, Output, Record, Replica, Term, Timers};

use crate::support::{
    Command, FIRST, append, at, blank, command, disk, follower_of_2, group, heard, id, leader_in_office, matched,
    range, receive, restarted, send, vote, vote_request,
};

use Output::{Accepted, Committed, Confirmed, Leading, Restart, Round};

/// A server with all that its log holds as blank entries.
fn replica(node: Node) -> Replica<Command> {
    let entries = node.log().positions().map(|it| blank(it.index.number(), it.term.number())).collect();
    let entries = Entries::after(node.log().base(), entries);
    Replica::new(node, entries)
}

/// All that may be performed now.
fn performed(replica: &mut Replica<Command>) -> Vec<Output> {
    std::iter::from_fn(|| replica.next_output()).collect()
}

fn written(replica: &mut Replica<Command>) -> Vec<Record<Command>> {
    assert_eq!(replica.proceed(), Some(Next::Write));
    replica.write().collect()
}

/// What a message to itself, which must come next, lets it perform at once.
fn hears_itself(replica: &mut Replica<Command>, message: Message<rafttree_model::Slice<Command>>) -> Vec<Output> {
    let Some(Next::Receive(envelope)) = replica.proceed() else { panic!("it has told itself something") };
    assert_eq!((envelope.from, envelope.to, &envelope.message), (id(1), id(1), &message));
    replica.step(Event::Receive(envelope));
    performed(replica)
}

#[test]
fn what_waits_for_a_record_is_performed_after_its_flush() {
    let mut voter = replica(restarted(3, disk(1, &[1])));
    voter.step(Event::MinimumTimeout);
    voter.step(receive(2, 2, vote_request(at(1, 1))));
    assert_eq!(performed(&mut voter), [Restart(Timers::Follower)]);
    assert_eq!(written(&mut voter), [Record::Term(Term::new(2)), Record::Vote(id(2))]);
    assert_eq!(voter.proceed(), None, "the vote is not durable");
    voter.flushed();
    let granted = send(2, 2, Message::VoteReply { granted: true });
    assert_eq!([voter.proceed(), voter.proceed()], [Some(Next::Perform(granted)), None]);
}

#[test]
fn a_leader_sends_its_entries_while_it_writes_them() {
    let mut leader = replica(leader_in_office(3, 2, &[1]));
    leader.step(Event::Propose("x"));
    let request = |to| send(to, 2, range(at(2, 2), at(3, 2), 2));
    assert_eq!(performed(&mut leader), [request(2), request(3)]);
    assert_eq!(written(&mut leader), [Record::Append(command(3, 2, "x"))]);
    leader.flushed();
    assert_eq!(performed(&mut leader), [Accepted(at(3, 2))], "its own acknowledgement is not for others");
    assert_eq!(hears_itself(&mut leader, matched(3)), [heard(1)]);
}

#[test]
fn what_a_server_says_to_itself_comes_before_its_next_write() {
    // Alone in its group, it is elected by itself: of its own answers each leads to the next.
    let mut only = replica(restarted(1, disk(1, &[])));
    only.step(Event::MinimumTimeout);
    only.step(Event::ElectionTimeout);
    let granted = Message::PreVoteReply { granted: true };
    let mut turns = vec![];
    while let Some(next) = only.proceed() {
        turns.push(match next {
            Next::Perform(output) => format!("{output:?}"),
            Next::Receive(envelope) if envelope.message == granted => "hears its pre-vote".into(),
            Next::Receive(envelope) if envelope.message == vote(true) => "hears its vote".into(),
            Next::Receive(envelope) if envelope.message == matched(1) => "hears its acknowledgement".into(),
            Next::Receive(envelope) => panic!("{envelope:?}"),
            Next::Write => "writes".into(),
        });
        match turns.last().map(String::as_str) {
            Some("hears its pre-vote") => only.step(receive(1, 1, granted.clone())),
            Some("hears its vote") => only.step(receive(1, 2, vote(true))),
            Some("hears its acknowledgement") => only.step(receive(1, 2, matched(1))),
            Some("writes") => {
                let records: Vec<_> = only.write().collect();
                turns.push(format!("{} records", records.len()));
                only.flushed();
            }
            _ => {}
        }
    }
    let performs = |output: Output| format!("{output:?}");
    let expected = [
        performs(Restart(Timers::Candidate)),
        "writes".into(),
        "0 records".into(),
        "hears its pre-vote".into(),
        performs(Restart(Timers::Candidate)),
        "writes".into(),
        "2 records".into(),
        "hears its vote".into(),
        performs(Restart(Timers::Leader)),
        performs(Round { round: FIRST, read: None }),
        performs(Confirmed(FIRST)),
        "writes".into(),
        "1 records".into(),
        "hears its acknowledgement".into(),
        performs(heard(1)),
        performs(Leading(Term::new(2))),
        "writes".into(),
        "0 records".into(),
        performs(Committed(Index::new(1))),
    ];
    assert_eq!(turns, expected);
}

#[test]
fn steps_during_a_write_share_the_next_one() {
    let mut leader = replica(leader_in_office(3, 2, &[1]));
    leader.step(Event::Propose("x"));
    performed(&mut leader);
    assert_eq!(written(&mut leader), [Record::Append(command(3, 2, "x"))]);
    for payload in ["y", "z"] {
        leader.step(Event::Propose(payload));
        assert_eq!(performed(&mut leader).len(), 2, "to each follower at once");
        assert_eq!(leader.proceed(), None, "there is one write at a time");
    }
    assert_eq!(leader.waiting().map(<[Output]>::len), Some(2));
    assert_eq!(leader.open().records().len(), 2);
    leader.flushed();
    assert_eq!(performed(&mut leader), [Accepted(at(3, 2))]);
    assert_eq!(hears_itself(&mut leader, matched(3)), [heard(1)]);
    assert_eq!(written(&mut leader), [command(4, 2, "y"), command(5, 2, "z")].map(Record::Append));
    leader.flushed();
    assert_eq!(performed(&mut leader), [Accepted(at(4, 2)), Accepted(at(5, 2))]);
    assert_eq!(hears_itself(&mut leader, matched(5)), [heard(1)]);
    assert_eq!(leader.proceed(), None);
}

#[test]
fn entries_follow_the_records_of_each_step_before_they_are_written() {
    let mut follower = replica(follower_of_2(3, 2, &[1, 1]));
    follower.step(receive(2, 2, append(at(1, 1), &[2, 2], 0)));
    assert_eq!(**follower.entries(), [blank(1, 1), blank(2, 2), blank(3, 2)]);
    performed(&mut follower);
    follower.step(receive(2, 2, append(at(3, 2), &[2], 0)));
    performed(&mut follower);
    assert_eq!(**follower.entries(), [blank(1, 1), blank(2, 2), blank(3, 2), blank(4, 2)]);
    let expected = [
        Record::Truncate { keep: Index::new(1) },
        Record::Append(blank(2, 2)),
        Record::Append(blank(3, 2)),
        Record::Append(blank(4, 2)),
    ];
    assert_eq!(written(&mut follower), expected);
}

#[test]
fn a_step_by_other_rules_is_run_by_the_same_loop() {
    let mut idle = replica(restarted(3, disk(1, &[])));
    idle.step_by(Event::ElectionTimeout, |node, event, _| {
        assert_eq!((node.id(), event), (id(1), Event::ElectionTimeout));
    });
    assert_eq!(idle.proceed(), None, "it asked for nothing");
}

#[test]
fn a_server_in_any_state_goes_on_from_it() {
    let node = leader_in_office(3, 2, &[1]);
    let record = Record::Append(command(3, 2, "x"));
    let heartbeat = send(2, 2, range(at(2, 2), at(2, 2), 2));
    let mut leader = Replica::assume(
        node,
        Entries::default(),
        vec![record.clone()],
        vec![Accepted(at(3, 2))],
        Some(vec![heartbeat]),
    );
    assert_eq!(leader.proceed(), None, "a write is under way");
    leader.flushed();
    assert_eq!(leader.proceed(), Some(Next::Perform(heartbeat)));
    assert_eq!(written(&mut leader), [record]);
    leader.flushed();
    assert_eq!([leader.proceed(), leader.proceed()], [Some(Next::Perform(Accepted(at(3, 2)))), None]);
}

#[test]
fn who_starts_again_knows_of_nothing_that_was_under_way() {
    let mut leader = replica(leader_in_office(3, 2, &[1]));
    let start = replica(restarted(3, disk(2, &[1])));
    leader.step(Event::Propose("x"));
    performed(&mut leader);
    let _ = leader.write();
    leader.step(Event::Propose("y"));
    leader.restart(start.node().clone(), start.entries());
    assert_eq!(leader, start);
}

#[test]
#[should_panic(expected = "what a step asks for at once comes before the next step")]
fn no_step_comes_before_what_the_last_one_asked_for_at_once() {
    let mut leader = replica(leader_in_office(3, 2, &[1]));
    leader.step(Event::HeartbeatTimeout);
    leader.step(Event::HeartbeatTimeout);
}

#[test]
#[should_panic(expected = "there is one write at a time")]
fn no_write_begins_while_another_is_under_way() {
    let mut leader = replica(leader_in_office(3, 2, &[1]));
    let _ = leader.write();
    let _ = leader.write();
}

#[test]
#[should_panic(expected = "a write ends once")]
fn no_write_ends_that_did_not_begin() {
    replica(restarted(group(3).ids().count() as u32, disk(1, &[]))).flushed();
}

/// As if they had come one after the other, in fewer words: `effects` has the equations.
#[test]
fn commands_proposed_together_are_sent_together_and_each_is_accepted() {
    let mut leader = replica(leader_in_office(3, 2, &[1]));
    leader.propose(["x", "y"]);
    let request = |to| send(to, 2, range(at(2, 2), at(4, 2), 2));
    assert_eq!(performed(&mut leader), [request(2), request(3)]);
    let records = [Record::Append(command(3, 2, "x")), Record::Append(command(4, 2, "y"))];
    assert_eq!(written(&mut leader), records);
    leader.flushed();
    assert_eq!(performed(&mut leader), [Accepted(at(3, 2)), Accepted(at(4, 2))]);
    assert_eq!(hears_itself(&mut leader, matched(4)), [heard(1)]);
}
