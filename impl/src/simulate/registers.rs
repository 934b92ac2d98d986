//! Registers: the state machine that is simulated where a service gives none of its own. What clients see of
//! it is judged by its own measure as well: whether each register is linearizable.

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use super::random::Random;
use super::subject::{Call, End};
use crate::linearizability::{self, Action, Operation, Outcome};
use crate::machine::{Serialized, Snapshot, StateMachine, decode};

/// How many registers there are: few, so that clients meet.
const REGISTERS: u64 = 3;

/// Registers that have a value, or none.
#[derive(Debug, Default)]
pub struct Registers(pub(super) BTreeMap<u64, u64>);

/// What clients ask a register for. The answer is the value before.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub enum Demand {
    /// To take this value.
    Write {
        /// The register.
        key: u64,
        /// The value.
        value: u64,
    },
    /// To have no value.
    Delete {
        /// The register.
        key: u64,
    },
    /// To take `value`, if it has the expected one.
    CompareAndSet {
        /// The register.
        key: u64,
        /// The value that it must have.
        expected: Option<u64>,
        /// The value that it gets.
        value: Option<u64>,
    },
}

impl Demand {
    fn key(&self) -> u64 {
        let (Demand::Write { key, .. } | Demand::Delete { key } | Demand::CompareAndSet { key, .. }) = self;
        *key
    }

    fn action(&self) -> Action {
        let text = |value: &Option<u64>| value.as_ref().map(u64::to_string);
        match self {
            Demand::Write { value, .. } => Action::Write(value.to_string()),
            Demand::Delete { .. } => Action::Delete,
            Demand::CompareAndSet { expected, value, .. } => {
                Action::CompareAndSet { expected: text(expected), value: text(value) }
            }
        }
    }
}

impl StateMachine for Registers {
    type Command = Demand;
    type Answer = Option<u64>;

    fn apply(&mut self, demand: Demand) -> Option<u64> {
        let before = self.0.get(&demand.key()).copied();
        let next = match demand {
            Demand::Write { value, .. } => Some(value),
            Demand::Delete { .. } => None,
            Demand::CompareAndSet { expected, value, .. } if expected == before => value,
            Demand::CompareAndSet { .. } => before,
        };
        match next {
            Some(value) => drop(self.0.insert(demand.key(), value)),
            None => drop(self.0.remove(&demand.key())),
        }
        before
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(Serialized(self.0.clone()))
    }

    fn restore(from: &mut dyn Read) -> io::Result<Registers> {
        Serialized::read(from).map(Registers)
    }
}

/// What some client asks for next.
pub(super) fn demand(random: &mut Random) -> Demand {
    let (key, value) = (random.below(REGISTERS), random.below(20));
    match random.below(5) {
        0 => Demand::Delete { key },
        1 | 2 => Demand::CompareAndSet {
            key,
            expected: random.chance(70).then(|| random.below(20)),
            value: random.chance(80).then_some(value),
        },
        _ => Demand::Write { key, value },
    }
}

/// Judges what clients saw of each register.
pub(super) fn judge(calls: &[Call]) -> Result<(), String> {
    let mut history = Vec::new();
    for call in calls {
        match &call.command {
            Some(command) => history.extend(decode(command).ok().and_then(|demand| operation(call, &demand))),
            None => history.extend(reads(call)),
        }
    }
    linearizability::check(&history).map_err(|violation| format!("what clients saw is not linearizable:\n{violation}"))
}

/// A command as an operation on a register.
fn operation(call: &Call, demand: &Demand) -> Option<Operation> {
    let outcome = match &call.end {
        End::Answered { at, answer } => {
            let found: Option<u64> = decode(answer).ok()?;
            let mismatches = matches!(demand, Demand::CompareAndSet { expected, .. } if *expected != found);
            let (end, found) = (*at, Some(found.map(|value| value.to_string())));
            if mismatches { Outcome::Mismatch { end, found } } else { Outcome::Ok { end, found } }
        }
        End::NotCommitted => Outcome::Fail,
        End::Unknown => Outcome::Unknown,
    };
    let (client, key) = (call.client, demand.key().to_string());
    Some(Operation { client, key, action: demand.action(), call: call.called, outcome })
}

/// A read has seen all registers at a time.
fn reads(call: &Call) -> Vec<Operation> {
    let End::Answered { at, answer } = &call.end else { return Vec::new() };
    let Ok(seen) = decode::<BTreeMap<u64, u64>>(answer) else { return Vec::new() };
    let read = |key: u64| {
        let found = Some(seen.get(&key).map(u64::to_string));
        let outcome = Outcome::Ok { end: *at, found };
        Operation { client: call.client, key: key.to_string(), action: Action::Read, call: call.called, outcome }
    };
    (0..REGISTERS).map(read).collect()
}
