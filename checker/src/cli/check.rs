//! `check`: visits every state within bounds, and says in one word what came out.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::artifacts::{self, ArtifactArgs, Run, Runs};
#[cfg(feature = "hosts")]
use crate::cli::hosts::{self, HostArgs};
use crate::cli::inductive as command;
use crate::cli::options::{CheckpointArgs, Chosen, FrontierArgs, LimitArgs, SystemArgs};
use crate::cli::report::Subject;
use crate::console::{Usage, worse};
use crate::inductive;
use crate::liveness::Recovery;
use crate::mutants::catalogue;
use crate::progress::Ticker;
use crate::properties::witness::Witness;
use crate::properties::{Property, PropertySet};
use crate::quotient::link::Narrowed;
use crate::scope::Part;
use crate::search::Progress;
use crate::trace::counterexample::Counterexample;
use crate::trace::start;
use crate::verdict::{self, Limits, NOTHING, Outcome, Verdict};
use crate::world::PAPER;

/// What is checked, and how.
#[derive(Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    system: SystemArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    checkpoints: CheckpointArgs,
    #[command(flatten)]
    frontier: FrontierArgs,
    /// Only these properties count (ids or names); may be given several times.
    #[arg(long)]
    property: Vec<String>,
    /// Write a counterexample to this file, as a scenario.
    #[arg(long)]
    save: Option<PathBuf>,
    /// Leave something out of the class of the inductive invariant that a search with logs must reach, to see
    /// that its absence is noticed: VIOLATED, by I1.
    #[arg(long, value_enum, hide_short_help = true)]
    narrow: Option<Narrowed>,
    #[command(flatten)]
    artifacts: ArtifactArgs,
    #[cfg(feature = "hosts")]
    #[command(flatten)]
    hosts: HostArgs,
}

/// Runs the check, to its exit code.
pub(crate) fn check(args: &CheckArgs, json: bool) -> Result<u8, Usage> {
    if let Some(chosen) = args.system.inductive() {
        return check_inductive(args, &chosen?, json);
    }
    let chosen = args.system.chosen()?;
    let counted = chosen.mutant.as_ref().map_or(PropertySet::all(), catalogue::Mutant::counted);
    let only = if args.property.is_empty() { counted } else { watched(&args.property)? };
    if !chosen.parts.iter().any(|part| part.judges(only)) {
        return Err(Usage(format!(
            "nothing is judged there of {}: recovery-* judges V1 and V2, the others the rest, and that of logs where they count",
            verdict::names(only).join(", ")
        )));
    }
    let in_class = PropertySet::from_iter([Property::InClass]);
    let is_linked = only.contains(Property::InClass) && chosen.parts.iter().any(|part| part.judges(in_class));
    if args.narrow.is_some() && !is_linked {
        return Err(Usage("--narrow is for runs of any length with logs, where I1 is judged".into()));
    }
    let limits = args.checkpoints.put_into(args.limits.limits(), &chosen.parts)?;
    #[cfg(feature = "hosts")]
    let limits = args.hosts.put_into(limits, &chosen.parts)?;
    let limits = args.frontier.put_into(limits, &chosen.parts)?;
    let name = chosen.mutant.as_ref().map_or(chosen.preset.name, |mutant| mutant.name).to_owned();
    let mut all = Runs { name, runs: Vec::new(), worst: 0 };
    for (at, part) in chosen.parts.iter().enumerate().filter(|(_, part)| part.judges(only)) {
        let (mut outcome, watched) = search(&chosen, at, *part, only, args.narrow, &limits)?;
        #[cfg(feature = "hosts")]
        if let Some(hosts) = limits.hosts.as_ref().filter(|hosts| !hosts.is_first()) {
            return Ok(hosts::ended(hosts, &outcome));
        }
        let mutant = chosen.mutant.as_ref().map(|mutant| mutant.name);
        let in_catalogue = mutant.is_some() && args.system.preset.is_none();
        let name = if in_catalogue { "as in the catalogue" } else { chosen.preset.name };
        let Limits { threads, memory, .. } = limits;
        let subject = Subject { preset: name, part: *part, mutant, watched, threads, memory };
        let found = Counterexample::of(chosen.mutant.as_ref(), *part, &mut outcome);
        if let (Some(path), Some(found)) = (&args.save, &found) {
            found.save(path, chosen.mutant.as_ref(), *part, outcome.broken)?;
        }
        let story = found.as_ref().map(|found| found.story().to_owned());
        let scenario = found.map(|found| found.file(chosen.mutant.as_ref(), *part, outcome.broken));
        let run = Run { subject, outcome, story, scenario };
        if !json {
            say!("{}", run.text());
        }
        all.worst = worse(all.worst, run.outcome.verdict.exit_code());
        let is_violated = run.outcome.verdict == Verdict::Violated;
        all.runs.push(run);
        if is_violated {
            break;
        }
    }
    if !json && all.violated().is_some() {
        say!("{}", further(&typed(), args.save.as_deref()));
    }
    ended(&args.artifacts, &all, chosen.preset.name, json)
}

