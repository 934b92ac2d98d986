//! `rafttree bench`: what a cluster of real processes on this machine does, in figures.

mod failover;
mod group;
mod plot;
mod statistics;
mod steady;
mod theory;

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};

use crate::arguments::{Format, Timing};
use crate::failure::Failure;

pub(crate) const FAILOVER_EXAMPLES: &str = "\
Examples:
  rafttree bench failover --kill
  rafttree bench failover --pause --timeout 100ms..200ms --heartbeat 10ms --trials 200
  rafttree bench failover --pause --servers 5 --timeout 12ms..24ms --svg failover.svg
  rafttree bench failover --kill --trials 50 -o json

Time runs from the signal until a surviving server leads and a majority has confirmed that since.
Then the leader is started again, or goes on, and the next trial waits until all follow one leader.
The theory beside it is that of timeouts drawn continuously: the first of the survivors' timeouts
after the last heartbeat. It does not say what an election itself takes; that is in the row below.
A measurement is worth what else the machine does at the time: its load is printed.";

pub(crate) const STEADY_EXAMPLES: &str = "\
Examples:
  rafttree bench steady --servers 3 --timeout 1s..2s --heartbeat 100ms --for 30s
  rafttree bench steady --servers 5 --timeout 12ms..24ms --for 10m

Nothing is asked of the servers, and nothing fails. Every election is one too many. What each
server costs is read in /proc, so this needs Linux.";

/// Away from a terminal, progress is told this often.
const SILENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Ends or stops the leader again and again: how long until there is another one?
    Failover(FailoverOptions),
    /// Lets a cluster be: processor time, memory and wake-ups of each server, elections.
    Steady(SteadyOptions),
}

#[derive(Args, Debug)]
#[command(after_help = FAILOVER_EXAMPLES)]
pub(crate) struct FailoverOptions {
    #[command(flatten)]
    how: HowOptions,
    /// How many servers.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(3..=9))]
    servers: u32,
    /// How often.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    trials: u32,
    #[command(flatten)]
    timeouts: Timeouts,
    /// For the moments at which the leader is stopped; the servers draw their timeouts themselves.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Draw the distribution, measured and in theory, into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct HowOptions {
    /// Kill the leader's process (SIGKILL): its connections close, which tells the others.
    #[arg(long)]
    kill: bool,
    /// Stop the leader's process (SIGSTOP): nothing tells the others but its silence.
    #[arg(long)]
    pause: bool,
}

#[derive(Args, Debug)]
#[command(after_help = STEADY_EXAMPLES)]
pub(crate) struct SteadyOptions {
    /// How many servers.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    servers: u32,
    #[command(flatten)]
    timeouts: Timeouts,
    /// How long to look.
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    time: Duration,
}

#[derive(Args, Clone, Copy, Debug)]
struct Timeouts {
    /// From which range servers draw their election timeouts: T..2T.
    #[arg(long, value_name = "T..2T", default_value = "100ms..200ms")]
    timeout: TimeoutRange,
    /// How often a leader tells that it leads [default: a tenth of T].
    #[arg(long = "heartbeat", value_name = "TIME", value_parser = humantime::parse_duration)]
    heartbeat_interval: Option<Duration>,
}

impl Timeouts {
    fn heartbeat(self) -> Duration {
        self.heartbeat_interval.unwrap_or(self.timeout.least / 10)
    }

    /// As servers are told.
    fn timing(self) -> Timing {
        Timing { election_timeout: self.timeout.least, heartbeat_interval: Some(self.heartbeat()) }
    }
}

/// From T to 2 T; there are no others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct TimeoutRange {
    least: Duration,
}

impl FromStr for TimeoutRange {
    type Err = String;

    fn from_str(text: &str) -> Result<TimeoutRange, String> {
        let (least, most) = text.split_once("..").ok_or("write T..2T, such as 100ms..200ms")?;
        let parse = |text: &str| humantime::parse_duration(text).map_err(|error| format!("`{text}`: {error}"));
        let (least, most) = (parse(least)?, parse(most)?);
        if most != 2 * least {
            let twice = humantime::format_duration(2 * least);
            return Err(format!(
                "servers draw their timeouts between T and 2 T: write {}..{twice}",
                humantime::format_duration(least)
            ));
        }
        Ok(TimeoutRange { least })
    }
}

impl fmt::Display for TimeoutRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (self.least, 2 * self.least);
        write!(out, "{} to {}", humantime::format_duration(least), humantime::format_duration(most))
    }
}

pub(crate) async fn run(command: BenchCommand, output: Format) -> Result<(), Failure> {
    match command {
        BenchCommand::Failover(options) => failover::run(options, output).await,
        BenchCommand::Steady(options) => steady::run(options, output).await,
    }
}

/// How far a measurement is, on the standard error: one line that changes on a terminal, a line
/// now and then elsewhere.
struct Progress {
    is_terminal: bool,
    said: Instant,
}

impl Progress {
    fn new() -> Progress {
        Progress { is_terminal: io::stderr().is_terminal(), said: Instant::now() }
    }

    fn say(&mut self, text: impl fmt::Display) {
        if self.is_terminal {
            eprint!("\r\x1b[K{text}");
        } else if SILENCE <= self.said.elapsed() {
            self.said = Instant::now();
            eprintln!("{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_terminal {
            eprint!("\r\x1b[K");
        }
    }
}

/// The machine, and what else it does: the average number of processes that wanted to run during
/// the last minute, where the system tells.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().filter(|load| !load.is_empty()).map(|load| format!(", load {load}"));
    format!("{cores} cores{}", load.unwrap_or_default())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_from_t_to_2t() {
        let least = Duration::from_micros(12_500);
        assert_eq!("12500us..25ms".parse(), Ok(TimeoutRange { least }));
        assert_eq!(TimeoutRange { least }.to_string(), "12ms 500us to 25ms");
    }

    #[test]
    fn any_other_range_is_refused_with_the_one_that_is_meant() {
        let refusal = |text: &str| text.parse::<TimeoutRange>().unwrap_err();
        assert!(refusal("150ms..151ms").ends_with("write 150ms..300ms"), "{}", refusal("150ms..151ms"));
        assert!(refusal("100ms").contains("100ms..200ms"));
        assert!(refusal("soon..200ms").starts_with("`soon`: "));
    }
}
