//! §5.3: entries travel from the leader to its followers.

use std::collections::BTreeSet;

use rafttree_model::{
    Effects, Envelope, Event, Index, Message, Node, Output, Position, Range, Record, Role, Slice, Term, Timers, step,
};

use crate::support::{
    Command, FIRST, after, all_terms, append, at, blank, candidate, command, disk, follower, group, heard, heartbeat,
    id, leader, leader_in_office, matched, on, range, range_of, receive, restarted, send, slice, terms_of,
};

fn refusal(missing: u64, hint: Position) -> Message<Slice<Command>> {
    Message::AppendRefusal { missing: Index::new(missing), hint, round: FIRST }
}

#[test]
fn a_proposal_travels_while_the_leader_writes_it_and_counts_for_the_leader_after_that() {
    let mut node = leader_in_office(3, 2, &[1]);
    let done = on(&mut node, Event::Propose("x"));
    assert_eq!(done.records, [Record::Append(command(3, 2, "x"))]);
    let entries = range(at(2, 2), at(3, 2), 2);
    assert_eq!(done.early, [send(2, 2, entries), send(3, 2, entries)]);
    assert_eq!(
        done.outputs,
        [send(1, 2, Message::AppendReply { matched: Index::new(3), round: FIRST }), Output::Accepted(at(3, 2))]
    );
}

#[test]
fn proposals_do_not_wait_for_the_answers_to_earlier_ones() {
    let mut node = leader_in_office(3, 2, &[1]);
    let done = after(&mut node, ["x", "y"].map(Event::Propose));
    assert_eq!(done.early[0], send(2, 2, range(at(3, 2), at(4, 2), 2)));
}

#[test]
fn whoever_does_not_lead_gives_the_proposal_back() {
    let mut asking = follower(3, 1, &[1]);
    let _ = on(&mut asking, Event::ElectionTimeout);
    for mut node in [follower(3, 1, &[1]), asking, candidate(3, 1, &[])] {
        let done = on(&mut node, Event::Propose("x"));
        assert_eq!((done.records, done.early), (vec![], vec![]));
        assert_eq!(done.outputs, [Output::Refused]);
    }
}

#[test]
fn a_heartbeat_carries_nothing_new_and_goes_to_everyone() {
    let mut node = leader_in_office(3, 2, &[1]);
    let done = on(&mut node, Event::HeartbeatTimeout);
    let entries = range_of(2, at(2, 2), at(2, 2), 2);
    assert_eq!(done.early[1..], [send(2, 2, entries), send(3, 2, entries)]);
    assert_eq!((done.records, done.outputs), (vec![], vec![]));
}

#[test]
fn a_follower_has_no_heartbeats() {
    assert!(on(&mut follower(3, 2, &[1]), Event::HeartbeatTimeout).is_nothing());
}

#[test]
fn what_fits_is_stored_before_it_is_acknowledged() {
    let mut node = follower(3, 2, &[1]);
    let done = on(&mut node, receive(2, 2, append(at(1, 1), &[2, 2], 0)));
    assert_eq!(done.records, [Record::Append(blank(2, 2)), Record::Append(blank(3, 2))]);
    assert_eq!(done.early, [Output::Restart(Timers::Follower)]);
    assert_eq!(done.outputs, [send(2, 2, Message::AppendReply { matched: Index::new(3), round: FIRST })]);
}

#[test]
fn a_heartbeat_acknowledges_the_entry_it_names_and_no_later_one() {
    let mut node = follower(3, 2, &[1, 1, 1]);
    let done = on(&mut node, receive(2, 2, heartbeat(at(2, 1), 0)));
    assert_eq!(done.records, []);
    assert_eq!(done.outputs, [send(2, 2, Message::AppendReply { matched: Index::new(2), round: FIRST })]);
}

