//! Explores all interleavings of messages, timers, crashes and disk flushes of the deployed Raft
//! transitions. The command line is the interface; see `--help`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::options::{CheckpointArgs, Chosen, LimitArgs, SystemArgs};
use crate::cli::report::Subject;
use crate::console::{Ticker, Usage, grouped, seconds, worse};
use crate::liveness::Recovery;
use crate::mutants::catalogue;
use crate::properties::witness::Witness;
use crate::properties::{Property, PropertySet};
use crate::quotient::link::Narrowed;
use crate::scope::Part;
use crate::search::{self, panics};
use crate::system::System;
use crate::trace::counterexample::{Counterexample, told_in};
use crate::trace::language;
use crate::trace::scenario::Scenario;
use crate::verdict::{self, Limits, NOTHING, Outcome, Verdict};
use crate::world::PAPER;
use crate::{inductive, source_mutants, timing};

mod ledger;
pub(crate) mod options;
pub(crate) mod report;
mod speed;
pub(crate) mod tables;

const EXAMPLES: &str = "\
Examples:
  rafttree-checker check                       exhaust the default preset
  rafttree-checker check log-3 --threads 1     another preset, on one core
  rafttree-checker check --ablate may_vote     a search with a broken rule: it must be caught
  rafttree-checker check log-3 --window 3 --time 10m --checkpoint wide.ckpt
                                               larger bounds, as far as ten minutes get
  rafttree-checker check inductive             an inductive invariant: every server that it allows, reached or not
  rafttree-checker zoo                         every known mistake must be caught
  rafttree-checker mutants                     mutants of the model: a check must kill each
  rafttree-checker explore                     walk through the states in a browser

Exit codes: 0 complete, 1 violated, 2 usage, 3 incomplete, 4 vacuous, 70 internal error.";

/// With the code, of which alone a checkpoint is believed.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), ", code ", env!("RAFTTREE_CODE"));

/// Checks the Raft that is deployed: every interleaving of messages, timers, crashes and disk
/// flushes within stated bounds.
#[derive(Parser)]
#[command(name = "rafttree-checker", version = VERSION, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How to print results.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Visit every state within bounds, and say in one word what came out.
    Check(CheckArgs),
    /// Break one rule at a time: every mistake must be caught.
    Zoo {
        /// Names, rules or row numbers; all, if none is given.
        rows: Vec<String>,
        /// Keep the counterexamples in this directory, a file for each mistake.
        #[arg(long, value_name = "DIR")]
        save: Option<PathBuf>,
        #[command(flatten)]
        limits: LimitArgs,
    },
    /// Put mistakes into the text of the model, one at a time: a check must kill each.
    Mutants(source_mutants::MutantsArgs),
    /// Show that without randomness an election can fail for ever: a run in lock-step that comes back
    /// to where it was, one term later, and never has a leader.
    Lasso {
        /// Servers in the group.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=7))]
        servers: u8,
    },
    /// How many terms an election takes, and how long: exact, simulated, and by the closed form.
    Odds(timing::OddsArgs),
    /// Walk through the states in a browser (Stateright's Explorer).
    Explore {
        #[command(flatten)]
        system: SystemArgs,
        /// Where to serve it.
        #[arg(long, default_value = "127.0.0.1:3000")]
        address: String,
        /// Start from the end of this scenario or counterexample.
        #[arg(long)]
        from: Option<PathBuf>,
    },
    /// Play a scenario or a counterexample through the deployed transitions, and tell what happens.
    Replay {
        /// The file; '-' reads standard input.
        file: PathBuf,
    },
    /// List what can be named.
    List {
        #[arg(value_enum)]
        what: Listed,
    },
    /// Print the tables of the documents.
    Report {
        #[arg(value_enum)]
        table: Table,
        #[command(flatten)]
        limits: LimitArgs,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Listed {
    Properties,
    Presets,
    Actions,
    Zoo,
}

#[derive(Clone, Copy, ValueEnum)]
enum Table {
    /// Each rule with its section, what breaks it, what catches that, and in how many steps.
    Rules,
    /// What was exhausted.
    Proof,
    /// For each mistake the least bounds at which it is caught.
    Ledger,
    /// The quotient beside the plain system, both explored to the end; minutes, and some memory.
    SecondOpinion,
    /// What the invariant was judged for, stage by stage.
    Inductive,
    /// What a state and a transition cost, beside Stateright's own search.
    Speed,
}

#[derive(Args)]
struct CheckArgs {
    #[command(flatten)]
    system: SystemArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    checkpoints: CheckpointArgs,
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
}

/// Runs the command line, to its exit code.
pub fn main() -> ExitCode {
    panics::keep();
    match panics::caught(|| run(&Cli::parse())) {
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(Usage(why))) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
        Err(why) => {
            eprintln!("internal error: {why}");
            ExitCode::from(70)
        }
    }
}