/// How one goes on from a counterexample of a command: three lines, and one that keeps it first, if it was not.
pub(super) fn further(again: &str, saved: Option<&Path>) -> String {
    let path = quoted(saved.unwrap_or(Path::new("counterexample.txt")).display().to_string());
    let keep = format!("to keep it     rafttree-checker {again} --save {path}\n");
    format!(
        "{}to replay it   rafttree-checker replay {path}\nto explore it  rafttree-checker explore {path}\n\
         to draw it     rafttree-checker show {path} -o html --to counterexample.html\n",
        if saved.is_some() { String::new() } else { keep }
    )
}

/// The command line as it was typed.
fn typed() -> String {
    std::env::args().skip(1).map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: String) -> String {
    if word.contains(' ') { format!("'{word}'") } else { word }
}

/// What is said and written when all is searched, to the exit code.
fn ended(artifacts: &ArtifactArgs, all: &Runs, preset: &str, json: bool) -> Result<u8, Usage> {
    let count = artifacts.count(all);
    let value = all.value(preset, count.as_ref());
    if json {
        say!("{value:#}");
    } else if let Some(count) = &count {
        say!("{}", count.words());
    }
    artifacts.write(all, &value, count.as_ref())?;
    Ok(artifacts::exit_code(all.worst, count.as_ref()))
}

fn check_inductive(args: &CheckArgs, chosen: &inductive::Chosen, json: bool) -> Result<u8, Usage> {
    let others = [!args.property.is_empty(), args.save.is_some(), args.narrow.is_some(), args.checkpoints.are_given()];
    if others.contains(&true) {
        let why = "the invariant is judged whole, in minutes: no --property, --save, --narrow, --checkpoint, --resume";
        return Err(Usage(why.to_owned()));
    }
    if args.artifacts.are_given() {
        let why = "no states are counted for the invariant: --junit, --summary, --run-dir and --expect-states are for searches";
        return Err(Usage(why.to_owned()));
    }
    let limits = args.limits.limits();
    if limits.states.is_some() || limits.wide || args.frontier.are_given() {
        let why =
            "no states are kept for the invariant: no --states, --wide-fingerprints, --frontier-memory, --frontier-dir";
        return Err(Usage(why.to_owned()));
    }
    command::check(chosen, &limits, json)
}

fn search(
    chosen: &Chosen,
    at: usize,
    part: Part,
    only: PropertySet,
    narrow: Option<Narrowed>,
    limits: &Limits,
) -> Result<(Outcome, PropertySet), Usage> {
    let ground = chosen.mutant.as_ref().map_or(PAPER, |mutant| mutant.ground);
    // Other bounds have other witnesses; a search that meets no leader checks nothing at any.
    let leader = verdict::Expected { witnesses: &[Witness::Leader], ..NOTHING };
    let expected = if chosen.changed || chosen.mutant.is_some() { leader } else { chosen.preset.parts[at].1 };
    let ticker = Ticker::new();
    let mut tick = |progress: &Progress| ticker.tick(progress);
    let (outcome, watched) = match part {
        Part::Quotient(_) | Part::Lease(_) => {
            let mut quotient = part.quotient(ground).expect("it is one");
            quotient.watched.keep(only);
            quotient.narrowed = narrow;
            #[cfg(feature = "hosts")]
            if let Some(hosts) = &limits.hosts {
                let mut tick = hosts::telling(&ticker);
                let outcome = verdict::explore_on(hosts, &quotient, limits, expected, &mut tick);
                return outcome.map(|outcome| (outcome, quotient.watched)).map_err(|why| Usage(why.to_string()));
            }
            (verdict::explore(&quotient, limits, expected, &mut tick), quotient.watched)
        }
        Part::Recovery(scope) => {
            let mut recovery = Recovery::new(scope, ground);
            recovery.quotient.watched.keep(only);
            (verdict::explore(&recovery, limits, expected, &mut tick), recovery.quotient.watched)
        }
        Part::Concrete(bounds) => {
            let mut system = start::placed(ground, bounds);
            system.watched.keep(only);
            // Where nothing is asked of reads, none is followed, and none is served.
            let has_no_reader = bounds.reads && !system.watched.meets(PropertySet::of_reads());
            let expected = if has_no_reader { leader } else { expected };
            (verdict::explore(&system, limits, expected, &mut tick), system.watched)
        }
    };
    outcome.map(|outcome| (outcome, watched)).map_err(|why| Usage(why.to_string()))
}

pub(super) fn watched(named: &[String]) -> Result<PropertySet, Usage> {
    let unknown = |name: &String| Usage(format!("no property is called '{name}'; 'list properties' shows them all"));
    named.iter().map(|name| Property::named(name).ok_or_else(|| unknown(name))).collect()
}
