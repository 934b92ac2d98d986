//! The parsers of lines of JSON: what a running server is asked and answers, and histories of what clients did.

use rafttree_model::{Index, Position, ServerId, Term};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::admin::{Answer, Request};
use crate::fuzz::{Draw, Format, Parser, of};
use crate::linearizability::{Action, Operation, Outcome};

/// All of them.
pub(super) fn parsers() -> Vec<Box<dyn Parser>> {
    vec![of::<Requests>(), of::<Answers>(), of::<Operations>()]
}

/// The value of a line that has one of this type, as JSON: so types that cannot be compared are.
fn read<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice::<T>(bytes).ok().map(|it| json(&it))
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("it has nothing that JSON lacks")
}

fn held(value: &Value) -> usize {
    match value {
        Value::String(text) => text.capacity(),
        Value::Array(all) => all.iter().map(held).sum::<usize>() + all.capacity() * size_of::<Value>(),
        Value::Object(all) => all.iter().map(|(name, value)| name.len() + held(value)).sum(),
        _ => 0,
    }
}

/// What a running server is asked.
struct Requests;

impl Format for Requests {
    type Value = Value;

    const NAME: &'static str = "requests of the admin socket";

    fn draw(draw: &mut Draw<'_>) -> Value {
        json(&match draw.below(4) {
            0 => Request::Status,
            1 => Request::StepDown,
            2 => Request::Snapshot,
            _ => Request::Transfer { to: ServerId::new(draw.short_number()) },
        })
    }

    fn encode(value: &Value) -> Vec<u8> {
        value.to_string().into()
    }

    fn decode(bytes: &[u8]) -> Option<Value> {
        read::<Request>(bytes)
    }

    fn held(value: &Value) -> usize {
        held(value)
    }
}

/// What a running server answers, but how it stands.
struct Answers;

impl Format for Answers {
    type Value = Value;

    const NAME: &'static str = "answers of the admin socket";

    fn draw(draw: &mut Draw<'_>) -> Value {
        json(&match draw.below(3) {
            0 => Answer::Done,
            1 => {
                let (term, index) = (Term::new(draw.number()), Index::new(draw.number()));
                Answer::Snapshotted { last: Position { term, index } }
            }
            _ => Answer::Failed { reason: draw.text() },
        })
    }

    fn encode(value: &Value) -> Vec<u8> {
        value.to_string().into()
    }

    fn decode(bytes: &[u8]) -> Option<Value> {
        read::<Answer>(bytes)
    }

    fn held(value: &Value) -> usize {
        held(value)
    }
}

/// A line of a history.
struct Operations;

impl Format for Operations {
    type Value = Operation;

    const NAME: &'static str = "operations of a history";

    fn draw(draw: &mut Draw<'_>) -> Operation {
        let action = match draw.below(4) {
            0 => Action::Read,
            1 => Action::Write(draw.text()),
            2 => Action::Delete,
            _ => Action::CompareAndSet { expected: draw.option(Draw::text), value: draw.option(Draw::text) },
        };
        let call = draw.number();
        let end = call.saturating_add(draw.number());
        let found = draw.option(|draw| draw.option(Draw::text));
        let outcome = match (&action, draw.below(4)) {
            (Action::CompareAndSet { .. }, 0) => Outcome::Mismatch { end, found },
            (_, 1) => Outcome::Fail,
            (_, 2) => Outcome::Unknown,
            (Action::Read, _) => Outcome::Ok { end, found: Some(found.flatten()) },
            _ => Outcome::Ok { end, found },
        };
        Operation { client: draw.number(), key: draw.text(), action, call, outcome }
    }

    fn encode(value: &Operation) -> Vec<u8> {
        serde_json::to_vec(value).expect("it has nothing that JSON lacks")
    }

    fn decode(bytes: &[u8]) -> Option<Operation> {
        serde_json::from_slice(bytes).ok()
    }

    fn held(value: &Operation) -> usize {
        held(&json(value))
    }
}
