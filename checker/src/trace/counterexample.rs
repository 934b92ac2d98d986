//! Counterexamples: each is told in the plain system, where nothing is left out, before it is shown,
//! and can be kept as a file.

use std::path::Path;

use crate::console::Usage;
use crate::mutants::catalogue::Exhibit;
use crate::scope::Part;
use crate::system::{Action, System, plain, wide};
use crate::trace::scenario::Played;
use crate::trace::start;
use crate::verdict::{self, Outcome, Verdict, replay};

/// What a broken property is shown by, in words.
pub(crate) struct Counterexample {
    story: String,
    /// Whether it is a run of the plain system, and not what happens once faults have stopped.
    replays: bool,
}

impl Counterexample {
    /// What the search found. Of one that does not replay the outcome says why there is none.
    pub(crate) fn of(exhibit: Option<&Exhibit>, part: Part, outcome: &mut Outcome) -> Option<Counterexample> {
        let (Verdict::Violated, Ok(actions)) = (&outcome.verdict, outcome.counterexample.clone()) else { return None };
        if let Some(lines) = &outcome.story {
            return Some(Counterexample { story: lines.join("\n"), replays: false });
        }
        let mut system = told_in(exhibit, part);
        // Of a mistake only the property that is hunted counts, where no other is named.
        system.watched.extend(outcome.broken);
        let must_break = outcome.panic.is_none();
        match outcome.telling(|| replayed(system, &actions, must_break)) {
            Ok(story) => Some(Counterexample { story, replays: true }),
            Err(why) => {
                outcome.counterexample = Err(why);
                None
            }
        }
    }

    /// What happens, step by step.
    pub(crate) fn story(&self) -> &str {
        &self.story
    }

    /// A file of it: runs are scenarios, which `replay` and `explore --from` take.
    pub(crate) fn file(&self, exhibit: Option<&Exhibit>, part: Part, outcome: &Outcome) -> String {
        let (broken, words, servers) = (verdict::names(outcome.broken).join(", "), part.words(), part.servers());
        let title = format!("# breaks {broken}\n# found within: {words}\n");
        let ablation = exhibit.map_or(String::new(), |exhibit| format!("ablate {}\n", exhibit.name));
        let Counterexample { story, replays } = self;
        if *replays {
            let start = exhibit.and_then(|exhibit| exhibit.start);
            let start = start.map_or(String::new(), |name| format!("{}\n", start::start_text(name)));
            let actions = outcome.counterexample.iter().flatten();
            let verbs: String = actions.map(|action: &Action| format!("{action}\n")).collect();
            format!("{title}servers {servers}\n{ablation}{start}{verbs}---\n{story}")
        } else {
            format!("{title}# a schedule, which cannot be replayed\n{ablation}---\n{story}\n")
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

/// What happens in a run; one that ends in a panic may break nothing.
fn replayed(system: System, actions: &[Action], must_break: bool) -> Result<String, String> {
    let steps = replay(&system, actions)?;
    if must_break && steps.last().is_none_or(|(_, world)| world.broken.is_empty()) {
        return Err("the same run breaks nothing there".to_owned());
    }
    Ok(Played { steps, start: system.start }.story())
}

/// The plain system, with every server under its own name: for people to follow.
pub(crate) fn told_in(exhibit: Option<&Exhibit>, part: Part) -> System {
    let bounds = match part {
        Part::Quotient(_) | Part::Recovery(_) => wide(part.servers()),
        Part::Plain(bounds) => bounds,
    };
    let system = exhibit.map_or_else(|| plain(bounds), |exhibit| exhibit.placed(bounds));
    System { symmetric: false, ..system }
}
