//! What the checker must be able to see, and what it may leave out.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Once;
use std::sync::atomic::Ordering;
use std::{panic, thread};

use rafttree_model::{Durable, Message, Node, Record, Relabelled, Role, ServerId};

use crate::cli::tables;
use crate::mutants::catalogue::{self, Mutant};
use crate::presets::{self, PRESETS};
use crate::properties::{Property, PropertySet};
use crate::quotient::Quotient;
use crate::scope::Part;
use crate::search::Progress;
use crate::system::{Action, Bounds, System, deployed, forgetting, network, wide};
use crate::trace::run::play;
use crate::trace::start::placed;
use crate::verdict::{Limits, NOTHING, Outcome, Verdict, explore};
use crate::world::{Letter, Observed, PAPER, Server, World};

/// Bounds that are exhausted in a moment.
const TINY: Bounds = Bounds {
    servers: 3,
    start: None,
    timeouts: Some(2),
    minimums: None,
    requests: None,
    crashes: Some(0),
    terms: 1,
    entries: 1,
    unsynced: 1,
    interleaved: true,
    forgets: true,
    rumours: true,
    proposals: false,
    follows_proposals: false,
    reads: false,
    transfers: false,
    snapshots: false,
    damages: false,
};

pub(crate) fn limits(threads: usize) -> Limits {
    static SHORT: Once = Once::new();
    SHORT.call_once(say_in_short_what_panics_in_the_model);
    Limits {
        threads,
        time: None,
        memory: 8 << 30,
        states: None,
        frontier_memory: 1 << 30,
        frontier_directory: None,
        seed: 0,
        wide: false,
        checkpoint: None,
        resume: None,
        stop: Default::default(),
        #[cfg(feature = "hosts")]
        hosts: None,
    }
}

/// Mutants panic there a million times, and are caught: with a backtrace each, as `RUST_BACKTRACE` may ask for, tests
/// would have gigabytes to keep.
fn say_in_short_what_panics_in_the_model() {
    let in_full = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        let is_of_model = panicked.location().is_some_and(|place| place.file().contains("model/src"));
        if is_of_model { eprintln!("{panicked}") } else { in_full(panicked) }
    }));
}

fn search(system: &System, threads: usize) -> Outcome {
    explore(system, &limits(threads), NOTHING, &mut |_| {}).expect("nothing is resumed")
}

/// Every state, by the simplest search there is.
fn all_states(system: &System) -> HashSet<World> {
    let start = system.represented(system.start.clone());
    let mut seen = HashSet::from([start.clone()]);
    let mut queue = VecDeque::from([start]);
    while let Some(world) = queue.pop_front() {
        for action in system.offered(&world) {
            if let Some(next) = system.after(&world, &action)
                && seen.insert(next.clone())
            {
                queue.push_back(next);
            }
        }
    }
    seen
}

/// The states of random runs; the same seed gives the same run.
fn walk(system: &System, seed: u64, steps: usize, mut visit: impl FnMut(&World)) {
    let mut world = system.start.clone();
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..steps {
        visit(&world);
        let actions: Vec<Action> = system.offered(&world);
        // xorshift: enough to choose among a few actions.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let action = &actions[(random % actions.len() as u64) as usize];
        world = system.after(&world, action).unwrap_or(world);
    }
}

fn wide_system(forgets: bool) -> System {
    let bounds = Bounds { terms: 4, entries: 5, unsynced: 2, proposals: true, transfers: true, ..TINY };
    let bounds = Bounds { timeouts: None, crashes: None, forgets, ..bounds };
    System { symmetric: false, ..deployed(bounds) }
}

#[test]
fn one_and_two_threads_and_the_simplest_search_see_the_same_states() {
    let simplest = all_states(&deployed(TINY)).len() as u64;
    for threads in [1, 2] {
        let outcome = search(&deployed(TINY), threads);
        assert_eq!((outcome.verdict, outcome.states), (Verdict::Complete, simplest), "{threads} threads");
    }
}

#[test]
fn the_states_of_the_symmetric_search_stand_for_all_states_and_no_others() {
    let all = all_states(&System { symmetric: false, ..deployed(TINY) });
    let symmetric = all_states(&deployed(TINY));
    assert!(symmetric.is_subset(&all));
    let stands_for = |world: &World| {
        RENAMINGS
            .iter()
            .any(|ids| symmetric.contains(&world.renamed(&|id| ServerId::new(ids[id.number() as usize - 1]))))
    };
    assert!(all.iter().all(stands_for));
    assert!(5 * symmetric.len() < all.len(), "{} of {} states remain", symmetric.len(), all.len());
}

