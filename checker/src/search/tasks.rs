//! What is left to do when every state was visited: tasks that have nothing to say to each other, so that any thread
//! of any process may do any of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::search::settings::Search;
use crate::search::space::Bits;
use crate::search::watch::Watch;

/// Tasks, by number.
pub(crate) trait Tasks: Sync {
    /// How much there is to do in each.
    fn sizes(&self) -> Vec<u64>;

    /// What does them on one thread, one after the other.
    fn worker(&self) -> Box<dyn FnMut(usize) -> Results + '_>;
}

/// What came of some tasks.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Results {
    /// How much was done.
    pub(crate) done: u64,
    /// What was counted, each count in a place of its own.
    pub(crate) counts: Vec<u64>,
    /// What the first task that fails shows, with its number; all before it were done.
    pub(crate) failure: Option<(usize, Failure)>,
    /// Why tasks were left out, if some were.
    pub(crate) cut: Option<String>,
}

/// What a task shows to be broken.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Failure {
    pub(crate) broken: Bits,
    /// For a person to read.
    pub(crate) story: Vec<String>,
}

impl Results {
    /// The number of the first task that fails, or one beyond all.
    fn first_failure(&self) -> usize {
        self.failure.as_ref().map_or(usize::MAX, |(task, _)| *task)
    }

    pub(super) fn add(&mut self, other: Results) {
        if other.first_failure() < self.first_failure() {
            self.failure = other.failure;
        }
        self.done += other.done;
        self.counts.resize(self.counts.len().max(other.counts.len()), 0);
        self.counts.iter_mut().zip(other.counts).for_each(|(sum, count)| *sum += count);
        self.cut = self.cut.take().or(other.cut);
    }

    /// The same, of so much that there was to do: what was left out was left out for a reason, which is told.
    pub(super) fn of_all(mut self, all: u64) -> Results {
        if self.done == all {
            self.cut = None;
        } else if self.failure.is_none() {
            self.cut.get_or_insert_with(|| format!("{} of {all} were tried", self.done));
        }
        self
    }
}

/// From one look at how much is done to the next.
const LOOK: Duration = Duration::from_millis(5);

impl Search {
    /// Does tasks after a search that began then, within the same limits: all, or those before one that fails.
    pub(crate) fn do_all(&self, tasks: &dyn Tasks, began: Instant, tick: &mut dyn FnMut(u64, u64)) -> Results {
        let (sizes, watch) = (tasks.sizes(), Watch::since(began, self.limits, &self.stop));
        let all = sizes.iter().sum();
        let (next, results) = (AtomicUsize::new(0), Mutex::new(Results::default()));
        let results_so_far = || results.lock().unwrap_or_else(PoisonError::into_inner);
        let work = || {
            let mut worker = tasks.worker();
            loop {
                let task = next.fetch_add(1, Ordering::Relaxed);
                if sizes.len() <= task {
                    break;
                }
                if let Some(why) = watch.struck_here(0) {
                    results_so_far().cut = Some(why);
                    break;
                }
                let of_task = worker(task);
                if of_task.failure.is_some() {
                    next.store(sizes.len(), Ordering::Relaxed);
                }
                results_so_far().add(of_task);
            }
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.threads.max(1)).map(|_| scope.spawn(work)).collect();
            while !workers.iter().all(ScopedJoinHandle::is_finished) {
                std::thread::sleep(LOOK);
                tick(results_so_far().done, all);
            }
        });
        results.into_inner().unwrap_or_else(PoisonError::into_inner).of_all(all)
    }
}
