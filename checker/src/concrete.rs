//! The concrete system as a space to search, and as a Stateright model that its Explorer shows.

use std::sync::Arc;

use stateright::Model;

use rafttree_model::{Message, Role, RoleName};

use crate::properties::witness::Witness;
use crate::properties::{Property, PropertySet};
use crate::search::{Bits, Judgement, Space, fingerprint};
use crate::system::{Action, System, symmetry};
use crate::trace::language;
use crate::verdict::Checked;
use crate::world::{Answer, Server, World};

/// The kinds of [`Action`], as they are counted.
pub(crate) const KINDS: [&str; 12] = [
    "election timeout",
    "heartbeat timeout",
    "minimum timeout",
    "deliver",
    "propose",
    "transfer",
    "step down",
    "flush",
    "crash",
    "snapshot",
    "read",
    "apply",
];

/// What a thread keeps.
#[derive(Default)]
pub(crate) struct Worker {
    offers: Vec<Action>,
    /// What was tried, by kind.
    offered: [u64; KINDS.len()],
}

impl Space for System {
    type State = World;
    type Action = Action;
    type Worker = Worker;

    fn worker(&self) -> Worker {
        Worker::default()
    }

    fn starts(&self) -> Vec<World> {
        vec![self.represented(self.start.clone())]
    }

    fn expand(&self, worker: &mut Worker, world: &World, visit: &mut dyn FnMut(Action, World, Judgement)) {
        let Worker { offers, offered } = worker;
        offers.clear();
        self.offers(world, offers);
        // What arrives and changes nothing is no transition, and was met all the same.
        let arrived = offers.iter().fold(0, |met, action| met | met_on_arrival(world, action));
        for action in offers.drain(..) {
            offered[self.kind(&action)] += 1;
            let Some(next) = self.after(world, &action) else { continue };
            let met = arrived | met_by(self, world, &action, &next);
            let broken = next.broken.bits();
            visit(action, next, Judgement { broken, met });
        }
    }

    fn judge(&self, _: &mut Worker, world: &World) -> Judgement {
        let committed = &world.history.committed;
        let later = committed.windows(2).any(|pair| pair[0].0.position.term < pair[1].0.position.term);
        let met = [
            (has_leader(world), Witness::Leader),
            (is_split(world), Witness::SplitVote),
            (later, Witness::LaterCommit),
            (has_served(world), Witness::ServedRead),
        ];
        Judgement { broken: world.broken.bits(), met: bits(&met) }
    }

    fn fingerprint(&self, world: &World, seed: u64) -> u128 {
        fingerprint(world, seed)
    }

    fn broken_by_panic(&self) -> Bits {
        PropertySet::from_iter([Property::Totality]).bits()
    }

    fn kinds(&self) -> usize {
        KINDS.len()
    }

    fn kind(&self, action: &Action) -> usize {
        match action {
            Action::ElectionTimeout(_) => 0,
            Action::HeartbeatTimeout(_) => 1,
            Action::MinimumTimeout(_) => 2,
            Action::Deliver(_) => 3,
            Action::Propose(_) => 4,
            Action::Transfer { .. } => 5,
            Action::StepDown(_) => 6,
            Action::Flush(_) => 7,
            Action::Crash { .. } | Action::Damage { .. } | Action::CrashTorn(_) => 8,
            Action::Snapshot { .. } => 9,
            Action::Read(_) => 10,
            Action::Apply(_) => 11,
        }
    }

    fn count_offers(&self, worker: &mut Worker, offered: &mut [u64]) {
        let new = std::mem::take(&mut worker.offered);
        new.into_iter().zip(offered).for_each(|(new, total)| *total += new);
    }
}

impl Checked for System {
    fn kind_names(&self) -> Vec<&'static str> {
        KINDS.to_vec()
    }

    /// Under the names that the servers had at its start.
    fn concretised(&self, path: &[Action], _: bool) -> Result<Vec<Action>, String> {
        let as_is = System { symmetric: false, ..self.clone() };
        let mut world = self.start.clone();
        let mut target = self.represented(world.clone());
        let mut actions = Vec::new();
        for step in path {
            target = self.after(&target, step).ok_or_else(|| format!("'{step}' cannot happen there"))?;
            let next = as_is.offered(&world).into_iter().find_map(|action| {
                let next = as_is.after(&world, &action)?;
                symmetry::are_renamings(&next, &target).then_some((action, next))
            });
            let (action, next) = next.ok_or_else(|| format!("'{step}' cannot be told under the first names"))?;
            world = next;
            actions.push(action);
        }
        Ok(actions)
    }
}

