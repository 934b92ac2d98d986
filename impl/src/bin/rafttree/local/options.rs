//! Options of `rafttree local`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::command::LocalCommand;
use crate::options::Timing;

pub(crate) const LOCAL_EXAMPLES: &str = "\
Examples:
  rafttree local                                       keys: 1-9 select, k kill, p pause or resume,
                                                       r restart, t transfer, q quit
  rafttree local --servers 5 --election-timeout 1s --run-for 30s
  echo 'kill leader' | rafttree local -o json
  rafttree local --script 'pause leader' --script 'wait leader' --script 'resume 1' --script status

Commands, as lines of the standard input when that is no terminal, or each as a --script:
  kill WHO       end the process at once (kill -9)     pause WHO      stop it (SIGSTOP)
  resume WHO     let it go on                          restart WHO    start it again, kill it first
  transfer ID    let this server lead instead          step-down      make the leader give up
  status         print what every server says          wait leader    until there is a leader
  quit           end the cluster
SIGTERM, SIGINT, SIGHUP and SIGQUIT do so as well; SIGUSR1 prints what every server says.
ID is a server's number; WHO is one, too, or `leader`, which waits until there is one.";

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