fn run(cli: &Cli) -> Result<u8, Usage> {
    let json = cli.format == Format::Json;
    match &cli.command {
        Command::Check(args) => check(args, json),
        Command::Zoo { rows, save, limits } => visit_zoo(rows, save.as_deref(), &limits.limits(), json),
        Command::Mutants(args) => source_mutants::run(args, json),
        Command::Lasso { servers } => Ok(tables::lasso(*servers, json)),
        Command::Odds(args) => timing::run(args, json),
        Command::Explore { system, address, from } => explore(system, address, from.as_ref()),
        Command::Replay { file } => play(file, json),
        Command::List { what } => {
            match what {
                Listed::Properties => tables::properties(json),
                Listed::Presets => tables::presets(json),
                Listed::Actions => tables::actions(json),
                Listed::Zoo => tables::zoo(json),
            }
            Ok(0)
        }
        Command::Report { table: Table::Rules, limits } => Ok(tables::rules(&limits.limits())),
        Command::Report { table: Table::SecondOpinion, .. } => Ok(speed::second_opinion()),
        Command::Report { table: Table::Ledger, limits } => Ok(ledger::report(&limits.limits())),
        Command::Report { table: Table::Inductive, limits } => Ok(inductive::report(&limits.limits())),
        Command::Report { table: Table::Speed, limits } => Ok(speed::report(&limits.limits())),
        Command::Report { table: Table::Proof, limits } => Ok(tables::proof(&limits.limits())),
    }
}

fn check(args: &CheckArgs, json: bool) -> Result<u8, Usage> {
    if let Some(chosen) = args.system.inductive() {
        return check_inductive(args, &chosen?, json);
    }
    let chosen = args.system.chosen()?;
    let counted = chosen.exhibit.as_ref().map_or(PropertySet::all(), catalogue::Exhibit::counted);
    let only = if args.property.is_empty() { counted } else { watched(&args.property)? };
    if !chosen.parts.iter().any(|part| part.judges(only)) {
        return Err(Usage(format!(
            "nothing is judged there of {}: recovery-* judges V1, the others the rest, and that of logs where they count",
            verdict::names(only).join(", ")
        )));
    }
    let in_class = PropertySet::from_iter([Property::InClass]);
    let is_linked = only.contains(Property::InClass) && chosen.parts.iter().any(|part| part.judges(in_class));
    if args.narrow.is_some() && !is_linked {
        return Err(Usage("--narrow is for runs of any length with logs, where I1 is judged".into()));
    }
    let limits = args.checkpoints.put_into(args.limits.limits(), &chosen.parts)?;
    let (mut worst, mut values) = (0, Vec::new());
    for (at, part) in chosen.parts.iter().enumerate().filter(|(_, part)| part.judges(only)) {
        let (mut outcome, watched) = search(&chosen, at, *part, only, args.narrow, &limits)?;
        let ablation = chosen.exhibit.as_ref().map(|exhibit| exhibit.name);
        let in_zoo = ablation.is_some() && args.system.preset.is_none();
        let name = if in_zoo { "as in the zoo" } else { chosen.preset.name };
        let Limits { threads, memory, .. } = limits;
        let subject = Subject { preset: name, part: *part, ablation, watched, threads, memory };
        let found = Counterexample::of(chosen.exhibit.as_ref(), *part, &mut outcome);
        if let (Some(path), Some(found)) = (&args.save, &found) {
            found.save(path, chosen.exhibit.as_ref(), *part, &outcome)?;
        }
        if json {
            values.push(report::value(&subject, &outcome));
        } else {
            let story = found.as_ref().map(Counterexample::story);
            say!("{}", report::text(&subject, &outcome, story));
        }
        worst = worse(worst, outcome.verdict.exit_code());
        if outcome.verdict == Verdict::Violated {
            break;
        }
    }
    if json {
        say!("{:#}", report::all(chosen.preset.name, worst, values));
    }
    Ok(worst)
}

fn check_inductive(args: &CheckArgs, chosen: &inductive::Chosen, json: bool) -> Result<u8, Usage> {
    let others = [!args.property.is_empty(), args.save.is_some(), args.narrow.is_some(), args.checkpoints.are_given()];
    if others.contains(&true) {
        let why = "the invariant is judged whole, in minutes: no --property, --save, --narrow, --checkpoint, --resume";
        return Err(Usage(why.to_owned()));
    }
    let limits = args.limits.limits();
    if limits.states.is_some() || limits.wide {
        return Err(Usage("no states are kept for the invariant: no --states, no --wide-fingerprints".to_owned()));
    }
    inductive::check(chosen, &limits, json)
}

