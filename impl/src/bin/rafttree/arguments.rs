//! What can be said on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rafttree::{ClusterId, ElectOnDisconnect, ServerId};

use crate::bench::BenchCommand;
use crate::local::LocalCommand;

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

Exit codes: 0 done, 1 what was asked for did not happen, 2 wrong usage, 70 the server cannot go on
(such as a disk that fails).";

const SERVE_EXAMPLES: &str = "\
Examples:
  rafttree serve data/1 --listen 127.0.0.1:7001 --peer 2=127.0.0.1:7002 --peer 3=127.0.0.1:7003
  rafttree serve data/1 --id 1 --init 0123456789abcdef0123456789abcdef --listen 127.0.0.1:7001 ...

Prints a line for each change of role, term or leader; lines that nobody reads hold up nothing, and
are counted when they have no room.

SIGTERM, SIGINT, SIGHUP or SIGQUIT hands leadership over and ends the server; a second one ends it at
once. (SIGHUP and SIGQUIT stay ignored where they were, as with nohup.) Whatever hangs, it has ended
after 3 T for the next leader, 5 s for a write that the disk has not finished (exit code 70: the
directory stays locked until it has) and 1 s for output that nobody reads. During the start it ends
at once, with exit code 1. SIGUSR1 prints the status; SIGUSR2 does nothing.";

const LOCAL_EXAMPLES: &str = "\
Examples:
  rafttree local                                       keys: 1-9 select, k kill, p pause or resume,
                                                       r restart, t transfer, q quit
  rafttree local --servers 5 --election-timeout 1s --run-for 30s
  echo 'kill leader' | rafttree local -o json
  rafttree local --script 'pause leader' --script 'wait leader' --script 'resume 1' --script status

Commands, as lines of the standard input when that is no terminal, or each as a --script:
  kill WHO       end the process at once (kill -9)     pause WHO      stop it (SIGSTOP)
  resume WHO     let it go on                          restart WHO    start it again, kill it first
  transfer ID    hand leadership to this server        step-down      make the leader give up
  status         print what every server says          wait leader    until there is a leader
  quit           end the cluster
SIGTERM, SIGINT, SIGHUP and SIGQUIT do so as well; SIGUSR1 prints what every server says.
ID is a server's number; WHO is one, too, or `leader`, which waits until there is one.";

/// Raft whose deployed logic is the model-checked logic: servers that elect a leader, and a
/// cluster on this machine to see it happen.
#[derive(Debug, Parser)]
#[command(name = "rafttree", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How results are written to the standard output.
    #[arg(short, long, alias = "format", global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    #[value(alias = "table")]
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes a data directory for one server of one cluster.
    Init(InitOptions),
    /// Runs one server.
    Serve(ServeOptions),
    /// Says what running servers of this machine know: role, term, leader, log.
    Status(StatusOptions),
    /// Makes a running leader of this machine hand over to another server.
    Transfer(TransferOptions),
    /// Makes a running leader of this machine give up leadership.
    StepDown(StepDownOptions),
    /// Runs a cluster on this machine, each server a process of its own.
    Local(LocalOptions),
    /// Measures a cluster on this machine, each server a process of its own.
    #[command(subcommand)]
    Bench(BenchCommand),
}

