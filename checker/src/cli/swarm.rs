//! `swarm`: long random runs of the concrete system, at sizes that no search exhausts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cli::check::{further, watched};
use crate::cli::options::{cores, mutant_named, stop_at_signals};
use crate::cli::show;
use crate::console::{Usage, grouped, parse_time, seconds};
use crate::mutants::catalogue::Mutant;
use crate::progress::Ticker;
use crate::properties::PropertySet;
use crate::scope::Part;
use crate::swarm::report::{Report, Told, Verdict};
use crate::swarm::{self, Campaign, Plan, Shard, Shortened};
use crate::system::System;
use crate::trace::counterexample::Counterexample;
use crate::verdict;

const EXAMPLES: &str = "\
Examples:
  rafttree-checker swarm --servers 7 --time 60s          a minute of runs of seven servers
  rafttree-checker swarm --seed 4 --runs 1000            a thousand runs, the same on every machine
  rafttree-checker swarm --seed 4 --runs 1000 --shard 2/3    a third of them, for one machine of three
  rafttree-checker swarm --mutant vote_again             a broken rule: it must be found, and the run made short
  rafttree-checker swarm --seed 4 --run 17               one of these runs again

Every step is the deployed one, and is judged by every property of the concrete system. What happens next is
drawn; each run leaves out some kinds of action and favours others. A run that breaks something is made
shorter, for as long as it breaks the same, perhaps of a smaller group. That nothing is found proves nothing: what is exhausted is
what 'check' says COMPLETE of.

Exit codes: 0 nothing found, 1 violated, 2 usage, 4 vacuous (no run had a leader), 70 internal error.";

/// What is run, and how.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SwarmArgs {
    /// Servers in the group, 1 to 9.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=9))]
    servers: u8,
    /// Draws other runs. A run depends on this and on its number, on nothing else.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only every N-th run, from the I-th on: the shards 1/N to N/N together are all runs.
    #[arg(long, value_name = "I/N", value_parser = parse_shard, default_value = "1/1")]
    shard: Shard,
    /// End after so many runs, all shards together; 100, if neither this nor a time is given.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    runs: Option<u64>,
    /// Only the run with this number, as a report names it.
    #[arg(long, conflicts_with_all = ["runs", "shard", "time"])]
    run: Option<u64>,
    /// Begin no run after this time, as in 30s or 10m.
    #[arg(long, value_parser = parse_time)]
    time: Option<Duration>,
    /// The most actions of a run, those that change nothing included.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    steps: u64,
    /// Run a mutant: a name of the mutation catalogue, a rule, or a row; see 'list catalogue'. What it is
    /// known to break counts then, unless --property says otherwise.
    #[arg(long)]
    mutant: Option<String>,
    /// Only these properties count (ids or names); may be given several times.
    #[arg(long)]
    property: Vec<String>,
    /// Threads; all cores, if none are named. They change no result.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: Option<u32>,
    /// Write a counterexample to this file, as a scenario.
    #[arg(long)]
    save: Option<PathBuf>,
}

/// A shard as people write it.
fn parse_shard(text: &str) -> Result<Shard, String> {
    let wrong = || format!("'{text}' is no shard; write the second of three as 2/3");
    let (at, of) = text.split_once('/').ok_or_else(wrong)?;
    let (at, of): (u64, u64) = (at.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?);
    if (1..=of).contains(&at) { Ok(Shard { at: at - 1, of }) } else { Err(wrong()) }
}

/// How many runs there are where nothing is said.
const USUAL_RUNS: u64 = 100;

impl SwarmArgs {
    fn plan(&self) -> Plan {
        let unlimited = if self.time.is_some() { u64::MAX } else { USUAL_RUNS };
        let (first, end) = match self.run {
            Some(run) => (run, run.saturating_add(1)),
            None => (0, self.runs.unwrap_or(unlimited)),
        };
        Plan {
            seed: self.seed,
            shard: self.shard,
            first,
            end,
            steps: self.steps,
            time: self.time,
            threads: self.threads.map_or_else(cores, |threads| threads as usize),
            stop: stop_at_signals(),
        }
    }

    /// The system, and which of its properties count.
    fn system(&self, mutant: Option<&Mutant>) -> Result<System, Usage> {
        let mut system = swarm::system(self.servers.into(), mutant);
        if !self.property.is_empty() {
            system.watched = watched(&self.property)?;
        }
        let judged = swarm::judged(&system);
        if !system.watched.meets(judged) {
            return Err(Usage(format!(
                "{} is not judged in runs of the concrete system; 'check' knows where it is",
                verdict::names(system.watched).join(", ")
            )));
        }
        system.watched.keep(judged);
        Ok(system)
    }

    /// The command that makes one run again.
    fn again(&self, number: u64) -> String {
        let mutant = self.mutant.as_ref().map_or(String::new(), |name| format!(" --mutant {name}"));
        let properties: String = self.property.iter().map(|name| format!(" --property {name}")).collect();
        let SwarmArgs { servers, seed, steps, .. } = self;
        format!("swarm --servers {servers} --seed {seed} --steps {steps}{mutant}{properties} --run {number}")
    }
}

/// Makes the runs, to an exit code.
pub(crate) fn swarm(args: &SwarmArgs, json: bool) -> Result<u8, Usage> {
    let mutant = args.mutant.as_deref().map(mutant_named).transpose()?;
    let (system, plan, ticker) = (args.system(mutant.as_ref())?, args.plan(), Ticker::new());
    let campaign = swarm::campaign(&system, &plan, &|campaign| ticker.show(|| progress(campaign)));
    let found = campaign.found.as_ref();
    let told = found.map(|run| {
        let tick = |steps| ticker.show(|| format!("run {}: {steps} steps, and shorter", run.number));
        swarm::shortened(&system, run, &tick).map(|it| told(&it, mutant.as_ref()))
    });
    drop(ticker);
    if let (Some(path), Some(Ok(told))) = (&args.save, &told) {
        show::write(path, &told.file)?;
    }
    let again = found.map(|run| args.again(run.number));
    let name = mutant.as_ref().map(|mutant| mutant.name);
    let report = Report { system: &system, plan: &plan, campaign: &campaign, mutant: name, again, told };
    if json {
        say!("{:#}", report.value());
    } else {
        say!("{}", report.text());
        report.again.iter().for_each(|again| say!("{}", how_to_go_on(again, args.save.as_deref())));
    }
    Ok(Verdict::of(&campaign).exit_code())
}

fn how_to_go_on(again: &str, saved: Option<&Path>) -> String {
    format!("to make it again  rafttree-checker {again}\n{}", further(again, saved))
}

fn progress(campaign: &Campaign) -> String {
    let coverage = &campaign.coverage;
    format!("{} runs, {} actions, {}", grouped(campaign.runs), grouped(coverage.choices()), seconds(campaign.elapsed))
}

fn told(short: &Shortened, mutant: Option<&Mutant>) -> Told {
    let Shortened { property, system, steps } = short;
    let found = Counterexample::of_run(system, steps);
    let broken = PropertySet::from_iter([*property]);
    let file = found.file(mutant, Part::Concrete(system.bounds), broken);
    Told {
        property: *property,
        steps: steps.len(),
        servers: system.bounds.servers,
        story: found.story().to_owned(),
        file,
    }
}
