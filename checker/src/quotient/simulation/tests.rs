//! What the local simulation tries, and what it sees that nothing else does.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rafttree_model::{Effects, Envelope, Event, Message, Node, Role, Round, ServerId, ServerSet};

use crate::mutants::rules::lease_in_transfer;
use crate::properties::{Property, PropertySet};
use crate::quotient::inputs::Happening;
use crate::quotient::settings::Quotient;
use crate::quotient::simulation::reference::{Happens, Reference};
use crate::quotient::simulation::{alphabet, contradicts_committed, variants};
use crate::scope::{Part, Scope};
use crate::search::Progress;
use crate::tests::limits;
use crate::verdict::{Checked, Limits, NOTHING, Outcome, Tally, Verdict, explore};
use crate::world::{Ground, PAPER, StepBy, Tag};

const ELECTIONS: Scope = Scope::elections(3, 1);
const LOGS: Scope = Scope::logs(2, 1, 1);

fn search(scope: Scope, step_by: StepBy, threads: usize) -> Outcome {
    let quotient = scope.quotient(Ground { step_by, ..PAPER });
    explore(&quotient, &limits(threads), NOTHING, &mut |_| {}).expect("nothing is resumed")
}

/// What a mutant breaks, and in how many steps: what the simulation finds is one step of one server.
fn broken(step_by: StepBy) -> (PropertySet, usize) {
    let outcome = search(ELECTIONS, step_by, 1);
    assert_eq!(outcome.verdict, Verdict::Violated);
    (outcome.broken, outcome.steps)
}

/// A minimum timeout raises the term of a server that has asked for pre-votes: no property of one step
/// speaks of it, and the compact server, which does not tell that it has asked, stays where it is.
fn restless_pre_candidate(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let asks = matches!(node.role(), Role::PreCandidate { .. });
    let event = match event {
        Event::MinimumTimeout if asks => {
            let from = node.peers().next().expect("it is not alone");
            Event::Receive(Envelope { from, to: node.id(), term: node.term().next(), message: Message::Stale })
        }
        other => other,
    };
    PAPER_STEP(node, event, effects);
}

/// The votes of a candidate that is refused one are counted anew, as if all had been granted.
fn refused_votes_count(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let event = match event {
        Event::Receive(Envelope { from, to, term, message: Message::VoteReply { .. } }) => {
            Event::Receive(Envelope { from, to, term, message: Message::VoteReply { granted: true } })
        }
        other => other,
    };
    PAPER_STEP(node, event, effects);
}

/// What a leader heard before its minimum timeout it believes to hear for ever.
fn heard_is_never_reset(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let before = node.role().clone();
    let is_timeout = event == Event::MinimumTimeout;
    PAPER_STEP(node, event, effects);
    if let (true, Role::Leader { heard, .. }, Role::Leader { progress, transfer, .. }) =
        (is_timeout, before, node.role())
    {
        let role = Role::Leader {
            progress: *progress,
            heard,
            transfer: *transfer,
            confirmed: Round::ZERO,
            round: Round::ZERO,
        };
        *node = Node::assume(node.id(), *node.members(), node.durable().clone(), node.commit(), role);
    }
}

/// A server that has given its vote to the first of the others takes a heartbeat timeout for a newer term.
fn voters_of_the_first_go_on(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let event = match (event, vote_for_the_first(node)) {
        (Event::HeartbeatTimeout, Some(from)) => {
            Event::Receive(Envelope { from, to: node.id(), term: node.term().next(), message: Message::Stale })
        }
        (other, _) => other,
    };
    PAPER_STEP(node, event, effects);
}

/// A pre-candidate without votes that has given its own to the first of the others takes a heartbeat timeout for being
/// asked for it again.
fn pre_candidates_repeat_their_vote(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let asks = matches!(node.role(), Role::PreCandidate { votes } if *votes == ServerSet::default());
    let event = match (event, vote_for_the_first(node)) {
        (Event::HeartbeatTimeout, Some(from)) if asks => {
            let message = Message::VoteRequest { last: node.log().last(), transfer: false };
            Event::Receive(Envelope { from, to: node.id(), term: node.term(), message })
        }
        (other, _) => other,
    };
    PAPER_STEP(node, event, effects);
}

