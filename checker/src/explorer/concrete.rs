//! The concrete system, to be walked through.

use std::sync::Arc;

use crate::concrete::{has_leader, is_split};
use crate::explorer::walked::{Goal, Told, Walked};
use crate::system::{Action, Bounds, System, network};
use crate::trace::language;
use crate::trace::render::Chart;
use crate::trace::run::{Step, step};
use crate::verdict;
use crate::world::World;

impl Walked for System {
    type State = World;
    type Action = Action;
    type Step = Step;

    const GROUPS: &'static [&'static str] =
        &["timeouts", "messages", "disks", "clients and administration", "crashes", "messages that nobody sent here"];

    const ABOUT: &'static str = "";

    fn start(&self) -> World {
        self.start.clone()
    }

    fn steps(&self, world: &World) -> Vec<Step> {
        let mut offers = Vec::new();
        self.offers_of_servers(world, &mut offers);
        self.offers_of_messages(world, &mut offers);
        for letter in network::rumours(world) {
            let delivery = Action::Deliver(Arc::new(letter));
            if !offers.contains(&delivery) {
                offers.push(delivery);
            }
        }
        offers.iter().filter_map(|action| step(self, world, action)).collect()
    }

    /// A step that nobody can have seen is flushed before anything else happens: fewer ways to the same.
    fn tried(&self, world: &World, with_faults: bool) -> Vec<Step> {
        let system = System { bounds: Bounds { interleaved: false, ..self.bounds }, symmetric: false, ..self.clone() };
        let offered = system.offered(world).into_iter().filter(|action| with_faults || !is_fault(action));
        let led = |action: Action| Some(Step { world: system.after(world, &action)?, action, sent: true });
        offered.filter_map(led).collect()
    }

    fn action<'a>(&self, step: &'a Step) -> &'a Action {
        &step.action
    }

    fn state<'a>(&self, step: &'a Step) -> &'a World {
        &step.world
    }

    fn told(&self, before: &World, step: &Step) -> Told {
        Told {
            action: step.action.to_string(),
            group: Self::GROUPS[group(&step.action, step.sent)],
            changes: language::changes(before, &step.world),
            broken: verdict::names(step.world.broken.without(before.broken)),
            sent: step.sent,
        }
    }

    fn is_met(&self, goal: Goal, start: &World, world: &World) -> bool {
        match goal {
            Goal::Leader => has_leader(world),
            Goal::Commit => start.history.committed.len() < world.history.committed.len(),
            Goal::SplitVote => is_split(world),
            Goal::Violation => !world.broken.without(start.broken).is_empty(),
            Goal::Broken(property) => world.broken.contains(property),
        }
    }

    fn chart(&self, title: &str, steps: &[Step]) -> Chart {
        Chart::of(title, &self.start, steps)
    }

    fn whole(&self, world: &World) -> String {
        language::Picture(world).to_string()
    }
}

fn group(action: &Action, sent: bool) -> usize {
    match action {
        Action::ElectionTimeout(_) | Action::HeartbeatTimeout(_) | Action::MinimumTimeout(_) => 0,
        Action::Deliver(_) if sent => 1,
        Action::Deliver(_) => 5,
        Action::Flush(_) | Action::Snapshot { .. } => 2,
        Action::Propose(_) | Action::Read(_) | Action::Apply(_) | Action::Transfer { .. } | Action::StepDown(_) => 3,
        Action::Crash { .. } | Action::Damage { .. } | Action::CrashTorn(_) => 4,
    }
}

/// What is tried only where nothing else leads there.
fn is_fault(action: &Action) -> bool {
    matches!(
        action,
        Action::Crash { .. }
            | Action::CrashTorn(_)
            | Action::Damage { .. }
            | Action::Snapshot { .. }
            | Action::Transfer { .. }
            | Action::StepDown(_)
            | Action::HeartbeatTimeout(_)
    )
}
