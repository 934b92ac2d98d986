//! Actions of the driver, one input at a time.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use rafttree_model::{
    Entry, Envelope, Event, Faulty, Index, Members, Message, Payload, Position, Range, Record, RoleName, Round,
    ServerId, Slice, Term,
};

use super::{Action, Driver, Input, MAX_MESSAGE_BYTES, Policy};
use crate::core::frame::Frame;
use crate::core::links::{ElectOnDisconnect, Place};
use crate::core::stamp::Stamp;
use crate::storage::{self, ClusterId, FileStorage, Identity, Recovered, Storage, StorageError};

const T: Duration = Duration::from_millis(100);
const POLICY: Policy = Policy {
    minimum_timeout: T,
    heartbeat_interval: Duration::from_millis(10),
    elect_on_disconnect: ElectOnDisconnect::Refused,
    longest_flush: Duration::from_millis(500),
};
const ME: ServerId = ServerId::new(1);
const TWO: ServerId = ServerId::new(2);
const THREE: ServerId = ServerId::new(3);
/// The round with which a leadership begins.
const FIRST: Round = Round::new(1);
const NOWHERE: Position = Position { term: Term::new(0), index: Index::ZERO };

fn at(millisecond: u64) -> Stamp {
    Stamp(0).after(Duration::from_millis(millisecond))
}

fn driver_with(policy: Policy, records: &[Record<Bytes>]) -> Driver {
    let members = Members::new([ME, TWO, THREE]).unwrap();
    let mut recovered = Recovered::default();
    records.iter().for_each(|record| recovered.apply(record));
    let mut driver = Driver::new(ME, members, recovered, policy, 7, at(1000));
    for peer in [TWO, THREE] {
        assert_eq!(driver.handle(Input::Connected(peer, T), at(1000)), []);
        assert_eq!(driver.handle(Input::Accepted(peer, T), at(1000)), []);
    }
    driver
}

/// The inputs when a peer's process ends.
fn end_of(peer: ServerId) -> [Input; 3] {
    [Input::Closed(peer), Input::Disconnected(peer), Input::NobodyListens(peer, Place::Elsewhere)]
}

fn frame(from: ServerId, term: u64, message: Message<Slice<Bytes>>) -> Input {
    Input::Frame(Envelope { from, to: ME, term: Term::new(term), message })
}

fn heartbeat(from: ServerId, term: u64) -> Input {
    let entries = Slice::new(NOWHERE, Vec::new()).unwrap();
    frame(from, term, Message::AppendRequest { entries, commit: Index::ZERO, round: FIRST })
}

/// The answer to something of this round.
fn matched(index: u64, round: Round) -> Message<Slice<Bytes>> {
    Message::AppendReply { matched: Index::new(index), round }
}

/// The messages that are sent, each with its receiver.
fn sent(actions: &[Action]) -> Vec<(ServerId, &Message<Slice<Bytes>>)> {
    let frames = actions.iter().filter_map(|action| match action {
        Action::Send(frame) => Some(frame),
        _ => None,
    });
    frames.map(|envelope| (envelope.to, &envelope.message)).collect()
}

/// Server 1 has just been elected in term 1 at 1250 ms; its first entry is not durable yet.
fn elected(policy: Policy) -> (Driver, Vec<Action>) {
    let mut driver = driver_with(policy, &[]);
    driver.handle(Input::Event(Event::ElectionTimeout), at(1250));
    let grant = Message::PreVoteReply { granted: true };
    let actions = driver.handle(frame(TWO, 0, grant), at(1250));
    let request = &Message::VoteRequest { last: NOWHERE, transfer: false };
    assert_eq!(sent(&actions), [(TWO, request), (THREE, request)], "it asks while it writes");
    assert_eq!(actions.last(), Some(&Action::Write(vec![Record::Term(Term::new(1)), Record::Vote(ME)])));
    driver.handle(Input::Flushed, at(1250));
    let grant = Message::VoteReply { granted: true };
    let actions = driver.handle(frame(TWO, 1, grant), at(1250));
    (driver, actions)
}

