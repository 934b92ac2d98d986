//! That runs become easier to follow, and stay runs that break the same.

use rafttree_model::{Relabelled, Role, ServerId};

use crate::mutants::catalogue;
use crate::properties::Property;
use crate::system::{Action, Bounds, System, network};
use crate::trace::run::{Step, play, step};
use crate::trace::scenario::Scenario;
use crate::trace::shorten::Shortener;
use crate::trace::tests::files;
use crate::world::World;

fn breaks(world: &World) -> bool {
    !world.broken.is_empty()
}

fn shortener(system: &System) -> Shortener<'_> {
    Shortener { system, ends: &breaks, tick: &|_| {} }
}

/// The kept counterexample of a mutant, and where it plays.
fn kept(name: &str) -> (System, Vec<Step>) {
    let file = format!("/{name}.txt");
    let (_, text) = files("counterexamples").into_iter().find(|(path, _)| path.ends_with(&file)).expect("it is kept");
    let scenario = Scenario::parse(&text).expect("it is well-formed");
    let system = scenario.system();
    let steps = scenario.play(&system).expect("it can be played").steps;
    (system, steps)
}

fn actions(run: &[Step]) -> Vec<Action> {
    run.iter().map(|step| step.action.clone()).collect()
}

/// Those that begin where all servers are alike, and end in what the run broke.
fn kept_and_eased() -> impl Iterator<Item = (&'static str, System, Vec<Step>)> {
    let mutants = catalogue::mutants().into_iter();
    let eased = mutants.filter(|it| it.caught_by != Property::Recovery && it.part.start().is_none());
    eased.map(|it| {
        let (system, steps) = kept(it.name);
        (it.name, system, steps)
    })
}

#[test]
fn kept_counterexamples_are_in_order_already() {
    let mut count = 0;
    for (name, system, steps) in kept_and_eased() {
        let shortener = shortener(&system);
        let again = shortener.named(shortener.ordered(steps.clone()));
        assert_eq!(actions(&again), actions(&steps), "{name}: write it anew, with 'catalogue --save'");
        count += 1;
    }
    assert!(70 < count, "only {count} were looked at");
}

#[test]
fn servers_and_terms_are_named_in_the_order_in_which_they_appear() {
    for (name, system, steps) in kept_and_eased().filter(|(_, system, _)| !system.ground.looks_at_names) {
        let (mut servers, mut terms) = (0, 0);
        for step in &steps {
            let id = step.action.server();
            let term = step.world.server(id).node.term().number();
            assert!(term <= terms + 1, "{name}: term {term} comes before the one below it");
            terms = terms.max(term);
            if !matches!(step.action, Action::MinimumTimeout(_)) {
                assert!(id.number() <= servers + 1, "{name}: {id} acts before the one below it");
                servers = servers.max(id.number());
            }
        }
        assert!(servers <= system.bounds.servers);
    }
}

#[test]
fn whatever_the_servers_were_called_the_run_is_told_the_same() {
    for mutant in ["figure_8", "vote_again", "torn_vote", "read_before_commit"] {
        let (system, steps) = kept(mutant);
        for names in [[2, 1, 3], [2, 3, 1], [3, 2, 1]] {
            let renamed: Vec<Action> = actions(&steps)
                .iter()
                .map(|action| action.renamed(&|id: ServerId| ServerId::new(names[id.number() as usize - 1])))
                .collect();
            let run = play(&system, &renamed).expect("the system is the same under other names");
            assert!(run.last().is_some_and(|step| breaks(&step.world)), "{mutant}");
            assert_ne!(renamed, actions(&steps));
            assert_eq!(actions(&shortener(&system).named(run)), actions(&steps), "{mutant} as {names:?}");
        }
    }
}

/// Each server does what it did in the same order, so nothing was put before what it needs.
#[test]
fn what_belongs_together_is_put_together_and_nothing_else_is_changed() {
    let (system, steps) = kept("figure_8");
    let mut scattered = steps.clone();
    // As early as each can stand, which scatters them.
    for at in 1..scattered.len() - 1 {
        for to in (0..at).rev() {
            let mut other = actions(&scattered);
            other.swap(to, to + 1);
            let same_server = other[to].server() == other[to + 1].server();
            let Ok(run) = play(&system, &other) else { break };
            let is_sent = run.iter().all(|step| step.sent);
            if same_server || !is_sent || run.last().map(|it| &it.world) != scattered.last().map(|it| &it.world) {
                break;
            }
            scattered = run;
        }
    }
    assert_ne!(actions(&scattered), actions(&steps));
    let tidy = shortener(&system).ordered(scattered.clone());
    assert_ne!(actions(&tidy), actions(&scattered));
    let of = |run: &[Step], id: ServerId| -> Vec<Action> {
        actions(run).into_iter().filter(|action| action.server() == id).collect()
    };
    system.start.ids().for_each(|id| assert_eq!(of(&tidy, id), of(&steps, id)));
    assert!(tidy.last().map(|it| &it.world) == steps.last().map(|it| &it.world));
    assert!(needed_by_the_next(&scattered) < needed_by_the_next(&tidy));
}

