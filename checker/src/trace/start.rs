//! Where the hunt for a mutant starts.

use crate::mutants::catalogue::Mutant;
use crate::system::{Bounds, System};
use crate::trace::scenario::{Played, Scenario};

impl Mutant {
    /// The concrete system with this mutant, where the hunt for it starts.
    pub(crate) fn placed(&self, bounds: Bounds) -> System {
        let mut system = System::with(self.ground, bounds);
        system.watched = self.counted();
        if let Some(start) = self.start {
            system.start = played(start).last().clone();
            if bounds.forgets {
                system.start.forget();
            }
        }
        system
    }
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
        "stale_acknowledgement" => include_str!("../../starts/stale_acknowledgement.txt"),
        _ => unreachable!("every starting point is listed here"),
    }
}
