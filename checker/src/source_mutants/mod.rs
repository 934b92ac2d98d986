//! Mutants of the deployed model: changes of meaning in its text, each of which a check must kill.
//!
//! Nothing of this is in what ships. A copy of the model, in which a switch stands at each mutated
//! place, is built once with the checker; then that one program judges every mutant.

mod catalogue;

mod switch;

mod build;

mod text;

mod judge;

mod judging;

mod each;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use crate::console::{Usage, parse_time, seconds};
use crate::source_mutants::catalogue::{Expected, Mutant};
use crate::source_mutants::judge::{Judge, Verdict};
use crate::source_mutants::judging::{Judged, Numbered, described, judge_all, judged, line, words};
use crate::{inductive, presets};

const EXAMPLES: &str = "\
Each mutant is the model with one mutation of its text: a guard that is missing, a flag that is
ignored, a message that leaves twice, a record that is not written. They are all built at once, in
target/mutants of the workspace, and each is searched by the checks in turn until one kills it: a
property does not hold, or a check finds nothing worth checking any more (VACUOUS). Before that, the
unmutated model must be COMPLETE in every check.

With --text the mutations are those of the tool cargo-mutants, which knows nothing of Raft: an operator
is another one, a function returns at once, an arm of a match is gone. The tool must be installed.
What survives and is not listed as equivalent is searched by log-3-narrow as well.

  rafttree-checker mutants                                  judge all; minutes
  rafttree-checker mutants refused_votes_count              judge one
  rafttree-checker mutants election --checks quick          those of model/src/election.rs, in seconds
  rafttree-checker mutants --checks quick,log-3-narrow,recovery-3 --limit 5m
  rafttree-checker mutants --text                           every change that cargo-mutants knows
  rafttree-checker mutants --each --checks quick,inductive-steps
                                                            what each sees, and what only one does
  rafttree-checker mutants --list                           what there is

A line for each mutant begins with its name and then says:
  killed by PROPERTY in CHECK (STEPS, TIME)
  equivalent: REASON      it survived as it must, since no server ever behaves differently
  SURVIVED                no check sees the mutation: a hole
  BROKEN: ...             listed as equivalent, and yet killed
  no build                the compiler does not take it (--text)
  TIMEOUT, INTERNAL ERROR no verdict, which counts as not caught

The exit code is 0 if every mutant came out as it must, 1 if one did not, 2 if they cannot be judged.";

/// What is judged, and how.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MutantsArgs {
    /// Names of mutants, or of modules of the model such as 'election'; all, if none is given.
    names: Vec<String>,
    /// Presets, cheapest first: the first that is not COMPLETE decides.
    #[arg(long, value_name = "PRESETS", value_delimiter = ',', default_value = "quick")]
    checks: Vec<String>,
    /// Mutants that are judged at the same time; as many as there are cores, if no number is given.
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// The time that one check of one mutant may take.
    #[arg(long, value_parser = parse_time, default_value = "2m")]
    limit: Duration,
    /// Mutate the text, in every way that cargo-mutants knows, instead of the meaning.
    #[arg(long)]
    text: bool,
    /// Let every check judge every mutant, and list what only some of them see.
    #[arg(long)]
    each: bool,
    /// List the mutants instead of judging them.
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(args: &MutantsArgs, json: bool) -> Result<u8, Usage> {
    let changes = if args.text { text::changes().map_err(Usage)? } else { Vec::new() };
    let all = if args.text { changes.iter().map(|change| change.mutant).collect() } else { catalogue::all() };
    let chosen = chosen(&all, &args.names)?;
    if args.list {
        list(&chosen, json);
        return Ok(0);
    }
    let is_known = |check: &str| presets::named(check).is_some() || inductive::named(check).is_some();
    if let Some(unknown) = args.checks.iter().find(|check| !is_known(check)) {
        return Err(Usage(format!("no preset is called '{unknown}'; 'list presets' shows them all")));
    }
    let begun = Instant::now();
    eprintln!("building the checker with {} mutants", all.len());
    let built =
        if args.text { text::build(&changes) } else { build::build(&all).map(|built| (built, BTreeSet::new())) };
    let (checker, unbuilt) = built.map_err(Usage)?;
    eprintln!("built in {}", seconds(begun.elapsed()));
    let last = (args.text && !args.checks.iter().any(|check| check == text::LAST.0))
        .then(|| (text::LAST.0.to_owned(), text::LAST.1.max(args.limit)));
    let judge =
        Judge { checker, checks: args.checks.clone(), limit: args.limit, last, failures_kill: args.text, unbuilt };
    let unchanged = judge.verdict_on(0, Expected::Harmful).map_err(Usage)?;
    if unchanged != Verdict::Survived {
        let how = words(&unchanged);
        return Err(Usage(format!("the unmutated model is not COMPLETE, so no mutant can be judged: {how}")));
    }
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = args.jobs.map_or_else(cores, NonZeroUsize::get);
    if args.each {
        return each::run(&judge, &chosen, jobs, json);
    }
    let mut results = Vec::new();
    let verdict_on = |number, expected| judge.verdict_on(number, expected);
    judge_all(verdict_on, &chosen, jobs, &mut |mutant, verdict| {
        if !json {
            say!("{:<51} {}", mutant.name, line(mutant, &verdict));
        }
        results.push((*mutant, verdict));
    })?;
    Ok(report(&results, begun.elapsed(), json))
}

