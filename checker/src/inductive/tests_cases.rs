use std::time::Instant;

use rafttree_model::{
    Effects, Envelope, Event, Index, Log, Members, Message, Node, Position, Rules, ServerId, Slice, Term, step_by,
};

use crate::inductive::cases::{Filled, Scope, fill, fill_compacted};
use crate::inductive::instances::{Drawn, Draws, draw};
use crate::inductive::symbols::KINDS;
use crate::inductive::work::Clock;
use crate::inductive::{mutants, rounds, shape};
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

/// The same tables with what compacted servers add to them.
fn compacted(filled: Filled, step_by: StepBy, scope: Scope) -> Filled {
    let limits: Limits = limits(2);
    let clock = Clock { limits: &limits, started: Instant::now() };
    fill_compacted(filled.tables, step_by, scope, clock, &mut |_, _| {})
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

struct SendsNoSnapshots;

impl Rules for SendsNoSnapshots {
    fn previous(log: &Log, next: Index) -> Option<Position> {
        Some(log.position_at(next.previous()).unwrap_or(log.base()))
    }
}

struct TakesNoHighSnapshots;

impl Rules for TakesNoHighSnapshots {
    fn must_restore(log: &Log, last: Position) -> bool {
        !log.holds(last) && last.term < Term::new(1 << 20)
    }
}

/// A leader counts no acknowledgement but of its latest round.
fn drops_earlier_answers(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let is_earlier = |letter: &Envelope<Slice<Tag>>| match letter.message {
        Message::AppendReply { round, .. } => node.round().is_some_and(|begun| round < begun),
        _ => false,
    };
    if !matches!(&event, Event::Receive(letter) if is_earlier(letter)) {
        step_by::<rafttree_model::Paper, Tag>(node, event, effects);
    }
}

/// What is said of a round that has not begun counts.
fn believes_later_answers(node: &mut Node, event: Event<Tag>, effects: &mut Effects<Tag>) {
    let event = match (event, node.round()) {
        (Event::Receive(letter), Some(begun)) => match letter.message {
            Message::AppendReply { matched, round } => {
                let message = Message::AppendReply { matched, round: round.min(begun) };
                Event::Receive(Envelope { message, ..letter })
            }
            _ => Event::Receive(letter),
        },
        (event, _) => event,
    };
    step_by::<rafttree_model::Paper, Tag>(node, event, effects);
}

#[test]
fn rounds_make_no_difference_and_it_would_be_seen() {
    let limits: Limits = limits(2);
    let clock = Clock { limits: &limits, started: Instant::now() };
    let compare = |step_by| rounds::compare(step_by, &[(1, 1, 2)], clock, &mut |_, _| {});
    let (compared, differs, is_whole) = compare(PAPER.step_by);
    assert_eq!(differs, None);
    assert!(is_whole && 0 < compared.not_begun && compared.not_begun < compared.steps);
    for broken in [drops_earlier_answers, believes_later_answers] as [StepBy; 2] {
        let (_, differs, _) = compare(broken);
        assert!(differs.is_some_and(|why| why.contains("AppendReply")));
    }
}

/// By kind, how many cases there are.
fn counted(filled: &Filled) -> Vec<(&'static str, u64)> {
    let counts = filled.counts.iter().filter(|counts| counts.cases != 0);
    counts.map(|counts| (counts.kind, counts.cases)).collect()
}

#[test]
fn each_case_has_one_outcome_whatever_the_numbers() {
    let whole = filled(PAPER.step_by, SMALL, 2);
    assert_eq!(whole.clash, None);
    assert!(whole.is_whole && counted(&whole).len() == KINDS - 1, "snapshots are of compacted logs");
    let mut cases: u64 = counted(&whole).iter().map(|(_, cases)| cases).sum();
    let filled = compacted(whole, PAPER.step_by, SMALL);
    assert_eq!(filled.clash, None);
    assert!(filled.is_whole && filled.counts.iter().all(|counts| counts.cases <= counts.steps));
    cases += counted(&filled).iter().map(|(_, cases)| cases).sum::<u64>();
    let (drawn, wrong) = drawn(PAPER.step_by, &filled, DRAWS, 2);
    assert_eq!(wrong, None);
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
fn what_goes_wrong_in_compacted_logs_alone_clashes() {
    let broken = by::<SendsNoSnapshots> as StepBy;
    let whole = filled(broken, SMALL, 2);
    assert_eq!(whole.clash, None);
    assert!(compacted(whole, broken, SMALL).clash.is_some_and(|clash| clash.contains("gone true")));
}

#[test]
fn what_goes_wrong_with_high_snapshots_alone_is_drawn() {
    let broken = by::<TakesNoHighSnapshots> as StepBy;
    let filled = compacted(filled(broken, SMALL, 2), broken, SMALL);
    assert_eq!(filled.clash, None);
    let (_, wrong) = drawn(broken, &filled, Draws { each: 20, ..DRAWS }, 2);
    assert!(wrong.is_some_and(|why| why.starts_with("snapshots")));
}

/// What is compacted makes a difference to who sends it or gets it in the form of a snapshot, and to nobody
/// else: what others do has its outcome already.
#[test]
fn only_who_needs_what_is_compacted_has_cases_of_its_own() {
    let filled = compacted(filled(PAPER.step_by, SMALL, 2), PAPER.step_by, SMALL);
    assert_eq!(filled.counts.len(), KINDS);
    assert!(filled.counts.iter().all(|counts| counts.windows.len() == 2 && 0 < counts.steps));
    let kinds: Vec<&str> = counted(&filled).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["replies", "refusals", "snapshots"]);
}

#[test]
fn logs_are_what_lists_of_terms_are() {
    let (compared, differs) = shape::compare(6);
    assert_eq!(differs, None);
    assert_eq!(compared.most_runs, 6);
}
