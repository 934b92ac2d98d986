//! The class is what it is said to be, and the check sees what it must.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rafttree_model::{Durable, Index, Members, Node, Role, RoleName, Round, ServerId, ServerSet, Term};

use crate::inductive::class::{Assumption, Class, ITSELF, OTHER, THIRD};
use crate::inductive::conjuncts::{Conjunct, Conjuncts};
use crate::inductive::history::{History, Terms};
use crate::inductive::judge::{Judge, Judged};
use crate::inductive::logs::Bounds;
use crate::inductive::mutants::{self, Code};
use crate::inductive::stages::{Check, Checked, Ended, Scope};
use crate::inductive::work::{self, Clock};
use crate::inductive::{branches, logs};
use crate::verdict::Limits;
use crate::world::Place;

const TINY: Scope = Scope { servers: 3, terms: 2, entries: 2, further: None, window: 7, instances: 0 };

fn three() -> Members {
    Members::new([ITSELF, OTHER, THIRD]).expect("three servers make a group")
}

fn limits() -> Limits {
    crate::tests::limits(2)
}

fn check(scope: Scope, code: Code) -> Checked {
    let limits = limits();
    let (started, checked) = (Instant::now(), Checked::default());
    Check { scope, code, limits: &limits, started, tick: &mut |_, _, _| {}, checked }.run()
}

fn found(checked: &Checked) -> Conjuncts {
    match checked.stages.last().map(|stage| &stage.ended) {
        Some(Ended::Broken(finding)) => finding.broken,
        _ => Conjuncts::default(),
    }
}

#[test]
fn histories_are_as_many_as_leaders_logs_can_be_rooted() {
    let count = |terms, entries| History::all(terms, entries).len();
    assert_eq!([count(1, 1), count(2, 2), count(3, 2), count(3, 3)], [2, 11, 47, 188]);
    for history in History::all(3, 3) {
        assert!((1..=3).all(|term| history.is_rooted(term)), "{history}");
    }
}

/// Every row of terms that never falls, rooted or not.
fn rows(terms: u8, entries: u8) -> Vec<Terms> {
    let mut all = vec![Terms::default()];
    let mut longest = all.clone();
    for _ in 0..entries {
        let longer = |row: &Terms| (row.last().term.max(1)..=terms).map(|term| row.and(term)).collect::<Vec<_>>();
        longest = longest.iter().flat_map(longer).collect();
        all.extend(longest.clone());
    }
    all
}

type Outline = (u8, Option<ServerId>, Terms, u64, RoleName);

fn outline(node: &Node, log: &Terms) -> Outline {
    (node.term().number() as u8, node.vote(), *log, node.commit().number(), node.role().name())
}

/// Every server with such a term, vote, log, commit index and role.
fn everyone(history: &History, terms: u8, entries: u8) -> Vec<(Node, Terms)> {
    let class = Class::new(history, terms, entries);
    let mut all = Vec::new();
    for term in 0..=terms {
        for log in rows(terms, entries) {
            for vote in [None, Some(ITSELF), Some(OTHER)] {
                for commit in 0..=entries {
                    let durable = Durable::assume(Term::new(term.into()), vote, log.log());
                    let commit = Index::new(commit.into());
                    let start = rafttree_model::Progress {
                        matched: Index::default(),
                        next: log.log().last().index.next(),
                        answered: Round::ZERO,
                    };
                    let roles = [
                        Role::Follower { leader: None, sticky: false },
                        Role::PreCandidate { votes: ServerSet::default() },
                        Role::Candidate { votes: ServerSet::default(), transfer: false },
                        Role::Leader {
                            progress: [ITSELF, OTHER, THIRD].map(|id| (id, start)).into_iter().collect(),
                            heard: ServerSet::default(),
                            transfer: None,
                            confirmed: Round::ZERO,
                            round: Round::ZERO,
                        },
                    ];
                    let node = |role| Node::assume(ITSELF, three(), durable.clone(), commit, role);
                    let allowed = roles.map(node).into_iter().filter(|node| class.broken_by(node, &log).is_empty());
                    all.extend(allowed.map(|node| (node, log)));
                }
            }
        }
    }
    all
}

#[test]
fn the_servers_of_the_class_are_those_that_break_no_conjunct() {
    for history in History::all(2, 2) {
        let listed: BTreeSet<Outline> =
            Class::new(&history, 2, 2).servers(three()).iter().map(|(node, log)| outline(node, log)).collect();
        let allowed: BTreeSet<Outline> =
            everyone(&history, 2, 2).iter().map(|(node, log)| outline(node, log)).collect();
        assert_eq!(listed, allowed, "{history}");
    }
}