/// The mutants of these names, or of these modules; all, if there are no names.
fn chosen(all: &[Mutant], names: &[String]) -> Result<Vec<Numbered>, Usage> {
    let is_named =
        |mutant: &Mutant, name: &String| [mutant.name, mutant.module(), mutant.file].contains(&name.as_str());
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|mutant| is_named(mutant, name))) {
        return Err(Usage(format!(
            "no mutant is called '{unknown}', and no mutated module; 'mutants --list' shows them all"
        )));
    }
    let is_chosen = |mutant: &Mutant| names.is_empty() || names.iter().any(|name| is_named(mutant, name));
    Ok((1..).zip(all.iter().copied()).filter(|(_, mutant)| is_chosen(mutant)).collect())
}

fn list(chosen: &[Numbered], json: bool) {
    if json {
        let rows: Vec<_> = chosen.iter().map(|(_, mutant)| Value::from(described(mutant))).collect();
        return say!("{:#}", Value::from(rows));
    }
    for (_, Mutant { name, about, expected, .. }) in chosen {
        match expected {
            Expected::Harmful => say!("{name:<51} {about}"),
            Expected::Equivalent(reason) => say!("{name:<51} {about} (equivalent: {reason})"),
        }
    }
}

/// The totals; the exit code.
fn report(results: &[(Mutant, Verdict)], time: Duration, json: bool) -> u8 {
    let count = |kind: Judged| results.iter().filter(|(mutant, verdict)| judged(mutant, verdict) == kind).count();
    let totals = [
        (Judged::Killed, "killed"),
        (Judged::Equivalent, "equivalent"),
        (Judged::Survived, "SURVIVED"),
        (Judged::NoBuild, "no build"),
        (Judged::Broken, "BROKEN"),
        (Judged::NoVerdict, "without a verdict"),
    ];
    let totals = totals.map(|(kind, word)| (kind, word, count(kind)));
    if json {
        let rows: Vec<_> = results.iter().map(|(mutant, verdict)| row(mutant, verdict)).collect();
        let totals: serde_json::Map<_, _> =
            totals.iter().map(|(_, word, count)| (word.to_lowercase().replace(' ', "_"), json!(count))).collect();
        say!("{:#}", json!({"mutants": rows, "totals": totals, "seconds": time.as_secs_f64()}));
    } else {
        let always = |kind: Judged| matches!(kind, Judged::Killed | Judged::Equivalent | Judged::Survived);
        let told = totals.iter().filter(|(kind, _, count)| always(*kind) || *count != 0);
        let told: Vec<_> = told.map(|(_, word, count)| format!("{count} {word}")).collect();
        say!("\n{} mutants: {}; {}", results.len(), told.join(", "), seconds(time));
    }
    let is_well = totals
        .iter()
        .all(|(kind, _, count)| matches!(kind, Judged::Killed | Judged::Equivalent | Judged::NoBuild) || *count == 0);
    u8::from(!is_well)
}

fn row(mutant: &Mutant, verdict: &Verdict) -> Value {
    let mut row = described(mutant);
    let word = match judged(mutant, verdict) {
        Judged::Killed => "killed",
        Judged::Equivalent => "equivalent",
        Judged::Survived => "survived",
        Judged::NoBuild => "no build",
        Judged::Broken => "broken",
        Judged::NoVerdict => "no verdict",
    };
    row.insert("verdict".into(), json!(word));
    row.insert("in_words".into(), json!(line(mutant, verdict)));
    if let Verdict::Killed { by, check, steps, time } = verdict {
        row.insert("killed_by".into(), json!(by));
        row.insert("check".into(), json!(check));
        row.insert("steps".into(), json!(steps));
        row.insert("seconds".into(), json!(time.as_secs_f64()));
    }
    row.into()
}
