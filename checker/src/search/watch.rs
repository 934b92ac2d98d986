//! What ends a search early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::search::memory::resident_bytes;

/// Bounds on what a search may use. None of them bounds what is explored: that is up to the space.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// From the start, or from where it was resumed.
    pub time: Option<Duration>,
    /// Resident memory of the whole process, in bytes.
    pub memory: Option<u64>,
    /// Distinct states.
    pub states: Option<u64>,
}

impl Limits {
    pub(super) fn struck_by_states(&self, states: u64) -> Option<String> {
        let limit = self.states.filter(|limit| *limit <= states)?;
        Some(format!("the limit of {limit} states was reached"))
    }
}

/// How often the resident memory is looked at: asking costs more than a small layer does.
const GLANCE: Duration = Duration::from_millis(20);

/// Looks at the clock, the memory and the signal.
pub(super) struct Watch {
    limits: Limits,
    stop: Arc<AtomicBool>,
    started: Instant,
    /// How long the search took before it was resumed.
    before: Duration,
    gauge: Gauge,
}

/// The resident memory as it was a moment ago; any thread may look again.
struct Gauge {
    started: Instant,
    /// When somebody looked, in nanoseconds from the start.
    looked: AtomicU64,
    resident: AtomicU64,
    peak: AtomicU64,
    /// The most by which it grew from one look to the next.
    stride: AtomicU64,
}

impl Watch {
    pub(super) fn new(limits: Limits, stop: &Arc<AtomicBool>) -> Watch {
        Watch { limits, stop: Arc::clone(stop), started: Instant::now(), before: Duration::ZERO, gauge: Gauge::new() }
    }

    /// A watch over what comes after a search that began then.
    pub(super) fn since(began: Instant, limits: Limits, stop: &Arc<AtomicBool>) -> Watch {
        Watch { started: began, ..Watch::new(limits, stop) }
    }

    /// The search took this long already; what limits it is the time from here on. What was read of
    /// it grew the memory as no search does.
    pub(super) fn went_on_for(&mut self, before: Duration) {
        self.before = before;
        self.gauge = Gauge::new();
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.before + self.started.elapsed()
    }

    /// As it was a moment ago.
    pub(super) fn resident(&self) -> u64 {
        self.gauge.resident.load(Ordering::Relaxed)
    }

    pub(super) fn peak(&self) -> u64 {
        self.gauge.peak.load(Ordering::Relaxed)
    }

    /// Whether to take no more work; cheap, and asked by every thread before each piece of it.
    pub(super) fn alarm(&self, reserve: u64) -> impl Fn() -> bool + Sync {
        move || {
            self.gauge.glance();
            self.stop.load(Ordering::Relaxed)
                || self.limits.time.is_some_and(|limit| limit <= self.started.elapsed())
                || self.limits.memory.is_some_and(|limit| limit < self.gauge.foreseen() + reserve)
        }
    }

    /// Why the search must end, if it must; asked while no thread works. So many bytes are to be
    /// left for what comes after it.
    pub(super) fn struck(&self, states: u64, reserve: u64) -> Option<String> {
        self.struck_here(reserve).or_else(|| self.limits.struck_by_states(states))
    }

    /// The same, as far as it is this process alone that is told to stop or short of something.
    pub(super) fn struck_here(&self, reserve: u64) -> Option<String> {
        self.gauge.glance();
        if self.stop.load(Ordering::Relaxed) {
            return Some("it was told to stop".to_owned());
        }
        if let Some(limit) = self.limits.time.filter(|limit| *limit <= self.started.elapsed()) {
            return Some(format!("the time limit of {limit:?} was reached"));
        }
        let limit = self.limits.memory.filter(|limit| *limit < self.gauge.foreseen() + reserve)?;
        let [limit, used, kept] = [limit, self.resident(), reserve].map(|bytes| bytes >> 20);
        Some(format!(
            "the memory limit of {limit} MiB would be passed ({used} MiB are in use, {kept} MiB kept for the way \
             to a violation)"
        ))
    }

    pub(super) fn look(&self) {
        self.gauge.look();
    }

    /// The same watch over the search for a path, which finds no states that it could be short of.
    pub(super) fn forget_states(&mut self) {
        self.limits.states = None;
    }
}

impl Gauge {
    fn new() -> Gauge {
        let resident = resident_bytes();
        Gauge {
            started: Instant::now(),
            looked: AtomicU64::new(0),
            resident: AtomicU64::new(resident),
            peak: AtomicU64::new(resident),
            stride: AtomicU64::new(0),
        }
    }

    /// Looks, unless somebody has just done so.
    fn glance(&self) {
        let (now, looked) = (self.started.elapsed().as_nanos() as u64, self.looked.load(Ordering::Relaxed));
        let is_due = looked + GLANCE.as_nanos() as u64 <= now;
        if is_due && self.looked.compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.look();
        }
    }

    fn look(&self) {
        let resident = resident_bytes();
        let before = self.resident.swap(resident, Ordering::Relaxed);
        self.peak.fetch_max(resident, Ordering::Relaxed);
        self.stride.fetch_max(resident.saturating_sub(before), Ordering::Relaxed);
    }

    /// What it may be at the look after the next, since nobody stops at the moment of a look.
    fn foreseen(&self) -> u64 {
        self.resident.load(Ordering::Relaxed) + 2 * self.stride.load(Ordering::Relaxed)
    }
}