/// How many steps are of the same server as the next, or send what arrives in it.
fn needed_by_the_next(run: &[Step]) -> usize {
    let sends = |step: &Step, letter| network::is_sent(&step.world, letter);
    let is_needed = |at: &usize| match &run[at + 1].action {
        Action::Deliver(letter) if sends(&run[*at], letter) && (*at == 0 || !sends(&run[at - 1], letter)) => true,
        other => other.server() == run[*at].action.server(),
    };
    (0..run.len() - 1).filter(is_needed).count()
}

/// More happens in these runs than breaks the property.
#[test]
fn steps_that_do_not_matter_are_left_out() {
    let (system, steps) = kept("vote_again");
    let last = steps.len() - 1;
    let elsewhere = [Action::HeartbeatTimeout, Action::ElectionTimeout, Action::Flush];
    let more = |id| elsewhere.iter().map(move |kind| kind(ServerId::new(id)));
    let longer = actions(&steps[..last]).into_iter().chain(more(3)).chain(more(2)).chain(actions(&steps[last..]));
    let possible = longer.scan(system.start.clone(), |world, action| {
        Some(step(&system, world, &action).inspect(|step| *world = step.world.clone()))
    });
    let run: Vec<Step> = possible.flatten().collect();
    assert!(steps.len() < run.len() && run.last().is_some_and(|step| breaks(&step.world)));
    let eased = shortener(&system).eased(run);
    assert_eq!(eased.len(), steps.len());
    assert!(eased.iter().all(|step| step.sent) && eased.last().is_some_and(|step| breaks(&step.world)));
}

/// Leaving out what sends a message leaves out its arrival, too, in one attempt.
#[test]
fn what_can_no_longer_happen_is_left_out_with_its_cause() {
    let (system, steps) = kept("figure_8");
    let shorter = shortener(&system).shortest(steps.clone());
    assert_eq!(actions(&shorter), actions(&steps), "it is as short as it gets");
    let sound = System { ground: crate::world::PAPER, ..system };
    let played = play(&sound, &actions(&steps[..12])).expect("up to there the mutant does nothing");
    assert_eq!(actions(&shortener(&sound).shortest(played.clone())), actions(&played), "what never ends stays");
}

/// Another order, or other names, are taken for the same run only if each step still counts and the last one ends it.
#[test]
fn what_is_played_differently_is_taken_only_if_it_ends_the_same() {
    let (system, steps) = kept("vote_again");
    let all = actions(&steps);
    let shortener = shortener(&system);
    let taken = |actions: &[Action]| shortener.played(actions.iter().cloned()).is_some();
    assert!(taken(&all));
    assert!(!taken(&all[..all.len() - 1]), "it does not end so");
    let elsewhere = Action::ElectionTimeout(ServerId::new(3));
    assert!(!taken(&[&all[..], &[elsewhere]].concat()), "it was over before");
    assert!(!taken(&[&all[..1], &all].concat()), "the second of two equal steps changes nothing");
}

/// What breaks the property without one of its steps does so by a message that nobody has sent.
#[test]
fn a_run_in_which_something_arrives_that_was_not_sent_is_not_taken() {
    let mut count = 0;
    for (name, system, steps) in kept_and_eased() {
        let all = actions(&steps);
        for left_out in 0..all.len() {
            let rest = [&all[..left_out], &all[left_out + 1..]].concat();
            let run = play(&system, &rest).unwrap_or_default();
            let end = run.iter().position(|step| breaks(&step.world));
            count += usize::from(end.is_some_and(|at| at + 1 == rest.len()));
            assert!(shortener(&system).played(rest.into_iter()).is_none(), "{name} without step {left_out}");
        }
    }
    assert!(20 < count, "only {count} would have been taken");
}

/// Two steps of which neither can be left out without the other, with one between them that matters.
#[test]
fn two_steps_that_matter_only_together_are_left_out() {
    let is_candidate =
        |world: &World, id| !matches!(world.server(ServerId::new(id)).node.role(), Role::Follower { .. });
    let ends = |world: &World| {
        is_candidate(world, 3) && is_candidate(world, 4) && is_candidate(world, 1) == is_candidate(world, 2)
    };
    let (kept, _) = kept("vote_again");
    let bounds = Bounds { servers: 5, ..kept.bounds };
    let system = System { bounds, start: World::new(5), ..kept };
    let timeouts = [1, 4, 2, 3].map(|id| Action::ElectionTimeout(ServerId::new(id)));
    let run = play(&system, &timeouts).expect("timeouts fire at any time");
    let shorter = Shortener { system: &system, ends: &ends, tick: &|_| {} }.shortest(run);
    assert_eq!(actions(&shorter), [timeouts[1].clone(), timeouts[3].clone()]);
}
