//! Swarms are the same wherever they are made, get far, and find what they are to find.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rafttree_model::{Message, ServerId};

use crate::mutants::catalogue;
use crate::properties::witness::Witness;
use crate::properties::{Property, PropertySet};
use crate::scope::Part;
use crate::swarm::coverage::Coverage;
use crate::swarm::dice::Dice;
use crate::swarm::habits::{Habits, Kind};
use crate::swarm::post::Post;
use crate::swarm::report::Verdict;
use crate::swarm::rules::RULES;
use crate::swarm::run::{Run, run};
use crate::swarm::{Campaign, Plan, Shard, Shortened, campaign, shortened, system};
use crate::system::network;
use crate::trace::counterexample::Counterexample;
use crate::trace::run::play;
use crate::trace::scenario::Scenario;
use crate::world::{Letter, PAPER};

const WHOLE: Shard = Shard { at: 0, of: 1 };

fn plan(runs: u64, shard: Shard, threads: usize) -> Plan {
    let stop = Arc::new(AtomicBool::new(false));
    Plan { seed: 1, shard, first: 0, end: runs, steps: 300, time: None, threads, stop }
}

fn made(servers: u32, plan: &Plan) -> Campaign {
    campaign(&system(servers, None), plan, &|_| {})
}

/// The first run of at most so many that breaks what this mutant breaks.
fn found(mutant: &str, servers: u32, runs: u64) -> Run {
    let mutant = catalogue::find(mutant).expect("it is in the catalogue");
    let plan = Plan { steps: 1_000, ..plan(runs, WHOLE, 1) };
    let found = campaign(&system(servers, Some(&mutant)), &plan, &|_| {}).found;
    found.unwrap_or_else(|| panic!("{} escapes from {runs} runs of {servers} servers", mutant.name))
}

fn made_short(mutant: &str, servers: u32, run: &Run) -> Shortened {
    let mutant = catalogue::find(mutant).expect("it is in the catalogue");
    shortened(&system(servers, Some(&mutant)), run, &|_| {}).expect("it breaks the same again")
}

#[test]
fn threads_change_nothing() {
    let [one, two] = [1, 2].map(|threads| made(5, &plan(12, WHOLE, threads)));
    assert_eq!((one.runs, one.digest), (12, two.digest));
    assert_eq!(one.coverage, two.coverage);
}

#[test]
fn threads_find_the_same_run_first() {
    let mutant = catalogue::find("half_is_enough").expect("it is in the catalogue");
    let system = system(5, Some(&mutant));
    let [one, two] = [1, 2].map(|threads| campaign(&system, &plan(100, WHOLE, threads), &|_| {}));
    let number = |it: &Campaign| it.found.as_ref().map(|run| (run.number, run.path.clone()));
    assert!(number(&one).is_some());
    assert_eq!((number(&one), one.runs, one.digest), (number(&two), two.runs, two.digest));
}

#[test]
fn shards_are_all_runs_and_each_once() {
    let whole = made(5, &plan(13, WHOLE, 1));
    let parts: Vec<_> = (0..3).map(|at| made(5, &plan(13, Shard { at, of: 3 }, 1))).collect();
    assert_eq!(parts.iter().map(|part| part.runs).collect::<Vec<_>>(), [5, 4, 4]);
    let digest = parts.iter().fold(0_u64, |sum, part| sum.wrapping_add(part.digest));
    assert_eq!(digest, whole.digest);
    let mut coverage = Coverage::default();
    parts.iter().for_each(|part| coverage.add(&part.coverage));
    assert_eq!(coverage, whole.coverage);
}

#[test]
fn another_seed_or_number_is_another_run() {
    let system = system(5, None);
    let digests: BTreeSet<_> =
        [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(seed, at)| run(&system, seed, at, 100).digest).into();
    assert_eq!(digests.len(), 4);
    assert_eq!(run(&system, 1, 1, 100).digest, run(&system, 1, 1, 100).digest);
}

/// Of one run, what it drew: if this changes, seeds that people have written down mean something else.
#[test]
fn dice_are_the_same_on_every_machine() {
    let mut dice = Dice::of_run(3, 4);
    assert_eq!([0; 6].map(|_| dice.below(1_000)), [89, 465, 717, 543, 480, 652]);
}

#[test]
fn what_weighs_nothing_is_never_drawn_and_the_rest_by_its_weight() {
    let mut dice = Dice::of_run(0, 0);
    let mut counts = [0; 3];
    (0..4_000).for_each(|_| counts[dice.weighed(&[1, 0, 3]).expect("something has a weight")] += 1);
    assert_eq!(counts[1], 0);
    assert!((900..1_100).contains(&counts[0]), "{counts:?}");
    assert_eq!(dice.weighed(&[0, 0]), None);
}