/// Server 1 leads since 1250 ms.
fn leader(policy: Policy) -> Driver {
    let (mut driver, _) = elected(policy);
    driver.handle(Input::Flushed, at(1250));
    let actions = driver.handle(frame(TWO, 1, matched(1, FIRST)), at(1251));
    assert!(actions.contains(&Action::Leading(Term::new(1))), "{actions:?}");
    driver
}

#[test]
fn a_vote_leaves_after_its_flush_and_so_does_what_comes_later() {
    let mut driver = driver_with(Policy { elect_on_disconnect: ElectOnDisconnect::Never, ..POLICY }, &[]);
    // Only after the minimum timeout does it help to elect anyone.
    driver.handle(Input::Event(Event::MinimumTimeout), at(1100));
    let request = Message::VoteRequest { last: NOWHERE, transfer: false };
    let actions = driver.handle(frame(TWO, 1, request), at(1101));
    assert_eq!(actions, [Action::Write(vec![Record::Term(Term::new(1)), Record::Vote(TWO)])]);

    assert_eq!(driver.handle(frame(THREE, 1, question()), at(1102)), []);
    let actions = driver.handle(Input::Flushed, at(1103));
    let granted = (TWO, &Message::VoteReply { granted: true });
    assert_eq!(sent(&actions), [granted, (THREE, &Message::PreVoteReply { granted: true })]);
    // With nothing in flight, what needs no record leaves at once.
    let actions = driver.handle(frame(THREE, 1, question()), at(1104));
    assert_eq!(sent(&actions), [(THREE, &Message::PreVoteReply { granted: true })]);
}

/// A server that took in the greatest term could never campaign again, restarts included.
#[test]
fn what_no_correct_server_could_say_is_refused_before_anything_of_it_is_kept() {
    let entries = Slice::new(NOWHERE, Vec::new()).unwrap();
    let append = Message::AppendRequest { entries, commit: Index::ZERO, round: FIRST };
    let timeless = Message::VoteRequest { last: Position { index: Index::new(1), ..NOWHERE }, transfer: true };
    for (term, message) in
        [(u64::MAX / 2, append.clone()), (1 << 40, Message::Stale), (0, append.clone()), (1, timeless)]
    {
        let mut driver = driver_with(POLICY, &[]);
        let (before, deadline) = (driver.node().clone(), driver.next_deadline(at(1001)));
        let actions = driver.handle(frame(TWO, term, message), at(1001));
        assert_eq!(actions, [Action::Refuse(TWO)]);
        assert_eq!((driver.node(), driver.next_deadline(at(1001))), (&before, deadline));
        let actions = driver.handle(frame(TWO, 7, append.clone()), at(1002));
        assert_eq!(actions, [Action::Write(vec![Record::Term(Term::new(7))])], "a group goes on");
    }
}

fn question() -> Message<Slice<Bytes>> {
    Message::PreVoteRequest { last: NOWHERE }
}

/// The cost of elections in disk, as it is told: one batch for the term and the vote, and one for
/// the first entry, on either side.
#[test]
fn an_election_costs_two_writes() {
    let writes = |actions: &[Action]| actions.iter().filter(|action| matches!(action, Action::Write(_))).count();
    let (_, entry) = elected(POLICY);
    assert_eq!(writes(&entry), 1, "and one before it, for the term and the vote");

    let mut voter = driver_with(POLICY, &[]);
    voter.handle(Input::Event(Event::MinimumTimeout), at(1100));
    let request = Message::VoteRequest { last: NOWHERE, transfer: false };
    let vote = voter.handle(frame(TWO, 1, request), at(1101));
    voter.handle(Input::Flushed, at(1102));
    let position = Position { term: Term::new(1), index: Index::new(1) };
    let entries = Slice::new(NOWHERE, vec![Entry { position, payload: Payload::Blank }]).unwrap();
    let request = Message::AppendRequest { entries, commit: Index::ZERO, round: FIRST };
    let entry = voter.handle(frame(TWO, 1, request), at(1103));
    assert_eq!((writes(&vote), writes(&entry)), (1, 1));
}

