//! What the link looks up, what explains it, and what it notices.

use std::time::Instant;

use rafttree_model::{Event, Message};

use crate::inductive::history::{History, Terms};
use crate::properties::{Property, PropertySet};
use crate::quotient::cross_check::all_states;
use crate::quotient::inputs::{Stimulus, script};
use crate::quotient::link::explained::Traces;
use crate::quotient::link::{Gathered, Narrowed};
use crate::quotient::server::{Cells, Part, Seat};
use crate::quotient::settings::Quotient;
use crate::quotient::state::{Asked, Past, State};
use crate::scope::Scope;
use crate::tests::limits;
use crate::verdict::{Checked, Limits, Linked, NOTHING, Outcome, Verdict, explore};
use crate::world::{PAPER, Place};

const THREE: Scope = Scope::logs(3, 1, 1);
const TWO: Scope = Scope::logs(2, 1, 2);
const SNAPSHOTS: Scope = Scope::snapshots(2, 1, 2);

/// What the class lacks, where that shows first, and what of the invariant says so.
const NARROWED: [(Narrowed, Scope, &str); 7] = [
    (Narrowed::Commit, THREE, "BROKEN: CM"),
    (Narrowed::Matched, THREE, "BROKEN: AR"),
    (Narrowed::Logs, THREE, "BROKEN: S2"),
    (Narrowed::Requests, THREE, "BROKEN: VR"),
    // No two entries fit behind what all know in the smaller one.
    (Narrowed::Entries, TWO, "BROKEN: A1"),
    (Narrowed::Compacted, SNAPSHOTS, "BROKEN: CC"),
    (Narrowed::Snapshots, SNAPSHOTS, "BROKEN: IS"),
];

fn search(quotient: &Quotient, limits: &Limits) -> Outcome {
    explore(quotient, limits, NOTHING, &mut |_| {}).expect("nothing is resumed, or it is the same search")
}

#[test]
fn all_that_is_reached_is_in_the_class() {
    let states = |servers: u64, states, messages, free, histories, lost| {
        let servers = servers * states;
        Linked { states, servers, disks: servers, messages, free, histories, lost, left_out: 0 }
    };
    let expected = [
        (THREE, &[3][..], states(3, 22_193, 231_840, 449_302, 16, 4_698)),
        (TWO, &[1, 3], states(2, 4_040, 20_000, 50_486, 8, 0)),
        (SNAPSHOTS, &[2], states(2, 6_700, 37_107, 101_860, 8, 0)),
    ];
    for (scope, threads, linked) in expected {
        for &threads in threads {
            let outcome = search(&scope.quotient(PAPER), &limits(threads));
            assert_eq!(outcome.verdict, Verdict::Complete);
            assert_eq!(outcome.linked, Some(linked));
            let tally = outcome.simulated.expect("it is run");
            assert_eq!(tally.in_class, tally.concrete, "all that a server may have in memory is looked up");
        }
    }
}

/// Nothing that may happen is passed over, whatever is remembered of it.
#[test]
fn every_message_of_every_state_is_counted() {
    for scope in [THREE, TWO, SNAPSHOTS] {
        let quotient = scope.quotient(PAPER);
        let (mut messages, mut free, mut offers) = (0, 0, Vec::new());
        for state in all_states(&quotient) {
            quotient.offer_all(&state, &mut offers);
            for &(id, stimulus) in &offers {
                let brought = restricted(&state, id, stimulus);
                messages += brought;
                free += u64::from(brought == 0);
            }
        }
        let linked = search(&quotient, &limits(2)).linked.expect("it has logs");
        assert_eq!((linked.messages, linked.free), (messages, free));
    }
}

fn restricted(state: &State, id: u8, stimulus: Stimulus) -> u64 {
    let is_restricted = |event: &Event<_>| match event {
        Event::Receive(letter) => matches!(
            letter.message,
            Message::VoteRequest { .. }
                | Message::AppendRequest { .. }
                | Message::AppendReply { .. }
                | Message::InstallSnapshot { .. }
        ),
        _ => false,
    };
    if matches!(stimulus, Stimulus::Flush | Stimulus::Crash { .. } | Stimulus::Damage { .. }) {
        return 0;
    }
    script(state.seat(id), id, state.base, stimulus).iter().filter(|event| is_restricted(event)).count() as u64
}

#[test]
fn a_class_that_is_too_narrow_is_noticed() {
    for (narrowed, scope, of) in NARROWED {
        let quotient = Quotient { narrowed: Some(narrowed), ..scope.quotient(PAPER) };
        let outcome = search(&quotient, &limits(2));
        assert_eq!(outcome.verdict, Verdict::Violated, "{narrowed:?}");
        assert_eq!(outcome.broken, PropertySet::from_iter([Property::InClass]), "{narrowed:?}");
        let told = outcome.story.expect("it is told").join("\n");
        assert!(told.contains(of) && told.contains("history: ") && !told.contains("cannot be told"), "{told}");
    }
}

