//! What a worker has to say at the end of a round, and what all have said together.

use serde::{Deserialize, Serialize};

use crate::search::fingerprint::Print;
use crate::search::space::{Bits, Space};
use crate::search::trail::Violation;

/// What one worker has done in a round, or all of them.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Summary {
    pub(super) states: u64,
    pub(super) transitions: u64,
    /// By kind.
    pub(super) offered: Vec<u64>,
    pub(super) fired: Vec<u64>,
    pub(super) met: Bits,
    pub(super) broken: Bits,
    /// The least of the layer so far.
    pub(super) violation: Option<Least>,
    /// States of the layer that are still to be expanded.
    pub(super) waiting: u64,
    /// States that were sent to others, and that have come from others.
    pub(super) sent: u64,
    pub(super) received: u64,
    /// Why the search must end, if this process thinks so.
    pub(super) stop: Option<String>,
    /// Whether it is time to write a checkpoint; the first worker says so.
    pub(super) save: bool,
    /// Resident memory of the process, told by its first worker.
    pub(super) resident: u64,
    pub(super) table_bytes: u64,
    pub(super) on_disk: u64,
}

/// A violation in words that can be sent: but for the action, which whoever looks for the way finds again.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(super) struct Least {
    target: u128,
    source: Option<u128>,
    broken: Bits,
    panic: Option<String>,
}

impl Least {
    pub(super) fn of<A, P: Print>(violation: &Violation<A, P>) -> Least {
        let (target, source) = violation.order();
        let (target, source) = (target.number(), source.map(Print::number));
        Least { target, source, broken: violation.broken, panic: violation.panic.clone() }
    }

    pub(super) fn violation<S: Space, P: Print>(self) -> Violation<S::Action, P> {
        let Least { target, source, broken, panic } = self;
        Violation::told(P::of(target), source.map(P::of), broken, panic)
    }
}

impl Summary {
    pub(super) fn nothing(kinds: usize) -> Summary {
        Summary { offered: vec![0; kinds], fired: vec![0; kinds], ..Summary::default() }
    }

    pub(super) fn words(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and words can be written")
    }

    /// What all have said together. Each of several reasons is as good as any other: that of the first counts.
    pub(super) fn of_all(kinds: usize, said: &[Vec<u8>]) -> Summary {
        let said = said.iter().map(|words| serde_json::from_slice(words).expect("it was written by this code"));
        let all = said.fold(Summary::nothing(kinds), Summary::and);
        // What is under way between two rounds would be looked for in the wrong layer.
        assert_eq!(all.sent, all.received, "every state that was sent has arrived");
        all
    }

    fn and(self, other: Summary) -> Summary {
        let sum = |ours: Vec<u64>, theirs: &[u64]| ours.iter().zip(theirs).map(|(one, other)| one + other).collect();
        Summary {
            states: self.states + other.states,
            transitions: self.transitions + other.transitions,
            offered: sum(self.offered, &other.offered),
            fired: sum(self.fired, &other.fired),
            met: self.met | other.met,
            broken: self.broken | other.broken,
            violation: self.violation.into_iter().chain(other.violation).min(),
            waiting: self.waiting + other.waiting,
            sent: self.sent + other.sent,
            received: self.received + other.received,
            stop: self.stop.or(other.stop),
            save: self.save || other.save,
            resident: self.resident + other.resident,
            table_bytes: self.table_bytes + other.table_bytes,
            on_disk: self.on_disk + other.on_disk,
        }
    }
}