#[test]
fn a_leaders_entries_leave_before_its_own_flush_and_commit_only_after_it() {
    let (mut driver, actions) = elected(POLICY);
    let position = Position { term: Term::new(1), index: Index::new(1) };
    let blank = Entry { position, payload: Payload::Blank };
    let entries = Slice::new(NOWHERE, vec![blank.clone()]).unwrap();
    let request = Message::AppendRequest { entries, commit: Index::ZERO, round: FIRST };
    assert_eq!(sent(&actions), [(TWO, &request), (THREE, &request)]);
    assert_eq!(actions.last(), Some(&Action::Write(vec![Record::Append(blank)])));
    let actions = driver.handle(frame(TWO, 1, matched(1, FIRST)), at(1251));
    assert_eq!((actions, driver.node().commit()), (vec![], Index::ZERO));
    assert_eq!(driver.handle(Input::Flushed, at(1252)), [Action::Leading(Term::new(1))]);
    assert_eq!(driver.lease(at(1252)), Some(at(1250 + 90)));
}

#[test]
fn answers_that_come_too_late_begin_no_leadership() {
    let (mut driver, _) = elected(POLICY);
    driver.handle(Input::Flushed, at(1250));
    let actions = driver.handle(frame(TWO, 1, matched(1, FIRST)), at(1340));
    assert_eq!((actions, driver.node().commit()), (vec![], Index::new(1)));
    assert_eq!((driver.lease(at(1340)), driver.node().leader()), (None, None));
}

#[test]
fn a_lease_that_runs_out_ends_the_leadership() {
    let mut driver = leader(POLICY);
    assert!(driver.next_deadline(at(1251)).unwrap() < at(1340));
    for millisecond in (1260..1340).step_by(10) {
        driver.handle(Input::Deadline, at(millisecond));
    }
    assert_eq!(driver.lease(at(1339)), Some(at(1340)));
    let actions = driver.handle(Input::Deadline, at(1340));
    assert!(actions.contains(&Action::Yielded), "{actions:?}");
    assert_eq!(driver.lease(at(1340)), None);
}

#[test]
fn a_leader_that_stood_still_ends_only_if_nobody_answers() {
    for answers in [true, false] {
        let mut driver = leader(POLICY);
        let woke = at(1400);
        let actions = driver.handle(Input::Deadline, woke);
        assert_eq!((sent(&actions).len(), driver.lease(woke)), (2, Some(at(1340))), "{actions:?}");
        if answers {
            let round = driver.node().round().unwrap();
            driver.handle(frame(TWO, 1, matched(1, round)), at(1401));
        }
        let mut yielded = false;
        while let Some(due) = driver.next_deadline(at(1401)).filter(|&due| due < at(1430)) {
            assert!(woke < due, "a deadline that is never over");
            yielded |= driver.handle(Input::Deadline, due).contains(&Action::Yielded);
        }
        assert_ne!(answers, yielded);
        assert_eq!(driver.lease(at(1430)), answers.then_some(at(1490)));
    }
}

#[test]
fn a_new_leadership_does_not_live_on_an_old_lease() {
    let mut driver = leader(POLICY);
    driver.handle(Input::Event(Event::StepDown), at(1252));
    driver.handle(Input::Event(Event::ElectionTimeout), at(1253));
    driver.handle(frame(TWO, 1, Message::PreVoteReply { granted: true }), at(1253));
    driver.handle(Input::Flushed, at(1253));
    driver.handle(frame(TWO, 2, Message::VoteReply { granted: true }), at(1253));
    assert_eq!((driver.node().term(), driver.node().status().role), (Term::new(2), RoleName::Leader));
    assert_eq!(driver.node().confirmed(), Some(Round::ZERO), "what was heard in term 1 counts in term 2");
}

/// The answer of server 2 when its log holds nothing that it has acknowledged.
fn refusal(round: u64) -> Input {
    let message = Message::AppendRefusal { missing: Index::new(1), hint: NOWHERE, round: Round::new(round) };
    frame(TWO, 1, message)
}