/// Of what a server may have in memory as well.
#[test]
fn the_local_simulation_notices_a_class_that_is_too_narrow() {
    let quotient = SNAPSHOTS.quotient(PAPER);
    assert_eq!(search(&quotient, &limits(2)).verdict, Verdict::Complete);
    for narrowed in [Narrowed::Commit, Narrowed::Logs, Narrowed::Compacted] {
        let narrow = Quotient { narrowed: Some(narrowed), ..quotient.clone() };
        let simulation = narrow.local_simulation().expect("there is one");
        let results = limits(1).search().do_all(&*simulation, Instant::now(), &mut |_, _| {});
        let (_, failure) = results.failure.expect("it is missed");
        assert_eq!(PropertySet::of_bits(failure.broken), PropertySet::from_iter([Property::InClass]), "{narrowed:?}");
        assert!(failure.story.iter().any(|line| line.starts_with("not in the class")), "{:?}", failure.story);
    }
}

/// What was looked up before the cut and after it adds up, and is one history where it is the same.
#[test]
fn a_checkpoint_keeps_what_was_looked_up() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("search.ckpt");
    let whole = search(&THREE.quotient(PAPER), &limits(2));
    let cut = Limits { states: Some(whole.states / 2), checkpoint: Some(path.clone()), ..limits(2) };
    let half = search(&THREE.quotient(PAPER), &cut).linked.expect("it has logs");
    let on = Limits { resume: Some(path), ..limits(1) };
    let resumed = search(&THREE.quotient(PAPER), &on);
    assert!(0 < half.servers && half.servers < whole.linked.expect("it has logs").servers);
    assert_eq!((resumed.verdict, resumed.linked), (Verdict::Complete, whole.linked));
}

#[test]
fn what_was_gathered_is_read_as_it_was_written() {
    let mut gathered = Gathered::default();
    let counts = Linked { states: 1, servers: 2, disks: 3, messages: 4, free: 5, histories: 0, lost: 6, left_out: 7 };
    let history = History::NONE.with(1, terms(&[1])).with(3, terms(&[1, 3, 3]));
    gathered.add(counts, &[History::NONE, history, history]);
    let mut written = Vec::new();
    gathered.encode(&mut written);
    let mut read = Gathered::default();
    assert_eq!(read.decode(&written), Some(()));
    assert_eq!(read.counts(), Linked { histories: 2, ..counts });
    assert_eq!(Gathered::default().decode(&written[..written.len() - 1]), None);
}

fn terms(all: &[u8]) -> Terms {
    all.iter().copied().fold(Terms::default(), Terms::and)
}

fn cells(all: &[u8]) -> Cells {
    let mut cells = Cells::default();
    all.iter().for_each(|&term| cells.push(term));
    cells
}

fn seat(part: Part, term: u8, log: &[u8]) -> Seat {
    Seat::default().with_term(term).with_role(part as u8).with_cells(cells(log)).with_synced(log.len() as u8)
}

fn state(base: u8, seats: &[Seat]) -> State {
    let mut state = State { servers: seats.len() as u8, base, ..State::default() };
    state.seats[..seats.len()].copy_from_slice(seats);
    state
}

fn explained(state: &State) -> Result<History, &'static str> {
    Traces::of(state).and_then(|traces| traces.explained()).map_err(|fault| fault.id)
}

#[test]
fn logs_and_what_leaders_said_make_a_history() {
    let [leader, follower] = [seat(Part::Leader, 4, &[3, 4]), seat(Part::Follower, 4, &[3, 3])];
    let mut world = state(2, &[leader, follower]);
    let history = History::NONE.with(2, terms(&[2])).with(3, terms(&[2, 3, 3])).with(4, terms(&[2, 3, 4]));
    assert_eq!(explained(&world), Ok(history));
    world.past.push(Past { term: 5, leader: 2, commit: 0, cells: cells(&[3, 3, 5]) });
    assert_eq!(explained(&world), Ok(history.with(5, terms(&[2, 3, 3, 5]))));
}

#[test]
fn what_no_history_explains_is_a_miss() {
    let two = state(0, &[seat(Part::Leader, 4, &[4]), seat(Part::Leader, 4, &[4])]);
    assert_eq!(explained(&two), Err("E6"));
    let longer = state(0, &[seat(Part::Leader, 4, &[4]), seat(Part::Follower, 4, &[4, 4])]);
    assert_eq!(explained(&longer), Err("S1"), "a follower has more than its leader ever had");
    let unlike = state(0, &[seat(Part::Follower, 4, &[1, 3]), seat(Part::Follower, 4, &[2, 3])]);
    assert_eq!(explained(&unlike), Err("S1"), "two logs of one last term begin differently");
    let falling = state(0, &[seat(Part::Follower, 4, &[3, 2]), seat(Part::Follower, 4, &[])]);
    assert_eq!(explained(&falling), Err("G2"));
    let without_own = state(0, &[seat(Part::Leader, 4, &[3]), seat(Part::Follower, 4, &[])]);
    assert_eq!(explained(&without_own), Err("G2"), "a leader has no entry of its term");
}

