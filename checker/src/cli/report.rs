//! What a person or a program reads of a search.

use serde_json::{Value, json};

use crate::console::{grouped, seconds, wrap};
use crate::properties::{Property, PropertySet};
use crate::scope::Part;
use crate::search::Held;
use crate::system::Action;
use crate::verdict::{CODE, Kind, Met, Outcome, Verdict, names};

impl Verdict {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Verdict::Complete => "COMPLETE",
            Verdict::Violated => "VIOLATED",
            Verdict::Incomplete(_) => "INCOMPLETE",
            Verdict::Vacuous(_) => "VACUOUS",
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Verdict::Complete => 0,
            Verdict::Violated => 1,
            Verdict::Incomplete(_) => 3,
            Verdict::Vacuous(_) => 4,
        }
    }

    /// What the word means this time.
    pub(crate) fn reasons(&self) -> Vec<String> {
        match self {
            Verdict::Complete => vec!["every state within the bounds was visited, and every property held".into()],
            Verdict::Violated => vec!["a property does not hold".into()],
            Verdict::Incomplete(why) => vec![format!("{why}; nothing is known of the states that were not reached")],
            Verdict::Vacuous(missing) => missing.clone(),
        }
    }
}

impl Outcome {
    /// The same, with what there is to show of a violation.
    pub(crate) fn reasons(&self) -> Vec<String> {
        if let (Verdict::Incomplete(why), Some(_)) = (&self.verdict, &self.simulated) {
            return vec![format!(
                "{why}; every state was visited, but not all was tried that may happen to single servers"
            )];
        }
        let mut reasons = self.verdict.reasons();
        if self.verdict == Verdict::Violated {
            let shown = match (&self.counterexample, &self.story) {
                (Err(why), None) => format!("there is no counterexample to show: {why}"),
                _ => "the counterexample is below".to_owned(),
            };
            reasons[0] += &format!("; {shown}");
        }
        reasons
    }
}

/// What was searched, for the report.
pub(crate) struct Subject<'a> {
    pub(crate) preset: &'a str,
    pub(crate) part: Part,
    pub(crate) mutant: Option<&'a str>,
    pub(crate) watched: PropertySet,
    pub(crate) threads: usize,
    /// The memory limit, in bytes.
    pub(crate) memory: u64,
}

/// The final block.
pub(crate) fn text(subject: &Subject, outcome: &Outcome, story: Option<&str>) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(outcome.verdict.word().to_owned());
    outcome.reasons().iter().for_each(|why| line(format!("  {why}")));
    line(String::new());
    let mutant = subject.mutant.map_or(String::new(), |name| format!(", with the mutant '{name}'"));
    line(format!("system      {}{mutant}", subject.preset));
    line(format!("bounds      {}", wrap(&subject.part.words(), 12)));
    line(format!("always      {}", wrap(subject.part.always(), 12)));
    line(format!("code        {CODE}"));
    line(format!(
        "states      {} distinct, {} transitions, paths of up to {} steps, layers of up to {} states",
        grouped(outcome.states),
        grouped(outcome.transitions),
        outcome.depth,
        grouped(outcome.widest())
    ));
    line(format!("missed      a state with probability {:.0e} at most (fingerprints collide)", outcome.collision));
    line(format!(
        "resources   {}, {} threads, {} MiB in all of {} MiB allowed, {} MiB for what was visited{}",
        seconds(outcome.time),
        subject.threads,
        outcome.peak_memory >> 20,
        subject.memory >> 20,
        outcome.table >> 20,
        on_disk(outcome.most_on_disk)
    ));
    process_lines(outcome).into_iter().for_each(&mut line);
    if let Some(tally) = &outcome.simulated {
        line(format!("simulated   {}", wrap(&tally.words(), 12)));
    }
    if let Some(linked) = &outcome.linked {
        let is_missed = outcome.broken.contains(Property::InClass);
        line(format!("linked      {}", wrap(&linked.words(is_missed), 12)));
    }
    for (what, count) in &outcome.measured {
        line(format!("{:<12}{what}", grouped(*count)));
    }
    checkpoint_lines(outcome).into_iter().for_each(&mut line);
    line(String::new());
    for property in subject.watched.and(outcome.broken).iter() {
        line(format!("{:<12}  {}", state_of(property, outcome), property.name()));
    }
    for met in &outcome.witnesses {
        line(format!("{:<12}  {}", met.word(), met.name));
    }
    line(format!("\n{:>12}{:>14}", "offered", "changed"));
    for Kind { name, offered, changed } in &outcome.kinds {
        line(format!("{:>12}{:>14}  {name}", grouped(*offered), grouped(*changed)));
    }
    if let Some(why) = &outcome.panic {
        line(format!("\npanicked    {why}"));
    }
    counterexample_lines(outcome, story).into_iter().for_each(line);
    out
}

/// What each process held, where several have searched together.
fn process_lines(outcome: &Outcome) -> Vec<String> {
    let line = |(process, held): (usize, &Held)| {
        let what = if process == 0 { "hosts" } else { "" };
        let (states, peak) = (grouped(held.states), held.peak_resident >> 20);
        format!("{what:<12}process {process}: {states} states, {peak} MiB in all{}", on_disk(held.most_on_disk))
    };
    outcome.held.iter().enumerate().map(line).collect()
}

