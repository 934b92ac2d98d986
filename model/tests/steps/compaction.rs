//! Log compaction (§7): what a snapshot takes out of a log, when one is sent, and what it replaces.

use rafttree_model::{Event, Index, Message, Node, Output, Progress, Record, Role, Slice, Term, Timers};

use crate::support::{
    Command, Done, FIRST, after, append, at, blank, disk, follower, follower_of_2, heard, heartbeat, id, leader,
    leader_in_office, matched, on, range, range_of, receive, restarted, send, terms_of,
};

fn snapshot(index: u64, term: u64) -> Message<Slice<Command>> {
    Message::InstallSnapshot { last: at(index, term), round: FIRST }
}

fn snapshotted(index: u64) -> Event<Command> {
    Event::Snapshotted(Index::new(index))
}

fn acknowledged(index: u64) -> Output {
    send(2, 3, Message::AppendReply { matched: Index::new(index), round: FIRST })
}

fn next_of(node: &Node, server: u32) -> Index {
    let Role::Leader { progress, .. } = node.role() else { panic!("server 1 leads") };
    progress.get(id(server)).expect("a member").next
}

/// Server 1, which leads term 3, has committed the entries 1@1, 2@1, 3@3 and compacted the first two.
fn leader_with_snapshot() -> Node {
    let mut node = leader_in_office(3, 3, &[1, 1]);
    let _ = on(&mut node, snapshotted(2));
    node
}

#[test]
fn a_snapshot_takes_out_of_the_log_what_it_includes_and_nothing_else() {
    let mut node = leader_in_office(3, 3, &[1, 1]);
    let before = node.clone();
    let done = on(&mut node, snapshotted(2));
    assert_eq!(
        done,
        Done { records: vec![Record::Compact { through: Index::new(2) }], early: vec![], outputs: vec![] }
    );
    assert_eq!((node.log().base(), terms_of(node.log())), (at(2, 1), vec![3]));
    assert_eq!((node.commit(), node.role()), (before.commit(), before.role()));
}

#[test]
fn what_is_not_committed_or_was_compacted_already_stays_as_it_is() {
    let mut node = leader(3, 3, &[1, 1]);
    assert!(on(&mut node, snapshotted(1)).is_nothing(), "nothing is committed");
    let mut node = leader_with_snapshot();
    for index in [0, 1, 2, 4, 9] {
        assert!(on(&mut node, snapshotted(index)).is_nothing(), "{index}");
    }
}

#[test]
fn a_restarted_server_knows_to_be_committed_what_its_snapshot_includes() {
    let node = leader_with_snapshot();
    assert_eq!(restarted(3, node.durable().clone()).commit(), Index::new(2));
}

#[test]
fn a_follower_that_lacks_what_was_compacted_is_sent_a_snapshot_and_a_heartbeat() {
    for hint in [at(0, 0), at(1, 1), at(2, 0)] {
        let mut node = leader_with_snapshot();
        let refusal = Message::AppendRefusal { missing: Index::new(2), hint, round: FIRST };
        let done = on(&mut node, receive(3, 3, refusal));
        let install = send(3, 3, Message::InstallSnapshot { last: at(2, 1), round: FIRST });
        assert_eq!(done.early, [heard(3), install, send(3, 3, range(at(2, 1), at(2, 1), 3))]);
        assert_eq!(next_of(&node, 3), Index::new(2), "the snapshot's last entry is what is sent");
    }
}

#[test]
fn a_follower_that_holds_the_last_compacted_entry_needs_no_snapshot() {
    let mut node = leader_with_snapshot();
    let refusal = Message::AppendRefusal { missing: Index::new(4), hint: at(2, 1), round: FIRST };
    let _ = on(&mut node, Event::Propose("more"));
    let done = on(&mut node, receive(3, 3, refusal));
    assert_eq!(done.early, [heard(3), send(3, 3, range(at(2, 1), at(4, 3), 3))]);
}

/// However long the snapshot takes, the follower hears of its leader, and the leader of its follower.
#[test]
fn until_the_snapshot_has_arrived_there_are_heartbeats_and_answers() {
    let mut node = leader_with_snapshot();
    let lacks = |round| Message::AppendRefusal { missing: Index::new(2), hint: at(0, 0), round };
    let _ = on(&mut node, receive(3, 3, lacks(FIRST)));
    let done = on(&mut node, Event::HeartbeatTimeout);
    let second = FIRST.next();
    assert!(done.early.contains(&send(3, 3, range_of(2, at(2, 1), at(2, 1), 3))), "{done:?}");
    assert!(done.early.contains(&send(3, 3, Message::InstallSnapshot { last: at(2, 1), round: second })), "{done:?}");
    let done = on(&mut node, receive(3, 3, lacks(second)));
    assert_eq!(done.early, [Output::Heard { follower: id(3), round: second }, Output::Confirmed(second)]);
    assert_eq!(next_of(&node, 3), Index::new(2), "it is refused what it lacks, and is sent no more for that");
    let done = on(&mut node, receive(3, 3, Message::AppendReply { matched: Index::new(2), round: second }));
    let Role::Leader { progress, .. } = node.role() else { panic!("still leads") };
    let known = Progress { matched: Index::new(2), next: Index::new(4), answered: second };
    assert_eq!(progress.get(id(3)), Some(&known), "it is sent what follows the snapshot");
    assert!(done.early.contains(&send(3, 3, range_of(2, at(2, 1), at(3, 3), 3))), "{done:?}");
}

