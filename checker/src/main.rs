//! Explores all interleavings of messages, timers, crashes and disk flushes of the deployed Raft
//! transitions. The command line is the interface; see `--help`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::engine::{Expected, Limits, Outcome, Verdict, replay};
use crate::properties::{Property, PropertySet};
use crate::report::{Subject, Ticker, grouped, seconds};
use crate::scenario::{Played, Scenario};
use crate::stats::{KINDS, Witness};
use crate::system::{Bounds, System};

/// Prints a line, as `println!` does, but whoever reads may stop reading.
macro_rules! say {
    ($($words:tt)*) => { crate::report::say(format_args!($($words)*)) };
}

mod ablations;
mod checks;
mod engine;
mod network;
mod presets;
mod properties;
mod quotient;
mod report;
mod scenario;
mod server;
mod stats;
mod symmetry;
mod system;
mod tables;
#[cfg(test)]
mod tests;
mod words;
mod world;
mod zoo;

const EXAMPLES: &str = "\
Examples:
  rafttree-checker check                       exhaust the default preset
  rafttree-checker check log --threads 1       another preset, on one core
  rafttree-checker check --ablate may_vote     the same search with a broken rule: it must be caught
  rafttree-checker check --terms 3 --time 1m   larger bounds, as far as a minute gets
  rafttree-checker zoo                         every known mistake must be caught
  rafttree-checker explore                     walk through the states in a browser

Exit codes: 0 complete, 1 violated, 2 usage, 3 incomplete, 4 vacuous, 70 internal error.";

/// Checks the Raft that is deployed: every interleaving of messages, timers, crashes and disk
/// flushes within stated bounds.
#[derive(Parser)]
#[command(name = "rafttree-checker", version, after_help = EXAMPLES)]
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
        #[command(flatten)]
        limits: LimitArgs,
    },
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
    /// Print the tables of the README.
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
}

#[derive(Args)]
struct CheckArgs {
    #[command(flatten)]
    system: SystemArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// Only these properties count (ids or names); may be given several times.
    #[arg(long)]
    property: Vec<String>,
    /// Write a counterexample to this file, as a scenario.
    #[arg(long)]
    save: Option<PathBuf>,
}

#[derive(Args)]
struct SystemArgs {
    /// A named system; see 'list presets'. Without one: 'elections', or with --ablate the bounds
    /// at which the zoo catches the mistake.
    preset: Option<String>,
    /// Break a rule: a name of the zoo, a rule, or a row; see 'list zoo'.
    #[arg(long)]
    ablate: Option<String>,
    /// Servers in the group, 1 to 9.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=9))]
    servers: Option<u32>,
    /// Election timeouts of all servers together.
    #[arg(long)]
    timeouts: Option<u32>,
    /// Crashes of all servers together.
    #[arg(long)]
    crashes: Option<u32>,
    /// The highest term.
    #[arg(long)]
    terms: Option<u64>,
    /// The longest log, the leaders' own first entries included.
    #[arg(long)]
    entries: Option<u64>,
    /// Steps of one server that may wait for the disk at the same time.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    unsynced: Option<u32>,
    /// Whether a server goes on while an unseen step of it waits for the disk.
    #[arg(long)]
    interleaved: Option<bool>,
    /// Whether clients propose commands.
    #[arg(long)]
    proposals: Option<bool>,
    /// Whether leaders are told to hand over and to step down.
    #[arg(long)]
    handovers: Option<bool>,
}

#[derive(Args)]
struct LimitArgs {
    /// Threads; all cores, if none are named.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: Option<u32>,
    /// End the search after this time, as in 30s or 10m; the verdict is INCOMPLETE then.
    #[arg(long, value_parser = parse_time)]
    time: Option<std::time::Duration>,
    /// End the search when this much memory is in use, as in 8G; the verdict is INCOMPLETE then.
    #[arg(long, value_parser = parse_memory, default_value = "16G")]
    memory: u64,
}

fn parse_time(text: &str) -> Result<std::time::Duration, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let count: u64 = digits.parse().map_err(|_| format!("'{text}' is no time; write it as 30s, 10m or 2h"))?;
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(format!("'{unit}' is no unit of time; use s, m or h")),
    };
    Ok(std::time::Duration::from_secs(count * seconds))
}