#[test]
fn a_conflict_is_cut_where_it_begins_before_the_new_entries_are_stored() {
    let mut node = follower(3, 3, &[1, 2, 2, 2]);
    let done = on(&mut node, receive(2, 3, append(at(1, 1), &[2, 3], 0)));
    assert_eq!(done.records, [Record::Truncate { keep: Index::new(2) }, Record::Append(blank(3, 3))]);
    assert_eq!(done.outputs, [send(2, 3, Message::AppendReply { matched: Index::new(3), round: FIRST })]);
    assert_eq!(terms_of(node.log()), [1, 2, 3]);
}

#[test]
fn a_delayed_request_cuts_nothing() {
    let mut node = follower(3, 2, &[1]);
    let _ = on(&mut node, receive(2, 2, append(at(1, 1), &[2, 2, 2], 0)));
    for late in [append(at(1, 1), &[2], 0), append(at(1, 1), &[], 0), append(at(0, 0), &[1, 2], 0)] {
        let done = on(&mut node, receive(2, 2, late));
        assert_eq!(done.records, []);
        assert_eq!(terms_of(node.log()), [1, 2, 2, 2]);
    }
}

#[test]
fn what_does_not_fit_is_refused_with_a_hint_and_changes_no_entry() {
    let refused = [
        (at(7, 3), at(4, 2), "the log is too short"),
        (at(4, 3), at(4, 2), "another entry stands there"),
        (at(4, 1), at(2, 1), "later terms cannot agree"),
        (at(3, 1), at(2, 1), "later terms cannot agree"),
    ];
    for (previous, hint, why) in refused {
        let mut node = follower(3, 3, &[1, 1, 2, 2]);
        let done = on(&mut node, receive(2, 3, append(previous, &[3], 9)));
        assert_eq!(done.records, []);
        let answer = Message::AppendRefusal { missing: previous.index, hint, round: FIRST };
        assert_eq!(done.outputs, [send(2, 3, answer)], "{why}");
        assert_eq!(node.commit(), Index::ZERO, "nothing was compared");
    }
}

/// Server 1 as it starts with a snapshot of its first two entries.
fn restarted_with_snapshot(terms: &[u64]) -> Node {
    let mut durable = disk(3, terms);
    durable.apply(&Record::<Command>::Compact { through: Index::new(2) });
    restarted(3, durable)
}

#[test]
fn what_was_compacted_is_known_to_be_committed_and_is_not_compared_again() {
    let mut node = restarted_with_snapshot(&[1, 1, 2]);
    assert_eq!(node.commit(), Index::new(2));
    let done = on(&mut node, receive(2, 3, append(at(0, 0), &[1, 1, 2, 3], 1)));
    assert_eq!(done.records, [Record::Append(blank(4, 3))]);
    assert_eq!(
        done.outputs,
        [send(2, 3, Message::AppendReply { matched: Index::new(4), round: FIRST })],
        "the commit index stays"
    );
    let done = on(&mut node, receive(2, 3, append(at(0, 0), &[1], 1)));
    assert_eq!((done.records, terms_of(node.log())), (vec![], vec![2, 3]), "a request that ends before the snapshot");
}

#[test]
fn a_conflict_behind_a_snapshot_is_cut_as_any_other() {
    let mut node = restarted_with_snapshot(&[1, 1, 2]);
    let done = on(&mut node, receive(2, 3, append(at(1, 1), &[1, 3], 1)));
    assert_eq!(done.records, [Record::Truncate { keep: Index::new(2) }, Record::Append(blank(3, 3))]);
}

#[test]
fn a_campaign_ends_when_a_leader_of_the_term_is_heard() {
    let mut asking = follower(3, 2, &[1]);
    let _ = on(&mut asking, Event::ElectionTimeout);
    for mut node in [asking, candidate(3, 2, &[1])] {
        let done = on(&mut node, receive(2, 2, heartbeat(at(1, 1), 0)));
        assert_eq!(done.early, [Output::Restart(Timers::Follower)]);
        assert_eq!(node.role(), &Role::Follower { leader: Some(id(2)), sticky: true });
    }
}