fn vote_for_the_first(node: &Node) -> Option<ServerId> {
    node.vote().filter(|&vote| node.peers().next() == Some(vote))
}

const PAPER_STEP: StepBy = PAPER.step_by;

#[test]
fn what_changes_only_what_the_search_leaves_out_is_found() {
    let only = |property| PropertySet::from_iter([property]);
    assert_eq!(broken(restless_pre_candidate), (only(Property::LocalSimulation), 1));
    assert_eq!(broken(refused_votes_count), (only(Property::OwnVotes), 1));
    assert_eq!(broken(heard_is_never_reset).0, only(Property::QuorumHeard));
}

/// That a transfer is not told to the service is nothing to the search without leases, and is with them.
#[test]
fn what_leases_rest_on_is_simulated() {
    let quotient = Part::Lease(ELECTIONS).quotient(Ground { step_by: lease_in_transfer, ..PAPER }).expect("it is one");
    let only = PropertySet::from_iter([Property::LocalSimulation]);
    let quotient = Quotient { watched: only, ..quotient };
    let outcome = explore(&quotient, &limits(1), NOTHING, &mut |_| {}).expect("nothing is resumed");
    assert_eq!((outcome.verdict, outcome.broken), (Verdict::Violated, only));
    let story = outcome.story.expect("it is told").join("\n");
    assert!(story.contains("its service is not told that the leadership is over"), "{story}");
}

/// A server whose vote nobody counts stands for one without a vote and for one that has given it: what it does has to
/// be what the search tries for the one, and for the other.
#[test]
fn a_server_is_compared_with_each_that_stands_for_it() {
    let only = PropertySet::from_iter([Property::LocalSimulation]);
    for step_by in [voters_of_the_first_go_on, pre_candidates_repeat_their_vote] {
        let quotient = Quotient { watched: only, ..ELECTIONS.quotient(Ground { step_by, ..PAPER }) };
        let outcome = explore(&quotient, &limits(1), NOTHING, &mut |_| {}).expect("nothing is resumed");
        let story = outcome.story.expect("it is told").join("\n");
        assert_eq!((outcome.verdict, outcome.broken), (Verdict::Violated, only), "{story}");
        assert!(story.contains("the search tries nothing in this state that leads there"), "{story}");
    }
}

/// The local simulation tries with one memory alone what contradicts what is committed and stops the server, and counts
/// it with each: with each it does stop it.
#[test]
fn what_contradicts_what_is_committed_stops_a_server_whatever_it_has_in_memory() {
    let quotient = Scope::logs(3, 1, 1).quotient(PAPER);
    let outcome = explore(&quotient, &limits(1), NOTHING, &mut |_| {}).expect("nothing is resumed");
    let (local, mut stopped) = (quotient.new_worker().local, 0);
    for (seat, id, base) in quotient.reached() {
        let happenings = alphabet::happenings(&seat.server(id, quotient.members, base), 1, false, false);
        for server in variants::variants((seat, id, base), quotient.members, quotient.symmetric, false) {
            for happening in happenings.iter().filter(|happening| contradicts_committed(&server, happening)) {
                let happens = Reference::default().happens(&local, &server, 0, happening);
                stopped += u64::from(matches!(happens, Happens::Panic));
            }
        }
    }
    assert_ne!(stopped, 0);
    assert_eq!(outcome.simulated.map(|tally| tally.refused), Some(stopped));
}

#[test]
fn as_much_is_tried_of_a_family_as_of_each_by_itself() {
    for part in [Part::Quotient(LOGS), Part::Lease(ELECTIONS)] {
        let quotient = part.quotient(PAPER).expect("it is one");
        let outcome = explore(&quotient, &limits(1), NOTHING, &mut |_| {}).expect("nothing is resumed");
        let (mut local, mut sum) = (quotient.new_worker().local, [0; 6]);
        for compact in quotient.reached() {
            let (tally, failure) = quotient.simulate_family(&mut local, &[compact]);
            assert!(failure.is_none());
            sum.iter_mut().zip(tally.numbers()).for_each(|(sum, count)| *sum += count);
        }
        assert_eq!(outcome.simulated, Some(Tally::of_numbers(sum)));
    }
}

