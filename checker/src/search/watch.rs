//! What ends a search early.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bounds on what a search may use. None of them bounds what is explored: that is up to the space.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) time: Option<Duration>,
    /// Resident memory of the whole process, in bytes.
    pub(crate) memory: Option<u64>,
    /// Distinct states.
    pub(crate) states: Option<u64>,
}

/// How often the resident memory is looked at: asking costs more than a small layer does.
const GLANCE: Duration = Duration::from_millis(10);

/// Looks at the clock, the memory and the signal.
pub(super) struct Watch<'a> {
    limits: Limits,
    stop: &'a AtomicBool,
    started: Instant,
    /// How long the search took before it was resumed.
    before: Duration,
    glanced: Option<Instant>,
    resident: u64,
    peak: u64,
}

impl<'a> Watch<'a> {
    pub(super) fn new(limits: Limits, stop: &'a AtomicBool) -> Watch<'a> {
        Watch { limits, stop, started: Instant::now(), before: Duration::ZERO, glanced: None, resident: 0, peak: 0 }
    }

    /// The search took this long already; what limits it is the time from here on.
    pub(super) fn went_on_for(&mut self, before: Duration) {
        self.before = before;
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.before + self.started.elapsed()
    }

    /// As it was a moment ago.
    pub(super) fn resident(&self) -> u64 {
        self.resident
    }

    pub(super) fn peak(&self) -> u64 {
        self.peak
    }

    /// Whether to take no more work; cheap, and asked by every thread before each piece of it.
    pub(super) fn alarm(&self) -> impl Fn() -> bool + Sync {
        let (stop, started, time) = (self.stop, self.started, self.limits.time);
        move || stop.load(Ordering::Relaxed) || time.is_some_and(|limit| limit <= started.elapsed())
    }

    /// Why the search must end, if it must; asked while no thread works.
    pub(super) fn struck(&mut self, states: u64) -> Option<String> {
        if self.glanced.is_none_or(|glanced| GLANCE <= glanced.elapsed()) {
            self.glance();
        }
        if self.stop.load(Ordering::Relaxed) {
            return Some("it was told to stop".to_owned());
        }
        if let Some(limit) = self.limits.time.filter(|limit| *limit <= self.started.elapsed()) {
            return Some(format!("the time limit of {limit:?} was reached"));
        }
        if let Some(limit) = self.limits.memory.filter(|limit| *limit < self.resident) {
            return Some(format!("the memory limit of {:.1} GiB was reached", limit as f64 / f64::from(1 << 30)));
        }
        let limit = self.limits.states.filter(|limit| *limit <= states)?;
        Some(format!("the limit of {limit} states was reached"))
    }

    pub(super) fn glance(&mut self) {
        self.glanced = Some(Instant::now());
        self.resident = resident_bytes();
        self.peak = self.peak.max(self.resident);
    }

    /// The same watch over the search for a path, which finds no states that it could be short of.
    pub(super) fn forget_states(&mut self) {
        self.limits.states = None;
    }
}

/// Memory that this process holds, where the system tells; in its own words, so that nobody has
/// to know the size of a page.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
