//! Counterexamples: each is played in the concrete system, where nothing is left out and what arrives
//! was sent, before it is shown, and can be kept as a file.

use std::path::Path;

use crate::console::Usage;
use crate::mutants::catalogue::Mutant;
use crate::properties::{Property, PropertySet};
use crate::scope::Part;
use crate::system::{Action, Bounds, System};
use crate::trace::concretise::concretise;
use crate::trace::language;
use crate::trace::run::{self, Step};
use crate::trace::shorten::Shortener;
use crate::trace::start;
use crate::verdict::{self, Outcome, Verdict};
use crate::world::{PAPER, World};

/// What a broken property is shown by, in words.
pub(crate) struct Counterexample {
    story: String,
    /// Whether it is a run of the concrete system, and not what happens once faults have stopped.
    replays: bool,
}

impl Counterexample {
    /// What the search found. Of one that does not replay the outcome says why there is none.
    pub(crate) fn of(mutant: Option<&Mutant>, part: Part, outcome: &mut Outcome) -> Option<Counterexample> {
        let (Verdict::Violated, Ok(actions)) = (&outcome.verdict, outcome.counterexample.clone()) else { return None };
        if let Some(lines) = &outcome.story {
            return Some(Counterexample { story: lines.join("\n"), replays: false });
        }
        let system = System { watched: outcome.broken, ..concrete_in(mutant, part) };
        let must_break = outcome.panic.is_none();
        match outcome.telling(|| in_full(&system, &actions, must_break)) {
            Ok(steps) => {
                outcome.counterexample = Ok(steps.iter().map(|step| step.action.clone()).collect());
                Some(Counterexample { story: language::story(&system.start, &steps), replays: true })
            }
            Err(why) => {
                outcome.counterexample = Err(why);
                None
            }
        }
    }

    /// A run that was played already.
    pub(crate) fn of_run(system: &System, steps: &[Step]) -> Counterexample {
        Counterexample { story: language::story(&system.start, steps), replays: true }
    }

    /// What happens, step by step.
    pub(crate) fn story(&self) -> &str {
        &self.story
    }

    /// A file of it: runs are scenarios, which `replay` and `explore --from` take.
    pub(crate) fn file(&self, mutant: Option<&Mutant>, part: Part, broken: PropertySet) -> String {
        let (names, words, servers) = (verdict::names(broken).join(", "), part.words(), part.servers());
        let title = format!("# breaks {names}\n# found within: {words}\n");
        let named = mutant.map_or(String::new(), |mutant| format!("mutant {}\n", mutant.name));
        let Counterexample { story, replays } = self;
        let ids: Vec<_> = broken.iter().map(Property::id).collect();
        let start = part.start().map_or(String::new(), start::start_played);
        let title = format!("{title}servers {servers}\n{named}property {}\n{start}", ids.join(" "));
        if *replays {
            return format!("{title}{story}");
        }
        // The run up to where faults stop can be replayed, and what happens then cannot.
        let (run, schedule) = match story.strip_prefix('\n') {
            None if broken.meets(PropertySet::of_liveness()) => story.split_once("\n\n").unwrap_or(("", story)),
            other => ("", other.unwrap_or(story)),
        };
        let end = if run.is_empty() { "" } else { "\n" };
        format!("{title}{run}{end}---\n{schedule}\n")
    }

    /// Writes that file.
    pub(crate) fn save(
        &self,
        path: &Path,
        mutant: Option<&Mutant>,
        part: Part,
        broken: PropertySet,
    ) -> Result<(), Usage> {
        std::fs::write(path, self.file(mutant, part, broken))
            .map_err(|why| Usage(format!("cannot write {}: {why}", path.display())))
    }
}

/// The run with every message sent before it arrives, as far as that can be, made easier to follow; one that
/// ends in a panic may break nothing.
pub(crate) fn in_full(system: &System, actions: &[Action], must_break: bool) -> Result<Vec<Step>, String> {
    let ends = |world: &World| !world.broken.is_empty();
    match concretise(system, actions, &ends) {
        Ok(run) => Ok(Shortener { system, ends: &ends, tick: &|_| {} }.eased(run)),
        Err(_) if !must_break => run::play(system, actions),
        Err(why) => Err(why),
    }
}

/// The concrete system, with every server under its own name: for people to follow.
fn concrete_in(mutant: Option<&Mutant>, part: Part) -> System {
    placed_in(mutant, Bounds { start: part.start(), ..run::concrete(part.servers()) })
}

fn placed_in(mutant: Option<&Mutant>, bounds: Bounds) -> System {
    let system = mutant.map_or_else(|| start::placed(PAPER, bounds), |mutant| mutant.placed(bounds));
    System { symmetric: false, ..system }
}

/// The system of the explorer: concrete, and with what a preset of the concrete system has besides.
pub(crate) fn walked_in(mutant: Option<&Mutant>, part: Part) -> System {
    let bounds = match part {
        Part::Concrete(bounds) => Bounds { forgets: false, rumours: false, interleaved: true, ..bounds },
        Part::Quotient(_) | Part::Recovery(_) | Part::Lease(_) => run::concrete(part.servers()),
    };
    placed_in(mutant, bounds)
}

/// The same for Stateright's Explorer: whatever may happen is offered, sent or not.
pub(crate) fn offered_in(mutant: Option<&Mutant>, part: Part) -> System {
    let bounds = match part {
        Part::Quotient(_) | Part::Recovery(_) | Part::Lease(_) => crate::system::wide(part.servers()),
        Part::Concrete(bounds) => bounds,
    };
    placed_in(mutant, bounds)
}