#[test]
fn as_much_is_tried_with_any_number_of_threads() {
    let tallies = [1, 2, 5].map(|threads| search(LOGS, PAPER_STEP, threads).simulated.expect("it is run"));
    assert_eq!(tallies[0], tallies[1]);
    assert_eq!(tallies[0], tallies[2]);
    let Tally { compact, concrete, steps, ignored, refused, in_class } = tallies[0];
    assert!(
        in_class == concrete
            && 0 < refused
            && refused < ignored
            && ignored < steps
            && compact < concrete
            && concrete < steps
    );
}

/// What ends a search ends what comes after it, and the time counts from the beginning of the search.
#[test]
fn a_local_simulation_that_is_cut_short_says_why() {
    let stopped = limits(1);
    let mut look = |seen: &Progress| stopped.stop.store(seen.simulated.is_some(), Ordering::Relaxed);
    let outcome = explore(&Scope::logs(3, 1, 1).quotient(PAPER), &stopped, NOTHING, &mut look);
    let outcome = outcome.expect("nothing is resumed");
    let why = "the local simulation was cut short: it was told to stop";
    assert_eq!(outcome.verdict, Verdict::Incomplete(why.to_owned()));
    assert!(outcome.reasons()[0].starts_with(&format!("{why}; every state was visited, but ")), "{outcome:?}");

    let quotient = LOGS.quotient(PAPER);
    explore(&quotient, &limits(1), NOTHING, &mut |_| {}).expect("nothing is resumed");
    let (began, time) = (Instant::now(), Duration::from_millis(10));
    std::thread::sleep(time);
    let timed = Limits { time: Some(time), ..limits(2) };
    let simulation = quotient.local_simulation().expect("there is one");
    let results = timed.search().do_all(&*simulation, began, &mut |_, _| {});
    assert_eq!((results.done, results.cut.as_deref()), (0, Some("the time limit of 10ms was reached")));
}

/// A search that is cut and gone on with tries the servers of both halves.
#[test]
fn a_checkpoint_keeps_the_servers_that_were_reached() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("search.ckpt");
    let whole = search(LOGS, PAPER_STEP, 1);
    let cut = Limits { states: Some(whole.states / 2), checkpoint: Some(path.clone()), ..limits(1) };
    let outcome = explore(&LOGS.quotient(PAPER), &cut, NOTHING, &mut |_| {}).expect("nothing is resumed");
    assert!(matches!(outcome.verdict, Verdict::Incomplete(_)) && outcome.simulated.is_none());
    let on = Limits { resume: Some(path), ..limits(1) };
    let resumed = explore(&LOGS.quotient(PAPER), &on, NOTHING, &mut |_| {}).expect("it is the same search");
    assert_eq!((resumed.states, resumed.simulated), (whole.states, whole.simulated));
}

/// Each kind of message, with each flag, from each of the others, in a lower, the same and a higher term.
#[test]
fn every_kind_of_message_is_tried() {
    let quotient = LOGS.quotient(PAPER);
    let server = quotient.start().seats().next().expect("there is one").1.server(1, quotient.members, 0);
    let kind = |message: &Message<_>| match message {
        Message::PreVoteRequest { .. } => (0, false),
        Message::PreVoteReply { granted } => (1, *granted),
        Message::VoteRequest { transfer, .. } => (2, *transfer),
        Message::VoteReply { granted } => (3, *granted),
        Message::AppendRequest { .. } => (4, false),
        Message::AppendReply { .. } => (5, false),
        Message::AppendRefusal { .. } => (6, false),
        Message::TimeoutNow => (7, false),
        Message::Stale => (8, false),
        Message::InstallSnapshot { .. } => (9, false),
        Message::RepairRequest { .. } => (10, false),
    };
    let tried: BTreeSet<_> = alphabet::happenings(&server, 1, false, false)
        .iter()
        .filter_map(|happening| match happening {
            Happening::Event(Event::Receive(letter)) if letter.from != letter.to => {
                Some((letter.from, letter.term, kind(&letter.message)))
            }
            _ => None,
        })
        .collect();
    assert_eq!(tried.len(), 3 * 12, "three terms, nine kinds of which three have a flag");
    let members: ServerSet = tried.iter().map(|(from, _, _)| *from).collect();
    assert!(quotient.members.ids().filter(|&id| id != server.node.id()).all(|id| members.contains(id)));
}
