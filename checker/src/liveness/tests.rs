//! From where the deployed rules recover, and that others do not.

use rafttree_model::{Index, Members, Rules, step_by};

use crate::liveness::lasso;
use crate::liveness::recovery::{Choice, Failed, Recovery, recover};
use crate::liveness::schedule::Stage;
use crate::mutants::{catalogue, rules};
use crate::properties::Property;
use crate::scope::{Premise, Scope};
use crate::search::Space;
use crate::tests::limits;
use crate::verdict::{self, NOTHING, Outcome, Verdict};
use crate::world::{Ground, PAPER, StepBy, Tag};

const fn elections(servers: u8, spread: u8) -> Scope {
    Scope::elections(servers, spread)
}

fn searched(recovery: &Recovery) -> Outcome {
    verdict::explore(recovery, &limits(2), NOTHING, &mut |_| {}).expect("nothing is resumed")
}

fn outcome(scope: Scope, step_by: StepBy) -> Outcome {
    searched(&Recovery::new(scope, Ground { step_by, ..PAPER }))
}

fn measured(outcome: &Outcome) -> Vec<u64> {
    outcome.measured.iter().map(|(_, count)| *count).collect()
}

#[test]
fn three_servers_recover_from_every_state_of_their_elections() {
    let outcome = outcome(elections(3, 1), PAPER.step_by);
    assert_eq!(outcome.verdict, Verdict::Complete);
    // Every set of one link or more, all that may be in memory, and each server first.
    assert_eq!(measured(&outcome), [outcome.states * 7 * 64 * 3, 4]);
}

/// No run is given a round that none needs, so that a mutant which costs one is seen.
#[test]
fn one_round_fewer_is_too_few() {
    for servers in [3, 5] {
        let mut recovery = Recovery::new(elections(servers, 1), PAPER);
        recovery.rounds_allowed -= 1;
        // Of five servers few runs are the slowest.
        recovery.sample = recovery.sample.map(|few| 3 * few);
        assert_eq!(searched(&recovery).verdict, Verdict::Violated, "{servers} servers");
    }
}

#[test]
fn what_breaks_recovery_is_caught_with_a_schedule_that_comes_back() {
    for name in ["sticky_bridge", "plain_raft", "pre_votes_teach_no_term", "sticky_pre_candidate"] {
        let mutant = catalogue::find(name).expect("it is in the catalogue");
        let crate::scope::Part::Recovery(scope) = mutant.part else { panic!("{name} breaks no recovery") };
        let caught = outcome(scope, mutant.ground.step_by);
        assert_eq!(caught.verdict, Verdict::Violated, "{name}");
        assert!(caught.broken.contains(Property::Recovery));
        let story = caught.story.expect("it is told");
        assert!(story.iter().any(|line| line.starts_with("Links that work: ")), "{name}: {story:?}");
        assert_eq!(outcome(scope, PAPER.step_by).verdict, Verdict::Complete, "{name}");
    }
}

#[test]
fn three_servers_recover_from_every_state_of_their_logs() {
    let mut recovery = Recovery::new(Scope::logs(3, 1, 1), PAPER);
    // All else that may be in memory is for the preset, which takes longer.
    recovery.sample = Some(2);
    let outcome = searched(&recovery);
    assert_eq!((outcome.verdict, outcome.states), (Verdict::Complete, 22_193));
}

/// What breaks progress alone: a leader is elected, leads on and commits, and yet somebody waits for ever.
#[test]
fn whoever_waits_for_ever_is_noticed() {
    let mutants: [(&str, Scope, StepBy); 4] = [
        ("no snapshot is sent", Scope::snapshots(3, 1, 1), step_by::<rules::NeverSendSnapshot, Tag>),
        ("nobody waits for a round", elections(3, 1), step_by::<NeverConfirmed, Tag>),
        ("rounds have no read index", elections(3, 1), step_by::<WithoutReadIndex, Tag>),
        ("followers commit nothing", Scope::logs(3, 1, 1), step_by::<FollowersCommitNothing, Tag>),
    ];
    for (about, scope, step_by) in mutants {
        let mut recovery = Recovery::new(scope, Ground { step_by, ..PAPER });
        recovery.sample = scope.window.map(|_| 2);
        let caught = searched(&recovery);
        assert_eq!(caught.verdict, Verdict::Violated, "{about}");
        assert!(caught.broken.contains(Property::Progress), "{about}");
        assert!(!caught.broken.contains(Property::Recovery), "{about}");
        let story = caught.story.expect("it is told");
        assert!(story.last().is_some_and(|end| end.contains("a read is not served")), "{about}: {story:?}");
    }
}

struct NeverConfirmed;

impl Rules for NeverConfirmed {
    fn is_confirmed(_: &Members, _: usize) -> bool {
        false
    }
}

struct WithoutReadIndex;

impl Rules for WithoutReadIndex {
    fn read_index(_: Index, _: bool) -> Option<Index> {
        None
    }
}

struct FollowersCommitNothing;

impl Rules for FollowersCommitNothing {
    fn follower_commit(_: Index, _: Index) -> Index {
        Index::ZERO
    }
}

/// A server that alone is linked to a majority, and lacks what one of them holds, is not elected: the
/// premise is needed.
#[test]
fn a_hub_that_lacks_entries_is_not_elected() {
    let mut recovery = Recovery::new(Scope::logs(4, 1, 1), PAPER);
    recovery.premise = Premise::Hub;
    let outcome = searched(&recovery);
    assert_eq!((outcome.verdict, outcome.steps), (Verdict::Violated, 4));
}

/// These mutants broke other protocols: here a follower's belief in its leader ends with the minimum
/// timeout, and a candidate whose election failed asks for pre-votes again. So they cost rounds at most.
#[test]
fn two_mutants_of_others_only_delay_recovery_here() {
    let [refuses, is_deaf]: [StepBy; 2] = [step_by::<rules::RefuseOwnLeader, Tag>, rules::deaf_candidate];
    for step_by in [refuses, is_deaf] {
        let mut recovery = Recovery::new(elections(3, 1), Ground { step_by, ..PAPER });
        recovery.rounds_allowed *= 2;
        assert_eq!(searched(&recovery).verdict, Verdict::Complete);
    }
}

#[test]
fn a_schedule_that_fails_fails_again() {
    let ground = Ground { step_by: rules::sticky_pre_candidate, ..PAPER };
    let recovery = Recovery::new(elections(3, 1), ground);
    let start = recovery.starts().remove(0);
    let (choice, why) = recovery.judged(&mut recovery.worker(), &start).expect("it does not recover");
    assert_eq!(why, Failed::OutOfRounds);
    let Choice { links, memories, first } = choice;
    let world = start.state().world(recovery.quotient.members);
    let [broken, deployed] = [ground, PAPER].map(|ground| {
        let mut stage = Stage::of_world(&world, ground);
        stage.set(&Stage::of_world(&world, ground), links, memories);
        recover(&mut stage, first, recovery.rounds_allowed)
    });
    assert_eq!(broken, Err(Failed::OutOfRounds));
    assert!(deployed.is_ok(), "{deployed:?}");
}

#[test]
fn in_lock_step_nobody_is_ever_elected() {
    for servers in 2..=7 {
        let lasso = lasso::find(servers).expect("lock-step elects nobody");
        assert_eq!(lasso.terms, 1);
        let lap = &lasso.steps[lasso.lead_in..];
        for id in 1..=servers {
            assert!(lap.iter().any(|step| step.contains(&format!("{id} election timeout"))));
        }
        assert!(lap.iter().all(|step| !step.contains("leader")));
    }
}
