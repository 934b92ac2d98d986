//! `rafttree bench failover`: from the leader's end to a leader that a majority has confirmed.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

use super::group::{Group, Leader};
use super::options::FailoverOptions;
use super::plot;
use super::progress::{Progress, machine, milliseconds};
use super::statistics::{Estimate, Samples, percentage};
use super::theory::Theory;
use crate::failure::Failure;
use crate::options::Format;
use crate::report::{monotonic, say};

/// Bytes of a short write to the log.
const FLUSH_PROBE_BYTES: usize = 4096;

/// An election, from the timeout on, in turn: PreVote; the candidate's request and the voter's flush (the
/// candidate's own runs beside them); the first entry and the follower's flush (the leader's own runs beside it).
const ROUND_TRIPS_TO_LEAD: f64 = 3.0;
const FLUSHES_TO_LEAD: f64 = 2.0;

/// A majority's word that this server leads.
const ROUND_TRIPS_TO_CONFIRM: f64 = 1.0;

/// The outcome of one failure of a leader.
#[derive(Clone, Copy, Debug, Serialize)]
struct Trial {
    /// From the signal until a server led: its first entry was committed.
    led_milliseconds: f64,
    /// From the signal until a majority had confirmed that.
    confirmed_milliseconds: f64,
    /// By how much the fence rose: one for each round.
    rounds: u64,
}

/// Measurements; times in milliseconds.
#[derive(Debug, Default)]
struct Measured {
    trials: Vec<Trial>,
    /// A majority's answer to each new leader.
    round_trips: Vec<f64>,
    /// Of a block, before each trial.
    flushes: Vec<f64>,
    /// Leaders that were replaced before anything was done to them.
    spurious: usize,
}

/// Everything that is told.
#[derive(Debug, Serialize)]
struct FailoverReport {
    how: &'static str,
    servers: u32,
    timeout_milliseconds: f64,
    heartbeat_milliseconds: f64,
    seed: u64,
    machine: String,
    /// Elections that nothing had caused; their trials do not count, and were repeated.
    spurious: usize,
    round_trip_milliseconds: f64,
    flush_milliseconds: f64,
    measured: Summary<Estimate>,
    until_it_leads: Summary<Estimate>,
    theory: Summary<f64>,
    theory_with_election: Summary<f64>,
    trials: Vec<Trial>,
}

/// One row of the table; milliseconds, and percent for the last.
#[derive(Debug, Serialize)]
struct Summary<F> {
    mean: F,
    p50: F,
    p90: F,
    p99: F,
    max: Option<f64>,
    second_rounds_percent: F,
}

pub(super) async fn run(options: FailoverOptions, output: Format) -> Result<(), Failure> {
    let mut picture = options.svg.as_deref().map(Picture::create).transpose()?;
    let machine = machine();
    let timing = options.timeouts.timing();
    let measured = Group::measure(options.servers, timing, async |group| measure(group, &options).await).await?;
    let report = report(&options, machine, measured)?;
    if let Some(picture) = &mut picture {
        let samples = samples(&report.trials, |trial| trial.confirmed_milliseconds)?;
        let theory = theory(&options, election(report.round_trip_milliseconds, report.flush_milliseconds));
        picture.draw(&plot::svg(&report.title(), samples.all(), &theory))?;
    }
    match output {
        Format::Text => say(report),
        Format::Json => say(serde_json::to_string(&report).map_err(Failure::operation)?),
    }
}

/// A file to draw into, created before anything is measured: a wrong path is told at once.
struct Picture<'a> {
    path: &'a Path,
    file: File,
}

impl Picture<'_> {
    fn create(path: &Path) -> Result<Picture<'_>, Failure> {
        let file = File::create(path).map_err(|error| cannot_write(path, error))?;
        Ok(Picture { path, file })
    }

    fn draw(&mut self, svg: &str) -> Result<(), Failure> {
        self.file.write_all(svg.as_bytes()).map_err(|error| cannot_write(self.path, error))
    }
}

fn cannot_write(path: &Path, error: io::Error) -> Failure {
    Failure::Operation(format!("cannot write {}: {error}", path.display()))
}

fn no_trials() -> Failure {
    Failure::Internal("no trial was measured".to_owned())
}

