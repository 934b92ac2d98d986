//! The kit: a service's own state machine, under every fault.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use super::faults::TROUBLE;
use super::mutant::Mutant;
use super::random::Random;
use super::registers::{self, Registers};
use super::report::Figures;
use super::run::{Settings, faults, run};
use super::shrink::shrink;
use super::subject::{Call, Check, Subject, View};
use crate::machine::{Machine, StateMachine, Typed, decode, encode};

/// Lines of a story that are shown, at its end.
const STORY_LINES: usize = 120;

/// A simulation of groups that replicate a service's state machine: each seed is a run, the same each time and
/// on every machine.
///
/// What must hold is judged at every step: one leader a term, no vote given twice, no committed entry changed
/// or lost, leases exclusive, each command applied once, each answer what the machine gave for it, reads that
/// miss nothing that was answered or seen before, and equal machines wherever equal entries were applied.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::io::{self, Read};
///
/// use rafttree::simulate::Simulation;
/// use rafttree::{Serialized, Snapshot, StateMachine};
///
/// /// Accounts, between which money moves.
/// struct Bank(BTreeMap<u64, i64>);
///
/// impl StateMachine for Bank {
///     type Command = (u64, u64, i64);
///     type Answer = bool;
///
///     fn apply(&mut self, (from, to, amount): (u64, u64, i64)) -> bool {
///         let is_possible = self.0.get(&from).is_some_and(|held| amount <= *held);
///         if is_possible {
///             *self.0.entry(from).or_default() -= amount;
///             *self.0.entry(to).or_default() += amount;
///         }
///         is_possible
///     }
///
///     fn snapshot(&self) -> Box<dyn Snapshot> {
///         Box::new(Serialized(self.0.clone()))
///     }
///
///     fn restore(from: &mut dyn Read) -> io::Result<Bank> {
///         Serialized::read(from).map(Bank)
///     }
/// }
///
/// let simulation = Simulation::new(
///     || Bank(BTreeMap::from([(1, 100), (2, 100)])),
///     |random| (random.within(1..4), random.within(1..4), random.below(50) as i64),
/// )
/// .compare(|bank| bank.0.clone())
/// .invariant(|bank| match bank.0.values().sum() {
///     200 => Ok(()),
///     sum => Err(format!("there are {sum} in the bank")),
/// });
/// let figures = simulation.run_all(0..3).unwrap_or_else(|failure| panic!("{failure}"));
/// assert!(0 < figures.elections && 0 < figures.answered);
/// ```
///
/// An `apply` that depends on more than its command and the state is found:
///
/// ```
/// # use std::collections::HashMap;
/// # use std::io::{self, Read};
/// # use rafttree::simulate::Simulation;
/// # use rafttree::{Serialized, Snapshot, StateMachine};
/// /// Remembers eight names. Which one it forgets for another is up to the hash map.
/// #[derive(Default)]
/// struct Names(HashMap<u64, u64>);
///
/// impl StateMachine for Names {
///     type Command = u64;
///     type Answer = Option<u64>;
///
///     fn apply(&mut self, name: u64) -> Option<u64> {
///         let oldest = self.0.keys().next().copied().filter(|_| 8 <= self.0.len());
///         if let Some(oldest) = oldest {
///             self.0.remove(&oldest);
///         }
///         self.0.insert(name, name);
///         oldest
///     }
/// #     fn snapshot(&self) -> Box<dyn Snapshot> {
/// #         Box::new(Serialized(self.0.clone()))
/// #     }
/// #     fn restore(from: &mut dyn Read) -> io::Result<Names> {
/// #         Serialized::read(from).map(Names)
/// #     }
///     // ...
/// }
///
/// let failure = Simulation::new(Names::default, |random| random.below(100)).run_all(0..10).unwrap_err();
/// assert!(failure.violation.contains("depends on more than its commands"));
/// ```
pub struct Simulation<M: StateMachine> {
    subject: Typing<M>,
    servers: u32,
    mutant: Option<Mutant>,
    only: Option<BTreeSet<usize>>,
}

