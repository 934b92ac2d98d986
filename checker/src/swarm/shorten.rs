//! What a run breaks, made short: with as few steps and servers as will do, and easy to follow.

use std::sync::Arc;

use rafttree_model::{Message, Round};

use crate::properties::{Property, PropertySet};
use crate::swarm::run::Run;
use crate::system::{Action, System};
use crate::trace::run::{Step, play};
use crate::trace::shorten::Shortener;
use crate::world::World;

/// A run that breaks one property, of which no step can be left out.
pub(crate) struct Shortened {
    pub(crate) property: Property,
    /// Where it plays: the concrete system, in which nothing but this property is judged.
    pub(crate) system: System,
    pub(crate) steps: Vec<Step>,
}

/// The run made shorter; an error if it does not break there what it broke. Whoever is told hears how many steps
/// there are still.
pub(crate) fn shortened(system: &System, run: &Run, tick: &dyn Fn(usize)) -> Result<Shortened, String> {
    let property = run.broken.iter().next().ok_or("the run breaks nothing")?;
    let mut system = System { watched: PropertySet::from_iter([property]), ..system.clone() };
    system.ground.watch = None;
    let keeps_rounds = system.ground.keeps_rounds || system.follows_reads();
    let actions = run.path.iter().map(|action| if keeps_rounds { action.clone() } else { without_round(action) });
    let actions: Vec<_> = actions.collect();
    let (steps, ends) = (play(&system, &actions), |world: &World| !world.broken.is_empty());
    let wrong = || format!("the same run does not break {} again", property.name());
    let steps = steps.ok().filter(|steps| steps.last().is_some_and(|step| ends(&step.world))).ok_or_else(wrong)?;
    let shortener = Shortener { system: &system, ends: &ends, tick };
    let (system, steps) = shortener.with_fewer_servers(shortener.without_chunks(shortener.without_groups(steps)));
    let steps = Shortener { system: &system, ..shortener }.eased(steps);
    Ok(Shortened { property, system, steps })
}

/// The same where rounds are not kept apart: no message names one.
fn without_round(action: &Action) -> Action {
    let Action::Deliver(letter) = action else { return action.clone() };
    let mut letter = (**letter).clone();
    match &mut letter.message {
        Message::AppendRequest { round, .. }
        | Message::AppendReply { round, .. }
        | Message::RepairRequest { round, .. }
        | Message::AppendRefusal { round, .. }
        | Message::InstallSnapshot { round, .. } => *round = Round::ZERO,
        _ => {}
    }
    Action::Deliver(Arc::new(letter))
}
