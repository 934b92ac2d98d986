//! The quotient, to be walked through: what the exhaustive search explores.
//!
//! Servers keep their names here, so that one can be followed; the search takes states that differ in names alone for one.

use crate::checks;
use crate::explorer::walked::{Goal, Told, Walked};
use crate::properties::PropertySet;
use crate::quotient::{Move, Quotient, State};
use crate::system::System;
use crate::trace::counterexample::in_full;
use crate::trace::language;
use crate::trace::render::{Chart, chart};
use crate::trace::run;
use crate::verdict;
use crate::world::World;

/// A quotient in which servers keep their names.
pub(crate) struct NamedQuotient(Quotient);

/// A state, and what was broken on the way to it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Here {
    state: State,
    broken: PropertySet,
}

/// A move that was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    step: Move,
    next: Here,
}

impl NamedQuotient {
    pub(crate) fn of(quotient: &Quotient) -> NamedQuotient {
        NamedQuotient(Quotient { symmetric: false, ..quotient.clone() })
    }

    /// A run of the search, with servers that keep their names.
    pub(crate) fn named(&self, searched: &Quotient, run: &[Move]) -> Result<Vec<Move>, String> {
        let (mut here, mut there, mut named) = (self.start(), searched.start(), Vec::new());
        for step in run {
            let (target, broken) = searched.led_to(&there, *step)?;
            let form = |state: State| if searched.symmetric { state.canonical() } else { state };
            let is_it = |made: &Made| form(made.next.state) == form(target);
            let made = self.steps(&here).into_iter().find(|made| is_it(made) && (broken == 0 || made.is_bad(&here)));
            let made = made.ok_or_else(|| format!("{step} cannot be made under names that stay"))?;
            named.push(made.step);
            (here, there) = (made.next, target);
        }
        Ok(named)
    }

    fn world(&self, here: &Here) -> World {
        World { broken: here.broken, ..here.state.world(self.0.members) }
    }
}

impl Made {
    /// Whether it breaks something.
    fn is_bad(&self, before: &Here) -> bool {
        !self.next.broken.without(before.broken).is_empty()
    }
}

impl Walked for NamedQuotient {
    type State = Here;
    type Action = Move;
    type Step = Made;

    const GROUPS: &'static [&'static str] =
        &["elections", "logs", "timeouts", "disks", "clients and administration", "leases", "crashes"];

    const ABOUT: &'static str = "States of the quotient, which the search exhausts. Terms count from the lowest that a \
        server is in, entries from the last that all servers know to be committed, so both may fall in a step. What can be \
        heard again at any time counts as said, and what nobody can react to any more is forgotten.";

    fn start(&self) -> Here {
        Here { state: self.0.start(), broken: PropertySet::default() }
    }

    fn steps(&self, here: &Here) -> Vec<Made> {
        let mut made = Vec::new();
        self.0.moves(&mut self.0.new_worker(), &here.state, &mut |step, state, broken, _| {
            let mut judged = checks::broken_in(&state.world(self.0.members));
            judged.keep(self.0.watched);
            made.push(Made { step, next: Here { state, broken: here.broken.and(broken).and(judged) } });
        });
        made
    }

    fn tried(&self, here: &Here, with_faults: bool) -> Vec<Made> {
        let mut steps = self.steps(here);
        steps.retain(|made| with_faults || made.step.group() != Self::GROUPS.len() - 1);
        steps
    }

    fn action<'a>(&self, made: &'a Made) -> &'a Move {
        &made.step
    }

    fn state<'a>(&self, made: &'a Made) -> &'a Here {
        &made.next
    }

    fn told(&self, before: &Here, made: &Made) -> Told {
        let mut changes = language::changes(&self.world(before), &self.world(&made.next));
        if changes.is_empty() {
            // All that it changes is what counts as said.
            changes.push("what may be heard changes".to_owned());
        }
        Told {
            action: made.step.to_string(),
            group: Self::GROUPS[made.step.group()],
            changes,
            broken: verdict::names(made.next.broken.without(before.broken)),
            sent: true,
        }
    }

    fn is_met(&self, goal: Goal, start: &Here, here: &Here) -> bool {
        match goal {
            Goal::Leader => here.state.has_leader(),
            Goal::Commit => start.state.committed.len < here.state.committed.len,
            Goal::SplitVote => here.state.is_split(),
            Goal::Violation => !here.broken.without(start.broken).is_empty(),
            Goal::Broken(property) => here.broken.contains(property),
        }
    }

    fn chart(&self, title: &str, steps: &[Made]) -> Chart {
        let (start, worlds) = (self.world(&self.start()), steps.iter().map(|made| self.world(&made.next)));
        let worlds: Vec<World> = worlds.collect();
        let told = steps.iter().zip(&worlds).map(|(made, world)| chart::Told {
            action: made.step.to_string(),
            server: made.step.server.into(),
            world,
            sent: true,
        });
        Chart::in_words(title, &start, told)
    }

    fn concrete(&self, title: &str, steps: &[Made]) -> Option<Result<Chart, String>> {
        let path: Vec<Move> = steps.iter().map(|made| made.step).collect();
        let watched = steps.last().map(|made| made.next.broken).unwrap_or_default();
        let told = if !watched.is_empty() {
            let bounds = run::concrete(self.0.members.ids().len() as u32);
            let system = System { symmetric: false, watched, ..System::with(self.0.ground, bounds) };
            let told = self.0.concretised(&path, true).and_then(|actions| in_full(&system, &actions, true));
            told.map(|steps| (system, steps))
        } else {
            self.0.concrete_run(&path).map(|(system, steps, _)| (system, steps))
        };
        Some(told.map(|(system, steps)| Chart::of(title, &system.start, &steps)))
    }

    fn whole(&self, here: &Here) -> String {
        language::Picture(&self.world(here)).to_string()
    }
}