/// A run that went wrong: what it displays is the run in words, for people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The run.
    pub seed: u64,
    /// The servers of its group.
    pub servers: u32,
    /// What went wrong.
    pub violation: String,
    /// The numbers of the faults that are enough for it, each with its words.
    pub faults: Vec<(usize, String)>,
    /// How many faults the run had.
    pub planned: usize,
    /// What went wrong with those alone, which need not be the same.
    pub shrunk: String,
    /// What happened then, line by line.
    pub story: Vec<String>,
}

/// What came of one run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// How often what happened.
    pub figures: Figures,
    /// Equal for equal runs.
    pub digest: u64,
    /// What went wrong, if something did.
    pub violation: Option<String>,
}

/// A judge of what clients were answered.
type Judge = fn(&[Call]) -> Result<(), String>;

/// Draws a command, encoded.
type Draw = Box<dyn Fn(&mut Random) -> Vec<u8> + Send + Sync>;

/// A state machine with its types.
pub(super) struct Typing<M> {
    machine: Box<dyn Fn() -> M + Send + Sync>,
    command: Draw,
    words: fn(&[u8]) -> String,
    view: View,
    check: Check,
    judge: Judge,
    machine_type: PhantomData<fn() -> M>,
}

impl<M: StateMachine> Simulation<M> {
    /// A simulation of groups of three, of machines that begin so, and of clients whose commands are drawn so.
    pub fn new(
        machine: impl Fn() -> M + Send + Sync + 'static,
        command: impl Fn(&mut Random) -> M::Command + Send + Sync + 'static,
    ) -> Simulation<M> {
        let command = move |random: &mut Random| encode(&command(random)).expect("a command is encoded");
        let subject = Typing {
            machine: Box::new(machine),
            command: Box::new(command),
            words: |command| format!("a command of {} bytes", command.len()),
            view: Arc::new(|_| Vec::new()),
            check: Arc::new(|_| Ok(())),
            judge: |_| Ok(()),
            machine_type: PhantomData,
        };
        Simulation { subject, servers: 3, mutant: None, only: None }
    }

    /// How many servers a group has, from one to nine.
    #[must_use]
    pub fn servers(self, servers: u32) -> Simulation<M> {
        assert!((1..=9).contains(&servers), "a group has between one and nine servers");
        Simulation { servers, ..self }
    }

    /// What must be equal of two machines that have applied the same entries. Without this their answers are
    /// compared alone.
    #[must_use]
    pub fn compare<T: Serialize>(mut self, look: impl Fn(&M) -> T + Send + Sync + 'static) -> Simulation<M> {
        self.subject.view = Arc::new(move |machine: &dyn Any| {
            let machine = machine.downcast_ref::<M>().expect("this is what is simulated");
            encode(&look(machine)).expect("what is compared is encoded")
        });
        self
    }

    /// What must hold of a machine after every command, and how it does not.
    #[must_use]
    pub fn invariant(mut self, check: impl Fn(&M) -> Result<(), String> + Send + Sync + 'static) -> Simulation<M> {
        self.subject.check = Arc::new(move |machine: &dyn Any| machine.downcast_ref::<M>().map_or(Ok(()), &check));
        self
    }

    /// Plants something wrong, to see that it is noticed.
    #[must_use]
    pub fn mutant(self, mutant: Mutant) -> Simulation<M> {
        Simulation { mutant: Some(mutant), ..self }
    }

    /// Lets only the faults of these numbers strike, as a [`Failure`] names them.
    #[must_use]
    pub fn only(self, faults: impl IntoIterator<Item = usize>) -> Simulation<M> {
        Simulation { only: Some(faults.into_iter().collect()), ..self }
    }

    /// One run.
    pub fn run(&self, seed: u64) -> Run {
        let outcome = run(&self.subject, &self.settings(seed));
        Run { figures: outcome.figures, digest: outcome.digest, violation: outcome.violation }
    }