const RENAMINGS: [[u32; 3]; 6] = [[1, 2, 3], [2, 1, 3], [2, 3, 1], [3, 1, 2], [1, 3, 2], [3, 2, 1]];

/// A state of which two servers are at one place: nothing can be said of it without a panic.
#[test]
fn a_panic_over_a_state_is_a_violation() {
    for threads in [1, 2] {
        let mut system = deployed(TINY);
        system.symmetric = false;
        system.start.servers.pop();
        let outcome = search(&system, threads);
        assert_eq!((&outcome.verdict, outcome.states), (&Verdict::Violated, 1));
        assert!(outcome.broken.contains(Property::Totality) && outcome.panic.is_some());
        assert_eq!(outcome.counterexample, Ok(Vec::new()), "it panics where it starts");
    }
}

#[test]
fn a_panic_in_the_telling_leaves_the_violation_and_is_one() {
    let mutant = catalogue::find("vote_again").unwrap();
    let mut outcome = mutant.hunt(mutant.part, &limits(2)).unwrap();
    let told: Result<(), _> = outcome.telling(|| panic!("no words"));
    assert_eq!(told, Err("the telling panicked: no words".to_owned()));
    let broken: Vec<_> = outcome.broken.iter().collect();
    assert_eq!((&outcome.verdict, &broken[..]), (&Verdict::Violated, &[Property::VoteOnce, Property::Totality][..]));
    assert_eq!(outcome.panic.as_deref(), Some("no words"));
}

#[test]
fn a_renamed_run_is_a_run() {
    let system = wide_system(true);
    let successors = |world: &World| -> Vec<World> {
        system.offered(world).iter().filter_map(|action| system.after(world, action)).collect()
    };
    for seed in 1..=6 {
        walk(&system, seed, 60, |world| {
            let ids = RENAMINGS[seed as usize % RENAMINGS.len()];
            let rename = |id: ServerId| ServerId::new(ids[id.number() as usize - 1]);
            let renamed: HashSet<_> = successors(world).iter().map(|next| next.renamed(&rename)).collect();
            let directly: HashSet<_> = successors(&world.renamed(&rename)).into_iter().collect();
            assert!(renamed == directly, "seed {seed}: renamed by {ids:?}:\n{world:?}");
        });
    }
}

#[test]
fn what_is_forgotten_could_not_have_changed_anything() {
    let system = wide_system(false);
    // What is told by rumours makes no difference by being held as well.
    let servers = |world: &World| -> Vec<Server> {
        let mut servers: Vec<_> = world.servers.iter().map(|server| (**server).clone()).collect();
        let waiting = servers.iter_mut().flat_map(|server| &mut server.unsynced);
        waiting.for_each(|step| step.held.retain(|envelope| !forgetting::is_never_kept(envelope)));
        servers
    };
    for seed in 1..=12 {
        walk(&system, seed, 120, |world| {
            let offered = system.offered(world);
            let outcomes: HashSet<_> = offered.iter().filter_map(|action| system.after(world, action)).collect();
            let rumoured: BTreeSet<_> = network::rumours(world).collect();
            for letter in world.network.iter().filter(|letter| forgetting::is_dead(world, letter)) {
                let Some(next) = system.after(world, &Action::Deliver(letter.clone())) else { continue };
                let hear = |rumour: &Letter| system.after(world, &Action::Deliver(rumour.clone().into()));
                let by_rumour: Vec<_> = [world.clone()].into_iter().chain(rumoured.iter().filter_map(hear)).collect();
                let asks = matches!(letter.message, Message::VoteRequest { .. });
                let lost = |world: &World| forgotten_vote(servers(world), letter);
                let moves_nothing = by_rumour.iter().any(|other| servers(other) == servers(&next))
                    || asks && by_rumour.iter().any(|other| lost(other) == lost(&next));
                assert!(moves_nothing, "seed {seed}: {letter:?} moved a server in\n{world:?}");
                assert!(outcomes.contains(&next));
            }
        });
    }
}

