//! What the quotient leaves out, and what it must not.

use std::collections::HashSet;

use stateright::{Checker, Model};

use crate::presets::named;
use crate::properties::Property;
use crate::quotient::cross_check::{all_states, compare, renamings};
use crate::quotient::inputs::Stimulus;
use crate::quotient::packed::Packed;
use crate::quotient::server::{Cells, Part as Role, Seat, term_of};
use crate::quotient::settings::Quotient;
use crate::quotient::state::{Asked, Reach, State};
use crate::scope::{Part, Scope};
use crate::system::Bounds;
use crate::tests::limits;
use crate::verdict::{NOTHING, explore};
use crate::world::{Ground, LeaseMutant, PAPER};

/// Two servers with everything at once.
const TWO: Bounds = Bounds {
    start: None,
    servers: 2,
    timeouts: None,
    minimums: None,
    requests: None,
    crashes: None,
    terms: 2,
    entries: 2,
    unsynced: 2,
    interleaved: true,
    forgets: true,
    rumours: true,
    proposals: true,
    follows_proposals: false,
    reads: false,
    transfers: true,
    snapshots: false,
    damages: false,
};

/// Three servers in one term, disks in full.
const THREE: Bounds = Bounds { servers: 3, terms: 1, entries: 1, transfers: false, ..TWO };

fn quotient(servers: u8, spread: u8, window: u8) -> Quotient {
    Quotient::new(PAPER, servers, Reach { spread, window, absolute: false, damages: false })
}

fn leases(servers: u8, spread: u8) -> Quotient {
    Part::Lease(Scope::elections(servers, spread)).quotient(PAPER).expect("it is one")
}

/// Leases change nothing of the protocol: without what is told of them the states are those of elections.
#[test]
fn the_states_with_leases_are_those_of_elections_with_leases() {
    for (servers, spread, count) in [(3, 1, 755), (3, 2, 3_070)] {
        let quotient = leases(servers, spread);
        let states = all_states(&quotient);
        assert_eq!(states.len(), count);
        let form = |state: &State| without_leases(*state).settled(quotient.reach).expect("within bounds").canonical();
        let forms: HashSet<State> = states.iter().map(form).collect();
        let elections = Scope::elections(servers, spread).quotient(PAPER);
        assert_eq!(forms, all_states(&elections));
    }
}

fn without_leases(mut state: State) -> State {
    (state.leases, state.holder, state.answered) = (false, 0, Default::default());
    state.seats.iter_mut().for_each(|seat| *seat = seat.uncounted().with_transfer(0));
    let mut asked: Vec<_> = state.asked.iter().map(|asked| Asked { transfer: false, ..*asked }).collect();
    asked.dedup();
    state.asked = asked.into_iter().collect();
    state
}

/// What leases rest on is kept, and the axiom is needed: without it two servers lead while one has a lease.
#[test]
fn whoever_has_answered_for_a_lease_sticks_to_its_leader_until_it_is_over() {
    let quotient = leases(3, 2);
    let mut known = HashSet::new();
    for state in all_states(&quotient).iter().filter(|state| state.holder != 0) {
        let holder = state.seat(state.holder);
        assert!(holder.is(Role::Leader) && holder.transfer() == 0 && !holder.is_counted(), "{state:?}");
        for (id, seat) in state.seats().filter(|(_, seat)| seat.is_counted()) {
            let hears = seat.leader() == state.holder && seat.term() == holder.term();
            let follows = seat.is(Role::Follower) && seat.sticky() != 0;
            assert!(follows && (hears || seat.leader() == 0 || holder.term() < seat.term()), "{id} in {state:?}");
            known.insert((hears, seat.leader() != 0));
        }
    }
    assert_eq!(known.len(), 2, "it hears the holder, or has forgotten whom it heard");
    for lease_mutant in [LeaseMutant::FromAnswers, LeaseMutant::ElectOnDisconnect] {
        let ground = Ground { lease_mutant: Some(lease_mutant), ..PAPER };
        let quotient = Quotient { ground, ..leases(3, 1) };
        let outcome = explore(&quotient, &limits(2), NOTHING, &mut |_| {}).expect("nothing is resumed");
        assert!(outcome.broken.contains(Property::LeaseExclusive), "{lease_mutant:?}: {:?}", outcome.broken);
    }
}

/// Both directions: no concrete state is missing, and none is made up.
#[test]
fn the_states_of_the_quotient_are_those_of_the_concrete_system() {
    for (bounds, least) in [(TWO, 500), (THREE, 80)] {
        let compared = compare(bounds, true);
        println!("{} concrete states, {} states of the quotient", compared.concrete, compared.quotient);
        assert!(least < compared.quotient && 40_000 < compared.concrete);
        let missing = compared.missing.first();
        assert!(missing.is_none(), "{} are missing: {missing:?}", compared.missing.len());
        let extra = compared.extra.first();
        assert!(extra.is_none(), "{} are made up: {extra:?}", compared.extra.len());
    }
}