#[test]
fn a_peer_that_has_lost_what_it_acknowledged_is_kept_out() {
    let mut driver = leader(POLICY);
    driver.handle(frame(THREE, 1, matched(1, FIRST)), at(1251));
    driver.handle(frame(TWO, 1, matched(1, FIRST)), at(1252));
    // Said before the acknowledgement, and late.
    assert_eq!(driver.handle(refusal(1), at(1253)), []);
    assert_eq!(driver.handle(refusal(2), at(1254)), [Action::Refuse(TWO)], "no such round has begun");
    assert!(!driver.is_unsound(TWO));

    driver.handle(Input::Deadline, at(1260));
    assert_eq!(driver.handle(refusal(2), at(1261)), [Action::KeepOut(TWO)]);
    assert!(driver.is_unsound(TWO));
    assert_eq!((driver.contact(TWO, at(1261)), driver.successor(at(1261))), (None, Some(THREE)));
    // Nothing that it says counts.
    assert_eq!(driver.handle(refusal(2), at(1263)), []);
    driver.handle(frame(TWO, 1, matched(1, Round::new(2))), at(1263));
    driver.handle(frame(TWO, 9, Message::Stale), at(1263));
    assert_eq!((driver.contact(TWO, at(1263)), driver.node().term()), (None, Term::new(1)));
    // Its process has ended; the next one may hold everything again.
    assert_eq!(driver.handle(Input::Disconnected(THREE), at(1264)), []);
    assert_eq!(driver.handle(Input::Disconnected(TWO), at(1264)), [Action::LetIn(TWO)]);
    assert!(!driver.is_unsound(TWO));
}

#[test]
fn a_peer_is_kept_out_by_the_leader_that_knows_what_it_has_lost() {
    let mut driver = leader(POLICY);
    driver.handle(Input::Deadline, at(1260));
    assert_eq!(driver.handle(refusal(2), at(1261)), [Action::KeepOut(TWO)]);
    let actions = driver.handle(Input::Event(Event::StepDown), at(1262));
    assert!(actions.contains(&Action::LetIn(TWO)), "{actions:?}");
}

#[test]
fn a_slow_flush_ends_leadership_and_a_stalled_one_the_server() {
    let mut driver = leader(POLICY);
    driver.handle(Input::Event(Event::Propose(Bytes::from_static(b"a"))), at(1260));
    let patient = |driver: &mut Driver, millisecond| {
        let actions = driver.handle(Input::Deadline, at(millisecond));
        let Some(round) = driver.node().round() else { return actions };
        driver.handle(frame(TWO, 1, matched(2, round)), at(millisecond));
        actions
    };
    let actions = patient(&mut driver, 1340);
    assert!(!actions.contains(&Action::Yielded), "{actions:?}");
    let actions = patient(&mut driver, 1360);
    assert!(actions.contains(&Action::Yielded) && !actions.contains(&Action::Stalled), "{actions:?}");
    assert!(!driver.handle(Input::Deadline, at(1759)).contains(&Action::Stalled));
    assert!(driver.handle(Input::Deadline, at(1760)).contains(&Action::Stalled));
}

#[test]
fn the_end_of_the_leaders_process_starts_a_campaign_at_once() {
    use ElectOnDisconnect::{Never, Refused, SameMachine};
    for (elect_on_disconnect, from, campaigns) in
        [(Refused, TWO, true), (Refused, THREE, false), (SameMachine, TWO, false), (Never, TWO, false)]
    {
        let mut driver = driver_with(Policy { elect_on_disconnect, ..POLICY }, &[Record::Term(Term::new(1))]);
        driver.handle(heartbeat(TWO, 1), at(1010));
        end_of(from).into_iter().for_each(|input| assert_eq!(driver.handle(input, at(1020)), []));
        assert_eq!(driver.node().leader().is_none(), campaigns);
        let actions = driver.handle(Input::Deadline, at(1028));
        let questions = [TWO, THREE].map(|peer| (peer, question()));
        let sent: Vec<_> = sent(&actions).into_iter().map(|(to, message)| (to, message.clone())).collect();
        assert_eq!(sent == questions, campaigns, "{actions:?}");
    }
}

