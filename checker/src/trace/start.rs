//! Where runs of the concrete system begin.

use crate::mutants::catalogue::Mutant;
use crate::system::{Bounds, System};
use crate::trace::scenario::{Played, Scenario};
use crate::world::Ground;

impl Mutant {
    /// The concrete system with this mutant, where the hunt for it starts.
    pub(crate) fn placed(&self, bounds: Bounds) -> System {
        System { watched: self.counted(), ..placed(self.ground, bounds) }
    }
}

/// The concrete system within these bounds, where its runs begin.
pub(crate) fn placed(ground: Ground, bounds: Bounds) -> System {
    let mut system = System::with(ground, bounds);
    if let Some(start) = bounds.start {
        system.start = played(start).last().clone();
        if bounds.forgets {
            system.start.forget();
        }
    }
    system
}

/// The scenario that leads to a starting point, with what comes of it.
pub(crate) fn start_played(name: &str) -> String {
    played(name).notebook()
}

fn played(start: &str) -> Played {
    let scenario = Scenario::parse(start_text(start)).expect("starting points are well-formed");
    scenario.play(&scenario.system()).expect("starting points can be played")
}

fn start_text(name: &str) -> &'static str {
    match name {
        "a_command_is_held" => include_str!("../../starts/a_command_is_held.txt"),
        "a_command_is_held_by_another" => include_str!("../../starts/a_command_is_held_by_another.txt"),
        "a_command_is_lacked" => include_str!("../../starts/a_command_is_lacked.txt"),
        "a_leader_is_replaced" => include_str!("../../starts/a_leader_is_replaced.txt"),
        "a_snapshot_comes_instead" => include_str!("../../starts/a_snapshot_comes_instead.txt"),
        "two_commands_are_lacked" => include_str!("../../starts/two_commands_are_lacked.txt"),
        "stale_acknowledgement" => include_str!("../../starts/stale_acknowledgement.txt"),
        _ => unreachable!("every starting point is listed here"),
    }
}
