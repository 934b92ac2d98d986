//! Shorter runs that break the same: steps are left out, half of them, a quarter, down to single ones, as
//! long as what is left still breaks the property (delta debugging, Zeller and Hildebrandt 2002).
//!
//! Where a step is left out, later ones may be impossible, as their message was never sent or has another
//! term: then the message most like it arrives, or they are left out as well. What is left is a run in which every message that arrives was sent before.

use std::sync::Arc;

use rafttree_model::{Index, Message, Round};

use crate::properties::{Property, PropertySet};
use crate::swarm::run::Run;
use crate::system::{Action, System, network};
use crate::trace::run::{Step, step};
use crate::world::{Letter, World};

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
    let whole = play(&system, &[], actions.iter());
    let mut steps = whole.ok_or_else(|| format!("the same run does not break {} again", property.name()))?;
    let mut size = steps.len().div_ceil(2);
    loop {
        tick(steps.len());
        let before = steps.len();
        steps = with_less(&system, steps, size);
        if size == 1 && steps.len() == before {
            return Ok(Shortened { property, system, steps });
        }
        size = size.min(steps.len()).div_ceil(2);
    }
}

/// The same without so many steps in a row, wherever they can be left out.
fn with_less(system: &System, mut run: Vec<Step>, size: usize) -> Vec<Step> {
    let mut from = run.len();
    while 0 < from {
        from = from.saturating_sub(size);
        let rest = run.iter().skip(from + size).map(|step| &step.action);
        run = play(system, &run[..from], rest).unwrap_or(run);
    }
    run
}

/// What has happened, and then of these actions those that can happen and change something, up to one that
/// breaks something; `None` if none does.
fn play<'a>(system: &System, past: &[Step], future: impl Iterator<Item = &'a Action>) -> Option<Vec<Step>> {
    let mut run = past.to_vec();
    for action in future {
        let world = run.last().map_or(&system.start, |step| &step.world);
        let Some(action) = fitting(world, action) else { continue };
        let Some(next) = step(system, world, &action).filter(|next| next.sent && next.world != *world) else {
            continue;
        };
        let is_broken = !next.world.broken.is_empty();
        run.push(next);
        if is_broken {
            return Some(run);
        }
    }
    None
}

/// The action itself where it can happen; where its message was never sent, or less waits for the disk or stands
/// in the log, what is most like it.
fn fitting(world: &World, action: &Action) -> Option<Action> {
    Some(match action {
        Action::Deliver(letter) if network::is_sent(world, letter) => action.clone(),
        Action::Deliver(letter) => Action::Deliver(like(world, letter)?),
        Action::Crash { server, keep } => {
            Action::Crash { server: *server, keep: (*keep).min(world.server(*server).unsynced_records()) }
        }
        Action::Snapshot { server, through } => {
            Action::Snapshot { server: *server, through: (*through).min(world.server(*server).node.log().last().index) }
        }
        _ => action.clone(),
    })
}

/// The latest message of this kind between the two that was sent.
fn like(world: &World, letter: &Letter) -> Option<Arc<Letter>> {
    if let Message::AppendRequest { entries, commit, .. } = &letter.message {
        let leadership = world.leaderships.iter().rfind(|it| it.leader == letter.from)?;
        let last = leadership.entries.len().min(entries.last().index.number() as usize);
        let first = last.min(entries.previous().index.number() as usize);
        let commit = leadership.commit.min(*commit).min(Index::new(last as u64));
        return Some(Arc::new(network::part(leadership, letter.to, first..last, commit)));
    }
    let is_alike = |other: &&Arc<Letter>| {
        (other.from, other.to) == (letter.from, letter.to) && says_the_same(&other.message, &letter.message)
    };
    world.network.iter().filter(is_alike).max_by_key(|other| other.term).cloned()
}

fn says_the_same<E>(one: &Message<E>, other: &Message<E>) -> bool {
    match (one, other) {
        (Message::VoteReply { granted: one }, Message::VoteReply { granted: other })
        | (Message::PreVoteReply { granted: one }, Message::PreVoteReply { granted: other }) => one == other,
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
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