#[derive(Args, Debug)]
pub(crate) struct InitOptions {
    /// Where the server will keep its data; it is created if it does not exist.
    pub(crate) directory: PathBuf,
    /// The cluster's id, 32 hexadecimal digits, or `new` for the first server of a new cluster.
    #[arg(long, value_name = "ID", value_parser = parse_cluster)]
    pub(crate) cluster: Cluster,
    /// The server's number, from 1 on. A number is never used again for another server.
    #[arg(long, value_parser = parse_server)]
    pub(crate) id: ServerId,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cluster {
    New,
    Existing(ClusterId),
}

#[derive(Args, Debug)]
#[command(after_help = SERVE_EXAMPLES)]
pub(crate) struct ServeOptions {
    /// The server's data, made by `rafttree init`.
    pub(crate) directory: PathBuf,
    /// Refuse a directory that does not belong to this server.
    #[arg(long, value_parser = parse_server)]
    pub(crate) id: Option<ServerId>,
    /// Where the other servers reach this one, such as 127.0.0.1:7001.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: String,
    /// Another server of the cluster; once for each of them.
    #[arg(long = "peer", value_name = "ID=HOST:PORT", value_parser = parse_peer)]
    pub(crate) peers: Vec<(ServerId, String)>,
    #[command(flatten)]
    pub(crate) timing: Timing,
    /// When followers of a leader that was disconnected campaign at once, instead of waiting for
    /// their election timeouts. All servers should have the same.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) elect_on_disconnect: OnDisconnect,
    /// Listen beyond this machine, though nothing is encrypted.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Initialise the directory for this cluster first, unless that was done before. Not where a
    /// disk may come back empty: the server would have forgotten its votes.
    #[arg(long, value_name = "CLUSTER", requires = "id")]
    pub(crate) init: Option<ClusterId>,
    /// End with the process that started this one, or when the standard input ends.
    #[arg(long, hide = true)]
    pub(crate) end_with_parent: bool,
    /// Ask a majority when this server leads, and say when that has answered.
    #[arg(long, hide = true)]
    pub(crate) confirm: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum OnDisconnect {
    /// When no connection stands and the leader's address refuses a new one. Leases assume that no
    /// firewall, address translation or proxy refuses there in the leader's name.
    #[default]
    Refused,
    /// The same, but only where the leader runs on this machine. Leases assume nothing of networks.
    SameMachine,
    /// Never. Leases assume nothing of connections.
    Never,
}

impl From<OnDisconnect> for ElectOnDisconnect {
    fn from(when: OnDisconnect) -> ElectOnDisconnect {
        match when {
            OnDisconnect::Refused => ElectOnDisconnect::Refused,
            OnDisconnect::SameMachine => ElectOnDisconnect::SameMachine,
            OnDisconnect::Never => ElectOnDisconnect::Never,
        }
    }
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// T: without word from a leader a server campaigns after a random time between T and 2 T.
    #[arg(long, value_name = "TIME", default_value = "150ms", value_parser = humantime::parse_duration)]
    pub(crate) election_timeout: Duration,
    /// How often a leader tells that it leads [default: a tenth of the election timeout].
    #[arg(long = "heartbeat", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) heartbeat_interval: Option<Duration>,
}

#[derive(Args, Debug)]
pub(crate) struct StatusOptions {
    /// Data directories of running servers.
    #[arg(required = true, value_name = "DIRECTORY")]
    pub(crate) directories: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct TransferOptions {
    /// The leader's data directory.
    pub(crate) directory: PathBuf,
    /// Who takes over.
    #[arg(long, value_name = "ID", value_parser = parse_server)]
    pub(crate) to: ServerId,
}

#[derive(Args, Debug)]
pub(crate) struct StepDownOptions {
    /// The leader's data directory.
    pub(crate) directory: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = LOCAL_EXAMPLES)]
pub(crate) struct LocalOptions {
    /// How many servers.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub(crate) servers: u32,
    /// Keep the data here, to go on with it later [default: a temporary directory].
    #[arg(long = "dir", value_name = "DIRECTORY")]
    pub(crate) directory: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) timing: Timing,
    /// End after this time.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) run_for: Option<Duration>,
    /// A command to start with; may be given several times.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) script: Vec<LocalCommand>,
}

fn parse_cluster(text: &str) -> Result<Cluster, String> {
    match text {
        "new" => Ok(Cluster::New),
        _ => text.parse().map(Cluster::Existing).map_err(|error| format!("{error}, or `new` for a new cluster")),
    }
}

fn parse_server(text: &str) -> Result<ServerId, String> {
    match text.parse() {
        Ok(id) if 0 < id => Ok(ServerId::new(id)),
        _ => Err("a server is a number from 1 on".to_owned()),
    }
}

fn parse_peer(text: &str) -> Result<(ServerId, String), String> {
    let (id, address) = text.split_once('=').ok_or("write ID=HOST:PORT, such as 2=127.0.0.1:7002")?;
    Ok((parse_server(id)?, address.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::bench::{FAILOVER_EXAMPLES, STEADY_EXAMPLES};

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_examples_of_the_help_are_understood() {
        let all = [EXAMPLES, SERVE_EXAMPLES, LOCAL_EXAMPLES, FAILOVER_EXAMPLES, STEADY_EXAMPLES];
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
            "rafttree bench",
            "rafttree bench failover",
            "rafttree bench failover --kill --pause",
            "rafttree bench failover --kill --servers 2",
            "rafttree bench failover --kill --trials 1",
            "rafttree bench failover --kill --timeout 100ms",
            "rafttree bench failover --kill --timeout 100ms..150ms",
            "rafttree bench steady --for soon",
        ] {
            assert!(Arguments::try_parse_from(line.split_whitespace()).is_err(), "{line}");
        }
    }
}
