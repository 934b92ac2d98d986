//! Work in several threads, of which the first finding in the order of the tasks counts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use rafttree_model::Node;

use crate::inductive::class::Class;
use crate::inductive::conjuncts::{Cause, Conjuncts};
use crate::inductive::history::{History, Terms};
use crate::inductive::judge::{Judge, Judged, Tally};
use crate::inductive::mutants::Code;
use crate::verdict::Limits;

/// A counterexample to induction: a server of the class, and a step of it that breaks the invariant.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) history: History,
    pub(crate) node: Node,
    /// Its whole log.
    pub(crate) log: Terms,
    pub(crate) cause: Cause,
    pub(crate) broken: Conjuncts,
}

/// What came of one part of the check.
#[derive(Clone, Debug)]
pub(crate) struct Worked {
    pub(crate) tally: Tally,
    pub(crate) finding: Option<Finding>,
    /// Whether everything was judged, or something found.
    pub(crate) is_whole: bool,
}

/// What ends the work early.
#[derive(Clone, Copy)]
pub(crate) struct Clock<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) started: Instant,
}

impl Clock<'_> {
    pub(crate) fn is_over(&self) -> bool {
        let Clock { limits, started } = self;
        limits.stop.load(Ordering::Relaxed) || limits.time.is_some_and(|limit| limit <= started.elapsed())
    }
}

/// One thread at one task.
pub(crate) struct Hand<'a> {
    judge: Judge,
    clock: Clock<'a>,
    /// Only what breaks one of these is a finding.
    wanted: Conjuncts,
    finding: Option<Finding>,
}

impl Hand<'_> {
    /// Judges one step. False, if the task ends there.
    pub(crate) fn judge(&mut self, class: &Class, node: &Node, log: &Terms, cause: &Cause) -> bool {
        if let Judged::Breaks(broken) = self.judge.judge(class, node, log, cause)
            && broken.meets(self.wanted)
        {
            let (history, node, cause) = (*class.history, node.clone(), cause.clone());
            self.finding = Some(Finding { history, node, log: *log, cause, broken });
            return false;
        }
        true
    }

    /// Judges all that may happen to a server. False, if the task ends there.
    pub(crate) fn judge_all(&mut self, class: &Class, node: &Node, log: &Terms, causes: &[Cause]) -> bool {
        self.judge.tally.servers += 1;
        !self.clock.is_over()
            && causes.iter().all(|cause| !class.allows(node, log, cause) || self.judge(class, node, log, cause))
    }

    pub(crate) fn new_history(&mut self) {
        self.judge.tally.histories += 1;
    }
}

/// Does every task; the progress is told as tasks that were done, and all.
pub(crate) fn all<T: Sync>(
    tasks: &[T],
    code: Code,
    wanted: Conjuncts,
    clock: Clock,
    task: impl Fn(&T, &mut Hand) -> bool + Sync,
    tick: &mut dyn FnMut(usize, usize),
) -> Worked {
    let start = || Hand { judge: Judge::new(code), clock, wanted, finding: None };
    let work = |hand: &mut Hand, _, this: &T| {
        let is_done = task(this, hand);
        let tally = std::mem::take(&mut hand.judge.tally);
        ((tally, is_done), hand.finding.take())
    };
    let Found { counts, finding, all_done } = to_first_finding(tasks, clock, start, work, tick);
    let mut tally = Tally::default();
    counts.iter().for_each(|(counted, _)| tally.add(counted));
    let is_cut = counts.iter().any(|(_, is_done)| !is_done);
    Worked { tally, is_whole: finding.is_some() || all_done && !is_cut, finding }
}

/// What came of tasks up to the first that found something, whatever the threads.
pub(crate) struct Found<C, F> {
    /// What each of them counted, in their order.
    pub(crate) counts: Vec<C>,
    pub(crate) finding: Option<F>,
    /// Whether all tasks there are were done, or left out for a finding before them.
    pub(crate) all_done: bool,
}

/// Does every task up to the first that finds something. What threads have done of later ones by then
/// does not count, so that one thread and several come to the same.
pub(crate) fn to_first_finding<T: Sync, S: Send, C: Send, F: Send>(
    tasks: &[T],
    clock: Clock,
    start: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, &T) -> (C, Option<F>) + Sync,
    tick: &mut dyn FnMut(usize, usize),
) -> Found<C, F> {
    let first = AtomicUsize::new(usize::MAX);
    let work = |(state, done): &mut (S, Vec<_>), at: usize, task: &T| {
        if first.load(Ordering::Relaxed) < at {
            return;
        }
        let (counted, finding) = work(state, at, task);
        if finding.is_some() {
            first.fetch_min(at, Ordering::Relaxed);
        }
        done.push((at, counted, finding));
    };
    let (hands, all_done) = share(tasks, clock, || (start(), Vec::new()), work, tick);
    let first = first.load(Ordering::Relaxed);
    let mut done: Vec<_> = hands.into_iter().flat_map(|(_, done)| done).filter(|(at, ..)| *at <= first).collect();
    done.sort_unstable_by_key(|(at, ..)| *at);
    let finding = done.last_mut().and_then(|(.., finding)| finding.take());
    Found { counts: done.into_iter().map(|(_, counted, _)| counted).collect(), finding, all_done }
}

/// Lets threads do all tasks, each with a state of its own. Says whether all were done.
pub(crate) fn share<T: Sync, S: Send>(
    tasks: &[T],
    clock: Clock,
    start: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, &T) + Sync,
    tick: &mut dyn FnMut(usize, usize),
) -> (Vec<S>, bool) {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let run = || {
        let mut state = start();
        while !clock.is_over()
            && let at = next.fetch_add(1, Ordering::Relaxed)
            && let Some(task) = tasks.get(at)
        {
            work(&mut state, at, task);
            done.fetch_add(1, Ordering::Relaxed);
        }
        state
    };
    let states = std::thread::scope(|scope| {
        let hands: Vec<_> = (0..clock.limits.threads.max(1)).map(|_| scope.spawn(run)).collect();
        while !hands.iter().all(ScopedJoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(2));
            tick(done.load(Ordering::Relaxed), tasks.len());
        }
        hands.into_iter().map(|hand| hand.join().expect("a panic of a step is caught")).collect()
    });
    (states, done.into_inner() == tasks.len())
}