#[test]
fn runs_have_habits_of_their_own() {
    let all: Vec<_> = (0..40).map(|number| Habits::drawn(&mut Dice::of_run(0, number))).collect();
    let without = |kind: Kind| all.iter().filter(|habits| habits.weights[kind as usize] == 0).count();
    assert!((4..20).contains(&without(Kind::Crash)) && (4..20).contains(&without(Kind::Propose)));
    assert_eq!(without(Kind::Deliver) + without(Kind::Flush) + without(Kind::ElectionTimeout), 0);
    assert!(all.iter().enumerate().all(|(at, habits)| !all[..at].contains(habits)));
    let follows = |habits: &Habits, number| {
        let mut dice = Dice::of_run(1, number);
        (0..200).filter_map(|_| habits.next(&mut dice)).all(|kind| habits.weights[kind as usize] != 0)
    };
    assert!(all.iter().zip(0..).all(|(habits, number)| follows(habits, number)));
}

/// Without weights, faults would come so often that nothing is ever committed.
#[test]
fn runs_of_the_deployed_system_break_nothing_and_get_far() {
    for servers in [5, 7] {
        let plan = Plan { steps: 1_000, ..plan(24, WHOLE, 2) };
        let campaign = made(servers, &plan);
        let found = campaign.found.as_ref().map(|run| (run.number, run.broken));
        assert_eq!(found, None, "{servers} servers");
        assert_eq!((campaign.runs, Verdict::of(&campaign)), (24, Verdict::NothingFound));
        let coverage = &campaign.coverage;
        assert_eq!(coverage.choices(), 24_000);
        assert!(coverage.steps() < coverage.choices() && 10_000 < coverage.steps(), "{}", coverage.steps());
        assert!(3 <= coverage.committed && 5 <= coverage.terms, "{coverage:?}");
        assert!([Witness::Leader, Witness::LaterCommit, Witness::UnsyncedLost].iter().all(|&it| coverage.has_met(it)));
    }
}

#[test]
fn every_kind_of_action_and_message_and_every_answer_is_met() {
    let plan = Plan { steps: 2_000, ..plan(60, WHOLE, 2) };
    let coverage = made(4, &plan).coverage;
    assert_eq!(coverage.never(), Vec::<String>::new());
}

#[test]
fn what_was_never_met_is_named() {
    // The first in which anybody asks for anything.
    let mut runs = (0..20).map(|number| run(&system(5, None), 0, number, 30).coverage);
    let coverage = runs.find(|coverage| !coverage.rules().is_empty()).expect("there is one");
    assert_eq!(coverage.choices(), 30);
    let never = coverage.never();
    for what in ["'step down' was never offered", "no snapshot arrived", "may_commit never answered 'yes'"] {
        assert!(never.iter().any(|line| line == what), "{what}: {never:?}");
    }
    assert!(never.iter().any(|line| line == "a split vote was never reached"), "{never:?}");
    let none = Campaign { runs: 1, coverage: run(&system(5, None), 0, 0, 3).coverage, ..Campaign::default() };
    assert_eq!(Verdict::of(&none), Verdict::Vacuous);
}

#[test]
fn the_rules_that_are_counted_are_those_of_the_paper() {
    let text = rafttree_model::rules::TEXT;
    let stated = text.lines().filter_map(|line| line.strip_prefix("    fn ")?.split('(').next());
    assert_eq!(RULES.iter().map(|it| it.rule).collect::<Vec<_>>(), stated.collect::<Vec<_>>());
}

/// To count changes no run: what is counted is what a copy of the server answers.
#[test]
fn counted_runs_are_those_of_the_paper() {
    let counted = system(5, None);
    let mut plain = counted.clone();
    plain.ground.watch = None;
    let [one, other] = [&counted, &plain].map(|system| run(system, 2, 3, 400));
    assert_eq!(one.digest, other.digest);
    assert!(!one.coverage.rules().is_empty() && other.coverage.rules().is_empty());
}

/// Every action that is drawn is one that the concrete system offers, and every message was sent.
#[test]
fn what_is_drawn_can_happen() {
    for mutant in ["vote_again", "half_is_enough", "truncate_always"] {
        let run = found(mutant, 5, 40);
        let system = system(5, Some(&catalogue::find(mutant).expect("it is in the catalogue")));
        let steps = play(&system, &run.path).expect("each can happen there");
        assert!(steps.iter().all(|step| step.sent));
        let (last, before) = steps.split_last().expect("it has steps");
        let counted = |world: &crate::world::World| world.broken.meets(run.broken);
        assert!(counted(&last.world) && !before.iter().any(|step| counted(&step.world)), "{mutant}");
    }
}