/// A network may do to connections what it likes, as long as it refuses none in the leader's name.
#[test]
fn the_end_of_connections_alone_says_nothing() {
    let refused = || Input::NobodyListens(TWO, Place::Elsewhere);
    for inputs in [
        vec![Input::Closed(TWO)],
        vec![Input::Disconnected(TWO)],
        vec![Input::Closed(TWO), Input::Disconnected(TWO)],
        vec![refused()],
        vec![refused(), Input::Closed(TWO), Input::Disconnected(TWO)],
        vec![Input::Closed(TWO), refused()],
        vec![Input::Disconnected(TWO), refused()],
        vec![Input::Closed(TWO), Input::Disconnected(TWO), Input::Accepted(TWO, T), refused()],
        vec![Input::Closed(TWO), Input::Disconnected(TWO), Input::Connected(TWO, T), refused()],
    ] {
        let mut driver = driver_with(POLICY, &[Record::Term(Term::new(1))]);
        driver.handle(heartbeat(TWO, 1), at(1010));
        let told = format!("{inputs:?}");
        inputs.into_iter().for_each(|input| assert_eq!(driver.handle(input, at(1020)), [], "{told}"));
        assert_eq!(driver.node().leader(), Some(TWO), "{told}");
        assert_eq!(driver.handle(Input::Deadline, at(1109)), [], "{told}");
    }
}

/// Server 1 is the first in turn after server 3, and the second after server 2.
#[test]
fn survivors_campaign_in_turn_after_the_leaders_id() {
    for (leader, milliseconds, campaigns) in [(THREE, 1, true), (TWO, 3, false), (TWO, 5, true)] {
        let mut driver = driver_with(POLICY, &[Record::Term(Term::new(1))]);
        driver.handle(heartbeat(leader, 1), at(1010));
        end_of(leader).into_iter().for_each(|input| assert_eq!(driver.handle(input, at(1020)), []));
        let actions = driver.handle(Input::Deadline, at(1020 + milliseconds));
        assert_eq!(!sent(&actions).is_empty(), campaigns, "{milliseconds} ms after server {leader} ended: {actions:?}");
    }
}

/// A follower of a leader with a shorter timeout waits for that one, and then campaigns as it would.
#[test]
fn unequal_timeouts_hold_nobody_up() {
    let mut slow = driver_with(Policy { minimum_timeout: 10 * T, ..POLICY }, &[Record::Term(Term::new(1))]);
    slow.handle(heartbeat(TWO, 1), at(1010));
    assert_eq!(slow.next_deadline(at(1010)), Some(at(1110)));
    slow.handle(Input::Deadline, at(1110));
    let actions = slow.handle(frame(THREE, 1, question()), at(1111));
    assert_eq!(sent(&actions), [(THREE, &Message::PreVoteReply { granted: true })]);
    assert!(at(2010) <= slow.next_deadline(at(1111)).unwrap());

    let mut leader = leader(Policy { minimum_timeout: 10 * T, heartbeat_interval: T, ..POLICY });
    assert_eq!(leader.lease(at(1251)), Some(at(1250 + 90)));
    leader.handle(Input::Deadline, at(1350));
    assert_eq!(leader.next_deadline(at(1350)), Some(at(1360)));
}

/// The first election timeout is over by 1200 ms, the second would be by 1400 ms.
#[test]
fn who_has_no_work_campaigns_only_once_it_has_and_then_soon() {
    let mut driver = driver_with(POLICY, &[]);
    driver.handle(Input::Campaigns(false), at(1000));
    let mut due = at(1000);
    while let Some(next) = driver.next_deadline(due) {
        assert!(next < at(1200), "a deadline for nothing");
        due = next;
        assert_eq!(driver.handle(Input::Deadline, due), []);
    }
    assert!(at(1100) <= due, "the election timeout has not fired");
    driver.handle(Input::Campaigns(true), at(1500));
    let soon = driver.next_deadline(at(1500)).unwrap();
    assert!(soon < at(1502), "{soon:?}");
    let question = question();
    assert_eq!(sent(&driver.handle(Input::Deadline, soon)), [TWO, THREE].map(|peer| (peer, &question)));
}

#[test]
fn who_has_heard_a_leader_since_does_not_campaign_when_work_comes() {
    let mut driver = driver_with(POLICY, &[Record::Term(Term::new(1))]);
    driver.handle(Input::Campaigns(false), at(1000));
    [1100, 1200].into_iter().for_each(|due| drop(driver.handle(Input::Deadline, at(due))));
    driver.handle(heartbeat(TWO, 1), at(1300));
    driver.handle(Input::Campaigns(true), at(1301));
    assert_eq!(driver.next_deadline(at(1301)), Some(at(1400)));
}

