//! What is asked about: a group, its timers, its network and disks, and how the election begins.

use std::fmt;

use rand::RngExt;
use rand::rngs::SmallRng;

/// A moment or a span in nanoseconds.
pub(crate) type Nanos = u64;

pub(crate) const MILLISECOND: Nanos = 1_000_000;

/// A group of servers, some of them dead, that is about to elect a leader.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    /// Members of the group, dead ones included; 1 to 9.
    pub(crate) servers: u8,
    /// Servers that are alive, a majority of the members.
    pub(crate) alive: u8,
    /// Live servers whose logs lack an entry that the others hold: they cannot be elected by them.
    pub(crate) behind: u8,
    /// Election timeouts are drawn from \[`least`, `most`); `least` is the minimum timeout T. What is
    /// deployed draws from \[T, 2T).
    pub(crate) timeout: Range,
    /// How often a leader speaks, and how often a candidate repeats what was not answered.
    pub(crate) heartbeat: Nanos,
    /// How long a message travels.
    pub(crate) latency: Latency,
    /// How long a disk takes to make a term or a vote durable; shorter than T.
    pub(crate) flush: Nanos,
    /// Whether a server asks (dissertation 9.6) before it raises the term, as deployed.
    pub(crate) pre_vote: bool,
    pub(crate) start: Start,
    pub(crate) until: Until,
}

/// From `least` on, below `most`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Range {
    pub(crate) least: Nanos,
    pub(crate) most: Nanos,
}

/// How the election begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Start {
    /// The leader dies silently at a random moment between two heartbeats; each timer was restarted
    /// when the last heartbeat arrived.
    Random,
    /// The worst case: the timers of all are restarted at the moment from which time is counted, as
    /// when the leader dies while its heartbeat arrives, or when all servers are started at once.
    Worst,
}

/// When an election is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Until {
    /// Every live server knows the leader.
    Known,
    /// Some server has won an election.
    Elected,
}

/// How long a message travels. Links are ordered: no message overtakes another of the same link.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Latency {
    Fixed(Nanos),
    Uniform(Range),
    /// The inverse of a distribution function, straight between these points; probabilities rise
    /// strictly from 0 to 1, and times do not fall.
    Quantiles(Vec<(f64, Nanos)>),
}

impl Latency {
    pub(crate) fn draw(&self, random: &mut SmallRng) -> Nanos {
        match self {
            Latency::Fixed(latency) => *latency,
            Latency::Uniform(range) => random.random_range(range.least..=range.most),
            Latency::Quantiles(points) => interpolated(points, random.random()),
        }
    }

    /// The latency, if there is only one.
    pub(crate) fn fixed(&self) -> Option<Nanos> {
        if let Latency::Fixed(latency) = self { Some(*latency) } else { None }
    }

    pub(crate) fn longest(&self) -> Nanos {
        match self {
            Latency::Fixed(latency) => *latency,
            Latency::Uniform(range) => range.most,
            Latency::Quantiles(points) => points.last().map_or(0, |point| point.1),
        }
    }

    pub(crate) fn mean(&self) -> f64 {
        match self {
            Latency::Fixed(latency) => *latency as f64,
            Latency::Uniform(range) => (range.least + range.most) as f64 / 2.0,
            Latency::Quantiles(points) => {
                points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) as f64 / 2.0).sum()
            }
        }
    }
}

fn interpolated(points: &[(f64, Nanos)], probability: f64) -> Nanos {
    let after = points.partition_point(|point| point.0 <= probability).clamp(1, points.len() - 1);
    let ((low, shorter), (high, longer)) = (points[after - 1], points[after]);
    shorter + ((probability - low) / (high - low) * (longer - shorter) as f64) as Nanos
}

impl Setting {
    /// The width of the range from which timeouts are drawn.
    pub(crate) fn spread(&self) -> Nanos {
        self.timeout.most - self.timeout.least
    }

    /// What is wrong with it, and what to do.
    pub(crate) fn refusal(&self) -> Option<String> {
        let Setting { servers, alive, behind, timeout, .. } = self;
        let refusals = [
            (servers < alive, format!("{alive} servers cannot be alive in a group of {servers}")),
            (2 * alive <= *servers, format!("{alive} of {servers} servers are no majority: nobody is ever elected")),
            (
                self.start == Start::Random && alive == servers,
                "a leader that died is not alive: lower --alive, or use --start worst".into(),
            ),
            (
                2 * (alive - behind.min(alive)) < 1 || alive <= behind,
                format!("of {alive} live servers {behind} cannot be behind: one must hold the newest log"),
            ),
            (timeout.most < timeout.least, "a range of timeouts goes from the shorter to the longer".into()),
            (timeout.least == 0, "the minimum timeout must be longer than 0".into()),
            (self.heartbeat == 0, "the heartbeat must be longer than 0".into()),
            (
                timeout.least <= self.heartbeat,
                "the heartbeat must be shorter than the minimum timeout, or followers do not wait for it".into(),
            ),
            (
                timeout.least <= self.flush,
                "a flush must be shorter than the minimum timeout: a server whose disk takes longer steps down".into(),
            ),
        ];
        refusals.into_iter().find_map(|(refused, why)| refused.then_some(why))
    }
}

