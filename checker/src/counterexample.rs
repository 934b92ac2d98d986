//! Counterexamples: each is told in the plain system, where nothing is left out, before it is shown,
//! and can be kept as a file.

use std::path::Path;

use crate::engine::{self, Outcome, Verdict, replay};
use crate::options::Usage;
use crate::presets::{self, Part};
use crate::scenario::{Played, wide};
use crate::system::{Action, System};
use crate::zoo::{self, Exhibit};

/// What a broken property is shown by.
pub(crate) enum Counterexample {
    /// A run of the plain system.
    Run(Played),
    /// What happens once faults have stopped, in lines.
    Schedule(Vec<String>),
}

impl Counterexample {
    /// What the search found. One that does not replay is an error of the search.
    pub(crate) fn of(exhibit: Option<&Exhibit>, part: Part, outcome: &Outcome) -> Option<Counterexample> {
        let (Verdict::Violated, Ok(actions)) = (&outcome.verdict, &outcome.counterexample) else { return None };
        if let Some(story) = &outcome.story {
            return Some(Counterexample::Schedule(story.clone()));
        }
        let system = told_in(exhibit, part);
        let steps = replay(&system, actions).expect("a counterexample replays");
        let end = steps.last().map(|(_, world)| world.broken).unwrap_or_default();
        assert!(!end.is_empty(), "a counterexample ends in a broken property");
        Some(Counterexample::Run(Played { steps, start: system.start }))
    }

    /// What happens, step by step.
    pub(crate) fn story(&self) -> String {
        match self {
            Counterexample::Run(played) => played.story(),
            Counterexample::Schedule(lines) => lines.join("\n"),
        }
    }

    /// A file of it: runs are scenarios, which `replay` and `explore --from` take.
    pub(crate) fn file(&self, exhibit: Option<&Exhibit>, part: Part, outcome: &Outcome) -> String {
        let (broken, words, servers) = (engine::names(outcome.broken).join(", "), part.words(), part.servers());
        let title = format!("# breaks {broken}\n# found within: {words}\n");
        let ablation = exhibit.map_or(String::new(), |exhibit| format!("ablate {}\n", exhibit.name));
        match self {
            Counterexample::Run(played) => {
                let start = exhibit.and_then(|exhibit| exhibit.start);
                let start = start.map_or(String::new(), |name| format!("{}\n", zoo::start_text(name)));
                let actions = outcome.counterexample.iter().flatten();
                let verbs: String = actions.map(|action: &Action| format!("{action}\n")).collect();
                format!("{title}servers {servers}\n{ablation}{start}{verbs}---\n{}", played.story())
            }
            Counterexample::Schedule(lines) => {
                format!("{title}# a schedule, which cannot be replayed\n{ablation}---\n{}\n", lines.join("\n"))
            }
        }
    }

    /// Writes that file.
    pub(crate) fn save(
        &self,
        path: &Path,
        exhibit: Option<&Exhibit>,
        part: Part,
        outcome: &Outcome,
    ) -> Result<(), Usage> {
        std::fs::write(path, self.file(exhibit, part, outcome))
            .map_err(|why| Usage(format!("cannot write {}: {why}", path.display())))
    }
}

/// The plain system, with every server under its own name: for people to follow.
pub(crate) fn told_in(exhibit: Option<&Exhibit>, part: Part) -> System {
    let bounds = match part {
        Part::Quotient(_) | Part::Recovery(_) => wide(part.servers()),
        Part::Plain(bounds) => bounds,
    };
    let system = exhibit.map_or_else(|| presets::plain(bounds), |exhibit| exhibit.placed(bounds));
    System { symmetric: false, ..system }
}
