//! Whole runs, and what they must hold. `rafttree simulate` has more of them.

mod slow_disks;

mod staged;

use std::collections::HashMap;
use std::io::{self, Read};

use super::kit::Typing;
use super::{Figures, Mutant, Registers, Simulation};
use crate::machine::{Serialized, Snapshot, StateMachine};

fn subject() -> Typing<Registers> {
    Simulation::registers().into_subject()
}

/// Runs that go well; they must hold what makes them worth running.
fn run(servers: u32, seeds: u64) -> Figures {
    let simulation = Simulation::registers().servers(servers);
    let figures = simulation.run_all(0..seeds).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(figures.runs, seeds);
    figures
}

#[test]
fn groups_of_three_keep_their_promises() {
    let runs = 200;
    let figures = run(3, runs);
    let is_worth_it = runs * 2 < figures.elections
        && runs * 40 < figures.answered.min(figures.reads)
        && runs < figures.not_committed.min(figures.unknown).min(figures.snapshots)
        && 10 < figures.restores.min(figures.refusals).min(figures.stops).min(figures.faulty_starts);
    assert!(is_worth_it, "{figures:#?}");
    assert!(20 < figures.faults.len(), "{:?}", figures.faults);
}

#[test]
fn groups_of_five_keep_their_promises() {
    run(5, 30);
}

#[test]
fn groups_of_one_and_two_keep_their_promises() {
    run(2, 20);
    run(1, 20);
}

#[test]
fn one_seed_is_one_run_on_every_machine() {
    let digest = |seed, servers| Simulation::registers().servers(servers).run(seed).digest;
    assert_eq!([digest(7, 3), digest(8, 3), digest(7, 5)], DIGESTS);
}

/// What is drawn of a seed, and what servers do, has these digests; they change with both.
const DIGESTS: [u64; 3] = [0xabd3_5828_414f_701c, 0xc527_249f_69c1_cdc1, 0xee27_25e2_24cc_8d63];

/// Remembers eight names; which one it forgets for another is up to the hash map.
#[derive(Default)]
struct Names(HashMap<u64, u64>);

impl StateMachine for Names {
    type Command = u64;
    type Answer = usize;

    fn apply(&mut self, name: u64) -> usize {
        let forgotten = self.0.keys().next().copied().filter(|_| 8 <= self.0.len());
        if let Some(forgotten) = forgotten {
            self.0.remove(&forgotten);
        }
        self.0.insert(name, name);
        self.0.len()
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(Serialized(self.0.clone()))
    }

    fn restore(from: &mut dyn Read) -> io::Result<Names> {
        Serialized::read(from).map(Names)
    }
}

/// Its answers do not tell.
#[test]
fn a_machine_that_depends_on_the_order_of_a_hash_map_is_found() {
    let names = Simulation::new(Names::default, |random| random.below(1000)).compare(|names| {
        let mut names: Vec<u64> = names.0.keys().copied().collect();
        names.sort_unstable();
        names
    });
    let failure = names.run_all(0..3).unwrap_err();
    assert!(failure.violation.contains("depends on more than its commands"), "{failure}");
    assert!(failure.faults.is_empty(), "no fault is needed: {failure}");
}

#[test]
fn an_invariant_that_is_broken_is_found() {
    let registers = Simulation::registers().invariant(|registers| match registers.0.len() {
        3 => Err("all registers have a value".to_owned()),
        _ => Ok(()),
    });
    let failure = registers.run_all(0..3).unwrap_err();
    assert!(failure.violation.contains("all registers have a value"), "{failure}");
}

/// The quickest of each kind; `rafttree simulate --mutants` hunts all.
#[test]
fn what_is_wrong_on_purpose_is_found() {
    for mutant in [
        Mutant::SendsBeforeFlush,
        Mutant::ForgetsVotes,
        Mutant::FlushesNothing,
        Mutant::KeepsTheMachine,
        Mutant::AppliesWhatIsAccepted,
        Mutant::RetriesWithoutSession,
        Mutant::ReadsWithoutARound,
        Mutant::BelievesDisconnects,
    ] {
        let simulation = Simulation::registers().mutant(mutant);
        assert!((0..300).any(|seed| simulation.run(seed).violation.is_some()), "{}", mutant.name());
    }
}

#[test]
fn what_goes_wrong_is_told_with_the_faults_that_are_enough() {
    let simulation = || Simulation::registers().mutant(Mutant::FlushesNothing);
    let seed = (0..100).find(|&seed| simulation().run(seed).violation.is_some()).unwrap();
    let failure = simulation().explain(seed).unwrap();
    assert!(failure.faults.len() < failure.planned, "{failure}");
    let numbers: Vec<usize> = failure.faults.iter().map(|(number, _)| *number).collect();
    let again = simulation().only(numbers).run(seed).violation;
    assert_eq!(again.as_ref(), Some(&failure.shrunk));
    assert!(failure.to_string().contains(&format!("seed {seed}, 3 servers: ")));
    assert!(failure.story.iter().any(|line| line.contains("leads in term")), "{failure}");
}