/// Milliseconds without zeros that say nothing.
pub(crate) fn ms(time: Nanos) -> String {
    format!("{} ms", time as f64 / MILLISECOND as f64)
}

/// A time such as `15ms`, `0.2ms`, `80us` or `1.5s`.
pub(crate) fn parse_time(text: &str) -> Result<Nanos, String> {
    let wrong = || format!("'{text}' is no time; write it as 15ms, 0.2ms, 80us or 1.5s");
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let nanos = match unit {
        "s" => 1e9,
        "ms" => 1e6,
        "us" | "µs" => 1e3,
        "ns" => 1.0,
        _ => return Err(wrong()),
    };
    let time = (number * nanos).round();
    if time <= 3.6e12 { Ok(time as Nanos) } else { Err(format!("'{text}' is longer than an hour")) }
}

/// `150ms..300ms`; a single time T means T to 2T, as deployed.
pub(crate) fn parse_timeout(text: &str) -> Result<Range, String> {
    match text.split_once("..") {
        Some((least, most)) => Ok(Range { least: parse_time(least)?, most: parse_time(most)? }),
        None => parse_time(text).map(|least| Range { least, most: 2 * least }),
    }
}

/// `15ms`, `1ms..5ms`, or quantiles as in `0:1ms,0.5:2ms,0.99:10ms,1:30ms`.
pub(crate) fn parse_latency(text: &str) -> Result<Latency, String> {
    if text.contains(':') {
        return parse_quantiles(text);
    }
    match text.split_once("..") {
        Some((least, most)) => {
            let range = Range { least: parse_time(least)?, most: parse_time(most)? };
            if range.least <= range.most {
                Ok(Latency::Uniform(range))
            } else {
                Err(format!("'{text}' goes from the longer to the shorter"))
            }
        }
        None => parse_time(text).map(Latency::Fixed),
    }
}

fn parse_quantiles(text: &str) -> Result<Latency, String> {
    let wrong = || {
        format!(
            "'{text}' are no quantiles; write them as 0:1ms,0.5:2ms,1:30ms: probabilities rise from 0 to 1, times do not fall"
        )
    };
    let point = |part: &str| {
        let (probability, time) = part.split_once(':').ok_or_else(wrong)?;
        Ok((probability.trim().parse::<f64>().map_err(|_| wrong())?, parse_time(time.trim())?))
    };
    let points = text.split(',').map(point).collect::<Result<Vec<_>, String>>()?;
    let rises = points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
    let whole = points.first().is_some_and(|it| it.0 == 0.0) && points.last().is_some_and(|it| it.0 == 1.0);
    if rises && whole && 2 <= points.len() { Ok(Latency::Quantiles(points)) } else { Err(wrong()) }
}

impl fmt::Display for Latency {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Latency::Fixed(latency) => write!(out, "{}", ms(*latency)),
            Latency::Uniform(range) => write!(out, "{} to {}, uniform", ms(range.least), ms(range.most)),
            Latency::Quantiles(points) => {
                let words: Vec<_> = points.iter().map(|(at, time)| format!("{} at {at}", ms(*time))).collect();
                write!(out, "{}", words.join(", "))
            }
        }
    }
}

/// The setting in words.
impl fmt::Display for Setting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { least, most } = self.timeout;
        write!(out, "{} servers, {} alive", self.servers, self.alive)?;
        if self.behind > 0 {
            write!(out, " ({} with logs that lack an entry)", self.behind)?;
        }
        write!(out, "; timeouts {} to {}, heartbeat {}", ms(least), ms(most), ms(self.heartbeat))?;
        write!(out, "; latency {} one way, flush {}", self.latency, ms(self.flush))?;
        write!(out, "; {}", if self.pre_vote { "PreVote" } else { "no PreVote" })?;
        out.write_str(match self.start {
            Start::Random => "; the leader dies at random between two heartbeats",
            Start::Worst => "; all timers restarted at the moment from which time counts",
        })?;
        out.write_str(match self.until {
            Until::Known => "; until every live server knows the leader",
            Until::Elected => "; until a server is elected",
        })
    }
}
