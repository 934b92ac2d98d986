//! The command line of `odds`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::console::Usage;
use crate::timing::answer::{Answer, MOST_WAYS};
use crate::timing::inverse::{Demand, Found, smallest};
use crate::timing::setting::{
    Latency, MILLISECOND, Nanos, Range, Setting, Start, Until, ms, parse_latency, parse_time, parse_timeout,
};
use crate::timing::{paper, plot, told};

const EXAMPLES: &str = "\
Examples:
  rafttree-checker odds --servers 5 --alive 4 --timeout 150ms..300ms --latency 15ms
  rafttree-checker odds --latency 1ms..5ms --flush 2ms --svg odds.svg    random latency, slow disks, a picture
  rafttree-checker odds --latency 0:0.2ms,0.5:1ms,0.99:8ms,1:50ms        latency as measured
  rafttree-checker odds --latency 15ms --steps                           how the exact answer converges
  rafttree-checker odds --within 500ms --probability 0.999 --latency 15ms    which timeouts to configure
  rafttree-checker odds paper                                            beside the published figures

The leader dies silently. Where its process ends and its connections close, an election begins within
milliseconds; that is not computed here.";

/// How many terms an election takes until there is a leader, and how long.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct OddsArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    asked: AskedArgs,
}

#[derive(Subcommand)]
enum What {
    /// Print the figures of the dissertation and of the Raft paper beside what is computed here.
    Paper {
        /// Elections that are simulated for each row.
        #[arg(long, default_value_t = 20_000, value_parser = trials)]
        trials: usize,
        /// The seed of the simulation.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Draw measured and computed curves to this file.
        #[arg(long)]
        svg: Option<PathBuf>,
    },
}

#[derive(Args)]
struct AskedArgs {
    /// Members of the group, 1 to 9.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=9))]
    servers: u8,
    /// Servers that are alive; all but the leader, if no number is given.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=9))]
    alive: Option<u8>,
    /// Live servers whose logs lack an entry that the others hold.
    #[arg(long, default_value_t = 0)]
    behind: u8,
    /// Election timeouts, as in 150ms..300ms; 150ms alone is the same. What is deployed draws from T to 2T.
    #[arg(long, default_value = "150ms..300ms", value_parser = parse_timeout)]
    timeout: Range,
    /// One-way latency: 15ms, or uniform as in 1ms..5ms, or quantiles as in 0:1ms,0.5:2ms,1:30ms.
    #[arg(long, default_value = "1ms", value_parser = parse_latency)]
    latency: Latency,
    /// How often a leader speaks; a tenth of the minimum timeout, at least 1ms, if none is given.
    #[arg(long, value_parser = parse_time)]
    heartbeat: Option<Nanos>,
    /// How long a disk takes to make a term or a vote durable.
    #[arg(long, default_value = "0ms", value_parser = parse_time)]
    flush: Nanos,
    /// Whether servers ask before they raise the term, as deployed; 'off' is Raft without it.
    #[arg(long, value_enum, default_value_t = Switch::On)]
    pre_vote: Switch,
    /// How the election begins.
    #[arg(long, value_enum, default_value_t = Start::Random)]
    start: Start,
    /// When it is over.
    #[arg(long, value_enum, default_value_t = Until::Known)]
    until: Until,
    /// Elections that are simulated.
    #[arg(long, default_value_t = 100_000, value_parser = trials)]
    trials: usize,
    /// The seed of the simulation: the same one gives the same elections, on any number of threads.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How large the exact chain may become: ways from state to state. More means smaller steps.
    #[arg(long, default_value_t = MOST_WAYS)]
    ways: usize,
    /// Print the exact answer for ever smaller steps.
    #[arg(long)]
    steps: bool,
    /// Draw the distribution to this file.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Find the smallest timeouts with which a leader is there within this time.
    #[arg(long, value_parser = parse_time, requires = "probability", conflicts_with_all = ["timeout", "steps", "svg"])]
    within: Option<Nanos>,
    /// ... with this probability, as in 0.999.
    #[arg(long, requires = "within", value_parser = probability)]
    probability: Option<f64>,
}

#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
enum Switch {
    On,
    Off,
}

fn trials(text: &str) -> Result<usize, String> {
    let count: usize =
        text.replace(['_', ','], "").parse().map_err(|_| format!("'{text}' is no number of elections"))?;
    if (100..=100_000_000).contains(&count) { Ok(count) } else { Err("between 100 and 100,000,000 elections".into()) }
}

fn probability(text: &str) -> Result<f64, String> {
    let wrong = || format!("'{text}' is no probability between 0 and 1, as 0.999 is");
    text.parse().ok().filter(|it| 0.0 < *it && *it < 1.0).ok_or_else(wrong)
}

