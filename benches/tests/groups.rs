//! The groups that are measured do what they are measured for.

use rafttree_benches::situation::{self, Situation};
use rafttree_benches::{Deployed, Group, Library, Rafttree, Round, SIZES, split_votes};
use rafttree_model::{Effects, step};

#[test]
fn an_election_makes_each_server_the_leader_in_turn() {
    for kind in [Round::Election, Round::ElectionAfterSplit, Round::ElectionUnequalLogs] {
        every_group(|mut group| {
            let mut leader = Round::prepare(&mut *group);
            for round in 1..=2 * group.servers() {
                kind.play(&mut *group, &mut leader);
                assert!(group.is_known_to_all(leader), "{kind:?}, round {round}");
                assert!(!group.is_known_to_all((leader + 1) % group.servers()));
            }
        });
    }
}

#[test]
fn nobody_wins_when_all_campaign_at_once() {
    every_group(|mut group| {
        let _ = Round::prepare(&mut *group);
        split_votes(&mut *group);
        assert!((0..group.servers()).all(|server| !group.is_known_to_all(server)));
    });
}

#[test]
fn an_entry_that_could_not_be_sent_is_never_applied() {
    every_group(|mut group| {
        let mut leader = Round::prepare(&mut *group);
        Round::ElectionUnequalLogs.play(&mut *group, &mut leader);
        Round::CommitEverywhere.play(&mut *group, &mut leader);
        assert!((0..group.servers()).all(|server| group.applied(server) == 1));
    });
}

#[test]
fn an_election_is_not_over_before_everyone_knows_the_leader() {
    every_group(|mut group| {
        let mut leader = Round::prepare(&mut *group);
        Round::elect(&mut *group, &mut leader);
        assert!(group.is_known_to_all(leader));
        assert!(group.deliver(), "the answers to the new leader are still on their way");
    });
}

#[test]
fn the_leader_applies_every_command() {
    every_group(|mut group| {
        let mut leader = Round::prepare(&mut *group);
        for round in [Round::Commit, Round::CommitBatch, Round::Heartbeat] {
            let before = group.applied(leader);
            round.play(&mut *group, &mut leader);
            assert_eq!(group.applied(leader), before + round.commands(), "{round:?}");
        }
    });
}

#[test]
fn everyone_applies_what_is_committed_everywhere() {
    every_group(|mut group| {
        let mut leader = Round::prepare(&mut *group);
        Round::CommitEverywhere.play(&mut *group, &mut leader);
        assert!((0..group.servers()).all(|server| group.applied(server) == 1));
    });
}

#[test]
fn a_group_goes_on_when_its_logs_are_cut() {
    every_group(|mut group| {
        let mut leader = Round::prepare(&mut *group);
        let rounds = if group.servers() == 3 { 300 } else { 1 };
        for _ in 0..rounds {
            Round::CommitBatch.play(&mut *group, &mut leader);
        }
        Round::Election.play(&mut *group, &mut leader);
        assert_eq!(group.applied(leader), rounds * Round::CommitBatch.commands());
    });
}

#[test]
fn what_our_servers_believe_is_stored_is_stored() {
    for servers in SIZES {
        let mut group = Rafttree::<Deployed>::new(servers);
        let mut leader = Round::prepare(&mut group);
        for round in Round::ALL {
            round.play(&mut group, &mut leader);
            assert!(group.is_stored(), "{servers} servers, after {round:?}");
        }
    }
}

#[test]
fn a_measured_step_does_something_unless_it_is_named_for_doing_nothing() {
    for Situation { name, node, event } in situation::all() {
        let (mut after, mut effects) = (node.clone(), Effects::new());
        step(&mut after, event, &mut effects);
        let idle = name.ends_with("ignored");
        assert_eq!(idle, after == node && effects.is_empty(), "{name}");
    }
}

fn every_group(test: impl Fn(Box<dyn Group>)) {
    for library in Library::ALL {
        SIZES.iter().for_each(|&servers| test(library.group(servers)));
    }
}
