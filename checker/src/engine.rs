//! The search: Stateright explores the system, and what it says is turned into a verdict.
//!
//! Of Stateright 0.31's searches only what is sound is used:
//! - breadth-first, without depth bound, state count or `timeout`. Those cut a search in ways that
//!   its `is_done` does not tell from an empty frontier; limits are kept here instead, and one that
//!   strikes makes the verdict INCOMPLETE whatever Stateright says.
//! - `Always` properties only, never `Eventually`, and no `symmetry`, which its breadth-first
//!   search ignores.
//! - The number of distinct states of a search that was not cut is the same at any number of
//!   threads. The order of discovery is not: so a counterexample found by several threads is
//!   searched again by one, whose queue is first in, first out, and the first find counts.
//!   (Stateright keeps the last find of a block of states, which may be longer.)
//! - `is_done` is also true when a thread panicked, so the threads are joined before anything is
//!   concluded.
//! - A counterexample is believed only after it was replayed, action by action.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rafttree_model::{Role, RoleName};
use stateright::{Checker, Model};

use crate::properties::{Property, PropertySet};
use crate::stats::{KINDS, Witness};
use crate::symmetry;
use crate::system::{Action, System};
use crate::words;
use crate::world::World;

/// What ends a search early.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) threads: usize,
    pub(crate) time: Option<Duration>,
    /// Resident memory of the whole process, in bytes.
    pub(crate) memory: u64,
}

/// The four words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// The frontier ran empty and every property held.
    Complete,
    /// A property does not hold.
    Violated,
    /// A limit ended the search; nothing is known of what was not reached.
    Incomplete(String),
    /// Every property held, but what makes that worth something was never reached.
    Vacuous(Vec<String>),
}

/// What a search found.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) states: u64,
    pub(crate) transitions: u64,
    pub(crate) depth: u64,
    pub(crate) time: Duration,
    pub(crate) peak_memory: u64,
    pub(crate) fired: Vec<(&'static str, u64)>,
    pub(crate) witnesses: Vec<(&'static str, bool)>,
    /// The actions that lead to the violation, and what it breaks.
    pub(crate) counterexample: Vec<Action>,
    pub(crate) broken: PropertySet,
}

/// What must be met on the way, or the verdict is VACUOUS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) witnesses: &'static [Witness],
    /// Kinds of action, as in [`KINDS`], that the bounds rule out.
    pub(crate) never: &'static [&'static str],
}

/// Reports how far a search is: states, transitions, depth, memory in bytes, time.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(u64, u64, u64, u64, Duration);

impl Model for System {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![self.represented(self.start.clone())]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        // What follows a broken property is of no interest.
        if world.broken.is_empty() && !self.stats.stop.load(Ordering::Relaxed) {
            self.offers(world, actions);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let next = self.after(world, &action)?;
        let at_stake = match &action {
            Action::Crash { server, .. } | Action::CrashTorn(server) => !world.server(*server).unsynced.is_empty(),
            _ => false,
        };
        self.stats.count(&action, at_stake);
        self.note_witnesses(&next);
        Some(next)
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        vec![
            stateright::Property::always("every watched property", |_, world: &World| world.broken.is_empty()),
            stateright::Property::sometimes("a leader", |_, world: &World| has_leader(world)),
            stateright::Property::sometimes("a split vote", |_, world: &World| is_split(world)),
            stateright::Property::sometimes("a commit", |_, world: &World| !world.history.committed.is_empty()),
        ]
    }

    fn format_action(&self, action: &Action) -> String {
        action.to_string()
    }

    fn format_step(&self, world: &World, action: Action) -> Option<String> {
        let next = self.after(world, &action)?;
        Some(words::changes(world, &next).join("\n"))
    }
}

/// The same system as a search sees it: one property, whose first violation ends everything.
struct Searched(System);

impl Model for Searched {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        self.0.init_states()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.0.actions(world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        self.0.next_state(world, action)
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        vec![stateright::Property::always("every watched property", |model: &Self, world: &World| {
            world.broken.is_empty() || model.0.stats.is_found_already()
        })]
    }
}

impl System {
    fn note_witnesses(&self, after: &World) {
        self.stats.witness_if(has_leader(after), Witness::Leader);
        if !self.stats.reached(Witness::SplitVote) {
            self.stats.witness_if(is_split(after), Witness::SplitVote);
        }
    }
}

fn has_leader(world: &World) -> bool {
    world.servers.iter().any(|server| matches!(server.node.role(), Role::Leader { .. }))
}

/// §5.2: everyone voted in this term, and no candidate can get a majority.
fn is_split(world: &World) -> bool {
    let nodes = || world.servers.iter().map(|server| &server.node);
    let term = world.servers[0].node.term();
    let votes_for = |id| nodes().filter(|node| node.vote() == Some(id)).count();
    nodes().all(|node| node.term() == term && node.vote().is_some())
        && nodes().any(|node| node.role().name() == RoleName::Candidate)
        && world.ids().all(|id| 2 * votes_for(id) <= world.servers.len())
}

impl System {
    /// Everything that may happen next.
    pub(crate) fn offered(&self, world: &World) -> Vec<Action> {
        let mut actions = Vec::new();
        self.offers(world, &mut actions);
        actions
    }