#[test]
fn a_leader_takes_no_entries_in_its_own_term() {
    let mut node = leader_in_office(3, 2, &[1]);
    let before = node.clone();
    assert!(on(&mut node, receive(2, 2, append(at(1, 1), &[2, 2, 2], 9))).is_nothing());
    assert_eq!(node, before);
}

#[test]
fn a_refused_leader_tries_again_behind_the_last_entry_that_may_agree() {
    let mut node = leader(3, 4, &[1, 1, 3, 3]);
    let done = on(&mut node, receive(2, 4, refusal(4, at(3, 2))));
    assert_eq!(done.early, [heard(2), Output::Confirmed(FIRST), send(2, 4, range(at(2, 1), at(5, 4), 0))]);
}

#[test]
fn a_late_refusal_of_what_was_stored_since_changes_nothing() {
    let mut node = leader(3, 4, &[1, 1, 3, 3]);
    let _ = on(&mut node, receive(2, 4, matched(4)));
    for missing in 1..=4 {
        let done = on(&mut node, receive(2, 4, refusal(missing, at(0, 0))));
        assert_eq!(done.messages(), [], "missing {missing}");
    }
}

/// Whatever was on its way behind a lost request is refused too.
#[test]
fn what_was_lost_is_sent_again_once_however_much_was_on_its_way() {
    let mut node = leader_in_office(3, 2, &[1]);
    let _ = after(&mut node, ["x", "y", "z"].map(Event::Propose));
    let done = on(&mut node, receive(3, 2, refusal(3, at(2, 2))));
    assert_eq!(done.messages().len(), 1, "everything from 3 on");
    assert_eq!(on(&mut node, receive(3, 2, refusal(4, at(2, 2)))).messages(), []);
    let done = on(&mut node, Event::Propose("later"));
    assert_eq!(done.early, [send(2, 2, range(at(5, 2), at(6, 2), 2))], "server 3 has yet to answer");
    let done = on(&mut node, receive(3, 2, matched(5)));
    assert!(done.early.contains(&send(3, 2, range(at(5, 2), at(6, 2), 2))), "{done:?}");
}

#[test]
fn a_retry_never_starts_before_what_is_known_to_agree() {
    let mut node = leader(3, 4, &[1, 1, 3, 3]);
    let _ = on(&mut node, receive(2, 4, matched(3)));
    let done = on(&mut node, receive(2, 4, refusal(4, at(0, 0))));
    assert_eq!(done.early[1], send(2, 4, range(at(3, 3), at(5, 4), 0)));
}

#[test]
fn what_is_on_its_way_is_not_sent_again_for_an_acknowledgement_of_a_part() {
    let mut node = leader_in_office(3, 2, &[1]);
    let events = [Event::Propose("x"), Event::Propose("y"), receive(2, 2, matched(3))];
    assert_eq!(after(&mut node, events).messages(), []);
    assert_eq!(on(&mut node, receive(2, 2, matched(1))).messages(), [], "a late one");
}

#[test]
fn a_late_acknowledgement_takes_nothing_back() {
    let mut node = leader(3, 4, &[1, 1, 3, 3]);
    let _ = after(&mut node, [4, 2].map(|index| receive(2, 4, matched(index))));
    let Role::Leader { progress, .. } = node.role() else { panic!("{:?}", node.role()) };
    assert_eq!(progress.get(id(2)).map(|progress| progress.matched), Some(Index::new(4)));
}

/// Figure 3, log matching: where two logs have an entry in common, they are equal up to there.
fn can_coexist(one: &[u64], other: &[u64]) -> bool {
    let shared = (0..one.len().min(other.len())).rfind(|&at| one[at] == other[at]);
    shared.is_none_or(|at| one[..at] == other[..at])
}

/// The terms in which the logs differ.
fn differing_terms(one: &[u64], other: &[u64]) -> usize {
    let common = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    one[common..].iter().chain(&other[common..]).collect::<BTreeSet<_>>().len()
}

