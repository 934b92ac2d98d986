//! A relabelled step is a step: shown on the deployed `step`, in arbitrary states.
//!
//! This is what lets the checker explore one state of all those that differ in labels alone. What
//! a claim assumes of a state, beyond what its fields say, is a function of its own, and needed:
//! without it the claim is refuted. Not all of it holds in every state that a run reaches.

mod arbitrary;
mod assumptions;
mod reached;
mod refuted;
mod twin;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestError, TestRunner};
use rafttree_model::{Envelope, Event, Message, Relabelled, Slice};

use self::arbitrary::{Case, Choices, all_that_can_move, can_move};
use self::assumptions::{Assumption, COMPACTION, FIRST_IS_ONE, FIRST_IS_ZERO, all_hold, entries_stay_consecutive};
use self::twin::{Twin, outcome};
use crate::support::{Command, on};

const CASES: u32 = 20_000;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(2014),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        max_global_rejects: 100 * cases,
        ..ProptestConfig::default()
    }
}

/// How a case gets a twin, if it is one of those that the claim is about.
type Twins<'a> = &'a dyn Fn(&mut Case, &mut Choices) -> Option<Twin>;

/// Tries so many arbitrary cases, whose indices are not below `lowest`, until the claim is false.
fn try_all(
    cases: u32,
    lowest: u64,
    twins: Twins<'_>,
    claim: impl Fn(&Case, &Twin) -> bool,
) -> Result<(), TestError<Vec<u16>>> {
    let numbers = prop::collection::vec(any::<u16>(), Choices::ENOUGH);
    TestRunner::new(config(cases)).run(&numbers, |numbers| {
        let mut choices = Choices::new(numbers);
        let mut case = Case::choose(&mut choices, lowest);
        let Some(twin) = twins(&mut case, &mut choices) else { return Err(TestCaseError::reject("has no twin")) };
        prop_assert!(claim(&case, &twin), "{twin:?} is not the twin of {case:?} after a step");
        Ok(())
    })
}

/// The deployed step makes twins of twins, whatever happens to whichever server.
fn assert_kept(lowest: u64, twins: Twins<'_>) {
    let (moved, panics) = (RefCell::new(BTreeSet::new()), Cell::new(0));
    let verdict = try_all(CASES, lowest, twins, |case, twin| {
        match outcome(on, &case.node, &case.event) {
            None => panics.set(panics.get() + 1),
            Some((node, done)) if node != case.node || !done.is_nothing() => {
                assert!(can_move(case.kind()), "{:?} moves no server", case.kind());
                moved.borrow_mut().insert(case.kind());
            }
            Some(_) => {}
        }
        twin.is_kept_by(on, case)
    });
    verdict.unwrap_or_else(|failure| panic!("{failure}"));
    let missed: Vec<_> = all_that_can_move().filter(|kind| !moved.borrow().contains(kind)).collect();
    assert!(missed.is_empty(), "nothing was moved by {missed:?}");
    assert!(50 * panics.get() < CASES, "{} of {CASES} cases are impossible", panics.get());
}

fn renamed(_: &mut Case, choices: &mut Choices) -> Option<Twin> {
    let mut twin = Twin::default();
    twin.rename(choices);
    Some(twin)
}

fn with_shifted_terms(case: &mut Case, choices: &mut Choices) -> Option<Twin> {
    let mut twin = Twin::default();
    twin.shift_terms(case, choices);
    Some(twin)
}

fn with_ranked_old_terms(case: &mut Case, choices: &mut Choices) -> Option<Twin> {
    let mut twin = Twin::default();
    twin.rank_old_terms(case, choices);
    Some(twin)
}

/// Index 1 becomes another one; 0 means that nothing is known, and still does.
fn with_shifted_indices(_: &mut Case, choices: &mut Choices) -> Option<Twin> {
    Some(Twin { floor: (1, choices.of(&[2, 3, 1_000_000_007])), ..Twin::default() })
}

/// What every server holds gets this index.
fn counted_from(new: u64, assumptions: &[Assumption]) -> impl Fn(&mut Case, &mut Choices) -> Option<Twin> {
    move |case, _| {
        case.floor = case.node.log().base().index;
        let has_twin = entries_stay_consecutive(case) && all_hold(assumptions, case);
        has_twin.then(|| Twin { floor: (case.floor.number(), new), ..Twin::default() })
    }
}

