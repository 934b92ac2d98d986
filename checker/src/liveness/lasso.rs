//! Without randomness an election can fail for ever: when everyone's timeout fires at the same
//! moment, time and again, everyone votes for itself, time and again (§5.2).
//!
//! A lasso is a run that comes back to where it was, but for the terms: so it can go on for ever.
//! In this one every server times out in each lap and every message arrives, and no one ever leads.
//! With timeouts drawn anew it ends with probability one, since from every state on the way a leader
//! is reached (`V1 Recovery`).

use rafttree_model::{Event, Labels, Node, Relabelled, Role, ServerId, Term};

use crate::liveness::schedule::Stage;
use crate::quotient::{Reach, State};
use crate::world::{Ground, PAPER, World};

/// A run that never elects.
#[derive(Debug)]
pub(crate) struct Lasso {
    /// What happens, in words.
    pub(crate) steps: Vec<String>,
    /// Steps before the lap that is repeated for ever.
    pub(crate) lead_in: usize,
    /// How much higher each lap leaves every term.
    pub(crate) terms: u64,
}

/// Laps after which a run that has not come back is given up.
const LAPS: usize = 4;

/// Terms later by so many; 0 is that of no entry.
struct Later(u64);

impl Labels for Later {
    fn term(&self, term: Term) -> Term {
        if term == Term::new(0) { term } else { Term::new(term.number() + self.0) }
    }
}

/// The lasso of a group of the deployed servers in lock-step; `None` if they elect a leader.
pub(crate) fn find(servers: u8) -> Option<Lasso> {
    find_by(PAPER, servers)
}

pub(crate) fn find_by(ground: Ground, servers: u8) -> Option<Lasso> {
    let world = World::new(servers.into());
    let mut stage = Stage::of_world(&world, ground).telling();
    let (mut steps, mut laps) = (Vec::new(), Vec::new());
    for _ in 0..LAPS {
        lap(&mut stage)?;
        steps.extend(stage.take_story());
        let nodes: Vec<Node> = stage.nodes().cloned().collect();
        let came_back = laps.iter().rev().find_map(|(lead_in, before): &(usize, Vec<Node>)| {
            terms_between(before, &nodes).map(|terms| (*lead_in, terms))
        });
        if let Some((lead_in, terms)) = came_back {
            return Some(Lasso { steps, lead_in, terms });
        }
        laps.push((steps.len(), nodes));
    }
    None
}

/// Everyone's timers fire, and then everything that is said arrives: all that is said at one moment
/// before any answer to it. `None` as soon as anyone leads.
fn lap(stage: &mut Stage) -> Option<()> {
    for event in [Event::MinimumTimeout, Event::ElectionTimeout] {
        let ids: Vec<ServerId> = stage.nodes().map(Node::id).collect();
        ids.into_iter().for_each(|id| stage.happen(id, event.clone()));
    }
    loop {
        if stage.nodes().any(|node| matches!(node.role(), Role::Leader { .. })) {
            return None;
        }
        if !stage.deliver_next() {
            return Some(());
        }
    }
}

/// By how many terms these servers are later than those, if that is all that they differ in.
fn terms_between(before: &[Node], after: &[Node]) -> Option<u64> {
    let terms = after.first()?.term().number().checked_sub(before.first()?.term().number())?;
    let same = before.iter().zip(after).all(|(old, new)| old.relabelled(&Later(terms)) == *new);
    let one_state = state_of(before)? == state_of(after)?;
    (0 < terms && same && one_state).then_some(terms)
}

/// The state of the quotient that these servers are in, with nothing under way.
fn state_of(nodes: &[Node]) -> Option<State> {
    let mut world = World::new(nodes.len() as u32);
    for node in nodes {
        let server = world.server_mut(node.id());
        server.disk.durable = node.durable().clone();
        server.node = node.clone();
    }
    let reach = Reach { spread: 0, window: 0, absolute: false, damages: false };
    Some(State::of_world(&world)?.settled(reach).ok()?.canonical())
}
