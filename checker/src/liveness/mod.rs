//! Liveness, checked as reachability: from every reachable state, when faults stop, a leader is
//! elected and commits within a few rounds of a fair schedule.
//!
//! The states are those of the quotient, and the schedule drives the concrete servers of each, by
//! the deployed steps. Messages that were under way are lost; had they arrived, that is another
//! reachable state, of which the same is shown.

pub(crate) mod lasso;
mod links;
mod stage;
#[cfg(test)]
mod tests;
mod told;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use links::Links;
use rafttree_model::{Node, ServerId};
pub(crate) use stage::{Memories, Memory, NeverQuiet, Stage, Timeouts};

use crate::properties::{Property, PropertySet};
use crate::quotient::{MOST_SEATS, Move, Packed, Quotient, Worker};
use crate::scope::{Premise, Scope};
use crate::search::{Bits, Judgement, Space};
use crate::system::Action;
use crate::verdict::Checked;
use crate::world::Ground;

/// Link sets, each with something in memory, that are tried in each state of a group too large for
/// all of them.
const SAMPLE: usize = 200;

/// The largest group of which every link set is tried in every state, with everything in memory.
const EVERY_LINK_SET: u8 = 3;

/// The kinds of memory that are tried where logs count, and states are many.
const WITH_LOGS: usize = 3;

/// The quotient, with the recovery of each of its states.
pub(crate) struct Recovery {
    pub(crate) quotient: Quotient,
    premise: Premise,
    /// How many choices are tried in each state; all, if there is no number.
    sample: Option<usize>,
    /// Every link set with a hub; the first is the complete one.
    all_links: Vec<Links>,
    /// How many kinds of [`Memory`] are tried.
    kinds: usize,
    rounds_allowed: u32,
    runs: AtomicU64,
    /// The largest number of rounds that any run needed.
    most_rounds: AtomicU64,
}

/// What a fair schedule leaves open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Choice {
    pub(crate) links: Links,
    pub(crate) memories: Memories,
    /// Whose election timeout fires in the first round.
    pub(crate) first: ServerId,
}

/// Why a run did not recover.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failed {
    /// No leader was elected and committed within the rounds allowed.
    OutOfRounds,
    NeverQuiet,
    Panicked,
}

/// What a thread keeps.
pub(crate) struct RecoveryWorker {
    inner: Worker,
    stage: Option<Stage>,
}

impl Recovery {
    pub(crate) fn new(scope: Scope, ground: Ground) -> Recovery {
        let mut quotient = scope.quotient(ground);
        quotient.watched = PropertySet::from_iter([Property::Recovery]);
        let premise = scope.premise();
        Recovery {
            quotient,
            premise,
            sample: (EVERY_LINK_SET < scope.servers).then_some(SAMPLE),
            all_links: Links::with_hub(scope.servers),
            kinds: if scope.window.is_none() { Memory::ALL.len() } else { WITH_LOGS },
            rounds_allowed: rounds_allowed(scope),
            runs: AtomicU64::new(0),
            most_rounds: AtomicU64::new(0),
        }
    }

    /// What is tried in a state: everything; or the complete links and a sample chosen by the state.
    fn tried_in(&self, state: &Packed) -> Vec<(Links, Memories)> {
        let Some(sample) = self.sample else { return self.everything().collect() };
        let ways = self.ways();
        let mut random = self.quotient.fingerprint(state, 1) as u64 | 1;
        let mut draw = |from: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 16) as usize % from
        };
        let complete = Memory::ALL.map(|memory| (self.all_links[0], [memory; MOST_SEATS]));
        let chosen =
            (0..sample).map(|_| (self.all_links[draw(self.all_links.len())], Memory::numbered(draw(ways), self.kinds)));
        complete.into_iter().chain(chosen).collect()
    }

    /// In how many ways the servers may have something in memory.
    fn ways(&self) -> usize {
        self.kinds.pow(self.quotient.start().servers.into())
    }

    /// Every link set, with everything that there may be in memory.
    fn everything(&self) -> impl Iterator<Item = (Links, Memories)> + '_ {
        let ways = self.ways();
        self.all_links
            .iter()
            .flat_map(move |links| (0..ways).map(move |number| (*links, Memory::numbered(number, self.kinds))))
    }

    /// The first of these choices under which a state does not recover.
    fn fails(
        &self,
        from: &Stage,
        stage: &mut Stage,
        tried: impl IntoIterator<Item = (Links, Memories)>,
    ) -> Option<(Choice, Failed)> {
        let (mut runs, mut most) = (0, 0);
        let nodes: Vec<&Node> = from.nodes().collect();
        let servers = nodes.len() as u32;
        let choices =
            tried.into_iter().filter(|(links, _)| self.premise.holds(*links, &nodes)).flat_map(|(links, memories)| {
                (1..=servers).map(move |id| Choice { links, memories, first: ServerId::new(id) })
            });
        let failed = choices.into_iter().find_map(|choice| {
            stage.set(from, choice.links, choice.memories);
            runs += 1;
            match recover(stage, choice.first, self.rounds_allowed) {
                Ok(rounds) => {
                    most = most.max(rounds);
                    None
                }
                Err(why) => Some((choice, why)),
            }
        });
        self.runs.fetch_add(runs, Ordering::Relaxed);
        self.most_rounds.fetch_max(most.into(), Ordering::Relaxed);
        failed
    }

    fn judged(&self, worker: &mut RecoveryWorker, state: &Packed) -> Option<(Choice, Failed)> {
        let world = state.state().world(self.quotient.members);
        let from = Stage::of_world(&world, self.quotient.ground);
        let stage = worker.stage.get_or_insert_with(|| Stage::of_world(&world, self.quotient.ground));
        self.fails(&from, stage, self.tried_in(state))
    }
}