fn parse_memory(text: &str) -> Result<u64, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let count: u64 = digits.parse().map_err(|_| format!("'{text}' is no amount of memory; write it as 8G or 500M"))?;
    let shift = match unit.trim_end_matches("iB").trim_end_matches('B') {
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err(format!("'{text}' has no unit of memory; use K, M or G")),
    };
    Ok(count << shift)
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.map_or_else(cores, |threads| threads as usize);
        Limits { threads, time: self.time, memory: self.memory }
    }
}

/// What goes wrong before anything is searched: exit code 2.
struct Usage(String);

impl SystemArgs {
    fn preset(&self) -> Result<&'static presets::Preset, Usage> {
        let name = self.preset.as_deref().unwrap_or(presets::DEFAULT);
        let names = || presets::PRESETS.map(|preset| preset.name).join(", ");
        presets::named(name).ok_or_else(|| Usage(format!("no preset is called '{name}'; there are {}", names())))
    }

    fn exhibit(&self) -> Result<Option<zoo::Exhibit>, Usage> {
        let Some(name) = &self.ablate else { return Ok(None) };
        let found = zoo::find(name);
        let unknown = || Usage(format!("no ablation is called '{name}'; 'list zoo' shows them all"));
        found.map(Some).ok_or_else(unknown)
    }

    fn bounds(&self) -> Result<Bounds, Usage> {
        let preset = self.preset()?.bounds;
        let base = match self.exhibit()? {
            None => preset,
            Some(exhibit) if self.preset.is_none() => exhibit.bounds,
            // What correct servers do not react to may matter to broken ones.
            Some(exhibit) => Bounds { forgets: preset.forgets && exhibit.bounds.forgets, ..preset },
        };
        Ok(Bounds {
            servers: self.servers.unwrap_or(base.servers),
            timeouts: self.timeouts.or(base.timeouts),
            crashes: self.crashes.or(base.crashes),
            terms: self.terms.unwrap_or(base.terms),
            entries: self.entries.unwrap_or(base.entries),
            unsynced: self.unsynced.map_or(base.unsynced, |steps| steps as usize),
            interleaved: self.interleaved.unwrap_or(base.interleaved),
            forgets: base.forgets,
            proposals: self.proposals.unwrap_or(base.proposals),
            handovers: self.handovers.unwrap_or(base.handovers),
        })
    }

    fn is_changed(&self) -> bool {
        let numbers = [self.servers, self.timeouts, self.crashes, self.unsynced];
        let flags = [self.interleaved, self.proposals, self.handovers];
        numbers.iter().any(Option::is_some)
            || flags.iter().any(Option::is_some)
            || self.terms.or(self.entries).is_some()
    }

    fn system(&self) -> Result<System, Usage> {
        let bounds = self.bounds()?;
        Ok(match self.exhibit()? {
            None => zoo::paper(bounds),
            Some(exhibit) if self.preset.is_none() => exhibit.placed(bounds),
            Some(exhibit) => exhibit.system(bounds),
        })
    }

    /// The same, with every server under its own name: for people to follow.
    fn named_system(&self) -> Result<System, Usage> {
        Ok(System { symmetric: false, ..self.system()? })
    }
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("try") {
        let n = |at| std::env::args().nth(at).expect("n").parse::<u8>().expect("number");
        let mut quotient = quotient::Quotient::new(rafttree_model::step_by::<rafttree_model::Paper, server::Tag>, n(3), quotient::Reach { spread: n(4), window: n(5), absolute: false });
        quotient.forgets_logs = std::env::args().nth(2).as_deref() == Some("elections");
        quotient::try_out(&quotient);
        return ExitCode::SUCCESS;
    }
    // A panic inside a transition is a finding that is reported as such. What is printed of it
    // would only stand between the lines.
    std::panic::set_hook(Box::new(|_| {}));
    match std::panic::catch_unwind(|| run(&Cli::parse())) {
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(Usage(why))) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
        Err(panic) => {
            let why = panic.downcast_ref::<String>().map(String::as_str);
            let why = why.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no more is known");
            eprintln!("internal error: {why}");
            ExitCode::from(70)
        }
    }
}

fn run(cli: &Cli) -> Result<u8, Usage> {
    let json = cli.format == Format::Json;
    match &cli.command {
        Command::Check(args) => check(args, json),
        Command::Zoo { rows, limits } => visit_zoo(rows, limits.limits(), json),
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
        Command::Report { table: Table::Rules, limits } => Ok(tables::rules(limits.limits())),
        Command::Report { table: Table::Proof, limits } => Ok(tables::proof(limits.limits())),
    }
}