fn compacted(assumptions: &[Assumption]) -> impl Fn(&mut Case, &mut Choices) -> Option<Twin> {
    move |case, _| all_hold(assumptions, case).then(|| Twin { compacted: Some(case.floor), ..Twin::default() })
}

/// Compacted, counted from `new`, with other names, and old terms ranked.
fn with_all_labels_changed(new: u64, assumptions: &[Assumption]) -> impl Fn(&mut Case, &mut Choices) -> Option<Twin> {
    move |case, choices| {
        let mut twin = Twin { compacted: Some(case.floor), floor: (case.floor.number(), new), ..Twin::default() };
        twin.rename(choices);
        twin.rank_old_terms(case, choices);
        (all_hold(COMPACTION, case) && all_hold(assumptions, case)).then_some(twin)
    }
}

#[test]
fn nothing_depends_on_which_server_has_which_name() {
    assert_kept(0, &renamed);
}

#[test]
fn terms_may_be_counted_from_anywhere() {
    assert_kept(0, &with_shifted_terms);
}

#[test]
fn of_terms_before_every_server_s_only_the_order_counts() {
    assert_kept(0, &with_ranked_old_terms);
}

#[test]
fn indices_may_be_counted_from_anywhere_above_zero() {
    assert_kept(1, &with_shifted_indices);
}

#[test]
fn what_every_server_holds_may_be_index_one_and_all_below_it_zero() {
    assert_kept(1, &counted_from(1, FIRST_IS_ONE));
}

#[test]
fn what_every_server_holds_may_be_index_zero_if_more_is_assumed() {
    assert_kept(1, &counted_from(0, FIRST_IS_ZERO));
}

#[test]
fn what_is_known_to_be_committed_may_be_compacted() {
    assert_kept(0, &compacted(COMPACTION));
}

#[test]
fn all_labels_may_change_at_once() {
    assert_kept(1, &with_all_labels_changed(1, FIRST_IS_ONE));
    assert_kept(1, &with_all_labels_changed(0, FIRST_IS_ZERO));
}

/// The same request without what is up to the floor, if it is of no earlier term than the floor
/// (a leader of an earlier one could not name it) and agrees with the log up to there.
fn from_the_floor_on(case: &Case) -> Option<Event<Command>> {
    let Event::Receive(Envelope { message: Message::AppendRequest { entries, commit, round }, from, to, term }) =
        &case.event
    else {
        return None;
    };
    let log = case.node.log();
    let floor = log.position_at(case.floor).filter(|floor| floor.term <= *term)?;
    let mut positions = entries.entries().iter().map(|entry| entry.position).chain([entries.previous()]);
    let is_agreed = positions.all(|it| floor.index < it.index || it.term <= floor.term && log.holds(it));
    let later = entries.entries().iter().filter(|entry| floor.index < entry.position.index).copied().collect();
    let entries = Slice::new(floor, later).filter(|_| is_agreed)?;
    let message = Message::AppendRequest { entries, commit: *commit, round: *round };
    Some(Event::Receive(Envelope { from: *from, to: *to, term: *term, message }))
}

/// What is verified below the floor counts as what is verified up to it: both become 0.
#[test]
fn of_a_request_that_begins_below_the_floor_only_the_rest_counts() {
    let tried = Cell::new(0);
    let twins = |case: &mut Case, _: &mut Choices| {
        case.floor = case.node.commit();
        Some(Twin { compacted: Some(case.floor), floor: (case.floor.number(), 0), ..Twin::default() })
    };
    let verdict = try_all(CASES, 0, &twins, |case, twin| {
        let Some(rest) = from_the_floor_on(case).filter(|_| !assumptions::compares_from_the_floor_on(case)) else {
            return true;
        };
        tried.set(tried.get() + 1);
        let whole = outcome(on, &case.node, &case.event);
        let rest = outcome(on, &twin.node(&case.node), &rest.relabelled(twin));
        rest == whole.map(|(node, done)| (twin.node(&node), done.relabelled(twin)))
    });
    verdict.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(30 < tried.get(), "only {} such requests", tried.get());
}