fn search(
    chosen: &Chosen,
    at: usize,
    part: Part,
    only: PropertySet,
    narrow: Option<Narrowed>,
    limits: &Limits,
) -> Result<(Outcome, PropertySet), Usage> {
    let ground = chosen.exhibit.as_ref().map_or(PAPER, |exhibit| exhibit.ground);
    // Other bounds have other witnesses; a search that meets no leader checks nothing at any.
    let leader = verdict::Expected { witnesses: &[Witness::Leader], ..NOTHING };
    let expected = if chosen.changed || chosen.exhibit.is_some() { leader } else { chosen.preset.parts[at].1 };
    let mut ticker = Ticker::new();
    let mut tick = |progress: &search::Progress| ticker.tick(progress);
    let (outcome, watched) = match part {
        Part::Quotient(scope) => {
            let mut quotient = scope.quotient(ground);
            quotient.watched.keep(only);
            quotient.narrowed = narrow;
            (verdict::explore(&quotient, limits, expected, &mut tick), quotient.watched)
        }
        Part::Recovery(scope) => {
            let mut recovery = Recovery::new(scope, ground);
            recovery.quotient.watched.keep(only);
            (verdict::explore(&recovery, limits, expected, &mut tick), recovery.quotient.watched)
        }
        Part::Plain(bounds) => {
            let placed = |exhibit: &catalogue::Exhibit| exhibit.placed(bounds);
            let mut system = chosen.exhibit.as_ref().map_or_else(|| System::with(ground, bounds), placed);
            system.watched = PropertySet::of_states();
            system.watched.keep(only);
            (verdict::explore(&system, limits, expected, &mut tick), system.watched)
        }
    };
    outcome.map(|outcome| (outcome, watched)).map_err(|why| Usage(why.to_string()))
}

fn watched(named: &[String]) -> Result<PropertySet, Usage> {
    let unknown = |name: &String| Usage(format!("no property is called '{name}'; 'list properties' shows them all"));
    named.iter().map(|name| Property::named(name).ok_or_else(|| unknown(name))).collect()
}

fn visit_zoo(rows: &[String], save: Option<&Path>, limits: &Limits, json: bool) -> Result<u8, Usage> {
    let exhibits = tables::chosen(rows).map_err(Usage)?;
    let mut escaped = Vec::new();
    let mut results = Vec::new();
    for exhibit in &exhibits {
        let mut outcome = exhibit.hunt(exhibit.part, limits).map_err(|why| Usage(why.to_string()))?;
        let found = Counterexample::of(Some(exhibit), exhibit.part, &mut outcome);
        let caught = outcome.broken.contains(exhibit.caught_by) && found.is_some();
        if let (Some(folder), Some(found)) = (save, found) {
            found.save(&folder.join(exhibit.name).with_extension("txt"), Some(exhibit), exhibit.part, &outcome)?;
        }
        if !caught {
            escaped.push(exhibit.name);
        }
        if !json {
            let row = exhibit.row.map_or(String::new(), |row| row.to_string());
            let by = if caught { exhibit.caught_by.name().to_owned() } else { tables::escape(&outcome) };
            let (steps, states) = (outcome.steps, grouped(outcome.states));
            let within = exhibit.part.short();
            let time = seconds(outcome.time);
            say!("{row:>3}  {:<26}{by:<24}{within:<14}{steps:>3} steps {states:>10} states {time:>8}", exhibit.name);
        }
        results.push(tables::exhibit_value(exhibit, &outcome));
    }
    if json {
        say!("{:#}", serde_json::Value::from(results));
    } else if escaped.is_empty() {
        let rows: std::collections::BTreeSet<_> = exhibits.iter().filter_map(|exhibit| exhibit.row).collect();
        say!("\nall {} caught, of {} rows", exhibits.len(), rows.len());
    } else {
        say!("\nnot caught: {}", escaped.join(", "));
    }
    Ok(u8::from(!escaped.is_empty()))
}

fn explore(args: &SystemArgs, address: &str, from: Option<&PathBuf>) -> Result<u8, Usage> {
    use std::net::ToSocketAddrs;
    let resolved = address.to_socket_addrs().map_err(|why| Usage(format!("'{address}' is no address: {why}")))?;
    // Asked first, so that a taken port is an error in words.
    std::net::TcpListener::bind(resolved.collect::<Vec<_>>().as_slice())
        .map_err(|why| Usage(format!("cannot serve at {address}: {why}; choose another with --address")))?;
    let chosen = args.chosen()?;
    let mut system = told_in(chosen.exhibit.as_ref(), chosen.parts[0]);
    if let Some(path) = from {
        let scenario = read(path)?;
        let played = scenario.play(&scenario.system()).map_err(Usage)?;
        system.start = played.last().clone();
    }
    say!("Stateright's Explorer shows the system at http://{address}/ (end it with Ctrl-C)");
    system.serve(address);
    Ok(0)
}

fn play(file: &PathBuf, json: bool) -> Result<u8, Usage> {
    let scenario = read(file)?;
    let system = scenario.system();
    let played = scenario.play(&system).map_err(Usage)?;
    let broken = verdict::names(played.last().broken);
    if json {
        let steps: Vec<_> = played.steps.iter().map(|(action, _)| action.to_string()).collect();
        say!(
            "{:#}",
            serde_json::json!({"steps": steps, "broken": broken, "end": language::Picture(played.last()).to_string()})
        );
    } else {
        say!("{}\nin the end:\n{}", played.story(), language::Picture(played.last()));
    }
    Ok(u8::from(!broken.is_empty()))
}

fn read(path: &PathBuf) -> Result<Scenario, Usage> {
    let text =
        if path.as_os_str() == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    let text = text.map_err(|why| Usage(format!("cannot read {}: {why}", path.display())))?;
    Scenario::parse(&text).map_err(|why| Usage(format!("{}: {why}", path.display())))
}