/// A leader may have sent any part of its log, and no other: asked of one, as listed for all.
#[test]
fn what_was_sent_is_what_is_listed() {
    let path = found("truncate_always", 5, 40).path;
    let sound = crate::system::System { ground: PAPER, ..system(5, None) };
    let steps: Vec<_> = path
        .iter()
        .scan(sound.start.clone(), |world, action| {
            *world = sound.after(world, action).unwrap_or_else(|| world.clone());
            Some(world.clone())
        })
        .collect();
    let world = steps.into_iter().rev().find(|world| !world.leaderships.is_empty()).expect("somebody leads");
    let listed: Vec<_> = network::parts(&world, false).collect();
    assert!(10 < listed.len() && listed.iter().all(|part| network::is_sent(&world, part)));
    let altered = listed.iter().flat_map(|part| {
        let later = Letter { term: part.term.next(), ..part.clone() };
        let other = Letter { from: part.to, ..part.clone() };
        let mut beyond = part.clone();
        if let Message::AppendRequest { commit, .. } = &mut beyond.message {
            *commit = commit.next();
        }
        [later, other, beyond]
    });
    for letter in altered {
        let is_listed = letter.from != letter.to && listed.contains(&letter);
        assert_eq!(network::is_sent(&world, &letter), is_listed, "{letter:?}");
    }
}

/// A leader that knows less is asked while it matters, and leaders are asked to campaign as well.
#[test]
fn what_depends_on_who_leads_and_who_reads_is_found() {
    for (mutant, runs) in [("read_at_once", 60), ("read_of_earlier_terms", 60), ("leader_campaigns", 20)] {
        let broken = found(mutant, 5, runs).broken;
        assert!(broken.contains(catalogue::find(mutant).expect("it is in the catalogue").caught_by));
    }
}

#[test]
fn a_leader_that_is_isolated_has_no_majority_on_its_side() {
    for servers in 2..=9_usize {
        let members: Vec<_> = (1..=servers as u32).map(ServerId::new).collect();
        let mut dice = Dice::of_run(0, servers as u64);
        let sizes = members.iter().cycle().take(60).map(|&leader| {
            let mut post = Post::default();
            post.isolate(&mut dice, servers, leader);
            members.iter().filter(|&&id| post.are_together(leader, id)).count()
        });
        let sizes: BTreeSet<_> = sizes.collect();
        assert!(sizes.iter().all(|size| size * 2 <= servers), "{servers}: {sizes:?}");
        assert!(sizes.contains(&1) && (servers < 5 || 1 < sizes.len()), "{servers}: {sizes:?}");
    }
}

#[test]
fn a_run_that_breaks_in_a_small_group_is_told_in_one() {
    let run = found("vote_again", 7, 40);
    let short = made_short("vote_again", 7, &run);
    let servers = short.system.bounds.servers;
    assert!(servers < 7 && short.steps.iter().all(|step| step.action.server().number() <= servers));
    assert!(short.steps.iter().all(|step| step.sent));
}

/// As a file it is a scenario like any other, and breaks the same; without any of its steps it does not.
#[test]
fn mutants_are_found_and_their_runs_made_short() {
    for (name, servers, runs, most) in
        [("vote_again", 5, 20, 40), ("commit_any_term", 5, 20, 100), ("snapshot_forgets_suffix", 5, 150, 80)]
    {
        let run = found(name, servers, runs);
        let short = made_short(name, servers, &run);
        let mutant = catalogue::find(name).expect("it is in the catalogue");
        assert_eq!(short.property, mutant.caught_by);
        assert!(short.steps.len() < run.path.len().min(most), "{name}: {} of {}", short.steps.len(), run.path.len());
        let file = Counterexample::of_run(&short.system, &short.steps).file(
            Some(&mutant),
            Part::Concrete(short.system.bounds),
            PropertySet::from_iter([short.property]),
        );
        let scenario = Scenario::parse(&file).expect("it is a scenario");
        let played = scenario.play(&scenario.system()).expect("it can be played");
        assert_eq!(played.steps.len(), short.steps.len());
        assert!(played.last().broken.contains(mutant.caught_by), "{name}");
        let path = short.steps.iter().map(|it| it.action.clone()).collect();
        let again = shortened(&short.system, &Run { path, ..run }, &|_| {}).expect("it breaks the same again");
        assert_eq!(again.steps.len(), short.steps.len(), "{name}: a step could be left out");
    }
}

#[test]
fn a_run_that_breaks_nothing_there_is_not_made_short() {
    let run = found("half_is_enough", 5, 100);
    let sound = crate::system::System { ground: PAPER, ..system(5, None) };
    let why = shortened(&sound, &run, &|_| {}).err();
    assert_eq!(why.as_deref(), Some("the same run does not break C1 ElectionSafety again"));
    assert!(run.broken.contains(Property::ElectionSafety));
}