fn bits(met: &[(bool, Witness)]) -> Bits {
    met.iter().filter(|(holds, _)| *holds).map(|(_, witness)| 1 << *witness as u8).sum()
}

/// What an action shows by what it changes.
pub(crate) fn met_by(system: &System, before: &World, action: &Action, after: &World) -> Bits {
    let crashed = match action {
        Action::Crash { server, keep } => Some(*keep < before.server(*server).unsynced_records()),
        Action::CrashTorn(_) => Some(true),
        _ => None,
    };
    // Renaming may have moved the servers, so one log is sought that no earlier one begins.
    let shorter =
        |new: &[_]| !before.servers.iter().any(|old| new.starts_with(&old.entries) || old.entries.starts_with(new));
    let is_cut = |(old, new): (&Arc<Server>, &Arc<Server>)| !new.entries.starts_with(&old.entries);
    let cut = crashed.is_none()
        && match system.symmetric {
            true => after.servers.iter().any(|server| shorter(&server.entries)),
            false => before.servers.iter().zip(&after.servers).any(is_cut),
        };
    bits(&[(cut, Witness::ConflictCut), (crashed == Some(true), Witness::UnsyncedLost)])
}

/// Messages that servers do not like, or no longer need.
pub(crate) fn met_on_arrival(world: &World, action: &Action) -> Bits {
    let Action::Deliver(letter) = action else { return 0 };
    let node = &world.server(letter.to).node;
    if let Message::VoteRequest { transfer: true, .. } = letter.message {
        return bits(&[(node.is_sticky() && node.term() <= letter.term, Witness::TransferVote)]);
    }
    if letter.term != node.term() {
        return 0;
    }
    let met = match (&letter.message, node.role()) {
        (Message::VoteReply { granted: false }, Role::Candidate { .. }) => Witness::RefusedVote,
        (Message::VoteReply { granted: true }, role) if role.name() != RoleName::Candidate => Witness::LateVote,
        (Message::PreVoteReply { granted: false }, Role::PreCandidate { .. }) => Witness::RefusedPreVote,
        (Message::AppendRefusal { .. }, Role::Leader { .. }) => Witness::RefusedEntries,
        (Message::TimeoutNow, _) if node.leader() != Some(letter.from) => Witness::LateTransfer,
        (Message::Stale, _) => Witness::KnownTerm,
        _ => return 0,
    };
    bits(&[(true, met)])
}

fn has_served(world: &World) -> bool {
    world.reads.ended.is_some_and(|(answer, _)| answer == Answer::Served)
}

pub(crate) fn has_leader(world: &World) -> bool {
    world.servers.iter().any(|server| matches!(server.node.role(), Role::Leader { .. }))
}

/// §5.2: everyone voted in this term, and no candidate can get a majority.
pub(crate) fn is_split(world: &World) -> bool {
    let nodes = || world.servers.iter().map(|server| &server.node);
    let term = world.servers[0].node.term();
    let votes_for = |id| nodes().filter(|node| node.vote() == Some(id)).count();
    nodes().all(|node| node.term() == term && node.vote().is_some())
        && nodes().any(|node| node.role().name() == RoleName::Candidate)
        && world.ids().all(|id| 2 * votes_for(id) <= world.servers.len())
}

impl Model for System {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        self.starts()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        // What follows a broken property is of no interest.
        if world.broken.is_empty() {
            self.offers(world, actions);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        self.after(world, &action)
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
        Some(language::changes(world, &next).join("\n"))
    }
}

impl System {
    /// Everything that may happen next.
    pub(crate) fn offered(&self, world: &World) -> Vec<Action> {
        let mut actions = Vec::new();
        self.offers(world, &mut actions);
        actions
    }

    /// Serves Stateright's Explorer at this address, for ever.
    pub(crate) fn serve(self, address: &str) {
        let _ = self.checker().serve(address);
    }
}
