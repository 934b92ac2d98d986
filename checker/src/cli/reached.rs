//! Whether a mutant that breaks the induction is also reached by a run: what the search finds of it.

use std::time::Duration;

use crate::inductive::mutants::Wrong;
use crate::mutants::catalogue::{self, Mutant};
use crate::properties::{Property, PropertySet};
use crate::scope::{Part, Scope};
use crate::system::{Action, System};
use crate::trace::counterexample::{Counterexample, in_full};
use crate::trace::language;
use crate::trace::run::concrete;
use crate::verdict::{self, Limits, NOTHING, Outcome, Verdict};
use crate::world::{Ground, PAPER};

/// Bounds within which a run is sought, the narrowest first, and how long in each.
const WITHIN: [Scope; 3] = [Scope::elections(3, 1), Scope::logs(3, 1, 1), Scope::logs(3, 1, 2)];
const TIME: Duration = Duration::from_secs(10);

/// A run from the start that goes wrong with the same code, line by line; or that none was found.
pub(crate) fn told(wrong: Option<Wrong>, limits: &Limits) -> Vec<String> {
    let ground = wrong.map_or(PAPER, |wrong| Ground { mutant: wrong.name, step_by: wrong.code.step_by, ..PAPER });
    let limits = Limits { time: Some(TIME), checkpoint: None, resume: None, ..limits.clone() };
    if let Some(lines) = wrong.and_then(|wrong| catalogue::find(wrong.name)).and_then(|it| hunted(&it, &limits)) {
        return lines;
    }
    // What people fear comes first; what leads to it otherwise.
    for watched in [FEARED.into_iter().collect(), PropertySet::of_states()] {
        if let Some(lines) = WITHIN.into_iter().find_map(|scope| sought(scope, watched, ground, &limits)) {
            return lines;
        }
    }
    let (within, time) = (Part::Quotient(WITHIN[2]).words(), TIME.as_secs());
    vec![
        String::new(),
        format!("the search has found no run of this code that goes wrong, in {time} s, within: {within}"),
    ]
}

/// A mutant of the catalogue is known to be caught, and where.
fn hunted(mutant: &Mutant, limits: &Limits) -> Option<Vec<String>> {
    let mut outcome = mutant.hunt(mutant.part, limits).ok()?;
    let found = Counterexample::of(Some(mutant), mutant.part, &mut outcome)?;
    let lines = found.story().lines().map(str::to_owned).collect();
    Some([title(&outcome, &mutant.part.words()), lines].concat())
}

fn title(outcome: &Outcome, within: &str) -> Vec<String> {
    let broken = verdict::names(outcome.broken).join(", ");
    let title = format!("the search reaches it: a run of this code breaks {broken}; found within: {within}");
    vec![String::new(), title, String::new()]
}

/// The safety properties of Figure 3, and a panic.
const FEARED: [Property; 7] = [
    Property::ElectionSafety,
    Property::LeaderAppendOnly,
    Property::LogMatching,
    Property::LeaderCompleteness,
    Property::StateMachineSafety,
    Property::CommitImmutable,
    Property::Totality,
];

fn sought(scope: Scope, watched: PropertySet, ground: Ground, limits: &Limits) -> Option<Vec<String>> {
    let mut quotient = scope.quotient(ground);
    quotient.watched.keep(watched);
    let outcome = verdict::explore(&quotient, limits, NOTHING, &mut |_| {}).ok()?;
    if outcome.verdict != Verdict::Violated {
        return None;
    }
    Some([title(&outcome, &Part::Quotient(scope).words()), run(&outcome, ground)].concat())
}

fn run(outcome: &Outcome, ground: Ground) -> Vec<String> {
    if let Some(story) = &outcome.story {
        return story.clone();
    }
    match outcome.counterexample.as_ref() {
        Ok(actions) => replayed(actions, ground, outcome.broken).unwrap_or_else(|why| vec![why]),
        Err(why) => vec![format!("there is no run to show: {why}")],
    }
}

fn replayed(actions: &[Action], ground: Ground, broken: PropertySet) -> Result<Vec<String>, String> {
    let system = System { symmetric: false, watched: broken, ..System::with(ground, concrete(3)) };
    let steps = in_full(&system, actions, true)?;
    Ok(language::story(&system.start, &steps).lines().map(str::to_owned).collect())
}
