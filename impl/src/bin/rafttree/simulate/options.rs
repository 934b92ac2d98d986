//! The options of `rafttree simulate`.

use clap::Args;
use rafttree::simulate::Mutant;

use crate::seeds::parse_shard;

pub(crate) const SIMULATE_EXAMPLES: &str = "\
Examples:
  A thousand runs, on all cores:
    rafttree simulate --runs 1000

  The second half of a campaign, on another machine:
    rafttree simulate --runs 20000 --shard 2/2

  The same for groups of five:
    rafttree simulate --runs 1000 --servers 5

  Whether faults that are put in on purpose are found, and after how many runs:
    rafttree simulate --mutants --runs 2000
    rafttree simulate --mutant forgets-votes

A run is four seconds of virtual time in which everything goes wrong, and then a time in which nothing does.
The real core and the real log run over simulated disks, networks and clocks; clients write, read, compare and
delete registers. Every step is judged. A run that goes wrong is told in words, with as few of its faults as
are enough, and the line that repeats it. Equal seeds are equal runs on every machine: the digest says so.

Exit codes: 0 nothing went wrong (with --mutants: every mutant was found); 1 something did (or: not every
mutant was found); 2 wrong usage.";

#[derive(Args, Clone, Debug)]
pub(crate) struct SimulateOptions {
    /// The first run.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) seed: u64,
    /// How many runs, from that seed on. With a mutant: how many at most.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) runs: u64,
    /// Only every N-th of these, beginning with the I-th: so several machines share a campaign.
    #[arg(long, value_name = "I/N", default_value = "1/1", value_parser = parse_shard)]
    pub(crate) shard: (u64, u64),
    /// Servers of a group.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub(crate) servers: u32,
    /// Runs at a time [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// Runs with this wrong on purpose, until it is noticed.
    #[arg(long, value_name = "NAME", value_parser = parse_mutant, conflicts_with = "mutants")]
    pub(crate) mutant: Option<Mutant>,
    /// Hunts every mutant.
    #[arg(long)]
    pub(crate) mutants: bool,
    /// Of one run only the faults of these numbers: `3,17`, or `none`.
    #[arg(long = "only", value_name = "FAULTS", value_parser = parse_faults, conflicts_with_all = ["mutants", "shard"])]
    only_faults: Option<Faults>,
}

/// Faults of a run by their numbers.
#[derive(Clone, Debug)]
struct Faults(Vec<usize>);

fn parse_mutant(name: &str) -> Result<Mutant, String> {
    Mutant::named(name).ok_or_else(|| {
        let names: Vec<_> = Mutant::all().map(Mutant::name).collect();
        format!("the mutants are {}", names.join(", "))
    })
}

fn parse_faults(text: &str) -> Result<Faults, String> {
    if text == "none" {
        return Ok(Faults(Vec::new()));
    }
    let numbers: Result<Vec<usize>, _> = text.split(',').map(str::parse).collect();
    numbers.map(Faults).map_err(|_| "faults are numbers, such as 3,17, or `none`".to_owned())
}

impl SimulateOptions {
    /// The faults that are to strike, where not all are.
    pub(super) fn only(&self) -> Option<&[usize]> {
        self.only_faults.as_ref().map(|faults| faults.0.as_slice())
    }
}