/// The servers without the vote that is asked for here, of which nobody counts that vote: whoever has given it does
/// nothing that it would not do otherwise, as the local simulation tries. A pre-candidate that gives it follows again, and
/// that is what it did before its timeout.
fn forgotten_vote(mut servers: Vec<Server>, asked: &Letter) -> Vec<Server> {
    let voter = servers.iter_mut().find(|server| server.node.id() == asked.to).expect("it is a member");
    let forgotten = |durable: &Durable| {
        let vote = durable.vote().filter(|&vote| vote != asked.from || durable.term() != asked.term);
        Durable::assume(durable.term(), vote, durable.log().clone()).damaged(durable.faulty())
    };
    let node = &voter.node;
    let role = match node.role() {
        Role::PreCandidate { .. } => Role::Follower { leader: None, sticky: false },
        role => role.clone(),
    };
    voter.node = Node::assume(node.id(), *node.members(), forgotten(node.durable()), node.commit(), role);
    voter.observed = Observed::default();
    voter.disk.durable = forgotten(&voter.disk.durable);
    for step in &mut voter.unsynced {
        step.records.retain(|record| *record != Record::Vote(asked.from));
        step.held.retain(|held| (held.to, held.term) != (asked.from, asked.term));
    }
    voter.unsynced.retain(|step| !step.records.is_empty() || !step.held.is_empty());
    servers
}

/// Whether a step waits for its flush while others go on, or not: between flushes, the servers and
/// their disks get into the same states.
#[test]
fn prompt_flushes_hide_no_state_of_the_servers() {
    let settled = |interleaved| -> HashSet<_> {
        let bounds = Bounds { crashes: Some(1), interleaved, ..TINY };
        let all = all_states(&System { symmetric: false, ..deployed(bounds) });
        let at_rest = all.into_iter().filter(|world| world.servers.iter().all(|server| server.unsynced.is_empty()));
        at_rest.map(|world| (world.servers, world.history.committed.clone())).collect()
    };
    let [prompt, interleaved] = [false, true].map(settled);
    assert!(1000 < prompt.len());
    assert!(interleaved.is_subset(&prompt), "{} are missing", interleaved.difference(&prompt).count());
    assert!(prompt.is_subset(&interleaved), "{} are new", prompt.difference(&interleaved).count());
}

#[test]
fn a_counterexample_in_the_concrete_system_is_the_shortest() {
    let mutant = catalogue::find("accept_stale").expect("it is in the catalogue");
    let [one, two] = [1, 2].map(|threads| mutant.hunt(mutant.part, &limits(threads)).expect("nothing is resumed"));
    assert_eq!((one.steps, one.states), (two.steps, two.states));
    let Part::Concrete(bounds) = mutant.part else { panic!("it is hunted in the concrete system") };
    let system = System { symmetric: false, ..mutant.placed(bounds) };
    let steps = play(&system, &one.counterexample.expect("it is told")).expect("it replays");
    let (last, before) = steps.split_last().expect("it has steps");
    assert!(last.world.broken.contains(Property::OwnVotes));
    assert!(before.iter().all(|step| step.world.broken.is_empty()));
}

#[test]
fn every_rule_has_a_mutant_and_every_mutant_a_rule() {
    let stated: BTreeSet<_> = tables::stated_rules().into_iter().map(|(rule, _)| rule).collect();
    let broken: BTreeSet<_> =
        catalogue::mutants().iter().map(|it| it.rule.to_owned()).filter(|it| !it.starts_with("the ")).collect();
    assert_eq!(stated, broken);
    let has_source =
        |section: &str| ['§'.to_string(), "diss.".into(), "FAST'18".into()].iter().any(|it| section.contains(it));
    assert!(tables::stated_rules().iter().all(|(_, section)| has_source(section)));
}

#[test]
fn every_property_is_named_once() {
    for (at, property) in Property::ALL.into_iter().enumerate() {
        assert_eq!(property as usize, at);
        assert_eq!(Property::named(property.id()), Some(property));
        assert_eq!(Property::named(property.name()), Some(property));
    }
}

/// Caught where runs have any length, and made concrete: so they are no fruit of what
/// the quotient leaves out. (Figure 8 takes longest: `catalogue` visits it.)
#[test]
fn what_the_quotient_catches_is_broken_in_the_concrete_system_too() {
    let mutants = catalogue::mutants();
    // What liveness catches is told by the schedule that fails: see `recovery`.
    let breaks_safety = |mutant: &&Mutant| !matches!(mutant.part, Part::Recovery(_)) && mutant.name != "figure_8";
    let judged: Vec<&Mutant> = mutants.iter().filter(breaks_safety).collect();
    // In two parts, since nothing else is left to run beside the last of all tests.
    let [even, odd] = [0, 1].map(|first| judged.iter().skip(first).step_by(2));
    thread::scope(|scope| {
        scope.spawn(|| even.for_each(|mutant| is_broken_in_the_concrete_system(mutant)));
        odd.for_each(|mutant| is_broken_in_the_concrete_system(mutant));
    });
}