#[test]
fn who_would_vote_for_another_puts_its_own_campaign_off() {
    let mut driver = driver_with(POLICY, &[]);
    driver.handle(Input::Deadline, at(1100));
    let due = driver.next_deadline(at(1100)).unwrap();
    let actions = driver.handle(frame(TWO, 0, question()), due);
    assert_eq!(sent(&actions), [(TWO, &Message::PreVoteReply { granted: true })]);
    let later = driver.next_deadline(due).unwrap();
    assert!(due < later);
    let actions = driver.handle(Input::Deadline, later);
    let question = question();
    assert_eq!(sent(&actions), [TWO, THREE].map(|peer| (peer, &question)));
}

#[test]
fn a_long_range_is_sent_in_parts_and_one_that_is_gone_not_at_all() {
    let position = |index| Position { term: Term::new(1), index: Index::new(index) };
    let entry =
        |index| Entry { position: position(index), payload: Payload::Command(vec![0; MAX_MESSAGE_BYTES / 3].into()) };
    let records: Vec<_> =
        [Record::Term(Term::new(1))].into_iter().chain((1..=7).map(|index| Record::Append(entry(index)))).collect();
    let driver = driver_with(POLICY, &records);
    let slices = driver.slices(Range { previous: NOWHERE, last: position(7) }).unwrap();
    let ends: Vec<_> =
        slices.iter().map(|slice| (slice.previous().index.number(), slice.last().index.number())).collect();
    assert_eq!(ends, [(0, 2), (2, 4), (4, 6), (6, 7)]);
    let heartbeat = driver.slices(Range { previous: position(7), last: position(7) }).unwrap();
    assert_eq!(heartbeat, [Slice::new(position(7), Vec::new()).unwrap()]);
    let other_term = Position { term: Term::new(2), index: Index::new(7) };
    assert_eq!(driver.slices(Range { previous: NOWHERE, last: other_term }), None);
    assert_eq!(driver.slices(Range { previous: NOWHERE, last: position(8) }), None);
}

/// Server `id` of five that are all connected.
fn one_of_five(id: u32, records: &[Record<Bytes>]) -> Driver {
    let members = Members::new((1..=5).map(ServerId::new)).unwrap();
    let mut recovered = Recovered::default();
    records.iter().for_each(|record| recovered.apply(record));
    let mut driver = Driver::new(ServerId::new(id), members, recovered, POLICY, 7, at(1000));
    for peer in (1..=5).filter(|&peer| peer != id) {
        driver.handle(Input::Connected(ServerId::new(peer), T), at(1000));
    }
    driver
}

fn from_to(from: u32, to: u32, term: u64, message: Message<Slice<Bytes>>) -> Input {
    let (from, to, term) = (ServerId::new(from), ServerId::new(to), Term::new(term));
    Input::Frame(Envelope { from, to, term, message })
}

fn request_to_two(actions: Vec<Action>) -> Option<Frame> {
    actions.into_iter().find_map(|action| match action {
        Action::Send(frame) if frame.to == TWO => {
            matches!(frame.message, Message::AppendRequest { .. }).then_some(frame)
        }
        _ => None,
    })
}

