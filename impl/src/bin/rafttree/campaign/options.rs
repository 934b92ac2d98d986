//! The options of `rafttree campaign`.

use clap::Args;
use rafttree::campaigns::{Campaign, Scale};

use crate::seeds::{Seeds, parse_shard};

pub(crate) const CAMPAIGN_EXAMPLES: &str = "\
Examples:
  A crash at every call of ten histories, and more crashes while they are dealt with:
    rafttree campaign crashes

  An error, a short write and a disk without room at every call of a hundred:
    rafttree campaign errors --runs 100

  Every bit of every file of four directories, a quarter of them on each of four machines:
    rafttree campaign bits --runs 4 --shard 1/4

  Every parser of bytes from outside, a thousand changed encodings for each in a run:
    rafttree campaign bytes --runs 100

  As little of each run as a test has time for:
    rafttree campaign crashes --runs 100 --quick

A run is a history of what a server does to its data directory: it writes batches to its log, cuts conflicts, makes and
takes snapshots, writes down peers, starts again; some begin with a log of format 1. It is run on a disk in memory that
does what disks do at their worst, once for each thing that may go wrong; and each time the server must find what was
acknowledged, and go on. A run of `bytes` has no history: it changes encodings, and gives each to its parser, which must
refuse it or read what can be written again. A run that goes wrong is told in words, with the line that repeats it. Equal seeds are equal
runs on every machine: the digest says so.

Exit codes: 0 nothing went wrong; 1 something did; 2 wrong usage.";

#[derive(Args, Clone, Debug)]
pub(crate) struct CampaignOptions {
    /// What goes wrong: `crashes`, `errors`, `bits` or `bytes`.
    #[arg(value_name = "CAMPAIGN", value_parser = parse_campaign)]
    pub(crate) campaign: Campaign,
    /// The first run.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(crate) seed: u64,
    /// How many runs, from that seed on.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) runs: u64,
    /// Only every N-th of these, beginning with the I-th: so several machines share a campaign.
    #[arg(long, value_name = "I/N", default_value = "1/1", value_parser = parse_shard)]
    pub(crate) shard: (u64, u64),
    /// Runs at a time [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// Tries less in each run: fewer subsets of what was not flushed, fewer crashes during a start, of the bits
    /// one of five hundred, fewer bytes.
    #[arg(long)]
    pub(crate) quick: bool,
}

fn parse_campaign(name: &str) -> Result<Campaign, String> {
    Campaign::ALL
        .into_iter()
        .find(|campaign| campaign.name() == name)
        .ok_or_else(|| format!("the campaigns are {}", Campaign::ALL.map(Campaign::name).join(", ")))
}

impl CampaignOptions {
    pub(super) fn scale(&self) -> Scale {
        if self.quick { Scale::SMALL } else { Scale::FULL }
    }

    pub(super) fn seeds(&self) -> Seeds {
        Seeds::new(self.seed, self.runs, self.shard, self.threads)
    }
}
