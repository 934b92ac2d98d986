//! Runs: what happens one after the other, and whether each message that arrives was sent before.

use crate::system::network;
use crate::system::{Action, Bounds, System, wide};
use crate::world::World;

/// One step of a run.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) action: Action,
    /// Where it led to.
    pub(crate) world: World,
    /// Whether the message that arrives was sent before; true of everything else.
    pub(crate) sent: bool,
}

/// The concrete system of traces: everything that was sent stays, and nothing else arrives.
pub(crate) fn concrete(servers: u32) -> Bounds {
    Bounds { rumours: false, ..wide(servers) }
}

/// Whether an action may happen, and then whether what arrives by it was sent; if it was not, it is
/// one of the over-approximated messages.
pub(crate) fn may_happen(system: &System, world: &World, action: &Action) -> Option<bool> {
    let Action::Deliver(letter) = action else {
        let mut offered = Vec::new();
        system.offers_of_servers(world, &mut offered);
        return offered.contains(action).then_some(true);
    };
    let sent = network::is_sent(world, letter);
    (sent || network::rumours(world).any(|rumour| rumour == **letter)).then_some(sent)
}

/// A step; `None` if the action cannot happen. One that changes nothing is a step as well.
pub(crate) fn step(system: &System, world: &World, action: &Action) -> Option<Step> {
    let sent = may_happen(system, world, action)?;
    let world = system.after(world, action).unwrap_or_else(|| world.clone());
    Some(Step { action: action.clone(), world, sent })
}

/// A run, step by step; an error names the action that cannot happen.
pub(crate) fn play(system: &System, actions: &[Action]) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::with_capacity(actions.len());
    for action in actions {
        let world = steps.last().map_or(&system.start, |step| &step.world);
        let next = step(system, world, action).ok_or_else(|| format!("'{action}' cannot happen there"))?;
        steps.push(next);
    }
    Ok(steps)
}