#[test]
fn a_step_of_a_server_of_the_class_ends_in_the_class() {
    let mut judge = Judge::new(Code::DEPLOYED);
    let mut ended = 0;
    for history in History::all(2, 2) {
        let class = Class::new(&history, 2, 2);
        let events = [class.events(three()), class.events_of_snapshots(three(), 2)].concat();
        let servers = class.servers(three()).into_iter().flat_map(|(node, log)| {
            let compacted: Vec<Node> = class.compacted(&node, &log).collect();
            [node].into_iter().chain(compacted).map(move |node| (node, log))
        });
        for (node, log) in servers {
            for cause in events.iter().filter(|cause| class.allows(&node, &log, cause)) {
                let judged = judge.judge(&class, &node, &log, cause);
                let (Some(became), effects) = judge.became() else { panic!("it panicked") };
                let leads = matches!(became.role(), Role::Leader { .. });
                // What a leader commits is committed from then on: no later leader lacks it.
                if judged == Judged::RuledOut || leads && node.commit() < became.commit() {
                    continue;
                }
                let log = judge.became_log(log);
                let after = if leads { history.with(became.term().number() as u8, log) } else { history };
                let outside = Class::new(&after, 2, 2).broken_by(became, &log);
                // A new leader of a term may be what shows that something was not committed.
                let committed = Conjuncts::from_iter([Conjunct::CommitIsCommitted]);
                let is_new = after != history;
                assert!(
                    outside.is_empty() || is_new && outside == committed,
                    "{history} {node:?} {cause:?} {effects:?}"
                );
                ended += 1;
            }
        }
    }
    assert!(1_000_000 < ended);
}

#[test]
fn the_deployed_step_keeps_the_invariant_and_every_conjunct_is_at_work() {
    for stage in check(TINY, Code::DEPLOYED).stages {
        assert!(matches!(stage.ended, Ended::Held), "{}: {:?}", stage.name, stage.ended);
    }
    let (limits, started) = (limits(), Instant::now());
    let (code, checked) = (Code::DEPLOYED, Checked::default());
    let mut check = Check { scope: TINY, code, limits: &limits, started, tick: &mut |_, _, _| {}, checked };
    assert!(check.conjuncts() && check.assumptions());
    let checked = check.checked;
    let shown: Vec<&str> = checked.conjuncts.iter().map(|shown| shown.id).collect();
    assert_eq!(shown, Conjunct::ALL.map(Conjunct::id));
    for shown in &checked.conjuncts {
        assert!(shown.breaks.iter().any(|conjunct| conjunct.id() == shown.id));
    }
    // What only the argument needs no step needs, and nothing else is assumed in vain.
    let needless = |id| Assumption::ALL.into_iter().any(|it| it.id() == id && it.is_for_argument());
    for shown in checked.assumptions {
        assert_eq!(shown.breaks.is_empty(), needless(shown.id), "{}", shown.id);
    }
}

