//! The minimal bounds at which each mutant is caught. Bounds below them would not have shown it, so they
//! say what a search at some bounds is worth.

use crate::console::grouped;
use crate::mutants::catalogue::{Mutant, mutants};
use crate::scope::{Part, Scope};
use crate::verdict::{Limits, Outcome, Verdict};

const fn elections(servers: u8, spread: u8) -> Scope {
    Scope::elections(servers, spread)
}

const fn logs(servers: u8, spread: u8, window: u8) -> Scope {
    Scope::logs(servers, spread, window)
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

impl Mutant {
    /// The least bounds at which it is caught, and what that took.
    fn least(&self, limits: &Limits) -> Option<(Scope, Outcome)> {
        let hunt = |scope| self.hunt(Part::Quotient(scope), limits).expect("nothing is resumed");
        let hunts = RISING.iter().map(|&scope| (scope, hunt(scope)));
        hunts.into_iter().find(|(_, outcome)| outcome.verdict == Verdict::Violated)
    }
}

/// The minimal bounds: each property with the mutants that it catches, and from which bounds on.
pub(crate) fn report(limits: &Limits) -> u8 {
    say!("| property | mutant | caught from | states | steps |\n| --- | --- | --- | --- | --- |");
    let mut missed = 0;
    let mut all = mutants();
    all.sort_by_key(|mutant| mutant.caught_by);
    for mutant in all.iter().filter(|mutant| matches!(mutant.part, Part::Quotient(_))) {
        let (property, name) = (mutant.caught_by.name(), mutant.name);
        match mutant.least(limits) {
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