    /// Searches until the frontier is empty, a property is broken, or a limit strikes.
    pub(crate) fn search(self, limits: Limits, expected: Expected, progress: Progress) -> Outcome {
        let started = Instant::now();
        let again = System { stats: Arc::default(), ..self.clone() };
        let found = search(self, limits, progress);
        if found.verdict != Verdict::Violated || limits.threads == 1 {
            return found.judged_by(expected);
        }
        let left = limits.time.map(|time| time.saturating_sub(started.elapsed()));
        let shortest = search(again, Limits { threads: 1, time: left, ..limits }, progress);
        // Without time for the second search the first find stands, shortest or not.
        if shortest.verdict == Verdict::Violated { shortest } else { found }
    }

    /// The actions of a run through these states, or through renamings of them, under the names
    /// that the servers had at its start.
    fn named(&self, states: &[World]) -> Vec<Action> {
        let as_is = System { symmetric: false, stats: Arc::default(), ..self.clone() };
        let mut world = self.start.clone();
        let mut actions = Vec::new();
        for target in states.iter().skip(1) {
            let next = as_is.offered(&world).into_iter().find_map(|action| {
                let next = as_is.after(&world, &action)?;
                symmetry::are_renamings(&next, target).then_some((action, next))
            });
            let (action, next) = next.expect("a step between representatives is a step between states");
            world = next;
            actions.push(action);
        }
        actions
    }

    /// Serves Stateright's Explorer at this address, for ever.
    pub(crate) fn serve(self, address: &str) {
        let _ = self.checker().serve(address);
    }
}

impl Outcome {
    /// Every property held: whether that says anything.
    fn judged_by(mut self, expected: Expected) -> Outcome {
        if self.verdict != Verdict::Complete {
            return self;
        }
        let reached = |words: &str| self.witnesses.iter().any(|&(name, reached)| name == words && reached);
        let witnesses = expected.witnesses.iter().map(|witness| witness.words()).filter(|words| !reached(words));
        let missing = witnesses.map(|words| format!("{words} was never reached"));
        let kinds = KINDS.iter().filter(|kind| !expected.never.contains(kind));
        let idle = kinds.filter(|kind| self.fired.iter().any(|(name, count)| name == *kind && *count == 0));
        let missing: Vec<_> = missing.chain(idle.map(|kind| format!("'{kind}' never happened"))).collect();
        if !missing.is_empty() {
            self.verdict = Verdict::Vacuous(missing);
        }
        self
    }
}

fn search(system: System, limits: Limits, progress: Progress) -> Outcome {
    let started = Instant::now();
    let stats = Arc::clone(&system.stats);
    let unnamed = system.clone();
    let checker = Searched(system).checker().threads(limits.threads).spawn_bfs();
    let mut peak_memory = 0;
    let mut cut = None;
    while !checker.is_done() {
        std::thread::park_timeout(Duration::from_millis(20));
        let memory = resident_bytes();
        peak_memory = peak_memory.max(memory);
        let so_far = (checker.unique_state_count() as u64, checker.state_count() as u64, checker.max_depth() as u64);
        progress(so_far.0, so_far.1, so_far.2, memory, started.elapsed());
        cut = cut.or_else(|| limits.struck(started.elapsed(), memory));
        if cut.is_some() {
            // Nothing is offered any more, so the search ends by itself; its counts are final then.
            stats.stop.store(true, Ordering::SeqCst);
        }
    }
    // A thread that panicked also makes `is_done` true: this passes its panic on.
    let checker = checker.join();
    // Paths are found again by walking them.
    stats.stop.store(false, Ordering::SeqCst);
    let path = checker.discovery("every watched property");
    let states = path.map(|path| path.into_states()).unwrap_or_default();
    let broken = states.last().map(|end| end.broken).unwrap_or_default();
    let counterexample = unnamed.named(&states);
    let verdict = match cut {
        _ if !broken.is_empty() => Verdict::Violated,
        Some(why) => Verdict::Incomplete(why),
        None => Verdict::Complete,
    };
    Outcome {
        verdict,
        states: checker.unique_state_count() as u64,
        transitions: checker.state_count() as u64,
        depth: checker.max_depth() as u64,
        time: started.elapsed(),
        peak_memory: peak_memory.max(resident_bytes()),
        fired: stats.fired().collect(),
        witnesses: Witness::ALL.iter().map(|&witness| (witness.words(), stats.reached(witness))).collect(),
        counterexample,
        broken,
    }
}

impl Limits {
    fn struck(&self, elapsed: Duration, memory: u64) -> Option<String> {
        if self.time.is_some_and(|limit| limit < elapsed) {
            return Some(format!("the time limit of {:?} was reached", self.time.unwrap_or_default()));
        }
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        (self.memory < memory).then(|| format!("the memory limit of {:.1} GiB was reached", gib(self.memory)))
    }
}

/// Follows a counterexample action by action; an error names the action that cannot happen.
pub(crate) fn replay(system: &System, actions: &[Action]) -> Result<Vec<(Action, World)>, String> {
    let mut world = system.start.clone();
    let mut steps = Vec::new();
    for action in actions {
        let offered = system.offered(&world).contains(action);
        let next = if offered { system.after(&world, action) } else { None };
        world = next.ok_or_else(|| format!("'{action}' cannot happen there"))?;
        steps.push((action.clone(), world.clone()));
    }
    Ok(steps)
}

/// Memory that this process holds, where the system tells.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let resident = pages.as_deref().and_then(|line| line.split(' ').nth(1)?.parse::<u64>().ok());
    resident.unwrap_or(0) * 4096
}

/// The properties of a set, by name.
pub(crate) fn names(set: PropertySet) -> Vec<&'static str> {
    set.iter().map(Property::name).collect()
}
