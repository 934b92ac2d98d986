//! The bounds ledger: the least bounds at which each mistake is caught. Bounds below them would not
//! have shown it, so they say what a search at some bounds is worth.

use crate::engine::{self, Limits, NOTHING, Outcome, Verdict};
use crate::presets::{Part, Scope};
use crate::properties::PropertySet;
use crate::report::grouped;
use crate::zoo::{Exhibit, exhibits};

const fn elections(servers: u8, spread: u8) -> Scope {
    Scope { servers, spread, window: None }
}

const fn logs(servers: u8, spread: u8, window: u8) -> Scope {
    Scope { servers, spread, window: Some(window) }
}

/// Bounds by rising size of what they span.
const RISING: [Scope; 8] = [
    elections(3, 1),
    elections(3, 2),
    logs(3, 1, 1),
    elections(5, 1),
    logs(3, 2, 1),
    logs(3, 1, 2),
    logs(3, 2, 2),
    logs(5, 1, 1),
];

impl Exhibit {
    /// Searches within these bounds for the one property that should catch the mistake.
    fn hunt_one_property(&self, scope: Scope, limits: &Limits) -> Outcome {
        let mut quotient = scope.quotient(self.ground);
        quotient.watched.keep(PropertySet::from_iter([self.caught_by]));
        quotient.symmetric = !self.names;
        engine::explore(&quotient, "the ledger", limits, NOTHING, &mut |_| {}).expect("nothing is resumed")
    }

    /// The least bounds at which it is caught, and what that took.
    fn least(&self, limits: &Limits) -> Option<(Scope, Outcome)> {
        let hunts = RISING.iter().map(|&scope| (scope, self.hunt_one_property(scope, limits)));
        hunts.into_iter().find(|(_, outcome)| outcome.verdict == Verdict::Violated)
    }
}

/// The README's ledger: each property with the mistakes that it catches, and from which bounds on.
pub(crate) fn report(limits: &Limits) -> u8 {
    say!("| property | mistake | caught from | states | steps |\n| --- | --- | --- | --- | --- |");
    let mut missed = 0;
    let mut all = exhibits();
    all.sort_by_key(|exhibit| exhibit.caught_by);
    for exhibit in all.iter().filter(|exhibit| matches!(exhibit.part, Part::Quotient(_))) {
        let (property, name) = (exhibit.caught_by.name(), exhibit.name);
        match exhibit.least(limits) {
            Some((scope, outcome)) => {
                let (within, states, steps) = (Part::Quotient(scope).short(), grouped(outcome.states), outcome.steps);
                say!("| {property} | `{name}` | {within} | {states} | {steps} |");
            }
            None => {
                missed = 1;
                say!("| {property} | `{name}` | NOT CAUGHT | | |");
            }
        }
    }
    missed
}
