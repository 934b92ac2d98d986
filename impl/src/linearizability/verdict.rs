//! The verdict on a history, and why it is not linearizable.

use std::collections::BTreeMap;
use std::fmt;

use super::history::{Action, Operation, Outcome, Value};
use super::register::{Register, effect};
use super::search::{Found, Order, Search};

/// Configurations that may be tried in search of what contradicts each other.
const MAX_CONFIGURATIONS: u64 = 300_000;

/// Of these, how many for one attempt and each operation in it.
const CONFIGURATIONS_FOR_EACH: u64 = 100;

/// Configurations for each answer that may be tried in search of an order that is easily found.
const EASY_CONFIGURATIONS: u64 = 10;

/// Times of which a picture is drawn.
const MAX_TIMES: usize = 24;

/// Why a history is not linearizable. What it displays is a picture of the operations that contradict each
/// other, for people.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// The key whose register has it. Each key before it, in their order, is linearizable.
    pub key: String,
    /// Operations that contradict each other, by their calls: they cannot be ordered, even if every other
    /// operation of the key took effect at any times after its call, or never. Unless that would take long to
    /// find out, none can be left out.
    pub operations: Vec<Operation>,
    /// How many operations of the key were called until the first answer that no order explains.
    pub called: usize,
    /// How many operations the key has.
    pub total: usize,
    /// The values that orders of what was answered before that leave.
    pub values: Vec<Value>,
}

/// Judges a history, whose operations may come in any order.
///
/// # Errors
///
/// The first key that is not linearizable, and why.
///
/// # Panics
///
/// If an operation ends before its call.
pub fn check(history: &[Operation]) -> Result<(), Violation> {
    let mut keys: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    history.iter().for_each(|operation| keys.entry(&operation.key).or_default().push(operation));
    keys.into_iter().try_for_each(|(key, operations)| check_key(key, &operations))
}

fn check_key(key: &str, operations: &[&Operation]) -> Result<(), Violation> {
    let register = Register::new(operations.iter().copied(), []);
    let Found::Nothing { answer, values } = searched(&register) else { return Ok(()) };
    let answer = register.answered[answer];
    let mut operations = operations.to_vec();
    operations.sort_by_key(|operation| operation.call);
    Err(Violation {
        key: key.to_owned(),
        called: operations.iter().filter(|operation| operation.call <= answer.end).count(),
        total: operations.len(),
        values: values.into_iter().map(|number| register.values[number].clone()).collect(),
        operations: contradiction(operations, answer.end).into_iter().cloned().collect(),
    })
}

/// Searches to the end: first for an order that is easily found.
fn searched(register: &Register) -> Found {
    match Search::new(register, Order::Furthest).run(EASY_CONFIGURATIONS * register.answered.len() as u64) {
        Found::Limit => Search::new(register, Order::Nearest).run(u64::MAX),
        found => found,
    }
}

/// The operations that contradict each other, as few as are found: whatever the others did. Those that were
/// answered last before this time are tried first, with all that have to do with the value in question.
fn contradiction(operations: Vec<&Operation>, time: u64) -> Vec<&Operation> {
    let mut before = operations.clone();
    before.retain(|operation| operation.end().is_some_and(|end| end <= time));
    before.sort_by_key(|operation| operation.end());
    let value = before.last().and_then(|last| asked(last));
    let mut budget = MAX_CONFIGURATIONS;
    let mut count = 1;
    while count < before.len() {
        let recent = &before[before.len() - count..];
        let is_near = |operation: &&Operation| recent.iter().any(|it| std::ptr::eq(*it, *operation));
        let is_related = |operation: &&Operation| is_near(operation) || value.is_some() && concerns(operation, &value);
        let (some, others): (Vec<_>, Vec<_>) = operations.iter().copied().partition(is_related);
        if is_impossible(&some, &others, &mut budget) {
            return fewest(some, others, &mut budget);
        }
        count *= 2;
    }
    fewest(operations, Vec::new(), &mut budget)
}

