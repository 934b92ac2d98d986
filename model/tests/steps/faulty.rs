//! Faulty entries (FAST'18): what a server does whose disk has lost what some entries carry, and how it
//! gets them back.

use rafttree_model::{
    Durable, Event, Faulty, Index, Message, Node, Output, Position, Record, Role, Slice, Term, Timers,
};

use crate::support::{
    Command, Done, FIRST, append, at, command, disk, follower_of_2, heard, heartbeat, id, leader_in_office, matched,
    on, range_of, receive, restarted, send, terms_of, vote_request,
};

fn between(first: u64, last: u64) -> Faulty {
    Faulty::between(Index::new(first), Index::new(last))
}

/// Server 1 of three, in term 2 with a log of these terms, of which it cannot read some.
fn damaged(terms: &[u64], first: u64, last: u64) -> Node {
    let mut node = restarted(3, disk(2, terms).damaged(between(first, last)));
    let _ = on(&mut node, Event::MinimumTimeout);
    node
}

/// The same, once it has heard server 2 as the leader of term 2.
fn damaged_follower_of_2(terms: &[u64], first: u64, last: u64) -> Node {
    let mut node = damaged(terms, first, last);
    let _ = on(&mut node, receive(2, 2, heartbeat(at(0, 0), 0)));
    node
}

fn repair_request(index: u64) -> Message<Slice<Command>> {
    Message::RepairRequest { matched: Index::new(index), round: FIRST }
}

fn asks(index: u64) -> Output {
    send(2, 2, Message::RepairRequest { matched: Index::new(index), round: FIRST })
}

fn acknowledges(index: u64) -> Output {
    send(2, 2, Message::AppendReply { matched: Index::new(index), round: FIRST })
}

/// Commands of term 2 behind `previous`.
fn commands(previous: Position, texts: &[Command], commit: u64) -> Message<Slice<Command>> {
    let first = previous.index.number() + 1;
    let entries = (first..).zip(texts).map(|(index, text)| command(index, 2, text)).collect();
    let entries = Slice::new(previous, entries).expect("the entries are consecutive");
    Message::AppendRequest { entries, commit: Index::new(commit), round: FIRST }
}

#[test]
fn who_cannot_read_its_log_does_not_campaign() {
    let mut node = damaged(&[1, 1], 2, 2);
    assert!(on(&mut node, Event::ElectionTimeout).is_nothing());
    let mut node = damaged_follower_of_2(&[1, 1], 2, 2);
    let before = node.clone();
    assert!(on(&mut node, receive(2, 2, Message::TimeoutNow)).is_nothing(), "not even for its leader");
    assert_eq!(node, before);
}

#[test]
fn votes_go_by_the_names_of_entries_that_cannot_be_read() {
    for (last, granted) in [(at(1, 1), false), (at(2, 1), true), (at(1, 2), true)] {
        let mut node = damaged(&[1, 1], 1, 2);
        let done = on(&mut node, receive(3, 2, Message::PreVoteRequest { last }));
        assert_eq!(done.outputs, [send(3, 2, Message::PreVoteReply { granted })], "{last}");
        let done = on(&mut node, receive(3, 3, vote_request(last)));
        assert_eq!(done.outputs, [send(3, 3, Message::VoteReply { granted })], "{last}");
    }
}

#[test]
fn nothing_is_acknowledged_or_committed_from_the_first_faulty_entry_on() {
    let mut node = damaged(&[1, 1, 2], 2, 2);
    let done = on(&mut node, receive(2, 2, heartbeat(at(3, 2), 3)));
    assert_eq!(done.outputs, [Output::Committed(Index::new(1)), asks(1)]);
    assert_eq!((node.commit(), node.faulty()), (Index::new(1), between(2, 2)));
}

#[test]
fn what_comes_before_the_first_faulty_entry_is_acknowledged_as_ever() {
    let mut node = damaged(&[1, 1, 2], 3, 3);
    let done = on(&mut node, receive(2, 2, heartbeat(at(2, 1), 2)));
    assert_eq!(done.outputs, [Output::Committed(Index::new(2)), acknowledges(2)]);
}