    /// Runs, until one goes wrong.
    ///
    /// # Errors
    ///
    /// The first that does, made shorter and told in words.
    pub fn run_all(&self, seeds: Range<u64>) -> Result<Figures, Box<Failure>> {
        let mut figures = Figures::default();
        for seed in seeds {
            let run = self.run(seed);
            figures += &run.figures;
            if run.violation.is_some()
                && let Some(failure) = self.explain(seed)
            {
                return Err(Box::new(failure));
            }
        }
        Ok(figures)
    }

    /// Why a run goes wrong: with as few faults as are enough, and in words. `None` where it does not.
    pub fn explain(&self, seed: u64) -> Option<Failure> {
        let settings = self.settings(seed);
        let violation = run(&self.subject, &settings).violation?;
        let planned: BTreeSet<usize> = faults(&settings).into_iter().map(|(number, _)| number).collect();
        let with = |only: &BTreeSet<usize>, is_told| {
            run(&self.subject, &Settings { only: Some(only.clone()), is_told, ..settings.clone() })
        };
        let kept = shrink(planned.clone(), |only| with(only, false).violation.is_some());
        let told = with(&kept, true);
        let words = faults(&Settings { only: Some(kept), ..settings.clone() });
        let words = words.into_iter().map(|(number, fault)| (number, fault.what.to_string()));
        Some(Failure {
            seed,
            servers: self.servers,
            shrunk: told.violation.unwrap_or_else(|| violation.clone()),
            violation,
            faults: words.collect(),
            planned: planned.len(),
            story: told.story,
        })
    }

    #[cfg(test)]
    pub(super) fn into_subject(self) -> Typing<M> {
        self.subject
    }

    fn settings(&self, seed: u64) -> Settings {
        Settings { seed, servers: self.servers, mutant: self.mutant, only: self.only.clone(), is_told: false }
    }
}

impl Simulation<Registers> {
    /// A simulation of registers, of which clients write, compare and delete values: what they see is judged by
    /// [`linearizability`](crate::linearizability) as well.
    pub fn registers() -> Simulation<Registers> {
        let mut simulation =
            Simulation::new(Registers::default, registers::demand).compare(|registers| registers.0.clone());
        simulation.subject.judge = registers::judge;
        simulation.subject.words = |command| {
            decode::<registers::Demand>(command).map_or_else(|error| error.to_string(), |it| format!("{it:?}"))
        };
        simulation
    }
}

impl<M: StateMachine> Subject for Typing<M> {
    fn machine(&self) -> Box<dyn Machine> {
        Box::new(Typed((self.machine)()))
    }

    fn command(&self, random: &mut Random) -> Vec<u8> {
        (self.command)(random)
    }

    fn words(&self, command: &[u8]) -> String {
        (self.words)(command)
    }

    fn view(&self) -> View {
        self.view.clone()
    }

    fn check(&self) -> Check {
        self.check.clone()
    }

    fn judge(&self, calls: &[Call]) -> Result<(), String> {
        (self.judge)(calls)
    }
}

impl<M: StateMachine> fmt::Debug for Simulation<M> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Simulation { servers, mutant, only, .. } = self;
        out.debug_struct("Simulation").field("servers", servers).field("mutant", mutant).field("only", only).finish()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { seed, servers, violation, faults, planned, shrunk, story } = self;
        writeln!(out, "seed {seed}, {servers} servers: {violation}")?;
        writeln!(out, "{} of its {planned} faults are enough:", faults.len())?;
        faults.iter().try_for_each(|(number, words)| writeln!(out, "  {number}: {words}"))?;
        let left_out = story.len().saturating_sub(STORY_LINES);
        writeln!(out, "with these (all faults end after {} ms):", TROUBLE / 1_000_000)?;
        if left_out != 0 {
            writeln!(out, "  ({left_out} lines before)")?;
        }
        story[left_out..].iter().try_for_each(|line| writeln!(out, "  {line}"))?;
        write!(out, "so: {shrunk}")
    }
}
