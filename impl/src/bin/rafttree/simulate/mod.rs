//! `rafttree simulate`: seeded runs of simulated groups, and mutants that they must find.

mod options;

mod figures;

use std::panic;
use std::time::Instant;

use rafttree::simulate::{Failure as Failing, Figures, Mutant, Registers, Simulation};
use serde_json::json;

use crate::failure::Failure;
use crate::options::Format;
use crate::report::say;
use crate::seeds::{Found, Ran, Seeds};
use figures::{as_json, as_text};
pub(crate) use options::{SIMULATE_EXAMPLES, SimulateOptions};

pub(crate) fn run(options: &SimulateOptions, output: Format) -> Result<(), Failure> {
    // A panic of the code under test is found, told and made shorter as any other fault.
    panic::set_hook(Box::new(|_| {}));
    if options.only().is_some() && options.runs != 1 {
        return Err(Failure::Usage("--only is about one run: add --runs 1".to_owned()));
    }
    if options.mutants {
        return hunt_all(options, output);
    }
    let simulation = simulation(options, options.mutant);
    let Found { failed, counts: figures, digest, time } = run_all(options, &simulation);
    match output {
        Format::Text => say(as_text(&figures, digest, time))?,
        Format::Json => say(as_json(&figures, digest, time))?,
    }
    let Some(seed) = failed else { return verdict(&figures, output) };
    let failing = simulation.explain(seed);
    tell(failing.as_ref(), options, output)?;
    let words = failing.map_or_else(|| "it does not fail again".to_owned(), |failing| failing.violation);
    Err(Failure::Operation(format!("seed {seed}: {words}")))
}

/// Runs what is asked for, up to the first run that goes wrong.
fn run_all(options: &SimulateOptions, simulation: &Simulation<Registers>) -> Found<Figures> {
    Seeds::new(options.seed, options.runs, options.shard, options.threads).run(|seed| {
        let run = simulation.run(seed);
        Ran { counts: run.figures, digest: run.digest, failed: run.violation.is_some() }
    })
}

fn simulation(options: &SimulateOptions, mutant: Option<Mutant>) -> Simulation<Registers> {
    let mut simulation = Simulation::registers().servers(options.servers);
    if let Some(only) = options.only() {
        simulation = simulation.only(only.iter().copied());
    }
    match mutant {
        Some(mutant) => simulation.mutant(mutant),
        None => simulation,
    }
}

fn verdict(figures: &Figures, output: Format) -> Result<(), Failure> {
    match output {
        Format::Text => say(format!("0 violations in {} runs", figures.runs)),
        Format::Json => Ok(()),
    }
}

/// The run in words, and the line that repeats it.
fn tell(failing: Option<&Failing>, options: &SimulateOptions, output: Format) -> Result<(), Failure> {
    let Some(failing) = failing else { return Ok(()) };
    let numbers: Vec<String> = failing.faults.iter().map(|(number, _)| number.to_string()).collect();
    let only = if numbers.is_empty() { "none".to_owned() } else { numbers.join(",") };
    let mutant = options.mutant.map_or_else(String::new, |mutant| format!(" --mutant {}", mutant.name()));
    let (seed, servers) = (failing.seed, failing.servers);
    let again = format!("rafttree simulate --seed {seed} --runs 1 --servers {servers} --only {only}{mutant}");
    match output {
        Format::Text => say(format!("{failing}\n\nrepeat it: {again}")),
        Format::Json => say(json!({
            "seed": seed,
            "servers": servers,
            "violation": failing.violation,
            "faults": failing.faults.iter().map(|(number, words)| json!({ "number": number, "words": words }))
                .collect::<Vec<_>>(),
            "planned": failing.planned,
            "shrunk": failing.shrunk,
            "story": failing.story,
            "repeat": again,
        })),
    }
}

/// Hunts every mutant, and tells how many runs each took.
fn hunt_all(options: &SimulateOptions, output: Format) -> Result<(), Failure> {
    let begin = Instant::now();
    let mut missed = Vec::new();
    for mutant in Mutant::all() {
        let found = run_all(options, &simulation(options, Some(mutant)));
        let name = mutant.name();
        // Those that ran beside the first that went wrong do not count.
        let runs = found.failed.map_or(found.counts.runs, |seed| seed - options.seed + 1);
        let violation = found.failed.and_then(|seed| simulation(options, Some(mutant)).run(seed).violation);
        let first = violation.as_deref().and_then(|words| words.lines().next()).unwrap_or("not found").to_owned();
        match output {
            Format::Text => say(format!("{name:<30} {runs:>6} runs  {}  [{}]", shortened(&first), mutant.words()))?,
            Format::Json => say(json!({ "mutant": name, "runs": runs, "found": found.failed, "violation": first }))?,
        }
        if found.failed.is_none() {
            missed.push(name);
        }
    }
    if missed.is_empty() {
        if output == Format::Text {
            say(format!("all {} mutants are found, in {:.1} s", Mutant::all().count(), begin.elapsed().as_secs_f64()))?;
        }
        return Ok(());
    }
    Err(Failure::Operation(format!("not found within {} runs: {}", options.runs, missed.join(", "))))
}

/// The beginning of a sentence.
fn shortened(words: &str) -> String {
    const MAX_LETTERS: usize = 100;
    let short: String = words.chars().take(MAX_LETTERS).collect();
    if short.len() < words.len() { format!("{short}…") } else { short }
}