#[test]
fn new_entries_are_stored_behind_what_cannot_be_read_and_not_acknowledged() {
    let mut node = damaged_follower_of_2(&[1, 1], 1, 1);
    let done = on(&mut node, receive(2, 2, commands(at(2, 1), &["x"], 0)));
    assert_eq!(done.records, [Record::Append(command(3, 2, "x"))]);
    assert_eq!(done.outputs, [asks(0)]);
}

#[test]
fn the_very_entry_repairs_a_faulty_one_and_is_acknowledged_after_the_record() {
    let mut node = damaged_follower_of_2(&[1, 2, 2, 2], 2, 3);
    let done = on(&mut node, receive(2, 2, commands(at(1, 1), &["x", "y", "z", "new"], 4)));
    let repairs = [command(2, 2, "x"), command(3, 2, "y")].map(Record::Repair);
    let added = Record::Append(command(5, 2, "new"));
    assert_eq!(done.records, [&[added][..], &repairs].concat(), "what can be read is not written again");
    assert_eq!(done.outputs, [Output::Committed(Index::new(4)), acknowledges(5)]);
    assert!(node.faulty().is_none());
    assert_eq!(terms_of(node.log()), [1, 2, 2, 2, 2]);
}

#[test]
fn entries_are_repaired_from_the_first_on_as_far_as_they_arrive() {
    let mut node = damaged_follower_of_2(&[2, 2, 2], 1, 3);
    let done = on(&mut node, receive(2, 2, commands(at(1, 2), &["y", "z"], 0)));
    assert_eq!((done.records, done.outputs), (vec![], vec![asks(0)]), "the first is still missing");
    let done = on(&mut node, receive(2, 2, commands(at(0, 0), &["x", "y"], 0)));
    assert_eq!(done.records, [command(1, 2, "x"), command(2, 2, "y")].map(Record::Repair));
    assert_eq!(done.outputs, [acknowledges(2)]);
    assert_eq!(node.faulty(), between(3, 3));
}

#[test]
fn an_entry_of_another_name_repairs_nothing_and_removes_what_it_conflicts_with() {
    let mut node = damaged_follower_of_2(&[1, 1, 1], 2, 3);
    let done = on(&mut node, receive(2, 2, commands(at(1, 1), &["x"], 0)));
    let records = [Record::Truncate { keep: Index::new(1) }, Record::Append(command(2, 2, "x"))];
    assert_eq!(done.records, records);
    assert!(node.faulty().is_none(), "what is removed is not faulty any more");
    assert_eq!(done.outputs, [acknowledges(2)]);
}

#[test]
fn a_snapshot_takes_the_place_of_what_cannot_be_read_and_leaves_what_follows_it() {
    let install = Message::InstallSnapshot { last: at(2, 1), round: FIRST };
    let mut node = damaged_follower_of_2(&[1, 1, 2], 1, 1);
    assert!(node.needs_snapshot(at(2, 1)), "its bytes come first");
    let done = on(&mut node, receive(2, 2, install.clone()));
    assert!(!node.needs_snapshot(at(2, 1)));
    assert_eq!(done.records, [Record::Compact { through: Index::new(2) }]);
    assert_eq!(done.outputs, [Output::Restored(at(2, 1)), acknowledges(2)]);
    assert_eq!((node.commit(), node.faulty(), node.log().last()), (Index::new(2), Faulty::NONE, at(3, 2)));
    let mut node = damaged_follower_of_2(&[1, 1, 2], 3, 3);
    let done = on(&mut node, receive(2, 2, install));
    assert_eq!((done.records.len(), done.outputs), (0, vec![Output::Committed(Index::new(2)), acknowledges(2)]));
    assert_eq!(node.faulty(), between(3, 3));
}

#[test]
fn a_leader_sends_again_what_a_follower_has_lost_though_it_had_acknowledged_it() {
    let mut node = leader_in_office(3, 2, &[1, 1]);
    let _ = on(&mut node, Event::HeartbeatTimeout);
    let second = FIRST.next();
    let asked = Message::RepairRequest { matched: Index::new(1), round: second };
    let done = on(&mut node, receive(2, 2, asked.clone()));
    let again = send(2, 2, range_of(2, at(1, 1), at(3, 2), 3));
    assert_eq!(done.early[1..], [Output::Confirmed(second), again]);
    let Role::Leader { progress, .. } = node.role() else { panic!("it leads") };
    let known = progress.get(id(2)).expect("a member");
    assert_eq!((known.matched, known.next), (Index::new(3), Index::new(4)), "what it acknowledged counts still");
    let done = on(&mut node, receive(2, 2, asked));
    assert_eq!(done.early, [Output::Heard { follower: id(2), round: second }], "once a round");
}

