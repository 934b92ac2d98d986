//! The command line's grammar.

use clap::{Parser, Subcommand};

use crate::bench::BenchCommand;
use crate::campaign::{CAMPAIGN_EXAMPLES, CampaignOptions};
use crate::control::{SnapshotOptions, StatusOptions, StepDownOptions, TransferOptions};
use crate::history::{HISTORY_EXAMPLES, HistoryOptions};
use crate::init::InitOptions;
use crate::local::LocalOptions;
use crate::log::LogCommand;
use crate::options::Format;
use crate::serve::ServeOptions;
use crate::simulate::{SIMULATE_EXAMPLES, SimulateOptions};

const EXAMPLES: &str = "\
Examples:
  Three servers in this terminal; kill the leader with a key and see the next one:
    rafttree local --servers 3

  The same without hands:
    rafttree local --servers 3 --script 'kill leader' --script 'wait leader'

  One server of three (the others likewise, each with its own directory and id):
    rafttree init data/1 --cluster new --id 1          prints the cluster's id, for the others
    rafttree serve data/1 --listen 127.0.0.1:7001 --peer 2=127.0.0.1:7002 --peer 3=127.0.0.1:7003
    rafttree status data/1

Exit codes: 0 done, 1 what was asked for did not happen, 2 wrong usage, 65 and 66 the log is damaged
(`log verify` says more), 70 the server cannot go on (such as a disk that fails).";

/// Raft whose deployed logic is the model-checked logic: servers that elect a leader, a cluster on this
/// machine to see it happen, and questions to any running server, that of a service included.
#[derive(Debug, Parser)]
#[command(name = "rafttree", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How results are written to the standard output.
    #[arg(short, long, alias = "format", global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a data directory for one server of one cluster.
    Init(InitOptions),
    /// Runs one server.
    Serve(ServeOptions),
    /// Says what running servers of this machine know: role, term, leader, log.
    Status(StatusOptions),
    /// Says why there is no leader or no progress, as far as the servers of this machine know.
    Why(StatusOptions),
    /// Makes a running server of this machine take a snapshot of its state machine.
    Snapshot(SnapshotOptions),
    /// Makes a running leader of this machine transfer its leadership to another server.
    Transfer(TransferOptions),
    /// Makes a running leader of this machine give up leadership.
    StepDown(StepDownOptions),
    /// Reads the log of a data directory: whether it is sound, and what is in it.
    #[command(subcommand)]
    Log(LogCommand),
    /// Judges a history of what clients called and were answered: whether it is linearizable.
    #[command(after_help = HISTORY_EXAMPLES)]
    CheckHistory(HistoryOptions),
    /// Runs a cluster on this machine, each server a process of its own.
    Local(LocalOptions),
    /// Measures a cluster on this machine, each server a process of its own.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Runs simulated groups under every fault, each from a seed, and judges every step.
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(SimulateOptions),
    /// Attacks what keeps a data directory: crashes, errors and flipped bits, at every place of it.
    #[command(after_help = CAMPAIGN_EXAMPLES)]
    Campaign(CampaignOptions),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::bench::{FAILOVER_EXAMPLES, STEADY_EXAMPLES};
    use crate::local::LOCAL_EXAMPLES;
    use crate::log::LOG_EXAMPLES;
    use crate::serve::SERVE_EXAMPLES;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_examples_of_the_help_are_understood() {
        let all = [
            EXAMPLES,
            SERVE_EXAMPLES,
            LOG_EXAMPLES,
            HISTORY_EXAMPLES,
            LOCAL_EXAMPLES,
            FAILOVER_EXAMPLES,
            STEADY_EXAMPLES,
            SIMULATE_EXAMPLES,
            CAMPAIGN_EXAMPLES,
        ];
        for line in all.concat().lines() {
            let Some(at) = line.find("rafttree ") else { continue };
            let line = line[at..].split("   ").next().unwrap().trim_end_matches(" ...");
            let mut words = Vec::new();
            for (number, part) in line.split('\'').enumerate() {
                if number % 2 == 1 { words.push(part) } else { words.extend(part.split_whitespace()) }
            }
            Arguments::try_parse_from(&words).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "rafttree init data --cluster new --id 0",
            "rafttree init data --cluster 12 --id 1",
            "rafttree serve data",
            "rafttree serve data --listen 127.0.0.1:1 --peer 127.0.0.1:2",
            "rafttree local --servers 10",
            "rafttree local --script 'kill everybody'",
            "rafttree local --election-timeout 150",
            "rafttree status",
            "rafttree log",
            "rafttree log verify",
            "rafttree log convert data",
            "rafttree check-history",
            "rafttree bench",
            "rafttree bench failover",
            "rafttree bench failover --kill --pause",
            "rafttree bench failover --kill --servers 2",
            "rafttree bench failover --kill --trials 1",
            "rafttree bench failover --kill --timeout 100ms",
            "rafttree bench failover --kill --timeout 100ms..150ms",
            "rafttree bench steady --for soon",
            "rafttree simulate --shard 3/2",
            "rafttree simulate --servers 0",
            "rafttree simulate --mutant none",
            "rafttree simulate --only some --runs 1",
            "rafttree campaign",
            "rafttree campaign floods",
            "rafttree campaign bits --shard 0/4",
        ] {
            assert!(Arguments::try_parse_from(line.split_whitespace()).is_err(), "{line}");
        }
    }
}