/// A candidate asked with a log that nobody holds any more.
#[test]
fn a_leader_is_thought_of_where_a_log_is_lost() {
    let asks = |(term, index)| Asked { term: 5, candidate: 1, last: Place { term, index }, transfer: false };
    let mut world = state(1, &[seat(Part::Follower, 4, &[3, 4]), seat(Part::Follower, 4, &[3])]);
    let known = History::NONE.with(1, terms(&[1])).with(3, terms(&[1, 3])).with(4, terms(&[1, 3, 4]));
    for (last, history) in [
        // It is older than all that is known.
        ((0, 0), known),
        ((1, 0), known),
        // The leader of term 4 had more than anybody has now.
        ((4, 3), known.with(4, terms(&[1, 3, 4, 4]))),
        // The leader of term 2 may have begun with what is committed, or is gone with what it had.
        ((2, 1), known.with(2, terms(&[1, 2]))),
        ((2, 0), known.with(2, terms(&[2]))),
    ] {
        world.asked.clear();
        world.asked.push(asks(last));
        assert_eq!(explained(&world), Ok(history), "{last:?}");
    }
    world.asked.clear();
    world.asked.push(asks((4, 1)));
    assert_eq!(explained(&world), Err("VR"), "that place is known to be another leader's");
    world.seats[0] = seat(Part::Leader, 4, &[3, 4]);
    world.asked[0] = asks((4, 3));
    assert_eq!(explained(&world), Err("VR"), "it would be longer than the leader's log is");
}

/// Whatever leaders are forgotten, but for where logs of candidates ended: all that may have been committed, and is still
/// known, may have been committed in the history that is put together as well.
#[test]
fn what_may_have_been_committed_may_have_been_so_whoever_is_thought_of() {
    let (mut lost, mut kept) = (0, 0);
    for history in History::all(4, 3) {
        let leaders: Vec<_> = history.leaders().collect();
        for remembered in 0..(1u8 << leaders.len()) - 1 {
            let is_remembered = |at: &usize| remembered >> at & 1 != 0;
            let mut world = state(0, &[seat(Part::Follower, 5, &[])]);
            for (at, (term, log)) in leaders.iter().enumerate() {
                let cells = cells(&log.iter().collect::<Vec<_>>());
                if is_remembered(&at) {
                    world.past.push(Past { term: *term, leader: 1, commit: 0, cells });
                } else {
                    let asked = |last| Asked { term: 6, candidate: 1, last, transfer: false };
                    world.asked.extend(log.own(*term).map(asked));
                }
            }
            let known = |entry: &Place| (0..leaders.len()).filter(is_remembered).any(|at| leaders[at].1.has(*entry));
            let thought_of = explained(&world).expect("there is one").committable();
            let committable: Vec<_> = history.committable().into_iter().filter(known).collect();
            assert!(committable.iter().all(|entry| thought_of.contains(entry)), "{history}, {remembered:b}");
            lost += 1;
            kept += committable.len();
        }
    }
    assert!(lost < kept, "{lost} cases, {kept} entries");
}

#[test]
fn some_states_need_a_leader_that_nobody_remembers() {
    // With three servers terms must be two apart, and logs two entries long.
    let quotient = Scope::logs(3, 2, 2).quotient(PAPER);
    let outcome = search(&quotient, &Limits { states: Some(200_000), ..limits(2) });
    assert!(matches!(outcome.verdict, Verdict::Incomplete(_)), "{:?}", outcome.verdict);
    let lost = outcome.linked.expect("it has logs").lost;
    assert!(0 < lost, "none of {} states", outcome.states);
}

/// Only their order counts, so that terms which are too high for a history are numbered anew.
#[test]
fn high_terms_are_numbered_anew() {
    let high = state(7, &[seat(Part::Leader, 30, &[9, 30]), seat(Part::Follower, 28, &[9])]);
    let low = high.within_history().expect("there are five terms");
    assert_eq!(low, state(1, &[seat(Part::Leader, 4, &[2, 4]), seat(Part::Follower, 3, &[2])]));
    assert_eq!(low.within_history(), Some(low));
    let seats = [(14, [2, 3, 4, 5]), (15, [6, 7, 8, 9]), (16, [10, 11, 12, 13])];
    let mut many = state(1, &seats.map(|(term, cells)| seat(Part::Follower, term, &cells)));
    assert_eq!(many.within_history(), None, "sixteen terms");
    many.seats[1] = seat(Part::Follower, 16, &[6, 7, 8, 9]);
    assert!(many.within_history().is_some());
}
