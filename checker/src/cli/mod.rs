//! Explores all interleavings of messages, timers, crashes and disk flushes of the deployed Raft
//! transitions. The command line is the interface; see `--help`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::cli::options::LimitArgs;
use crate::console::Usage;
use crate::search::panics;
use crate::trace::render::Picture;
use crate::{source_mutants, timing};

mod options;

mod report;

pub(crate) mod tables;

mod minimal_bounds;

mod speed;

mod reached;

mod inductive;

mod show;

mod artifacts;

#[cfg(feature = "hosts")]
mod hosts;

mod check;

mod catalogue;

mod play;

mod replay;

mod swarm;

const EXAMPLES: &str = "\
Examples:
  rafttree-checker check                       exhaust the default preset
  rafttree-checker check log-3 --threads 1     another preset, on one core
  rafttree-checker check --mutant may_vote     a search with a broken rule: it must be caught
  rafttree-checker check log-3 --window 3 --time 10m --checkpoint wide.ckpt
                                               larger bounds, as far as ten minutes get
  rafttree-checker check inductive             an inductive invariant: every server that it allows, reached or not
  rafttree-checker swarm --servers 7 --time 60s
                                               long random runs, judged at every step
  rafttree-checker catalogue                   the mutation catalogue: every mutant must be caught
  rafttree-checker mutants                     mutants of the model: a check must kill each
  rafttree-checker show figure_8 -o html --to figure_8.html
                                               a counterexample as a page to step through
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
    Check(Box<check::CheckArgs>),
    /// Make long random runs at sizes that no search exhausts, and count what they met.
    Swarm(Box<swarm::SwarmArgs>),
    /// Run the mutation catalogue, one mutant of the protocol after the other: each must be caught.
    #[command(visible_alias = "zoo")]
    Catalogue {
        /// Names, rules or row numbers; all, if none is given.
        rows: Vec<String>,
        /// Keep the counterexamples in this directory, a file for each mutant.
        #[arg(long, value_name = "DIR")]
        save: Option<PathBuf>,
        /// Write a picture of each counterexample: a file for each mutant, into --save's directory or here.
        #[arg(long, value_enum, value_name = "FORMAT")]
        show: Option<Picture>,
        #[command(flatten)]
        limits: LimitArgs,
    },
    /// Mutants of the model's text, one at a time: a check must kill each.
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
    /// Walk through the states in a browser: what happened as a chart, and what can happen next as links.
    /// A trace, given as a file or by the name of one that is kept, may stand in the preset's place.
    Explore(Box<play::ExploreArgs>),
    /// Play a scenario or a counterexample through the deployed transitions, and tell what happens; or the traces
    /// that the servers of a group have kept, and judge them.
    Replay {
        /// A scenario or counterexample ('-' reads standard input), or traces of one group.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        picture: show::PictureArgs,
    },
    /// Write a scenario or a counterexample as a picture or in the format of another tool: html, svg,
    /// mermaid, itf, shiviz, json or text.
    Show(show::ShowArgs),
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
    /// The mutation catalogue.
    #[value(alias = "zoo")]
    Catalogue,
}

#[derive(Clone, Copy, ValueEnum)]
enum Table {
    /// Each rule with its section, what breaks it, what catches that, and in how many steps.
    Rules,
    /// What was exhausted.
    Proof,
    /// For each mutant the least bounds at which it is caught.
    #[value(alias = "ledger")]
    MinimalBounds,
    /// The quotient beside the concrete system, both explored to the end; minutes, and some memory.
    #[value(alias = "second-opinion")]
    CrossCheck,
    /// What the invariant was judged for, stage by stage.
    Inductive,
    /// What a state and a transition cost, beside Stateright's own search.
    Speed,
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
        Command::Check(args) => check::check(args, json),
        Command::Catalogue { rows, save, show, limits } => {
            let kept = catalogue::Kept { folder: save.as_deref(), picture: *show };
            catalogue::run_catalogue(rows, kept, &limits.limits(), json)
        }
        Command::Swarm(args) => swarm::swarm(args, json),
        Command::Mutants(args) => source_mutants::run(args, json),
        Command::Lasso { servers } => Ok(tables::lasso(*servers, json)),
        Command::Odds(args) => timing::run(args, json),
        Command::Explore(args) => play::explore(args),
        Command::Replay { files, picture } => replay::replay(files, picture, json),
        Command::Show(args) => show::show(args),
        Command::List { what } => {
            match what {
                Listed::Properties => tables::properties(json),
                Listed::Presets => tables::presets(json),
                Listed::Actions => tables::actions(json),
                Listed::Catalogue => tables::catalogue(json),
            }
            Ok(0)
        }
        Command::Report { table: Table::Rules, limits } => Ok(tables::rules(&limits.limits())),
        Command::Report { table: Table::CrossCheck, .. } => Ok(speed::cross_check()),
        Command::Report { table: Table::MinimalBounds, limits } => Ok(minimal_bounds::report(&limits.limits())),
        Command::Report { table: Table::Inductive, limits } => Ok(inductive::report(&limits.limits())),
        Command::Report { table: Table::Speed, limits } => Ok(speed::report(&limits.limits())),
        Command::Report { table: Table::Proof, limits } => Ok(tables::proof(&limits.limits())),
    }
}