/// How much of the frontier memory had no room for.
fn on_disk(bytes: u64) -> String {
    if bytes == 0 { String::new() } else { format!(", up to {} MiB on disk", bytes.div_ceil(1 << 20)) }
}

/// What became of checkpoints.
fn checkpoint_lines(outcome: &Outcome) -> Vec<String> {
    let resumed =
        outcome.resumed_from.map(|states| format!("resumed     from a checkpoint with {} states", grouped(states)));
    let saved = outcome.saved.as_ref().map(|saved| match saved {
        Ok(()) => "checkpoint  written; --resume goes on from it".to_owned(),
        Err(why) => format!("checkpoint  not written: {why}"),
    });
    resumed.into_iter().chain(saved).collect()
}

/// The violation, if there is one, and the way to it.
fn counterexample_lines(outcome: &Outcome, story: Option<&str>) -> Vec<String> {
    if outcome.verdict != Verdict::Violated {
        return Vec::new();
    }
    let broken = names(outcome.broken).join(", ");
    match (&outcome.counterexample, story) {
        (Ok(actions), Some(story)) => {
            let steps = if outcome.story.is_some() { outcome.steps } else { actions.len() };
            vec![format!("\ncounterexample, {steps} steps; it breaks {broken}\n"), story.to_owned()]
        }
        (Err(_), _) => vec![format!("\nit breaks {broken}")],
        _ => Vec::new(),
    }
}

impl Met {
    fn word(&self) -> &'static str {
        match (self.reached, self.expected) {
            (true, _) => "reached",
            (false, true) => "not met",
            (false, false) => "not expected",
        }
    }
}

pub(crate) fn state_of(property: Property, outcome: &Outcome) -> &'static str {
    match outcome.verdict {
        _ if outcome.broken.contains(property) => "BROKEN",
        Verdict::Complete | Verdict::Vacuous(_) => "holds",
        Verdict::Violated | Verdict::Incomplete(_) => "unknown",
    }
}

/// The same for programs.
pub(crate) fn value(subject: &Subject, outcome: &Outcome) -> Value {
    let properties: Vec<_> = subject
        .watched
        .and(outcome.broken)
        .iter()
        .map(|property| json!({"id": property.id(), "name": property.name(), "state": state_of(property, outcome)}))
        .collect();
    let pairs = |pairs: &[(&str, u64)]| -> serde_json::Map<_, _> {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect()
    };
    let counts = |kind: &Kind| json!({"offered": kind.offered, "changed": kind.changed});
    let actions: serde_json::Map<_, _> = outcome.kinds.iter().map(|it| (it.name.to_owned(), counts(it))).collect();
    let witness = |it: &Met| json!({"name": it.name, "reached": it.reached, "expected": it.expected});
    let witnesses: Vec<_> = outcome.witnesses.iter().map(witness).collect();
    let process = |it: &Held| {
        let Held { states, peak_resident, most_on_disk, .. } = *it;
        json!({"states": states, "peak_memory_bytes": peak_resident, "frontier_disk_bytes": most_on_disk})
    };
    let processes: Vec<_> = outcome.held.iter().map(process).collect();
    json!({
        "verdict": outcome.verdict.word(),
        "reasons": outcome.reasons(),
        "preset": subject.preset,
        "mutant": subject.mutant,
        "bounds": subject.part,
        "bounds_in_words": subject.part.words(),
        "always": subject.part.always(),
        "code": CODE,
        "states": outcome.states,
        "transitions": outcome.transitions,
        "depth": outcome.depth,
        "steps": outcome.steps,
        "local_simulation": outcome.simulated,
        "invariant_link": outcome.linked,
        "widest_layer": outcome.widest(),
        "layers": outcome.layers,
        "resumed_from_states": outcome.resumed_from,
        "collision_probability": outcome.collision,
        "seconds": outcome.time.as_secs_f64(),
        "threads": subject.threads,
        "peak_memory_bytes": outcome.peak_memory,
        "memory_limit_bytes": subject.memory,
        "visited_set_bytes": outcome.table,
        "frontier_disk_bytes": outcome.most_on_disk,
        "processes": processes,
        "properties": properties,
        "witnesses": witnesses,
        "actions": actions,
        "broken": names(outcome.broken),
        "broken_by_other_runs_of_this_length": names(outcome.broken_in_layer.without(outcome.broken)),
        "panic": outcome.panic,
        "measured": pairs(&outcome.measured),
        "counterexample": told(outcome),
    })
}

/// The actions of a counterexample; null where there is none to tell.
pub(crate) fn told(outcome: &Outcome) -> Option<Vec<String>> {
    if outcome.story.is_some() {
        return outcome.story.clone();
    }
    outcome.counterexample.as_ref().ok().map(|actions| actions.iter().map(Action::to_string).collect())
}

/// Several systems under one verdict.
pub(crate) fn all(preset: &str, worst: u8, parts: Vec<Value>) -> Value {
    json!({"schema": SCHEMA, "preset": preset, "verdict": word(worst), "parts": parts})
}

/// The version of what `check --format json` prints; `docs/ci.md` describes it.
const SCHEMA: &str = "rafttree-check/1";

/// The verdict of an exit code.
pub(crate) fn word(code: u8) -> &'static str {
    let words = [(1, "VIOLATED"), (3, "INCOMPLETE"), (4, "VACUOUS")];
    words.iter().find(|(other, _)| *other == code).map_or("COMPLETE", |(_, word)| word)
}
