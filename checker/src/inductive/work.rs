//! Work in several threads, of which the first finding in the order of the tasks counts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use rafttree_model::Node;

use crate::engine::Limits;
use crate::inductive::class::Class;
use crate::inductive::conjuncts::{Cause, Conjuncts};
use crate::inductive::history::{History, Terms};
use crate::inductive::judge::{Judge, Judged, Tally};
use crate::inductive::mistakes::Code;

/// A counterexample to induction: a server of the class, and a step of it that breaks the invariant.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) history: History,
    pub(crate) node: Node,
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
            self.finding = Some(Finding { history, node, cause, broken });
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
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let total = Mutex::new((Tally::default(), None::<(usize, Finding)>));
    let work = || {
        let mut hand = Hand { judge: Judge::new(code), clock, wanted, finding: None };
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(this) = tasks.get(at) else { break };
            done.fetch_add(usize::from(task(this, &mut hand)), Ordering::Relaxed);
            if let Some(finding) = hand.finding.take() {
                // What comes later does not count any more; what comes earlier is being done.
                next.store(tasks.len(), Ordering::Relaxed);
                let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                if total.1.as_ref().is_none_or(|(first, _)| at < *first) {
                    total.1 = Some((at, finding));
                }
            }
        }
        total.lock().unwrap_or_else(PoisonError::into_inner).0.add(&hand.judge.tally);
    };
    std::thread::scope(|scope| {
        let hands: Vec<_> = (0..clock.limits.threads.max(1)).map(|_| scope.spawn(work)).collect();
        while !hands.iter().all(ScopedJoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(2));
            tick(done.load(Ordering::Relaxed), tasks.len());
        }
    });
    let (tally, finding) = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    let finding = finding.map(|(_, finding)| finding);
    Worked { tally, is_whole: finding.is_some() || done.into_inner() == tasks.len(), finding }
}