/// The disk of server 2 stalls with an entry of leader 1; then it votes for 4 and refuses what 1 says.
#[test]
fn a_refused_request_lends_its_round_to_no_older_answer() {
    let mut leader = one_of_five(1, &[]);
    leader.handle(Input::Event(Event::ElectionTimeout), at(1250));
    for peer in [3, 4] {
        leader.handle(from_to(peer, 1, 0, Message::PreVoteReply { granted: true }), at(1250));
    }
    leader.handle(Input::Flushed, at(1250));
    let votes = [3, 4].map(|peer| leader.handle(from_to(peer, 1, 1, Message::VoteReply { granted: true }), at(1250)));
    let first = votes.into_iter().find_map(request_to_two).expect("a new leader speaks at once");
    leader.handle(Input::Flushed, at(1250));
    leader.handle(from_to(3, 1, 1, matched(1, FIRST)), at(1251));
    let actions = leader.handle(from_to(4, 1, 1, matched(1, FIRST)), at(1251));
    assert!(actions.contains(&Action::Leading(Term::new(1))), "{actions:?}");

    let mut two = one_of_five(2, &[Record::Term(Term::new(1)), Record::Vote(ServerId::new(1))]);
    let actions = two.handle(Input::Frame(first), at(1250));
    assert!(matches!(actions[..], [Action::Write(_)]), "{actions:?}");
    two.handle(Input::Deadline, at(1350));
    let last = Position { term: Term::new(1), index: Index::new(1) };
    two.handle(from_to(4, 2, 2, Message::VoteRequest { last, transfer: false }), at(1353));
    assert_eq!(two.node().vote(), Some(ServerId::new(4)));
    let later = request_to_two(leader.handle(Input::Deadline, at(1355))).expect("a leader sends heartbeats");
    let round = leader.node().round().unwrap();
    leader.handle(from_to(3, 1, 1, matched(1, round)), at(1356));
    two.handle(Input::Frame(later), at(1356));
    let answer = two.handle(Input::Flushed, at(1360));
    two.handle(Input::Flushed, at(1360));
    for action in answer {
        if let Action::Send(frame) = action {
            leader.handle(Input::Frame(frame), at(1361));
        }
    }
    let lease = leader.lease(at(1365));
    assert!(lease.is_none_or(|lease| lease <= at(1365)), "{lease:?}, by a server that voted for another");
}

#[test]
fn a_late_answer_revives_no_lease_that_the_end_of_a_peer_ended() {
    let mut leader = leader(POLICY);
    let beat = leader.handle(Input::Deadline, at(1260));
    assert_eq!(sent(&beat).len(), 2);
    end_of(TWO).into_iter().for_each(|input| drop(leader.handle(input, at(1261))));
    assert_eq!(leader.lease(at(1261)), Some(Stamp(0)));
    leader.handle(frame(TWO, 1, matched(1, Round::new(2))), at(1261));
    let lease = leader.lease(at(1262));
    assert!(lease.is_none_or(|lease| lease <= at(1262)), "{lease:?}");
}

/// Server 2 with its data directory: what it writes is durable at once.
struct OnDisk {
    driver: Driver,
    storage: FileStorage,
}

impl OnDisk {
    fn start(directory: &Path) -> OnDisk {
        let mut storage = reopened(directory);
        let recovered = storage.load().unwrap();
        let members = Members::new([ME, TWO, THREE]).unwrap();
        OnDisk { driver: Driver::new(TWO, members, recovered, POLICY, 7, at(1250)), storage }
    }

    /// What it says to the leader upon this, and the records that it has written.
    fn take(&mut self, input: Input, now: Stamp) -> (Vec<Frame>, Vec<Record<Bytes>>) {
        let (mut said, mut written) = (Vec::new(), Vec::new());
        let mut actions = self.driver.handle(input, now);
        while !actions.is_empty() {
            let mut next = Vec::new();
            for action in actions {
                match action {
                    Action::Send(frame) if frame.to == ME => said.push(frame),
                    Action::Write(records) => {
                        self.storage.write(&records).unwrap();
                        written.extend(records);
                        next.extend(self.driver.handle(Input::Flushed, now));
                    }
                    _ => {}
                }
            }
            actions = next;
        }
        (said, written)
    }
}

