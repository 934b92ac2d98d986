//! Histories: what clients called, and what they were answered.

use serde::{Deserialize, Deserializer, Serialize};

/// The value of a register, which may have none.
pub type Value = Option<String>;

/// One call by one client, on the register that a key names.
///
/// With serde an operation is one flat object, as a line of a history's file has it:
///
/// | field | what it is |
/// | --- | --- |
/// | `client` | a number for who called, for people alone; may be left out |
/// | `key` | the register |
/// | `op` | `read`, `write`, `delete` or `cas` (compare-and-set) |
/// | `value` | of a `write`: what is written; of a `cas` also `null`, which removes the value |
/// | `expected` | of a `cas`: the value that it asks for, `null` for none |
/// | `call` | the time of the call, a whole number in any unit, by one monotonic clock for all clients |
/// | `end` | the time of the answer by the same clock; without meaning where there was none |
/// | `result` | `ok`, `mismatch` (a `cas` found another value), `fail` (no effect, ever) or `unknown` |
/// | `found` | the value before the operation, `null` for none. What a `read` is answered; others may leave it out |
///
/// ```
/// # use rafttree::linearizability::Operation;
/// for line in [
///     r#"{"client":1,"key":"x","op":"write","value":"one","call":10,"end":25,"result":"ok"}"#,
///     r#"{"client":2,"key":"x","op":"read","call":12,"end":20,"result":"ok","found":null}"#,
///     r#"{"client":2,"key":"x","op":"cas","expected":"one","value":"two","call":30,"result":"unknown"}"#,
/// ] {
///     let operation: Operation = serde_json::from_str(line)?;
///     assert_eq!(serde_json::to_string(&operation)?, line);
/// }
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "Line", into = "Line")]
pub struct Operation {
    /// Who called. It is for people: clients may have several calls open.
    pub client: u64,
    /// The register.
    pub key: String,
    /// What was asked for.
    pub action: Action,
    /// The time of the call, in any unit, by one monotonic clock for all clients.
    pub call: u64,
    /// What has become of it.
    pub outcome: Outcome,
}

/// What a client asks a register for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// To tell its value.
    Read,
    /// To take this value.
    Write(String),
    /// To have no value.
    Delete,
    /// To take `value` if it has the expected one.
    CompareAndSet {
        /// The value that it must have.
        expected: Value,
        /// The value that it gets.
        value: Value,
    },
}

/// What a client knows of its call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It took effect.
    Ok {
        /// The time of the answer, not before the call.
        end: u64,
        /// The value that it found, if it was told.
        found: Option<Value>,
    },
    /// It had no effect, since the value was not the expected one.
    Mismatch {
        /// The time of the answer, not before the call.
        end: u64,
        /// The value that it found, if it was told.
        found: Option<Value>,
    },
    /// It had no effect, and never will have.
    Fail,
    /// It may take effect at any time after its call, or never.
    Unknown,
}

impl Operation {
    /// The time of its answer, if it had one.
    pub fn end(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Ok { end, .. } | Outcome::Mismatch { end, .. } => Some(end),
            Outcome::Fail | Outcome::Unknown => None,
        }
    }
}

/// An operation as a file has it.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    client: u64,
    key: String,
    op: Kind,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    expected: Option<Value>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    call: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<u64>,
    result: Result,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    found: Option<Value>,
}

#[derive(Clone, Copy, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Read,
    Write,
    Delete,
    Cas,
}

#[derive(Clone, Copy, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Result {
    Ok,
    Mismatch,
    Fail,
    Unknown,
}

/// A field that is there, `null` included.
fn given<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

impl TryFrom<Line> for Operation {
    type Error = &'static str;

    fn try_from(line: Line) -> std::result::Result<Operation, &'static str> {
        let (action, outcome) = (line.action()?, line.outcome()?);
        Ok(Operation { client: line.client, key: line.key, action, call: line.call, outcome })
    }
}

impl Line {
    fn action(&self) -> std::result::Result<Action, &'static str> {
        match (self.op, self.expected.clone(), self.value.clone()) {
            (Kind::Read, None, None) => Ok(Action::Read),
            (Kind::Write, None, Some(Some(value))) => Ok(Action::Write(value)),
            (Kind::Delete, None, None) => Ok(Action::Delete),
            (Kind::Cas, Some(expected), Some(value)) => Ok(Action::CompareAndSet { expected, value }),
            (Kind::Read, ..) => Err("a `read` has no `value` and no `expected`"),
            (Kind::Write, ..) => Err("a `write` has a `value`, which is no null, and no `expected`"),
            (Kind::Delete, ..) => Err("a `delete` has no `value` and no `expected`"),
            (Kind::Cas, ..) => Err("a `cas` has an `expected` and a `value`, which may be null"),
        }
    }

    fn outcome(&self) -> std::result::Result<Outcome, &'static str> {
        let found = self.found.clone();
        if self.end.is_some_and(|end| end < self.call) {
            return Err("its `end` is before its `call`");
        }
        match (self.result, self.end) {
            (Result::Ok, _) if self.op == Kind::Read && found.is_none() => {
                Err("a `read` whose result is `ok` has a `found`, which may be null")
            }
            (Result::Mismatch, _) if self.op != Kind::Cas => Err("only a `cas` has the result `mismatch`"),
            (Result::Fail | Result::Unknown, _) if found.is_some() => Err("who has no answer has no `found`"),
            (Result::Ok | Result::Mismatch, None) => Err("an answer has an `end`"),
            (Result::Ok, Some(end)) => Ok(Outcome::Ok { end, found }),
            (Result::Mismatch, Some(end)) => Ok(Outcome::Mismatch { end, found }),
            (Result::Fail, _) => Ok(Outcome::Fail),
            (Result::Unknown, _) => Ok(Outcome::Unknown),
        }
    }
}

impl From<Operation> for Line {
    fn from(operation: Operation) -> Line {
        let end = operation.end();
        let Operation { client, key, action, call, outcome } = operation;
        let (op, expected, value) = match action {
            Action::Read => (Kind::Read, None, None),
            Action::Write(value) => (Kind::Write, None, Some(Some(value))),
            Action::Delete => (Kind::Delete, None, None),
            Action::CompareAndSet { expected, value } => (Kind::Cas, Some(expected), Some(value)),
        };
        let (result, found) = match outcome {
            Outcome::Ok { found, .. } => (Result::Ok, found),
            Outcome::Mismatch { found, .. } => (Result::Mismatch, found),
            Outcome::Fail => (Result::Fail, None),
            Outcome::Unknown => (Result::Unknown, None),
        };
        Line { client, key, op, expected, value, call, end, result, found }
    }
}