fn is_broken_in_the_concrete_system(mutant: &Mutant) {
    let outcome = mutant.hunt(mutant.part, &limits(1)).expect("nothing is resumed");
    assert!(outcome.broken.contains(mutant.caught_by), "{}: {:?}", mutant.name, outcome.broken);
    let actions = outcome.counterexample.unwrap_or_else(|why| panic!("{}: {why}", mutant.name));
    let bounds = if let Part::Concrete(bounds) = mutant.part { bounds } else { wide(mutant.part.servers()) };
    let system = System { symmetric: false, ..mutant.placed(bounds) };
    let steps = play(&system, &actions).unwrap_or_else(|why| panic!("{}: {why}", mutant.name));
    let end = steps.last().expect("it has steps").world.broken;
    assert!(!end.is_empty(), "{}", mutant.name);
}

#[test]
fn reasons_say_why_there_is_no_counterexample_to_show() {
    let mutant = catalogue::find("vote_twice_after_crash").expect("it is in the catalogue");
    let quotient = mutant.part.quotient(mutant.ground).expect("it is one");
    // What else it breaks it breaks sooner, and there would be no long way to look for.
    let quotient = Quotient { watched: PropertySet::from_iter([mutant.caught_by]), ..quotient };
    let limits = limits(1);
    let hunt = |stops: bool| {
        let mut look = |seen: &Progress| limits.stop.store(stops && seen.retracing.is_some(), Ordering::Relaxed);
        explore(&quotient, &limits, NOTHING, &mut look).expect("nothing is resumed").reasons()
    };
    assert_eq!(hunt(false), ["a property does not hold; the counterexample is below"]);
    let why = "only the last step of the path is known: it was told to stop";
    assert_eq!(hunt(true), [format!("a property does not hold; there is no counterexample to show: {why}")]);
}

/// The searches in which mutants of what proposers are told are caught, further than it takes to catch them.
#[test]
fn what_proposers_are_told_holds_where_its_mutants_are_caught() {
    let of_proposals = |mutant: &Mutant| mutant.caught_by == Property::ProposalEnds;
    for mutant in catalogue::mutants().into_iter().filter(of_proposals) {
        let Part::Concrete(bounds) = mutant.part else { panic!("{}: proposals are followed there", mutant.name) };
        let deployed = Mutant { ground: PAPER, ..mutant }.placed(bounds);
        let most = Limits { states: Some(5_000), ..limits(2) };
        let outcome = explore(&deployed, &most, NOTHING, &mut |_| {}).expect("nothing is resumed");
        let is_far = outcome.verdict == Verdict::Complete || 4_000 < outcome.states;
        assert!(outcome.broken.is_empty() && is_far, "{}: {:?}", mutant.name, outcome.broken);
    }
}

#[test]
fn presets_have_their_own_names_and_words() {
    let names: BTreeSet<_> = PRESETS.iter().map(|preset| preset.name).collect();
    assert_eq!(names.len(), PRESETS.len());
    let words = PRESETS.iter().flat_map(|preset| preset.parts).map(|(part, _)| part.words());
    assert!(words.into_iter().all(|words| words.contains(" servers") && words.contains("; terms ")));
}

#[test]
fn a_kind_of_action_that_is_never_offered_makes_a_search_vacuous() {
    let (Part::Quotient(scope), expected) = presets::named("quick").unwrap().parts[1] else {
        panic!("not of any length")
    };
    let quotient = Quotient { proposals: false, ..scope.quotient(PAPER) };
    let outcome = explore(&quotient, &limits(2), expected, &mut |_| {}).expect("nothing is resumed");
    let Verdict::Vacuous(missing) = outcome.verdict else { panic!("{:?}", outcome.verdict) };
    assert!(missing.contains(&"'propose' was never offered".to_owned()), "{missing:?}");
}

#[test]
fn what_the_bounds_rule_out_is_not_offered_and_what_is_idle_is() {
    for (part, expected) in presets::named("quick").unwrap().parts {
        let outcome = match part {
            Part::Concrete(bounds) => explore(&placed(PAPER, *bounds), &limits(2), *expected, &mut |_| {}),
            _ => explore(&part.quotient(PAPER).expect("it is one"), &limits(2), *expected, &mut |_| {}),
        };
        let outcome = outcome.expect("nothing is resumed");
        assert_eq!(outcome.verdict, Verdict::Complete, "{}", part.words());
        for kind in &outcome.kinds {
            assert_eq!(kind.offered == 0, expected.ruled_out.contains(&kind.name), "{kind:?}");
            assert!(kind.changed <= kind.offered, "{kind:?}");
        }
        assert!(
            expected.ruled_out.iter().chain(expected.idle).all(|name| outcome.kinds.iter().any(|it| it.name == *name))
        );
    }
}