/// Another test may start a process that holds the directory's lock for a moment.
fn reopened(directory: &Path) -> FileStorage {
    loop {
        match FileStorage::open(directory) {
            Err(StorageError::Locked { .. }) => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

/// The one message of a leader to server 2.
fn to_two(actions: Vec<Action>) -> Input {
    let mut frames = actions.into_iter().filter_map(|action| match action {
        Action::Send(frame) if frame.to == TWO => Some(frame),
        _ => None,
    });
    let frame = frames.next().unwrap();
    assert_eq!(frames.next(), None);
    Input::Frame(frame)
}

#[test]
fn a_damaged_entry_that_was_acknowledged_comes_back_from_the_leader() {
    let directory = tempfile::tempdir().unwrap();
    storage::init(directory.path(), Identity { cluster: ClusterId::from_bytes([1; 16]), id: TWO }).unwrap();
    let command = Bytes::from(vec![0xab; 100]);
    let (mut leader, actions) = elected(POLICY);
    leader.handle(Input::Flushed, at(1250));
    let mut follower = OnDisk::start(directory.path());
    let (mut said, _) = follower.take(to_two(actions), at(1250));
    leader.handle(Input::Frame(said.remove(0)), at(1251));
    let actions = leader.handle(Input::Event(Event::Propose(command.clone())), at(1252));
    leader.handle(Input::Flushed, at(1252));
    let (mut said, _) = follower.take(to_two(actions), at(1253));
    assert_eq!(said[0].message, matched(2, FIRST));
    leader.handle(Input::Frame(said.remove(0)), at(1253));
    drop(follower);

    // A byte of the command goes bad while the server is down, and another batch proves that it counted.
    let mut storage = reopened(directory.path());
    storage.load().unwrap();
    storage.write(&[Record::Term(Term::new(1))]).unwrap();
    drop(storage);
    let log = directory.path().join("log-0000000000000001");
    let bytes = std::fs::read(&log).unwrap();
    let place = bytes.windows(100).position(|window| window == command).unwrap();
    std::fs::OpenOptions::new().write(true).open(&log).unwrap().write_all_at(&[0xaa], place as u64).unwrap();

    let mut follower = OnDisk::start(directory.path());
    let lost = Faulty::between(Index::new(2), Index::new(2));
    assert_eq!(follower.driver.node().faulty(), lost);
    follower.driver.handle(Input::Event(Event::MinimumTimeout), at(1400));
    assert_eq!(follower.driver.handle(Input::Event(Event::ElectionTimeout), at(1500)), [], "it does not campaign");

    let again = Round::new(2);
    let actions = leader.handle(Input::Event(Event::HeartbeatTimeout), at(1290));
    let (mut said, written) = follower.take(to_two(actions), at(1501));
    assert_eq!((&said[0].message, written), (&Message::RepairRequest { matched: Index::new(1), round: again }, vec![]));
    let actions = leader.handle(Input::Frame(said.remove(0)), at(1291));
    assert!(!leader.is_unsound(TWO), "it has kept the entry's name");
    let (said, written) = follower.take(to_two(actions), at(1502));
    let position = Position { term: Term::new(1), index: Index::new(2) };
    let repaired = Entry { position, payload: Payload::Command(command) };
    assert_eq!(written, [Record::Repair(repaired.clone())]);
    assert_eq!(said[0].message, matched(2, again));
    drop(follower);
    let follower = OnDisk::start(directory.path());
    assert!(follower.driver.node().faulty().is_none());
    assert_eq!(follower.driver.entries()[1], repaired);
}

fn put(term: u64, index: u64) -> Record<Bytes> {
    let position = Position { term: Term::new(term), index: Index::new(index) };
    Record::Append(Entry { position, payload: Payload::Blank })
}

/// A crash may take what is not durable, and then the log begins where it did.
#[test]
fn that_the_log_is_compacted_is_said_once_it_is_durable() {
    let records: Vec<_> = [Record::Term(Term::new(1))].into_iter().chain((1..=5).map(|index| put(1, index))).collect();
    let mut driver = driver_with(POLICY, &records);
    let position = |index| Position { term: Term::new(1), index: Index::new(index) };
    let entries = Slice::new(position(5), Vec::new()).unwrap();
    let message = Message::AppendRequest { entries, commit: Index::new(5), round: FIRST };
    driver.handle(frame(TWO, 1, message), at(1001));
    let compacted = |index| Record::Compact { through: Index::new(index) };
    let compact =
        |driver: &mut Driver, index| driver.handle(Input::Event(Event::Snapshotted(Index::new(index))), at(1002));
    assert_eq!(compact(&mut driver, 2), [Action::Write(vec![compacted(2)])]);
    assert_eq!(compact(&mut driver, 3), [], "it waits for the write under way");
    assert_eq!(compact(&mut driver, 4), []);
    let first = [Action::Compacted(position(2)), Action::Write(vec![compacted(3), compacted(4)])];
    assert_eq!(driver.handle(Input::Flushed, at(1003)), first);
    assert_eq!(driver.handle(Input::Flushed, at(1004)), [Action::Compacted(position(4))]);
}
