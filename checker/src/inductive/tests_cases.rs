use std::time::Instant;

use rafttree_model::{Effects, Event, Index, Log, Members, Node, Position, Rules, ServerId, Term, step_by};

use crate::inductive::cases::{Filled, Scope, fill};
use crate::inductive::instances::{Drawn, Draws, draw};
use crate::inductive::symbols::KINDS;
use crate::inductive::work::Clock;
use crate::inductive::{mutants, shape};
use crate::tests::limits;
use crate::verdict::Limits;
use crate::world::{PAPER, StepBy, Tag};

const SMALL: Scope = Scope { terms: 2, entries: 2, window: 3 };

const DRAWS: Draws = Draws { seed: 1, each: 3, any: 0 };

/// Longer logs for what goes wrong in longer logs alone.
const LONGER: Scope = Scope { terms: 1, entries: 2, window: 6 };

fn filled(step_by: StepBy, scope: Scope, threads: usize) -> Filled {
    let limits: Limits = limits(threads);
    fill(step_by, scope, Clock { limits: &limits, started: Instant::now() }, &mut |_, _| {})
}

fn drawn(step_by: StepBy, filled: &Filled, draws: Draws, threads: usize) -> (Drawn, Option<String>) {
    let limits: Limits = limits(threads);
    draw(step_by, &filled.tables, draws, Clock { limits: &limits, started: Instant::now() }, &mut |_, _| {})
}

/// The deployed step by these rules.
fn by<R: Rules>(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    step_by::<R, Tag>(node, event, effects);
}

/// From the sixth entry on only the index is compared.
fn matches_beyond_five() -> StepBy {
    mutants::find("matches_beyond_five").expect("a mutant of this name").code.step_by
}

struct CommitsOneMore;

impl Rules for CommitsOneMore {
    fn follower_commit(leader_commit: Index, verified: Index) -> Index {
        let one_more = if Index::new(4) < verified { verified.next() } else { verified };
        leader_commit.min(one_more)
    }
}

struct CommitsInHighTerms;

impl Rules for CommitsInHighTerms {
    fn may_commit(log: &Log, index: Index, current: Term) -> bool {
        log.term_at(index) == Some(current) || Term::new(1 << 20) < current
    }
}

struct TrustsHighTerms;

impl Rules for TrustsHighTerms {
    fn is_up_to_date(candidate: Position, ours: Position) -> bool {
        ours <= candidate || Term::new(1 << 20) < candidate.term
    }
}

struct CountsSevenShort;

impl Rules for CountsSevenShort {
    fn replicated(members: &Members, matched: impl Fn(ServerId) -> Index) -> Index {
        if members.ids().len() == 7 {
            return members.ids().map(matched).max().unwrap_or_default();
        }
        members.reached_by_majority(matched)
    }
}

struct AsksHighIds;

impl Rules for AsksHighIds {
    fn may_vote(vote: Option<ServerId>, candidate: ServerId) -> bool {
        vote.is_none_or(|granted| granted == candidate || ServerId::new(1 << 20) < candidate)
    }
}

#[test]
fn each_case_has_one_outcome_whatever_the_numbers() {
    let filled = filled(PAPER.step_by, SMALL, 2);
    assert_eq!(filled.clash, None);
    assert!(filled.is_whole && filled.counts.iter().all(|counts| 0 < counts.cases && counts.cases <= counts.steps));
    let (drawn, wrong) = drawn(PAPER.step_by, &filled, DRAWS, 2);
    assert_eq!(wrong, None);
    let cases: u64 = filled.counts.iter().map(|counts| counts.cases).sum();
    assert_eq!((drawn.cases, drawn.instances), (cases, DRAWS.each * cases));
    assert!(drawn.is_whole && 4 < drawn.most_runs && 20 < drawn.longest_log && 1 << 38 < drawn.highest_term);
}

#[test]
fn threads_change_nothing() {
    let one = filled(PAPER.step_by, SMALL, 1);
    let two = filled(PAPER.step_by, SMALL, 2);
    assert_eq!(one.counts, two.counts);
    assert_eq!(one.tables.cases(), two.tables.cases());
    assert_eq!(drawn(PAPER.step_by, &one, DRAWS, 1), drawn(PAPER.step_by, &two, DRAWS, 2));
    let broken = matches_beyond_five();
    assert_eq!(filled(broken, LONGER, 1).clash, filled(broken, LONGER, 2).clash);
}

#[test]
fn small_windows_do_not_saturate() {
    let filled = filled(PAPER.step_by, SMALL, 2);
    assert!(!filled.saturated);
    let (_, wrong) = drawn(PAPER.step_by, &filled, Draws { each: 0, any: 10, ..DRAWS }, 2);
    assert!(wrong.is_some_and(|why| why.contains("is in no table")));
}

#[test]
fn what_goes_wrong_in_long_logs_alone_clashes() {
    for (step_by, kind) in [(matches_beyond_five(), "refused"), (by::<CommitsOneMore> as StepBy, "taken")] {
        let clash = filled(step_by, LONGER, 2).clash;
        assert!(clash.is_some_and(|clash| clash.starts_with(kind)), "{kind}");
    }
}

#[test]
fn what_goes_wrong_with_other_numbers_alone_is_drawn() {
    let broken: [(StepBy, &str); 5] = [
        // Here it panics: what is committed would be cut.
        (matches_beyond_five(), "followers"),
        (by::<CommitsInHighTerms>, "followers"),
        (by::<TrustsHighTerms>, "votes"),
        (by::<CountsSevenShort>, "replies"),
        (by::<AsksHighIds>, "votes"),
    ];
    for (at, (step_by, kind)) in broken.into_iter().enumerate() {
        let filled = filled(step_by, SMALL, 2);
        assert_eq!(filled.clash, None, "{at}");
        let (_, wrong) = drawn(step_by, &filled, Draws { each: 20, ..DRAWS }, 2);
        assert!(wrong.is_some_and(|why| why.starts_with(kind)), "{at}");
    }
}

#[test]
fn kinds_are_all_met() {
    let counts = filled(PAPER.step_by, SMALL, 2).counts;
    assert_eq!(counts.len(), KINDS);
    assert!(counts.iter().all(|counts| counts.windows.len() == 2));
}

#[test]
fn logs_are_what_lists_of_terms_are() {
    let (compared, differs) = shape::compare(6);
    assert_eq!(differs, None);
    assert_eq!(compared.most_runs, 6);
}
