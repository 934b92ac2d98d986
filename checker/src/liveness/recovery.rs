//! What becomes of a state when faults stop, under every choice that a fair schedule leaves open.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use rafttree_model::{Node, ServerId};

use crate::liveness::links::Links;
use crate::liveness::schedule::{Memories, Memory, NeverQuiet, Stage, Timeouts};
use crate::properties::{Property, PropertySet};
use crate::quotient::{MOST_SEATS, Packed, Quotient, Worker};
use crate::scope::{Premise, Scope};
use crate::search::Space;
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
    pub(super) premise: Premise,
    /// How many choices are tried in each state; all, if there is no number.
    pub(super) sample: Option<usize>,
    /// Every link set with a hub; the first is the complete one.
    pub(super) all_links: Vec<Links>,
    /// How many kinds of [`Memory`] are tried.
    pub(super) kinds: usize,
    pub(super) rounds_allowed: u32,
    pub(super) runs: AtomicU64,
    /// The largest number of rounds that any run needed.
    pub(super) most_rounds: AtomicU64,
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
    /// One was, and a reader waits in vain for it, or a server that it reaches is not brought up to date.
    LeftBehind,
    NeverQuiet,
    Panicked,
}

/// What a thread keeps.
pub(crate) struct RecoveryWorker {
    pub(super) inner: Worker,
    pub(super) stage: Option<Stage>,
}

impl Recovery {
    pub(crate) fn new(scope: Scope, ground: Ground) -> Recovery {
        let mut quotient = scope.quotient(ground);
        quotient.watched = PropertySet::of_liveness();
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
    pub(super) fn everything(&self) -> impl Iterator<Item = (Links, Memories)> + '_ {
        let ways = self.ways();
        self.all_links
            .iter()
            .flat_map(move |links| (0..ways).map(move |number| (*links, Memory::numbered(number, self.kinds))))
    }

    /// The first of these choices under which a state does not recover.
    pub(super) fn fails(
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

    pub(super) fn judged(&self, worker: &mut RecoveryWorker, state: &Packed) -> Option<(Choice, Failed)> {
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
/// the first entry of its term that it is asked for, and all before it. Then nobody is left behind.
pub(super) fn recover(stage: &mut Stage, first: ServerId, allowed: u32) -> Result<u32, Failed> {
    catch_unwind(AssertUnwindSafe(|| run(stage, first, allowed))).unwrap_or(Err(Failed::Panicked))
}

pub(super) fn run(stage: &mut Stage, first: ServerId, allowed: u32) -> Result<u32, Failed> {
    let mut turn = first.number() - 1;
    let mut round = 0;
    while round < allowed {
        round += 1;
        stage.say(|| format!("round {round}"));
        stage.round(&mut turn, Timeouts::OfOne)?;
        let Some(leader) = stage.settled_leader() else { continue };
        if leads_on(stage, &mut turn, leader)? {
            return if stage.is_served(leader) { Ok(round) } else { Err(Failed::LeftBehind) };
        }
        round += TRIAL;
    }
    Err(Failed::OutOfRounds)
}

/// Whether a leader commits a command, and leads on, in the end alone, while everyone who does not
/// follow it times out time and again. Somebody wants to read meanwhile.
fn leads_on(stage: &mut Stage, turn: &mut u32, leader: ServerId) -> Result<bool, NeverQuiet> {
    let term = stage.node(leader).term();
    stage.ask_to_read(leader);
    let command = stage.propose(leader)?;
    for round in 1..=TRIAL {
        stage.say(|| format!("round {round} of {leader} as the leader that a majority follows"));
        stage.round(turn, Timeouts::OfAll)?;
    }
    let committed = command.term == term && command.index <= stage.node(leader).commit();
    Ok(committed && stage.is_settled(leader, term) && stage.leads_alone(leader))
}

impl From<NeverQuiet> for Failed {
    fn from(_: NeverQuiet) -> Failed {
        Failed::NeverQuiet
    }
}

impl Failed {
    /// The property that does not hold.
    pub(crate) fn breaks(self) -> Property {
        match self {
            Failed::OutOfRounds | Failed::NeverQuiet => Property::Recovery,
            Failed::LeftBehind => Property::Progress,
            Failed::Panicked => Property::Totality,
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Failed::OutOfRounds => "no leader that a majority followed has led on, alone, and committed a command",
            Failed::LeftBehind => {
                "a leader leads on, and a read is not served, or a server that it reaches lacks entries or does not know \
                 what is committed"
            }
            Failed::NeverQuiet => "messages beget messages without end",
            Failed::Panicked => "a step panicked",
        }
    }
}