#[test]
fn every_unsafe_mutant_of_a_step_is_caught_and_named() {
    use Conjunct::*;
    let table = [
        ("refused_vote_counts", LedByMajority),
        ("vote_of_earlier_term", LedByMajority),
        ("pre_vote_counts", LedByMajority),
        ("half_is_enough", LedByMajority),
        ("take_letters_of_others", VotesForWhoAsks),
        ("accept_stale", LedByMajority),
        ("vote_again", OneVote),
        ("pre_vote_binds", VotesForWhoAsks),
        ("ignore_newer_term", VotesForWhoAsks),
        ("vote_for_any_log", VoteForNewest),
        ("compare_index_first", VoteForNewest),
        ("truncate_always", EntriesStay),
        ("never_truncate", Totality),
        ("match_index_only", AcknowledgesDisk),
        ("acknowledge_whole_log", AcknowledgesDisk),
        ("refusal_acknowledges", MatchedWasTold),
        ("stale_acknowledgement", MatchedWasTold),
        ("assume_matched", MatchedWasTold),
        ("count_any_copy", CommitsByCounting),
        ("half_sorted", CommitsByCounting),
        ("commit_any_term", CommitsByCounting),
        ("commit_unverified", CommitIsCommitted),
        ("commit_goes_back", CommitIsCommitted),
        ("count_unsynced_own", AcknowledgesDisk),
        ("acknowledge_before_flush", AcknowledgesDisk),
        ("vote_before_flush", VotesSynced),
        ("append_in_learned_term", PartOfLeaders),
        ("compact_uncommitted", Totality),
        ("snapshot_forgets_suffix", EntriesStay),
        ("snapshot_commits_nothing", CompactedIsCommitted),
        ("older_snapshot_replaces", CommitIsCommitted),
        ("snapshot_is_not_taken", AcknowledgesDisk),
        ("unknown_term_is_zero", SendsItsLog),
        ("snapshot_of_whole_log", SnapshotIsCommitted),
        ("restart_trusts_log", Restarts),
        ("matches_beyond_five", AcknowledgesDisk),
        ("acknowledges_beyond_five", AcknowledgesDisk),
        ("commits_beyond_five", CommitsByCounting),
        ("truncates_beyond_five", Totality),
    ];
    // These need a voter whose log is of a later term than the candidate's, or two earlier terms.
    let terms = |name| if ["compare_index_first", "stale_acknowledgement"].contains(&name) { 3 } else { 2 };
    for (name, conjunct) in table {
        let wrong = mutants::find(name).expect("a mutant of this name");
        let found = found(&check(Scope { terms: terms(name), ..TINY }, wrong.code));
        assert!(found.contains(conjunct), "{name}: {:?}", found.iter().map(Conjunct::id).collect::<Vec<_>>());
    }
}

#[test]
fn what_begins_beyond_the_fifth_entry_does_not_show_before_it() {
    let wrong = mutants::find("matches_beyond_five").expect("a mutant of this name");
    let limits = limits();
    let clock = Clock { limits: &limits, started: Instant::now() };
    let within = |window| {
        let tasks = branches::branches(window);
        work::all(&tasks, wrong.code, Conjuncts::ALL, clock, branches::Branches::judge, &mut |_, _| {})
    };
    assert!(within(5).finding.is_none());
    assert!(within(6).finding.is_some());
}

#[test]
fn threads_find_the_same_counterexample_and_count_the_same() {
    let wrong = mutants::find("compare_index_first").expect("a mutant of this name");
    let histories = History::all(2, 2);
    let find = |threads| {
        let limits = Limits { threads, ..limits() };
        let clock = Clock { limits: &limits, started: Instant::now() };
        let bounds = Bounds::new(2, 2);
        let judge = |history: &History, hand: &mut work::Hand| logs::judge_both(history, bounds, hand);
        let worked = work::all(&histories, wrong.code, Conjuncts::ALL, clock, judge, &mut |_, _| {});
        (worked.finding.map(|it| (it.history, it.node, it.cause)), worked.tally)
    };
    assert!(find(1).0.is_some());
    assert_eq!(find(1), find(4));
}

/// The first task finds something only once a later one is done.
#[test]
fn what_comes_after_a_finding_does_not_count() {
    let limits = Limits { threads: 2, ..limits() };
    let clock = Clock { limits: &limits, started: Instant::now() };
    let is_late_done = AtomicBool::new(false);
    let judge = |_: &mut (), at: usize, _: &()| {
        if at == 0 {
            let wait = Duration::from_secs(60);
            while !is_late_done.load(Ordering::Relaxed) && clock.started.elapsed() < wait {
                std::thread::yield_now();
            }
            return (at, Some("found"));
        }
        is_late_done.store(true, Ordering::Relaxed);
        (at, None)
    };
    let found = work::to_first_finding(&[(); 2], clock, || (), judge, &mut |_, _| {});
    assert!(is_late_done.into_inner(), "the later task was done before the first had ended");
    assert_eq!((found.counts, found.finding), (vec![0], Some("found")));
}

#[test]
fn what_was_cut_short_is_not_complete() {
    let limits = Limits { time: Some(Duration::ZERO), ..limits() };
    let (started, checked) = (Instant::now(), Checked::default());
    let checked =
        Check { scope: TINY, code: Code::DEPLOYED, limits: &limits, started, tick: &mut |_, _, _| {}, checked };
    assert!(matches!(checked.run().stages.last().map(|stage| &stage.ended), Some(Ended::Cut)));
}

#[test]
fn what_may_be_committed_is_in_every_later_leaders_log() {
    let one = Terms::default().and(1);
    let history = History::NONE.with(1, one.and(1)).with(2, one.and(2));
    let places: Vec<Place> = vec![Place::new(1, 1), Place::new(2, 2)];
    assert_eq!(history.committable(), places);
}