/// Takes out what is not needed for a contradiction.
fn fewest<'a>(
    mut operations: Vec<&'a Operation>,
    mut others: Vec<&'a Operation>,
    budget: &mut u64,
) -> Vec<&'a Operation> {
    let mut size = operations.len();
    while 0 < size && 0 < *budget {
        let mut kept = 0;
        while kept < operations.len() && 0 < *budget {
            let end = operations.len().min(kept + size);
            let fewer = [&operations[..kept], &operations[end..]].concat();
            let more = [&others[..], &operations[kept..end]].concat();
            if is_impossible(&fewer, &more, budget) {
                (operations, others) = (fewer, more);
            } else {
                kept = end;
            }
        }
        size /= 2;
    }
    operations
}

/// Whether it is found without much searching that there is no order.
fn is_impossible(operations: &[&Operation], others: &[&Operation], budget: &mut u64) -> bool {
    let register = Register::new(operations.iter().copied(), others.iter().copied());
    let mut search = Search::new(&register, Order::Nearest);
    let limit = CONFIGURATIONS_FOR_EACH * (1 + operations.len() as u64);
    let found = search.run(limit.min(*budget));
    *budget = budget.saturating_sub(search.count.max(1));
    matches!(found, Found::Nothing { .. })
}

/// The value that an operation found, or asked for.
fn asked(operation: &Operation) -> Option<Value> {
    match (&operation.outcome, &operation.action) {
        (Outcome::Ok { found: Some(found), .. } | Outcome::Mismatch { found: Some(found), .. }, _) => {
            Some(found.clone())
        }
        (_, Action::CompareAndSet { expected, .. }) => Some(expected.clone()),
        _ => None,
    }
}

/// Whether the operation found, asked for or sets this value.
fn concerns(operation: &Operation, value: &Option<Value>) -> bool {
    asked(operation) == *value || effect(&operation.action) == *value
}

impl std::error::Error for Violation {}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { key, operations, called, total, values } = self;
        writeln!(
            out,
            "key {key:?} is not linearizable: no order explains the first {called} of its {total} operations"
        )?;
        writeln!(
            out,
            "These contradict each other, whatever the others did after their calls. Time goes to the right:"
        )?;
        let mut times: Vec<u64> = operations.iter().flat_map(|it| [Some(it.call), it.end()]).flatten().collect();
        times.sort_unstable();
        times.dedup();
        for operation in operations {
            writeln!(out, "  {}  {}", interval(operation, &times), InWords(operation))?;
        }
        let values: Vec<String> = values.iter().map(in_words).collect();
        write!(out, "Orders of all that was answered before leave the value: {}", values.join(", "))
    }
}

/// The time of an operation as a line of text, as far as that is of a sensible length.
fn interval(operation: &Operation, times: &[u64]) -> String {
    const COLUMNS: usize = 3;
    if MAX_TIMES < times.len() {
        return String::new();
    }
    let column = |time: u64| COLUMNS * times.partition_point(|&other| other < time);
    let from = column(operation.call);
    let length = operation.end().map_or(COLUMNS * times.len(), column).saturating_sub(from);
    let end = if operation.end().is_some() { '|' } else { '?' };
    let line = format!("{}|{}{end}", " ".repeat(from), "-".repeat(length.saturating_sub(1)));
    format!("{line:width$}", width = COLUMNS * times.len() + 1)
}

fn in_words(value: &Value) -> String {
    value.as_ref().map_or("none".to_owned(), |value| format!("{value:?}"))
}

/// An operation in words.
struct InWords<'a>(&'a Operation);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Operation { client, action, call, outcome, .. } = self.0;
        let end = self.0.end().map_or("?".to_owned(), |end| end.to_string());
        write!(out, "client {client}, {call} to {end}: ")?;
        match action {
            Action::Read => write!(out, "read")?,
            Action::Write(value) => write!(out, "write {value:?}")?,
            Action::Delete => write!(out, "delete")?,
            Action::CompareAndSet { expected, value } => {
                write!(out, "compare {} and set {}", in_words(expected), in_words(value))?;
            }
        }
        match outcome {
            Outcome::Ok { found: Some(found), .. } => write!(out, ", found {}", in_words(found)),
            Outcome::Ok { found: None, .. } => write!(out, ", done"),
            Outcome::Mismatch { found: Some(found), .. } => write!(out, ", no match: {}", in_words(found)),
            Outcome::Mismatch { found: None, .. } => write!(out, ", no match"),
            Outcome::Fail => write!(out, ", failed"),
            Outcome::Unknown => write!(out, ", outcome unknown"),
        }
    }
}