/// A tenth of the minimum timeout, as servers have it unless told otherwise.
pub(crate) fn default_heartbeat(minimum_timeout: Nanos) -> Nanos {
    (minimum_timeout / 10).max(MILLISECOND)
}

pub(crate) fn run(args: &OddsArgs, json: bool) -> Result<u8, Usage> {
    match &args.what {
        Some(What::Paper { trials, seed, svg }) => paper::report(*trials, *seed, svg.as_deref(), json),
        None => args.asked.answer(json),
    }
}

impl AskedArgs {
    fn setting(&self) -> Setting {
        Setting {
            servers: self.servers,
            alive: self.alive.unwrap_or(match self.start {
                Start::Random => self.servers.saturating_sub(1),
                Start::Worst => self.servers - u8::from(1 < self.servers),
            }),
            behind: self.behind,
            timeout: self.timeout,
            heartbeat: self.heartbeat.unwrap_or(default_heartbeat(self.timeout.least)),
            latency: self.latency.clone(),
            flush: self.flush,
            pre_vote: self.pre_vote == Switch::On,
            start: self.start,
            until: self.until,
        }
    }

    fn answer(&self, json: bool) -> Result<u8, Usage> {
        if let (Some(within), Some(probability)) = (self.within, self.probability) {
            return self.inverse(Demand { within, probability }, json);
        }
        let setting = self.setting();
        if let Some(why) = setting.refusal() {
            return Err(Usage(why));
        }
        let answer = Answer::new(setting, self.trials, self.seed, self.ways);
        if let Some(path) = &self.svg {
            write(path, &plot::answer(&answer))?;
        }
        match (&answer.limit, json) {
            (_, true) => say!("{:#}", told::value(&answer)),
            (Some(limit), false) if self.steps => say!("{}", told::steps(limit).trim_end()),
            (None, false) if self.steps => {
                return Err(Usage("there is no exact answer here whose steps could shrink".into()));
            }
            (_, false) => say!("{}", told::table(&answer).trim_end()),
        }
        Ok(0)
    }

    fn inverse(&self, demand: Demand, json: bool) -> Result<u8, Usage> {
        let needed = (4.0 / (1.0 - demand.probability)).ceil() as usize;
        if self.trials < needed {
            let why = format!("{} elections cannot show a probability of {}", self.trials, demand.probability);
            return Err(Usage(format!("{why}: at least {needed} are needed; see --trials")));
        }
        let base = Setting { timeout: Range { least: demand.within, most: 2 * demand.within }, ..self.setting() };
        if let Some(why) = (Setting { heartbeat: MILLISECOND / 1000, ..base.clone() }).refusal() {
            return Err(Usage(why));
        }
        let heartbeat = |least| self.heartbeat.unwrap_or(default_heartbeat(least));
        let found = smallest(&base, demand, heartbeat, self.trials, self.seed);
        if json {
            say!("{:#}", inverse_value(demand, &found));
        } else {
            say!("{}", inverse_words(demand, &found));
        }
        Ok(u8::from(found.is_err()))
    }
}

fn inverse_words(demand: Demand, found: &Result<Found, Option<Found>>) -> String {
    let met = |found: &Found| {
        let sure = [found.met.value, found.met.low, found.met.high].map(told::percent);
        format!("a leader within {}: {} [{}, {}]\n{}", ms(demand.within), sure[0], sure[1], sure[2], found.setting)
    };
    match found {
        Ok(found) => {
            let Range { least, most } = found.setting.timeout;
            format!("timeouts {} to {}, heartbeat {}\n{}", ms(least), ms(most), ms(found.setting.heartbeat), met(found))
        }
        Err(best) => {
            let best = best.as_ref().map_or(String::new(), |best| {
                format!("\nthe best that was tried, timeouts from {}:\n{}", ms(best.setting.timeout.least), met(best))
            });
            format!("no timeouts T to 2T give that{best}")
        }
    }
}

fn inverse_value(demand: Demand, found: &Result<Found, Option<Found>>) -> serde_json::Value {
    let told = |found: &Found| {
        json!({
            "timeout_ms": [found.setting.timeout.least as f64 / 1e6, found.setting.timeout.most as f64 / 1e6],
            "heartbeat_ms": found.setting.heartbeat as f64 / 1e6,
            "probability": {"value": found.met.value, "low": found.met.low, "high": found.met.high},
        })
    };
    json!({
        "within_ms": demand.within as f64 / 1e6,
        "probability": demand.probability,
        "smallest": found.as_ref().ok().map(told),
        "best_tried": found.as_ref().err().and_then(Option::as_ref).map(told),
    })
}

pub(crate) fn write(path: &std::path::Path, text: &str) -> Result<(), Usage> {
    std::fs::write(path, text).map_err(|why| Usage(format!("cannot write {}: {why}", path.display())))
}
