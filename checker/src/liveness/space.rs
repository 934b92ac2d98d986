//! The states of the quotient, each judged by its recovery.

use std::sync::atomic::Ordering;

use crate::liveness::recovery::{Recovery, RecoveryWorker};
use crate::liveness::report;
use crate::properties::{Property, PropertySet};
use crate::quotient::{Move, Packed};
use crate::search::{Bits, Judgement, Space};
use crate::system::Action;
use crate::verdict::Checked;

impl Space for Recovery {
    type State = Packed;
    type Action = Move;
    type Worker = RecoveryWorker;

    fn worker(&self) -> RecoveryWorker {
        RecoveryWorker { inner: self.quotient.worker(), stage: None }
    }

    fn starts(&self) -> Vec<Packed> {
        self.quotient.starts()
    }

    fn expand(&self, worker: &mut RecoveryWorker, state: &Packed, visit: &mut dyn FnMut(Move, Packed, Judgement)) {
        self.quotient.expand(&mut worker.inner, state, visit);
    }

    fn judge(&self, worker: &mut RecoveryWorker, state: &Packed) -> Judgement {
        let failed = self.judged(worker, state);
        let mut broken: PropertySet = failed.into_iter().map(|(_, why)| why.breaks()).collect();
        broken.keep(self.quotient.watched.and(PropertySet::from_iter([Property::Totality])));
        Judgement { broken: broken.bits(), met: self.quotient.judge(&mut worker.inner, state).met }
    }

    fn fingerprint(&self, state: &Packed, seed: u64) -> u128 {
        self.quotient.fingerprint(state, seed)
    }

    fn broken_by_panic(&self) -> Bits {
        self.quotient.broken_by_panic()
    }

    fn kinds(&self) -> usize {
        self.quotient.kinds()
    }

    fn kind(&self, action: &Move) -> usize {
        self.quotient.kind(action)
    }

    fn count_offers(&self, worker: &mut RecoveryWorker, offered: &mut [u64]) {
        self.quotient.count_offers(&mut worker.inner, offered);
    }
}

impl Checked for Recovery {
    fn kind_names(&self) -> Vec<&'static str> {
        self.quotient.kind_names()
    }

    /// What such a run breaks is no state of the concrete system: it is told as a story.
    fn concretised(&self, _: &[Move], _: bool) -> Result<Vec<Action>, String> {
        Ok(Vec::new())
    }

    fn story(&self, path: &[Move], broken: PropertySet) -> Option<Vec<String>> {
        Some(report::story(self, path, broken))
    }

    fn measured(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("recoveries run", self.runs.load(Ordering::Relaxed)),
            ("rounds that the slowest needed", self.most_rounds.load(Ordering::Relaxed)),
        ]
    }
}