fn check(args: &CheckArgs, json: bool) -> Result<u8, Usage> {
    let preset = args.system.preset()?;
    let exhibit = args.system.exhibit()?;
    let bounds = args.system.bounds()?;
    let mut system = args.system.system()?;
    if !args.property.is_empty() {
        system.watched = watched(&args.property)?;
    }
    let (watched, limits) = (system.watched, args.limits.limits());
    // Other bounds have other witnesses; a search that meets no leader checks nothing at any.
    let leader = Expected { witnesses: &[Witness::Leader], never: &KINDS };
    let expected = if args.system.is_changed() || exhibit.is_some() { leader } else { preset.expected };
    let mut ticker = Ticker::new();
    let outcome = system.search(limits, expected, &mut |s, t, d, m, e| ticker.tick(s, t, d, m, e));
    drop(ticker);
    let ablation = exhibit.as_ref().map(|exhibit| exhibit.name);
    let name = if ablation.is_some() && args.system.preset.is_none() { "as in the zoo" } else { preset.name };
    let subject = Subject { preset: name, bounds, ablation, watched, threads: limits.threads };
    let played = retold(&args.system, &outcome)?;
    if let (Some(path), Some(played)) = (&args.save, &played) {
        let start = exhibit.as_ref().and_then(|exhibit| exhibit.start).filter(|_| args.system.preset.is_none());
        let text = tables::trace(&subject, &outcome, start, &played.story());
        std::fs::write(path, text).map_err(|why| Usage(format!("cannot write {}: {why}", path.display())))?;
    }
    if json {
        say!("{:#}", report::value(&subject, &outcome));
    } else {
        say!("{}", report::text(&subject, &outcome, played.as_ref().map(Played::story).as_deref()));
    }
    Ok(outcome.verdict.exit_code())
}

/// A counterexample, replayed: one that does not replay is an error of the search.
fn retold(args: &SystemArgs, outcome: &Outcome) -> Result<Option<Played>, Usage> {
    if outcome.verdict != Verdict::Violated {
        return Ok(None);
    }
    let system = args.named_system()?;
    let steps = replay(&system, &outcome.counterexample).expect("a counterexample replays");
    let end = steps.last().map(|(_, world)| world.broken).unwrap_or_default();
    assert!(!end.is_empty(), "a counterexample ends in a broken property");
    Ok(Some(Played { steps, start: system.start }))
}

fn watched(named: &[String]) -> Result<PropertySet, Usage> {
    let unknown = |name: &String| Usage(format!("no property is called '{name}'; 'list properties' shows them all"));
    named.iter().map(|name| Property::named(name).ok_or_else(|| unknown(name))).collect()
}

fn visit_zoo(rows: &[String], limits: Limits, json: bool) -> Result<u8, Usage> {
    let exhibits = tables::chosen(rows).map_err(Usage)?;
    let mut escaped = Vec::new();
    let mut results = Vec::new();
    for exhibit in &exhibits {
        let outcome = tables::hunt(exhibit, limits);
        let caught = outcome.broken.contains(exhibit.caught_by);
        if !caught {
            escaped.push(exhibit.name);
        }
        if !json {
            let row = exhibit.row.map_or(String::new(), |row| row.to_string());
            let by = if caught { exhibit.caught_by.name().to_owned() } else { tables::escape(&outcome) };
            let (steps, states) = (outcome.counterexample.len(), grouped(outcome.states));
            say!(
                "{row:>3}  {:<26}{by:<24}{steps:>3} steps {states:>12} states {:>8}",
                exhibit.name,
                seconds(outcome.time)
            );
        }
        results.push(tables::exhibit_value(exhibit, &outcome));
    }
    if json {
        say!("{:#}", serde_json::Value::from(results));
    } else if escaped.is_empty() {
        say!("\nall {} caught", exhibits.len());
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
    let mut system = args.named_system()?;
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
    let broken = engine::names(played.last().broken);
    if json {
        let steps: Vec<_> = played.steps.iter().map(|(action, _)| action.to_string()).collect();
        say!(
            "{:#}",
            serde_json::json!({"steps": steps, "broken": broken, "end": words::Picture(played.last()).to_string()})
        );
    } else {
        say!("{}\nin the end:\n{}", played.story(), words::Picture(played.last()));
    }
    Ok(u8::from(!broken.is_empty()))
}

fn read(path: &PathBuf) -> Result<Scenario, Usage> {
    let text =
        if path.as_os_str() == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    let text = text.map_err(|why| Usage(format!("cannot read {}: {why}", path.display())))?;
    Scenario::parse(&text).map_err(|why| Usage(format!("{}: {why}", path.display())))
}