/// Fails the leader again and again.
async fn measure(group: &mut Group, options: &FailoverOptions) -> Result<Measured, Failure> {
    let mut disk = FlushProbe::create(group.directory.path(), 2 * options.trials)?;
    let Measured { mut trials, mut round_trips, mut flushes, mut spurious } = Measured::default();
    let mut random = StdRng::seed_from_u64(options.seed);
    let mut progress = Progress::new();
    while trials.len() < options.trials as usize {
        let leader = group.settle().await?;
        flushes.push(disk.flush()?);
        // Whatever the last election left behind is over after T.
        tokio::time::sleep(options.timeouts.timeout.least).await;
        if group.next_confirmed_now().await?.is_some_and(|confirmed| leader.fence < confirmed.leader.fence) {
            spurious += 1;
            continue;
        }
        // A random moment within a heartbeat. The timers of the runtime fire on whole milliseconds.
        std::thread::sleep(options.timeouts.heartbeat().mul_f64(random.random()));
        let failed = monotonic();
        fail(group, leader, options.how.kill).await?;
        let confirmed = group.confirmed_after(leader).await?;
        recover(group, leader, options.how.kill).await?;
        if confirmed.leading < failed {
            spurious += 1;
            continue;
        }
        round_trips.push(to_milliseconds(confirmed.confirmed - confirmed.leading));
        trials.push(Trial {
            led_milliseconds: to_milliseconds(confirmed.leading - failed),
            confirmed_milliseconds: to_milliseconds(confirmed.confirmed - failed),
            rounds: confirmed.leader.fence - leader.fence,
        });
        let mean = trials.iter().map(|trial| trial.confirmed_milliseconds).sum::<f64>() / trials.len() as f64;
        progress.say(format_args!("trial {} of {}, mean {mean:.1} ms", trials.len(), options.trials));
    }
    Ok(Measured { trials, round_trips, flushes, spurious })
}

async fn fail(group: &mut Group, leader: Leader, kill: bool) -> Result<(), Failure> {
    let server = group.cluster.server(leader.id)?;
    if kill { server.kill().await.map(drop) } else { server.pause() }
}

async fn recover(group: &mut Group, leader: Leader, kill: bool) -> Result<(), Failure> {
    if kill { group.cluster.start(leader.id).await } else { group.cluster.server(leader.id)?.resume() }
}

fn to_milliseconds(nanoseconds: u64) -> f64 {
    milliseconds(Duration::from_nanos(nanoseconds))
}

/// A file beside the servers' data. Blocks of 4 KiB are written one after the other into what it
/// is long already, as the log does it.
struct FlushProbe {
    path: PathBuf,
    file: File,
}

impl FlushProbe {
    fn create(directory: &Path, blocks: u32) -> Result<FlushProbe, Failure> {
        let path = directory.join("flush");
        let create = || {
            let mut file = File::create(&path)?;
            (0..blocks).try_for_each(|_| file.write_all(&[0; FLUSH_PROBE_BYTES]))?;
            file.sync_all()?;
            file.rewind().map(|()| file)
        };
        let file = create().map_err(|error| cannot_write(&path, error))?;
        Ok(FlushProbe { path, file })
    }

    /// How long a block takes to become durable, in milliseconds.
    fn flush(&mut self) -> Result<f64, Failure> {
        let began = Instant::now();
        let flushed = self.file.write_all(&[1; FLUSH_PROBE_BYTES]).and_then(|()| self.file.sync_data());
        flushed.map_err(|error| cannot_write(&self.path, error))?;
        Ok(milliseconds(began.elapsed()))
    }
}

/// The time of an election once a timeout has fired, confirmation included; in milliseconds.
fn election(round_trip: f64, flush: f64) -> f64 {
    (ROUND_TRIPS_TO_LEAD + ROUND_TRIPS_TO_CONFIRM) * round_trip + FLUSHES_TO_LEAD * flush
}

fn theory(options: &FailoverOptions, delay: f64) -> Theory {
    let timeout = options.timeouts.timeout.least;
    if options.how.kill {
        let delay_range = rafttree::disconnect_election_delay(timeout);
        let (least, most) = (milliseconds(delay_range.start), milliseconds(delay_range.end));
        Theory { survivors: 1, least, spread: most - least, phase: 0.0, delay }
    } else {
        let survivors = options.servers - 1;
        let (least, phase) = (milliseconds(timeout), milliseconds(options.timeouts.heartbeat()));
        Theory { survivors, least, spread: least, phase, delay }
    }
}

fn samples(trials: &[Trial], figure: impl Fn(&Trial) -> f64) -> Result<Samples, Failure> {
    Samples::new(trials.iter().map(figure).collect()).ok_or_else(no_trials)
}

