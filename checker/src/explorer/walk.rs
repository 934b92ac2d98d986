//! A walk through the concrete system: what has happened, and what can happen next.
//!
//! A place is named by the numbers of the actions that led to it, each among those that were possible
//! where it was taken: so a link to it says everything.

use std::sync::Arc;

use serde::Serialize;

use crate::system::{Action, System, network};
use crate::trace::language;
use crate::trace::render::Chart;
use crate::trace::run::{Step, step};
use crate::verdict;
use crate::world::World;

/// Where walks begin, and what they may follow.
pub(crate) struct Walk {
    pub(crate) title: String,
    pub(crate) system: System,
    /// The actions of a trace, to be followed.
    pub(crate) trace: Vec<Action>,
}

/// A place in a walk.
pub(crate) struct Place {
    pub(crate) path: Vec<usize>,
    pub(crate) steps: Vec<Step>,
}

/// Something that can happen next.
#[derive(Serialize)]
pub(crate) struct Choice {
    /// Its number among all that can happen, from 0.
    pub(crate) number: usize,
    pub(crate) action: String,
    pub(crate) group: &'static str,
    /// What it changes, in words; nothing, if it changes nothing.
    pub(crate) changes: Vec<String>,
    /// The properties that it would break.
    pub(crate) broken: Vec<&'static str>,
    /// Whether what arrives was sent before.
    pub(crate) sent: bool,
}

/// The kinds of choices, in the order in which they are shown.
pub(crate) const GROUPS: [&str; 6] =
    ["timeouts", "messages", "disks", "clients and administration", "crashes", "messages that nobody sent here"];

impl Walk {
    /// Everything that can happen, in an order that depends on the state alone.
    fn offers(&self, world: &World) -> Vec<Action> {
        let mut offers = Vec::new();
        self.system.offers_of_servers(world, &mut offers);
        self.system.offers_of_messages(world, &mut offers);
        for letter in network::rumours(world) {
            let delivery = Action::Deliver(Arc::new(letter));
            if !offers.contains(&delivery) {
                offers.push(delivery);
            }
        }
        offers
    }

    /// The place to which these numbers lead.
    pub(crate) fn place(&self, path: &[usize]) -> Result<Place, String> {
        let mut place = Place { path: Vec::new(), steps: Vec::new() };
        for &number in path {
            let offers = self.offers(self.world(&place));
            let Some(action) = offers.get(number) else {
                return Err(format!(
                    "step {} is number {number}, and {} actions are possible there",
                    place.path.len() + 1,
                    offers.len()
                ));
            };
            self.go(&mut place, number, action)?;
        }
        Ok(place)
    }

    fn go(&self, place: &mut Place, number: usize, action: &Action) -> Result<(), String> {
        let next = step(&self.system, self.world(place), action).ok_or(format!("'{action}' cannot happen there"))?;
        place.path.push(number);
        place.steps.push(next);
        Ok(())
    }

    /// The place after these actions from here on.
    pub(crate) fn after(&self, from: &Place, actions: &[Action]) -> Result<Place, String> {
        let mut place = Place { path: from.path.clone(), steps: from.steps.clone() };
        for action in actions {
            let offers = self.offers(self.world(&place));
            let number = offers.iter().position(|other| other == action);
            self.go(&mut place, number.ok_or(format!("'{action}' cannot happen there"))?, action)?;
        }
        Ok(place)
    }

    pub(crate) fn world<'a>(&'a self, place: &'a Place) -> &'a World {
        place.steps.last().map_or(&self.system.start, |step| &step.world)
    }

    /// What can happen next.
    pub(crate) fn choices(&self, place: &Place) -> Vec<Choice> {
        let world = self.world(place);
        let offers = self.offers(world).into_iter().enumerate();
        let choice = |(number, action): (usize, Action)| {
            let next = step(&self.system, world, &action)?;
            let sent = next.sent;
            Some(Choice {
                number,
                group: group(&action, sent),
                action: action.to_string(),
                changes: language::changes(world, &next.world),
                broken: verdict::names(next.world.broken.without(world.broken)),
                sent,
            })
        };
        offers.filter_map(choice).collect()
    }

    /// What the trace does next, where a place is on its way.
    pub(crate) fn next_of_trace(&self, place: &Place) -> Option<&[Action]> {
        let done = place.steps.len();
        let is_on_it = place.steps.iter().map(|step| &step.action).eq(self.trace.iter().take(done));
        (is_on_it && done < self.trace.len()).then(|| &self.trace[done..])
    }

    pub(crate) fn chart(&self, place: &Place) -> Chart {
        Chart::of(&self.title, &self.system.start, &place.steps)
    }
}

fn group(action: &Action, sent: bool) -> &'static str {
    let at = match action {
        Action::ElectionTimeout(_) | Action::HeartbeatTimeout(_) | Action::MinimumTimeout(_) => 0,
        Action::Deliver(_) if sent => 1,
        Action::Deliver(_) => 5,
        Action::Flush(_) | Action::Snapshot { .. } => 2,
        Action::Propose(_) | Action::Read(_) | Action::Apply(_) | Action::Transfer { .. } | Action::StepDown(_) => 3,
        Action::Crash { .. } | Action::Damage { .. } | Action::CrashTorn(_) => 4,
    };
    GROUPS[at]
}