/// What the follower answers to a request of a leader whose log has these terms.
fn answer(follower: &mut Node, terms: &[u64], request: Envelope<Range>) -> Envelope<Slice<Command>> {
    let part = |range: Range| &terms[range.previous.index.number() as usize..range.last.index.number() as usize];
    let request = request.with_entries(|range| Some(slice(range.previous, part(range))));
    let mut effects = Effects::new();
    step(follower, Event::Receive(request.expect("the leader holds what it sends")), &mut effects);
    match effects.after_sync().last().copied() {
        Some(Output::Send(answer)) => answer.with_entries(|_| None).expect("an answer carries no entries"),
        other => panic!("{other:?} is no answer"),
    }
}

/// A leader meets a follower; how often it is refused until the follower holds its whole log.
fn refusals_until_equal(ours: &[u64], theirs: &[u64]) -> usize {
    let term = 4;
    let mut follower = Node::recover(id(2), group(3), disk(term, theirs));
    let mut node = candidate(3, term, ours);
    let first = after(&mut node, [1, 3].map(|voter| receive(voter, term, Message::VoteReply { granted: true })));
    let all: Vec<u64> = [ours, &[term]].concat();
    let mut requests = first.messages();
    for refusals in 0..20 {
        let request = requests.iter().find(|request| request.to == id(2)).expect("a refused leader tries again");
        let answer = answer(&mut follower, &all, *request);
        if let Message::AppendReply { matched, .. } = answer.message {
            assert_eq!((matched, terms_of(follower.log())), (node.log().last().index, all));
            return refusals;
        }
        requests = on(&mut node, Event::Receive(answer)).messages();
    }
    panic!("{theirs:?} never became {ours:?}");
}

#[test]
fn any_follower_becomes_equal_within_one_refusal_for_each_term_the_logs_differ_in() {
    let mut most = 0;
    for ours in all_terms(5, 3) {
        for theirs in all_terms(5, 3).into_iter().filter(|theirs| can_coexist(&ours, theirs)) {
            let refusals = refusals_until_equal(&ours, &theirs);
            assert!(refusals <= differing_terms(&ours, &theirs), "{refusals} refusals for {theirs:?} by {ours:?}");
            most = most.max(refusals);
        }
    }
    assert!(1 < most, "some logs differ in several terms");
}

/// Every log that still holds what was acknowledged refuses in other words.
#[test]
fn a_refusal_contradicts_what_was_acknowledged_only_if_it_was_lost() {
    let terms = [1, 1, 2, 3];
    for acknowledged in 0..=4 {
        let mut node = leader(3, 4, &terms);
        let _ = on(&mut node, receive(2, 4, matched(acknowledged)));
        for held in all_terms(5, 3) {
            for previous in node.log().clone().positions() {
                let mut follower = restarted(3, disk(4, &held));
                let request = Envelope { from: id(2), to: id(1), term: Term::new(4), message: heartbeat(previous, 0) };
                let answers = on(&mut follower, Event::Receive(request)).messages();
                let [Envelope { message: refusal @ Message::AppendRefusal { .. }, .. }] = answers[..] else { continue };
                let has_lost = !held.starts_with(&terms[..acknowledged as usize]);
                let said = |term| Envelope { from: id(2), to: id(1), term: Term::new(term), message: refusal };
                let contradicts = node.contradicts_acknowledgement(&said(4));
                assert!(!contradicts || has_lost, "{acknowledged} {held:?} {previous}");
                // What the leader sends begins no earlier, and after a few refusals no later than this.
                let is_at_it = acknowledged == previous.index.number();
                assert!(contradicts || !has_lost || !is_at_it, "{acknowledged} {held:?} {previous}");
                assert!(![3, 5].into_iter().any(|term| node.contradicts_acknowledgement(&said(term))));
                assert!(!follower.contradicts_acknowledgement(&said(4)), "only a leader was told anything");
            }
        }
    }
}
