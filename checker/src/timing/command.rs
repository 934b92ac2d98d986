//! The command line of `odds`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{Args, Subcommand, ValueEnum};

use crate::console::Usage;
use crate::console::grouped;
use crate::progress::Ticker;
use crate::timing::answer::Answer;
use crate::timing::continuous::Trials;
use crate::timing::limit::MAX_TRANSITIONS;
use crate::timing::paper::Paper;
use crate::timing::required_timeouts::{Demand, smallest};
use crate::timing::setting::{
    Latency, MILLISECOND, Nanos, Range, Setting, Start, Until, parse_latency, parse_time, parse_timeout,
};
use crate::timing::{plot, report};

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
    #[arg(long, default_value_t = MAX_TRANSITIONS)]
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
        Some(What::Paper { trials, seed, svg }) => paper(*trials, *seed, svg.as_deref(), json),
        None => args.asked.answer(json),
    }
}

fn paper(count: usize, seed: u64, svg: Option<&Path>, json: bool) -> Result<u8, Usage> {
    let (ticker, all) = (Ticker::new(), Paper::elections(count) as u64);
    let progress = |more| ticker.reach_by("elections", more as u64, all);
    let paper = Paper::new(&Trials { count, seed, progress: &progress });
    drop(ticker);
    if let Some(path) = svg {
        write(path, &paper.svg())?;
    }
    if json {
        say!("{:#}", paper.json())
    } else {
        say!("{}", paper.text())
    }
    Ok(0)
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
            return self.required_timeouts(Demand { within, probability }, json);
        }
        let setting = self.setting();
        if let Some(why) = setting.refusal() {
            return Err(Usage(why));
        }
        let ticker = Ticker::new();
        let progress = |more| ticker.reach_by("elections", more as u64, self.trials as u64);
        let trials = Trials { count: self.trials, seed: self.seed, progress: &progress };
        let answer = Answer::new(setting, &trials, self.ways);
        drop(ticker);
        if let Some(path) = &self.svg {
            write(path, &plot::answer(&answer))?;
        }
        let told = if json { format!("{:#}", report::json::answer(&answer)) } else { self.text(&answer)? };
        say!("{}", told.trim_end());
        Ok(0)
    }

    fn text(&self, answer: &Answer) -> Result<String, Usage> {
        match &answer.limit {
            Some(limit) if self.steps => Ok(report::text::steps(limit)),
            None if self.steps => Err(Usage("there is no exact answer here whose steps could shrink".into())),
            _ => Ok(report::text::table(answer)),
        }
    }

    fn required_timeouts(&self, demand: Demand, json: bool) -> Result<u8, Usage> {
        self.refuse(demand)?;
        let heartbeat = |least| self.heartbeat.unwrap_or(default_heartbeat(least));
        let (ticker, drawn) = (Ticker::new(), AtomicUsize::new(0));
        // How many timeouts are tried is not known before.
        let progress = |more| {
            let before = drawn.fetch_add(more, Ordering::Relaxed);
            ticker.show(|| format!("{} elections", grouped((before + more) as u64)));
        };
        let trials = Trials { count: self.trials, seed: self.seed, progress: &progress };
        let found = smallest(&self.base(demand), demand, heartbeat, &trials);
        drop(ticker);
        if json {
            say!("{:#}", report::json::required_timeouts(demand, &found));
        } else {
            say!("{}", report::text::required_timeouts(demand, &found));
        }
        Ok(u8::from(found.is_err()))
    }

    /// The setting, but for its timers.
    fn base(&self, demand: Demand) -> Setting {
        Setting { timeout: Range { least: demand.within, most: 2 * demand.within }, ..self.setting() }
    }

    /// What of a demand cannot be met by any timers, or cannot be shown.
    fn refuse(&self, demand: Demand) -> Result<(), Usage> {
        let needed = (4.0 / (1.0 - demand.probability)).ceil() as usize;
        if self.trials < needed {
            let why = format!("{} elections cannot show a probability of {}", self.trials, demand.probability);
            return Err(Usage(format!("{why}: at least {needed} are needed; see --trials")));
        }
        let refusal = Setting { heartbeat: MILLISECOND / 1000, ..self.base(demand) }.refusal();
        refusal.map_or(Ok(()), |why| Err(Usage(why)))
    }
}

fn write(path: &Path, text: &str) -> Result<(), Usage> {
    std::fs::write(path, text).map_err(|why| Usage(format!("cannot write {}: {why}", path.display())))
}
