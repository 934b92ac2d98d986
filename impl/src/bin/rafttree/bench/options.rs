//! Options of `rafttree bench`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::options::Timing;

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
    pub(super) how: HowOptions,
    /// How many servers.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(3..=9))]
    pub(super) servers: u32,
    /// How often.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub(super) trials: u32,
    #[command(flatten)]
    pub(super) timeouts: Timeouts,
    /// For the moments at which the leader is stopped; the servers draw their timeouts themselves.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Draw the distribution, measured and in theory, into this file.
    #[arg(long, value_name = "FILE")]
    pub(super) svg: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct HowOptions {
    /// Kill the leader's process (SIGKILL): its connections close, which tells the others.
    #[arg(long)]
    pub(super) kill: bool,
    /// Stop the leader's process (SIGSTOP): nothing tells the others but its silence.
    #[arg(long)]
    pub(super) pause: bool,
}

#[derive(Args, Debug)]
#[command(after_help = STEADY_EXAMPLES)]
pub(crate) struct SteadyOptions {
    /// How many servers.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    pub(super) servers: u32,
    #[command(flatten)]
    pub(super) timeouts: Timeouts,
    /// How long to look.
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(super) time: Duration,
}

#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// From which range servers draw their election timeouts: T..2T.
    #[arg(long, value_name = "T..2T", default_value = "100ms..200ms")]
    pub(super) timeout: TimeoutRange,
    /// How often a leader tells that it leads [default: a tenth of T].
    #[arg(long = "heartbeat", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) heartbeat_interval: Option<Duration>,
}

impl Timeouts {
    /// The time between a leader's heartbeats.
    pub(super) fn heartbeat(self) -> Duration {
        self.heartbeat_interval.unwrap_or(self.timeout.least / 10)
    }

    /// As servers are told.
    pub(super) fn timing(self) -> Timing {
        Timing { election_timeout: self.timeout.least, heartbeat_interval: Some(self.heartbeat()) }
    }
}

/// From T to 2 T; there are no others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct TimeoutRange {
    pub(super) least: Duration,
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