#[test]
fn a_request_for_repair_acknowledges_what_it_says() {
    let mut node = crate::support::leader(3, 2, &[1, 1]);
    let done = on(&mut node, receive(2, 2, repair_request(3)));
    let Role::Leader { progress, .. } = node.role() else { panic!("it leads") };
    assert_eq!(progress.get(id(2)).map(|known| known.matched), Some(Index::new(3)));
    assert!(done.early.contains(&heard(2)));
    assert!(on(&mut node, receive(3, 2, repair_request(4))).is_nothing(), "nobody holds more than its leader");
}

#[test]
fn what_was_compacted_is_repaired_by_a_snapshot() {
    let mut node = leader_in_office(3, 2, &[1, 1]);
    let _ = on(&mut node, Event::Snapshotted(Index::new(2)));
    let _ = on(&mut node, Event::HeartbeatTimeout);
    let second = FIRST.next();
    for (matched, previous) in [(0, at(2, 1)), (1, at(2, 1))] {
        let mut node = node.clone();
        let asked = Message::RepairRequest { matched: Index::new(matched), round: second };
        let done = on(&mut node, receive(2, 2, asked));
        let install = send(2, 2, Message::InstallSnapshot { last: at(2, 1), round: second });
        assert_eq!(done.early[2..], [install, send(2, 2, range_of(2, previous, previous, 3))]);
    }
}

#[test]
fn who_does_not_lead_repairs_nobody() {
    let mut node = follower_of_2(3, 2, &[1, 1]);
    assert!(on(&mut node, receive(3, 2, repair_request(1))).is_nothing());
    let mut node = leader_in_office(3, 2, &[1]);
    assert!(on(&mut node, receive(3, 1, repair_request(1))).is_nothing(), "of an earlier term");
}

#[test]
fn a_repaired_server_campaigns_again() {
    let mut node = damaged_follower_of_2(&[2], 1, 1);
    let _ = on(&mut node, receive(2, 2, commands(at(0, 0), &["x"], 1)));
    let _ = on(&mut node, Event::MinimumTimeout);
    let Done { early, .. } = on(&mut node, Event::ElectionTimeout);
    assert_eq!(early, [Output::Restart(Timers::Candidate)]);
}

#[test]
fn what_was_repaired_stays_so_and_may_be_lost_again() {
    let mut durable = disk(2, &[2, 2, 2]).damaged(between(1, 2));
    durable.apply(&Record::Repair(command(1, 2, "x")));
    assert_eq!(durable.faulty(), between(2, 2));
    durable.apply(&Record::<Command>::Compact { through: Index::new(1) });
    durable.apply(&Record::Append(command(4, 2, "w")));
    durable.apply(&Record::<Command>::Term(Term::new(3)));
    assert_eq!(durable.faulty(), between(2, 2));
    let kept = |record: Record<Command>| {
        let mut durable: Durable = durable.clone();
        durable.apply(&record);
        durable.faulty()
    };
    assert_eq!(kept(Record::Truncate { keep: Index::new(1) }), Faulty::NONE);
    assert_eq!(kept(Record::Truncate { keep: Index::new(3) }), between(2, 2));
    assert_eq!(kept(Record::Compact { through: Index::new(3) }), Faulty::NONE);
    assert_eq!(kept(Record::Restore { last: at(9, 3) }), Faulty::NONE);
    assert_eq!(kept(Record::Repair(command(3, 2, "z"))), between(2, 2), "another entry");
}

#[test]
fn a_group_of_healthy_servers_never_hears_of_it() {
    let mut node = follower_of_2(3, 2, &[1, 1]);
    let done = on(&mut node, receive(2, 2, append(at(2, 1), &[2], 2)));
    assert_eq!(done.outputs.last(), Some(&acknowledges(3)));
    let mut node = leader_in_office(3, 2, &[1]);
    let done = on(&mut node, receive(2, 2, matched(1)));
    assert_eq!(done.early, [heard(2)]);
}