/// The same where disks are damaged.
#[test]
fn the_states_with_damaged_disks_are_those_of_the_concrete_system() {
    let compared = compare(Bounds { interleaved: false, damages: true, ..TWO }, true);
    assert!(1_000 < compared.quotient && 40_000 < compared.concrete, "{} {}", compared.quotient, compared.concrete);
    let missing = compared.missing.first();
    assert!(missing.is_none(), "{} are missing: {missing:?}", compared.missing.len());
    let extra = compared.extra.first();
    assert!(extra.is_none(), "{} are made up: {extra:?}", compared.extra.len());
}

/// The same where servers make snapshots. (Interleaved, and with three servers, it is so too, and takes minutes.)
#[test]
fn the_states_with_snapshots_are_those_of_the_concrete_system() {
    let compared = compare(Bounds { interleaved: false, snapshots: true, ..TWO }, true);
    assert!(1_000 < compared.quotient && 40_000 < compared.concrete);
    let missing = compared.missing.first();
    assert!(missing.is_none(), "{} are missing: {missing:?}", compared.missing.len());
    let extra = compared.extra.first();
    assert!(extra.is_none(), "{} are made up: {extra:?}", compared.extra.len());
}

/// Without logs the quotient does more than the concrete system, and nothing less.
#[test]
fn elections_without_logs_are_those_with_logs_and_more() {
    for bounds in [Bounds { proposals: false, ..TWO }, Bounds { proposals: false, ..THREE }] {
        let compared = compare(bounds, false);
        let missing = compared.missing.first();
        assert!(missing.is_none(), "{} are missing: {missing:?}", compared.missing.len());
    }
}

/// The canonical form is exact: the renamings of all forms are all states, each once.
#[test]
fn each_state_has_one_form_and_the_renamings_of_all_forms_are_all_states() {
    let elections = Quotient { forgets_logs: true, ..quotient(4, 1, 0) };
    for quotient in [quotient(3, 1, 1), elections, leases(3, 1), leases(4, 1)] {
        let forms = all_states(&quotient);
        let all = all_states(&Quotient { symmetric: false, ..quotient });
        let mut renamed = HashSet::new();
        let mut sizes = 0;
        for form in &forms {
            let orbit: HashSet<State> = renamings(form).into_iter().collect();
            assert!(orbit.iter().all(|state| state.canonical() == *form), "{form:?}");
            sizes += orbit.len();
            renamed.extend(orbit);
        }
        assert_eq!(sizes, renamed.len(), "no state has two forms");
        assert_eq!(renamed, all);
    }
}

/// A leader that two followers have left learns late that they held an entry of its term. By then they have
/// committed more with another, and a round that they answered before has no read index.
#[test]
fn a_round_from_before_the_first_commit_of_the_term_is_read_for_nothing() {
    let log = |terms: &[u8]| {
        terms.iter().fold(Cells::default(), |mut log, &term| {
            log.push(term);
            log
        })
    };
    let seat = |term, vote, terms| Seat::default().with_term(term).with_vote(vote).with_cells(log(terms));
    let leader = |seat: Seat| seat.with_role(2);
    let mut state = State { committed: log(&[1, 2, 3]), known_in: [1, 3, 3, 0], ..State::start(3) };
    state.seats[0] = seat(3, 3, &[1, 2, 3]).with_synced(3).with_commit(1);
    state.seats[1] = leader(seat(2, 2, &[1, 2]).with_synced(1));
    state.seats[2] = leader(seat(3, 3, &[1, 2, 3]).with_synced(3).with_commit(3));
    (state.heard[1], state.answered[1]) = (2 | 2 << 6, 0b101);
    let quotient = Quotient { symmetric: false, ..quotient(3, 2, 3) };
    let state = state.settled(quotient.reach).expect("it is within these bounds");
    let mut worker = quotient.new_worker();
    let mut late = Vec::new();
    quotient.moves(&mut worker, &state, &mut |step, next, broken, _| {
        assert!(broken.is_empty(), "{step:?} breaks {broken:?}");
        if step.server == 2 && matches!(step.stimulus, Stimulus::Acknowledge { .. }) && step.cut.is_none() {
            late.push(next);
        }
    });
    assert_eq!(late.len(), 1);
    assert_eq!(late[0].seat(2).commit() + 1, late[0].committed.len, "it does not know all that was committed");
    quotient.moves(&mut worker, &late[0], &mut |step, _, broken, _| {
        assert!(broken.is_empty(), "{step:?} breaks {broken:?}");
    });
}

