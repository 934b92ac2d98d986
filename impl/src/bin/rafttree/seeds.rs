//! Many seeded runs, on several threads, up to the first that goes wrong.

use std::io::{self, IsTerminal as _};
use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often progress is told on a terminal, and elsewhere.
const PROGRESS_INTERVALS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// The runs that are asked for.
pub(crate) struct Seeds {
    first: u64,
    runs: u64,
    shard: (u64, u64),
    threads: usize,
}

/// What one run came to.
pub(crate) struct Ran<C> {
    pub(crate) counts: C,
    pub(crate) digest: u64,
    /// Whether it went wrong.
    pub(crate) failed: bool,
}

/// What came of all runs.
pub(crate) struct Found<C> {
    /// The lowest seed that went wrong, if one did: then those after it count for nothing.
    pub(crate) failed: Option<u64>,
    pub(crate) counts: C,
    /// Of all runs together, in any order.
    pub(crate) digest: u64,
    pub(crate) time: Duration,
}

#[derive(Default)]
struct Sum<C> {
    runs: u64,
    counts: C,
    digest: u64,
    failed: Option<u64>,
}

impl Seeds {
    /// So many runs from the first on, of which this shard runs its part; on all cores if no number of threads
    /// is given.
    pub(crate) fn new(first: u64, runs: u64, shard: (u64, u64), threads: Option<u16>) -> Seeds {
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        Seeds { first, runs, shard, threads: threads.map_or(cores, usize::from) }
    }

    /// Runs them, up to the first that goes wrong.
    pub(crate) fn run<C>(&self, run: impl Fn(u64) -> Ran<C> + Sync) -> Found<C>
    where
        C: Default + Send + for<'a> AddAssign<&'a C>,
    {
        let begin = Instant::now();
        let (next, sum) = (AtomicU64::new(self.shard.0 - 1), Mutex::new(Sum::default()));
        let progress = Progress::new(self.runs.div_ceil(self.shard.1));
        thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| self.take_turns(&run, &next, &sum, &progress));
            }
        });
        let Sum { counts, digest, failed, .. } = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
        Found { failed, counts, digest, time: begin.elapsed() }
    }

    fn take_turns<C: for<'a> AddAssign<&'a C>>(
        &self,
        run: &impl Fn(u64) -> Ran<C>,
        next: &AtomicU64,
        sum: &Mutex<Sum<C>>,
        progress: &Progress,
    ) {
        loop {
            let number = next.fetch_add(self.shard.1, Ordering::Relaxed);
            let seed = self.first.wrapping_add(number);
            let is_over = |sum: &Sum<C>| sum.failed.is_some_and(|failed| failed < seed);
            if self.runs <= number || is_over(&sum.lock().unwrap_or_else(PoisonError::into_inner)) {
                return;
            }
            let Ran { counts, digest, failed } = run(seed);
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            sum.runs += 1;
            sum.counts += &counts;
            sum.digest ^= digest.wrapping_mul(seed | 1);
            if failed {
                sum.failed = Some(sum.failed.map_or(seed, |failed| failed.min(seed)));
            }
            progress.say(sum.runs);
        }
    }
}

/// A part of the runs, as the command line has it: `1/4`.
pub(crate) fn parse_shard(text: &str) -> Result<(u64, u64), String> {
    let parts = text.split_once('/').and_then(|(part, parts)| Some((part.parse().ok()?, parts.parse().ok()?)));
    match parts {
        Some((part, parts)) if 0 < part && part <= parts => Ok((part, parts)),
        _ => Err("a shard is I/N, with I from 1 to N, such as 1/4".to_owned()),
    }
}

/// Progress on the standard error.
struct Progress {
    all: u64,
    is_terminal: bool,
    begin: Instant,
    said: Mutex<Instant>,
}

impl Progress {
    fn new(all: u64) -> Progress {
        let now = Instant::now();
        Progress { all, is_terminal: io::stderr().is_terminal(), begin: now, said: Mutex::new(now) }
    }

    fn say(&self, done: u64) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() < PROGRESS_INTERVALS[usize::from(!self.is_terminal)] {
            return;
        }
        *said = Instant::now();
        let left = self.begin.elapsed().as_secs_f64() * (self.all - done) as f64 / done as f64;
        let text = format!("{done} of {} runs, about {left:.0} s left", self.all);
        if self.is_terminal { eprint!("\r\x1b[K{text}") } else { eprintln!("{text}") }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_terminal {
            eprint!("\r\x1b[K");
        }
    }
}
