//! Claims that are false are seen to be: with labels that merge or reorder what is compared, with
//! less assumed, and of steps that look at the labels themselves.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rafttree_model::{Index, Log, Paper, Position, Rules, ServerId, Term};

use super::arbitrary::{Case, Choices, SERVERS};
use super::assumptions::{Assumption, COMPACTION, FIRST_IS_ONE, FIRST_IS_ZERO};
use super::twin::{Act, Twin};
use super::{
    CASES, Twins, compacted, counted_from, renamed, try_all, with_ranked_old_terms, with_shifted_indices,
    with_shifted_terms,
};
use crate::support::{id, on, on_by};

/// Whether some step makes no twins of twins. Labels that cannot be given refute nothing.
fn is_refuted(lowest: u64, act: Act, twins: Twins<'_>) -> bool {
    let is_kept = |case: &Case, twin: &Twin| catch_unwind(AssertUnwindSafe(|| twin.is_kept_by(act, case)));
    try_all(10 * CASES, lowest, twins, |case, twin| is_kept(case, twin).unwrap_or(true)).is_err()
}

#[test]
fn that_two_servers_may_have_one_name_is_refuted() {
    let names = (1..=SERVERS).map(|number| id(number.min(SERVERS - 1))).collect();
    let merged = Twin { names, ..Twin::default() };
    assert!(is_refuted(0, on, &|_, _| Some(merged.clone())));
}

#[test]
fn that_terms_may_change_places_is_refuted() {
    let reversed = Twin { old_terms: (0..20).map(|term| (term, 20 - term)).collect(), ..Twin::default() };
    assert!(is_refuted(0, on, &|_, _| Some(reversed.clone())));
}

#[test]
fn that_a_server_s_term_and_the_next_may_be_further_apart_is_refuted() {
    let stretched = Twin { old_terms: (0..20).map(|term| (term, 2 * term)).collect(), ..Twin::default() };
    assert!(!is_refuted(0, on, &|case, _| (!is_campaign(case)).then(|| stretched.clone())), "only campaigns count up");
    assert!(is_refuted(0, on, &|_, _| Some(stretched.clone())));
}

/// Whether the server may enter the term after its own.
fn is_campaign(case: &Case) -> bool {
    let (_, kind, _) = case.kind();
    ["pre-vote reply", "timeout now"].contains(&kind)
}

#[test]
fn that_old_terms_may_be_one_term_is_refuted() {
    let merged = |case: &mut Case, choices: &mut Choices| {
        let mut twin = with_ranked_old_terms(case, choices)?;
        twin.old_terms.values_mut().for_each(|new| *new = 0);
        Some(twin)
    };
    assert!(is_refuted(0, on, &merged));
}

/// Figure 8: an old term's entry would be committed by counting.
#[test]
fn that_an_old_term_may_be_the_current_one_is_refuted() {
    let lifted = |case: &mut Case, choices: &mut Choices| {
        let mut twin = with_ranked_old_terms(case, choices)?;
        twin.first.1 = twin.old_terms.values().last().copied()?;
        Some(twin)
    };
    assert!(is_refuted(0, on, &lifted));
}

/// A new leader knows of nobody that it holds index 0.
#[test]
fn that_index_zero_may_be_another_is_refuted() {
    let moved = Twin { floor: (0, 3), ..Twin::default() };
    assert!(is_refuted(0, on, &|_, _| Some(moved.clone())));
}

/// All but one of these.
fn without(assumptions: &[Assumption], left_out: usize) -> Vec<Assumption> {
    let others = assumptions.iter().enumerate().filter(|(place, _)| *place != left_out);
    others.map(|(_, assumption)| *assumption).collect()
}

#[test]
fn whatever_is_assumed_is_needed() {
    for (place, (what, _)) in COMPACTION.iter().enumerate() {
        assert!(is_refuted(0, on, &compacted(&without(COMPACTION, place))), "compaction: {what}");
    }
    for (new, assumptions) in [(0, FIRST_IS_ZERO), (1, FIRST_IS_ONE)] {
        for (place, (what, _)) in assumptions.iter().enumerate() {
            assert!(is_refuted(1, on, &counted_from(new, &without(assumptions, place))), "first is {new}: {what}");
        }
    }
}

/// A tie is broken by the name.
struct VoteForEvenNames;

impl Rules for VoteForEvenNames {
    fn may_vote(vote: Option<ServerId>, candidate: ServerId) -> bool {
        Paper::may_vote(vote, candidate) && candidate.number().is_multiple_of(2)
    }
}

/// A term is looked at.
struct IgnoreTermFour;

impl Rules for IgnoreTermFour {
    fn is_newer(theirs: Term, ours: Term) -> bool {
        ours < theirs && theirs != Term::new(4)
    }
}

/// Old terms are computed with.
struct VoteForAlmostUpToDate;

impl Rules for VoteForAlmostUpToDate {
    fn is_up_to_date(candidate: Position, ours: Position) -> bool {
        ours.term.number() <= candidate.term.number() + 1
    }
}

/// An index is looked at.
struct CommitEvenIndices;

impl Rules for CommitEvenIndices {
    fn may_commit(log: &Log, index: Index, current: Term) -> bool {
        Paper::may_commit(log, index, current) && index.number().is_multiple_of(2)
    }
}

/// What was compacted is looked at.
struct CommitOnlyAfterEntriesHeld;

impl Rules for CommitOnlyAfterEntriesHeld {
    fn may_commit(log: &Log, index: Index, current: Term) -> bool {
        Paper::may_commit(log, index, current) && log.term_at(index.previous()).is_some()
    }
}

#[test]
fn that_steps_which_look_at_labels_keep_twins_is_refuted() {
    assert!(is_refuted(0, on_by::<VoteForEvenNames>, &renamed));
    assert!(is_refuted(0, on_by::<IgnoreTermFour>, &with_shifted_terms));
    assert!(is_refuted(0, on_by::<VoteForAlmostUpToDate>, &with_ranked_old_terms));
    assert!(is_refuted(1, on_by::<CommitEvenIndices>, &with_shifted_indices));
    assert!(is_refuted(0, on_by::<CommitOnlyAfterEntriesHeld>, &compacted(COMPACTION)));
}