#[test]
fn a_run_that_cannot_be_made_concrete_is_told_step_by_step() {
    let quotient = quotient(3, 1, 1);
    let mut campaigns = Vec::new();
    quotient.moves(&mut quotient.new_worker(), &quotient.start(), &mut |step, next, _, _| {
        if next.seats().any(|(_, seat)| seat.is(Role::Candidate)) {
            campaigns.push(step);
        }
    });
    let campaign = campaigns[0];
    let why = quotient.concretised(&[campaign], true).expect_err("it breaks nothing, and must");
    let lines: Vec<&str> = why.lines().collect();
    assert!(lines[0].ends_with("cannot be told there"), "{}", lines[0]);
    let told = lines.iter().position(|line| *line == campaign.to_string()).expect("each step is told");
    assert!(lines[told + 1..].iter().any(|line| line.contains("candidate {1}")), "and what it leads to: {why}");
}

#[test]
fn a_packed_state_is_the_state() {
    for state in all_states(&quotient(3, 1, 1)).union(&all_states(&leases(3, 1))) {
        let packed = Packed::new(state);
        assert_eq!(packed.state(), *state);
        assert_eq!(Packed::from_words(packed.words()), Some(packed.clone()));
        assert_eq!(Packed::from_words(&packed.words()[1..]), None);
    }
}

/// Stateright's own searches, breadth first and depth first, reach the same states.
#[test]
fn stateright_counts_the_same_states() {
    let quotient = Quotient { forgets_logs: true, ..quotient(3, 2, 0) };
    let ours = all_states(&quotient).len();
    assert_eq!(quotient.clone().checker().spawn_bfs().join().unique_state_count(), ours);
    assert_eq!(quotient.checker().spawn_dfs().join().unique_state_count(), ours);
}

/// Where terms and indices begin to count makes no difference, nor what older terms are called, nor
/// names: what may happen after forgetting that is what may happen, with that forgotten.
#[test]
fn what_may_happen_does_not_depend_on_where_counting_begins() {
    let reach = Reach { spread: 9, window: 4, absolute: false, damages: false };
    let (forms, mut dropped, mut ranked) = (quotient(3, 9, 4), 0, 0);
    let far = Reach { absolute: true, ..reach };
    let absolute = Quotient { symmetric: false, reach: far, ..forms.clone() };
    let near = Reach { spread: 3, window: 1, absolute: true, damages: false };
    let explored = all_states(&Quotient { reach: near, proposals: false, ..forms.clone() });
    let mut workers = [absolute.new_worker(), forms.new_worker()];
    let form = |state: State| state.settled(reach).ok().map(|state| state.canonical());
    for state in explored {
        let here = form(state).expect("it is within these bounds");
        let (mut ours, mut theirs) = (HashSet::new(), HashSet::new());
        // What is dropped is known to be committed, also after a restart, as if every server had compacted it.
        let mut state = state;
        let count = state.committed.len - here.committed.len;
        state.seats[..3].iter_mut().for_each(|seat| *seat = seat.with_base(count));
        absolute.moves(&mut workers[0], &state, &mut |_, next, _, _| ours.extend(form(next)));
        forms.moves(&mut workers[1], &here, &mut |_, next, _, _| theirs.extend([next]));
        ours.remove(&here);
        let missing = ours.symmetric_difference(&theirs).next();
        assert!(missing.is_none(), "{missing:?} follows one of {state:?} and {here:?}");
        dropped += usize::from(here.base != 0);
        let old = |term: u8| 0 < term && term < state.lowest_term();
        let terms: HashSet<u8> = state.seats().flat_map(|(_, seat)| seat.cells().iter().map(term_of)).collect();
        ranked += usize::from(1 < terms.into_iter().filter(|&term| old(term)).count());
    }
    println!("{dropped} states with a prefix dropped, {ranked} with several older terms");
    assert!(100 < dropped && 100 < ranked, "{dropped} states with a prefix dropped, {ranked} with several older terms");
}

/// Terms and logs grow without end in finitely many states: there are cycles through elections.
#[test]
fn an_election_leads_back_to_a_state_from_before_it() {
    let Part::Quotient(scope) = named("quick").expect("the default").parts[1].0 else { panic!("it has any length") };
    let quotient = scope.quotient(PAPER);
    let start = quotient.start();
    let is_higher_start = |state: &State| {
        let alike = |seat: crate::quotient::server::Seat| (seat.len(), seat.vote()) == (0, 0);
        state.base != 0 && state.past.is_empty() && state.seats().all(|(_, seat)| alike(seat))
    };
    assert!(!is_higher_start(&start));
    assert!(all_states(&quotient).iter().any(is_higher_start));
}