fn report(options: &FailoverOptions, machine: String, measured: Measured) -> Result<FailoverReport, Failure> {
    let Measured { trials, round_trips, flushes, spurious } = measured;
    let median = |samples| Ok::<_, Failure>(Samples::new(samples).ok_or_else(no_trials)?.median());
    let (round_trip, flush) = (median(round_trips)?, median(flushes)?);
    let again = trials.iter().filter(|trial| 1 < trial.rounds).count();
    let measured = |samples: Samples| Summary {
        mean: samples.mean(),
        p50: samples.quantile(0.5),
        p90: samples.quantile(0.9),
        p99: samples.quantile(0.99),
        max: Some(samples.greatest()),
        second_rounds_percent: percentage(again, trials.len()),
    };
    // A request for votes that arrives later finds a server that has asked for itself.
    let expected = |theory: Theory| Summary {
        mean: theory.mean(),
        p50: theory.quantile(0.5),
        p90: theory.quantile(0.9),
        p99: theory.quantile(0.99),
        max: None,
        second_rounds_percent: 100.0 * theory.split(round_trip / 2.0),
    };
    Ok(FailoverReport {
        how: if options.how.kill { "killed" } else { "paused" },
        servers: options.servers,
        timeout_milliseconds: milliseconds(options.timeouts.timeout.least),
        heartbeat_milliseconds: milliseconds(options.timeouts.heartbeat()),
        seed: options.seed,
        machine,
        spurious,
        round_trip_milliseconds: round_trip,
        flush_milliseconds: flush,
        measured: measured(samples(&trials, |trial| trial.confirmed_milliseconds)?),
        until_it_leads: measured(samples(&trials, |trial| trial.led_milliseconds)?),
        theory: expected(theory(options, 0.0)),
        theory_with_election: expected(theory(options, election(round_trip, flush))),
        trials,
    })
}

impl FailoverReport {
    fn title(&self) -> String {
        let FailoverReport { how, servers, timeout_milliseconds: least, heartbeat_milliseconds: heartbeat, .. } = self;
        let trials = self.trials.len();
        format!(
            "leader {how}, {servers} servers, timeouts {least}-{} ms, heartbeat {heartbeat} ms, {trials} trials",
            2.0 * least
        )
    }
}

impl fmt::Display for FailoverReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} (seed {}); {}", self.title(), self.seed, self.machine)?;
        writeln!(out, "milliseconds, with 95 % confidence intervals; the last column in percent of the trials")?;
        let columns = ["", "mean", "p50", "p90", "p99", "max", "second round"];
        row(out, columns.map(str::to_owned))?;
        row(out, self.measured.cells("confirmed leader"))?;
        row(out, self.until_it_leads.cells("until it leads"))?;
        row(out, self.theory.cells("theory, timeouts"))?;
        row(out, self.theory_with_election.cells("theory + election"))?;
        let (round_trip, flush) = (self.round_trip_milliseconds, self.flush_milliseconds);
        write!(
            out,
            "election: {} round trips of {round_trip:.2} ms and {FLUSHES_TO_LEAD} flushes of {flush:.2} ms, {:.1} ms in all",
            ROUND_TRIPS_TO_LEAD + ROUND_TRIPS_TO_CONFIRM,
            election(round_trip, flush)
        )?;
        match self.spurious {
            0 => Ok(()),
            spurious => write!(out, "\n{spurious} elections that nothing had caused; their trials were repeated"),
        }
    }
}

impl Summary<Estimate> {
    fn cells(&self, name: &str) -> [String; 7] {
        self.each(name, |estimate| estimate.to_string())
    }
}

impl Summary<f64> {
    fn cells(&self, name: &str) -> [String; 7] {
        self.each(name, |figure| format!("{figure:.1}"))
    }
}

impl<F> Summary<F> {
    fn each(&self, name: &str, text: impl Fn(&F) -> String) -> [String; 7] {
        let max = self.max.map_or_else(|| "-".to_owned(), |max| format!("{max:.1}"));
        let [mean, p50, p90, p99] = [&self.mean, &self.p50, &self.p90, &self.p99].map(&text);
        [name.to_owned(), mean, p50, p90, p99, max, text(&self.second_rounds_percent)]
    }
}

fn row(out: &mut fmt::Formatter<'_>, cells: [String; 7]) -> fmt::Result {
    let [name, mean, p50, p90, p99, max, again] = cells;
    writeln!(out, "{name:<18} {mean:>20} {p50:>20} {p90:>20} {p99:>20} {max:>7} {again:>16}")
}
