//! Many runs, on several threads.

use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rafttree::simulate::{Figures, Registers, Simulation};

use super::options::SimulateOptions;

/// How often progress is told on a terminal, and elsewhere.
const PROGRESS_INTERVALS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// The runs that are asked for.
pub(super) struct Campaign {
    first: u64,
    runs: u64,
    shard: (u64, u64),
    threads: usize,
}

/// What came of them.
pub(super) struct Found {
    /// The lowest seed that went wrong, if one did: then those after it count for nothing.
    pub(super) failed: Option<u64>,
    pub(super) figures: Figures,
    /// Of all runs together, in any order.
    pub(super) digest: u64,
    pub(super) time: Duration,
}

#[derive(Default)]
struct Sum {
    figures: Figures,
    digest: u64,
    failed: Option<u64>,
}

impl Campaign {
    pub(super) fn of(options: &SimulateOptions) -> Campaign {
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let threads = options.threads.map_or(cores, usize::from);
        Campaign { first: options.seed, runs: options.runs, shard: options.shard, threads }
    }

    /// Runs them, up to the first that goes wrong.
    pub(super) fn run(&self, simulation: &Simulation<Registers>) -> Found {
        let begin = Instant::now();
        let (next, sum) = (AtomicU64::new(self.shard.0 - 1), Mutex::new(Sum::default()));
        let progress = Progress::new(self.runs.div_ceil(self.shard.1));
        thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| self.take_turns(simulation, &next, &sum, &progress));
            }
        });
        let Sum { figures, digest, failed } = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
        Found { failed, figures, digest, time: begin.elapsed() }
    }

    fn take_turns(&self, simulation: &Simulation<Registers>, next: &AtomicU64, sum: &Mutex<Sum>, progress: &Progress) {
        loop {
            let number = next.fetch_add(self.shard.1, Ordering::Relaxed);
            let seed = self.first.wrapping_add(number);
            let is_over = |sum: &Sum| sum.failed.is_some_and(|failed| failed < seed);
            if self.runs <= number || is_over(&sum.lock().unwrap_or_else(PoisonError::into_inner)) {
                return;
            }
            let run = simulation.run(seed);
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            sum.figures += &run.figures;
            sum.digest ^= run.digest.wrapping_mul(seed | 1);
            if run.violation.is_some() {
                sum.failed = Some(sum.failed.map_or(seed, |failed| failed.min(seed)));
            }
            progress.say(sum.figures.runs);
        }
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
        let rate = done as f64 / self.begin.elapsed().as_secs_f64();
        let text = format!("{done} of {} runs, {rate:.0} a second", self.all);
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