/// Rounds in which a leader has to lead on: who is behind learns the term in one, its timer runs anew
/// in the next, and in the third it asks for votes in that term.
const TRIAL: u32 = 3;

/// As many rounds as the slowest run takes, and no more: where one server alone can be elected, a round
/// in which it waits for a leader that it may have heard; its turn after those of all others but one,
/// in which it learns of the newest term, which that one would have taught it; and a turn of each. In
/// a group of three without logs at least two can be elected: a round to wait, the turn of the third,
/// that of the one to learn, and that of the other.
fn rounds_allowed(scope: Scope) -> u32 {
    let servers = u32::from(scope.servers);
    if scope.window.is_none() && servers <= 3 { servers + 1 } else { 2 * servers }
}

/// Rounds until a leader is elected that a majority follows, that leads on, and that commits a command:
/// the first entry of its term that it is asked for, and all before it.
fn recover(stage: &mut Stage, first: ServerId, allowed: u32) -> Result<u32, Failed> {
    let run = catch_unwind(AssertUnwindSafe(|| run(stage, first, allowed)));
    match run {
        Ok(Ok(Some(rounds))) => Ok(rounds),
        Ok(Ok(None)) => Err(Failed::OutOfRounds),
        Ok(Err(NeverQuiet)) => Err(Failed::NeverQuiet),
        Err(_) => Err(Failed::Panicked),
    }
}

fn run(stage: &mut Stage, first: ServerId, allowed: u32) -> Result<Option<u32>, NeverQuiet> {
    let mut turn = first.number() - 1;
    let mut round = 0;
    while round < allowed {
        round += 1;
        stage.say(|| format!("round {round}"));
        stage.round(&mut turn, Timeouts::OfOne)?;
        let Some(leader) = stage.settled_leader() else { continue };
        if leads_on(stage, &mut turn, leader)? {
            return Ok(Some(round));
        }
        round += TRIAL;
    }
    Ok(None)
}

/// Whether a leader commits a command, and leads on, in the end alone, while everyone who does not
/// follow it times out time and again.
fn leads_on(stage: &mut Stage, turn: &mut u32, leader: ServerId) -> Result<bool, NeverQuiet> {
    let term = stage.node(leader).term();
    let command = stage.propose(leader)?;
    for round in 1..=TRIAL {
        stage.say(|| format!("round {round} of {leader} as the leader that a majority follows"));
        stage.round(turn, Timeouts::OfAll)?;
    }
    let committed = command.term == term && command.index <= stage.node(leader).commit();
    Ok(committed && stage.is_settled(leader, term) && stage.leads_alone(leader))
}

impl Failed {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Failed::OutOfRounds => "no leader that a majority followed has led on, alone, and committed a command",
            Failed::NeverQuiet => "messages beget messages without end",
            Failed::Panicked => "a step panicked",
        }
    }
}

impl Space for Recovery {
    type State = Packed;
    type Action = Move;
    type Worker = RecoveryWorker;

    fn worker(&self) -> RecoveryWorker {
        RecoveryWorker { inner: self.quotient.worker(), stage: None }
    }

    fn starts(&self) -> Vec<Packed> {
        self.quotient.starts()
    }

    fn expand(&self, worker: &mut RecoveryWorker, state: &Packed, visit: &mut dyn FnMut(Move, Packed, Judgement)) {
        self.quotient.expand(&mut worker.inner, state, visit);
    }

    fn judge(&self, worker: &mut RecoveryWorker, state: &Packed) -> Judgement {
        let mut broken = PropertySet::default();
        let failed = self.judged(worker, state).map(|(_, why)| why);
        broken.insert_unless(failed.is_none(), Property::Recovery);
        broken.keep(self.quotient.watched);
        broken.insert_unless(failed != Some(Failed::Panicked), Property::Totality);
        Judgement { broken: broken.bits(), met: self.quotient.judge(&mut worker.inner, state).met }
    }

    fn fingerprint(&self, state: &Packed, seed: u64) -> u128 {
        self.quotient.fingerprint(state, seed)
    }

    fn broken_by_panic(&self) -> Bits {
        self.quotient.broken_by_panic()
    }

    fn kinds(&self) -> usize {
        self.quotient.kinds()
    }

    fn kind(&self, action: &Move) -> usize {
        self.quotient.kind(action)
    }

    fn count_offers(&self, worker: &mut RecoveryWorker, offered: &mut [u64]) {
        self.quotient.count_offers(&mut worker.inner, offered);
    }
}

impl Checked for Recovery {
    fn kind_names(&self) -> Vec<&'static str> {
        self.quotient.kind_names()
    }

    /// What such a run breaks is no state of the plain system: it is told as a story.
    fn retold(&self, _: &[Move], _: bool) -> Result<Vec<Action>, String> {
        Ok(Vec::new())
    }

    fn story(&self, path: &[Move], broken: PropertySet) -> Option<Vec<String>> {
        Some(told::story(self, path, broken))
    }

    fn measured(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("recoveries run", self.runs.load(Ordering::Relaxed)),
            ("rounds that the slowest needed", self.most_rounds.load(Ordering::Relaxed)),
        ]
    }
}