#[test]
fn a_snapshot_that_was_lost_is_sent_again() {
    let mut node = leader_with_snapshot();
    let refusal = Message::AppendRefusal { missing: Index::new(2), hint: at(0, 0), round: FIRST };
    let _ = on(&mut node, receive(3, 3, refusal));
    for round in 2..5 {
        let done = on(&mut node, Event::HeartbeatTimeout);
        let to_3 = done.messages().into_iter().filter(|sent| sent.to == id(3)).count();
        assert_eq!(to_3, 2, "round {round}");
    }
}

#[test]
fn a_snapshot_replaces_a_log_that_does_not_lead_to_it() {
    for terms in [&[][..], &[1], &[1, 2, 2, 2], &[1, 1, 1, 1]] {
        let mut node = follower(3, 3, terms);
        let done = on(&mut node, receive(2, 3, snapshot(2, 3)));
        assert_eq!(done.records, [Record::Restore { last: at(2, 3) }], "{terms:?}");
        assert_eq!(done.early, [Output::Restart(Timers::Follower)]);
        assert_eq!(done.outputs, [Output::Restored(at(2, 3)), acknowledged(2)], "{terms:?}");
        assert_eq!((node.log().base(), node.log().last(), node.commit()), (at(2, 3), at(2, 3), Index::new(2)));
        assert_eq!(node.role(), &Role::Follower { leader: Some(id(2)), sticky: true });
    }
}

#[test]
fn a_log_that_leads_to_the_snapshot_stays_with_all_that_follows() {
    let mut node = follower(3, 3, &[1, 1, 2, 2]);
    let log = node.log().clone();
    let done = on(&mut node, receive(2, 3, snapshot(2, 1)));
    assert_eq!((done.records, node.log()), (vec![], &log));
    assert_eq!(done.outputs, [Output::Committed(Index::new(2)), acknowledged(2)], "what follows was not compared");
}

#[test]
fn an_older_snapshot_changes_nothing_and_is_acknowledged() {
    let mut node = follower(3, 3, &[1, 1, 2]);
    let _ = after(&mut node, [receive(2, 3, heartbeat(at(3, 2), 3)), snapshotted(3)]);
    let before = node.clone();
    for (index, term) in [(1, 1), (2, 1), (3, 2)] {
        let done = on(&mut node, receive(2, 3, snapshot(index, term)));
        assert_eq!((done.records, done.outputs), (vec![], vec![acknowledged(index)]));
        assert_eq!(node, before);
    }
}

#[test]
fn a_snapshot_that_arrives_twice_changes_nothing_the_second_time() {
    let mut node = follower(3, 3, &[1]);
    let _ = after(&mut node, [receive(2, 3, snapshot(3, 2)), receive(2, 3, append(at(3, 2), &[3], 4))]);
    let before = node.clone();
    let done = on(&mut node, receive(2, 3, snapshot(3, 2)));
    assert_eq!((done.records, done.outputs), (vec![], vec![acknowledged(3)]));
    assert_eq!(node, before);
}

#[test]
fn a_snapshot_is_word_of_the_leader() {
    let mut node = follower_of_2(3, 3, &[1]);
    let _ = after(&mut node, [Event::MinimumTimeout, receive(2, 3, snapshot(2, 2))]);
    assert_eq!(node.role(), &Role::Follower { leader: Some(id(2)), sticky: true });
    let mut node = leader(3, 3, &[1]);
    assert!(on(&mut node, receive(2, 3, snapshot(2, 2))).is_nothing(), "a term has one leader");
}

#[test]
fn entries_follow_a_snapshot_as_they_follow_entries() {
    let mut node = follower(3, 3, &[]);
    let _ = on(&mut node, receive(2, 3, snapshot(7, 2)));
    let done = on(&mut node, receive(2, 3, append(at(7, 2), &[3], 8)));
    assert_eq!(done.records, [Record::Append(blank(8, 3))]);
    assert_eq!(done.outputs, [Output::Committed(Index::new(8)), acknowledged(8)]);
    let done = on(&mut node, receive(2, 3, append(at(5, 2), &[2, 2, 3], 8)));
    assert_eq!((done.records, done.outputs), (vec![], vec![acknowledged(8)]), "what was compacted is not in doubt");
}

#[test]
#[should_panic(expected = "what is committed is never replaced by less")]
fn a_snapshot_that_contradicts_what_is_committed_is_a_defect() {
    let mut node = follower(3, 3, &[1, 1, 2]);
    let _ = after(&mut node, [receive(2, 3, heartbeat(at(3, 2), 3)), receive(2, 3, snapshot(3, 3))]);
}

#[test]
fn a_snapshot_of_a_term_after_its_senders_is_not_heard() {
    let mut node = restarted(3, disk(3, &[]));
    assert!(on(&mut node, receive(2, 3, snapshot(2, 4))).is_nothing());
    assert_eq!(node.term(), Term::new(3));
    assert_eq!(after(&mut node, [receive(2, 3, matched(1))]), Done { records: vec![], early: vec![], outputs: vec![] });
}
