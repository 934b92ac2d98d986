//! One register and the operations on it, as the search has them: what each needs, and what it does.

use std::collections::{BTreeMap, HashMap};

use super::history::{Action, Operation, Outcome, Value};

/// A value by its number: equal values have equal ones.
pub(super) type Number = usize;

/// The operations on one register that may have had an effect, or were told something of it.
#[derive(Debug, Default)]
pub(super) struct Register {
    /// Those that were answered, in the order of their answers.
    pub(super) answered: Vec<Step>,
    /// Those that may take effect once, at any time after their call, in the order of their calls.
    pub(super) unknown: Vec<Step>,
    /// Values that it may take at any time after these, any number of times. By those times, each value once.
    pub(super) wild: Vec<(u64, Number)>,
    /// The value of each number. The first is that of a new register.
    pub(super) values: Vec<Value>,
}

/// An operation at the moment at which it takes effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) call: u64,
    /// When it was answered; without meaning where it was not.
    pub(super) end: u64,
    pub(super) guard: Guard,
    /// The value that it sets; none where it only looks.
    pub(super) effect: Option<Number>,
}

/// What the value must be before it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Guard {
    Any,
    Is(Number),
    IsNot(Number),
    /// No value has it answered so.
    Never,
}

impl Guard {
    pub(super) fn admits(self, value: Number) -> bool {
        match self {
            Guard::Any => true,
            Guard::Is(asked) => asked == value,
            Guard::IsNot(refused) => refused != value,
            Guard::Never => false,
        }
    }

    fn and_found(self, found: Option<Number>) -> Guard {
        match found {
            None => self,
            Some(found) if self.admits(found) => Guard::Is(found),
            Some(_) => Guard::Never,
        }
    }
}

impl Register {
    /// A register with these operations, and others whose effects may come at any time after their calls, any
    /// number of times, whatever is known of them.
    ///
    /// # Panics
    ///
    /// If an operation ends before its call.
    pub(super) fn new<'a>(
        operations: impl IntoIterator<Item = &'a Operation>,
        wild: impl IntoIterator<Item = &'a Operation>,
    ) -> Register {
        let mut register = Register::default();
        let mut numbers = Numbers::default();
        numbers.of(&None);
        operations.into_iter().for_each(|operation| register.add(operation, &mut numbers));
        let effects = wild.into_iter().filter_map(|it| Some((it.call, numbers.of(&effect(&it.action)?))));
        let mut first: BTreeMap<Number, u64> = BTreeMap::new();
        for (call, value) in effects {
            first.entry(value).and_modify(|first| *first = call.min(*first)).or_insert(call);
        }
        register.wild = first.into_iter().map(|(value, call)| (call, value)).collect();
        register.wild.sort_unstable();
        register.answered.sort_by_key(|step| step.end);
        register.unknown.sort_by_key(|step| step.call);
        register.values = numbers.values;
        register
    }

    fn add(&mut self, operation: &Operation, numbers: &mut Numbers) {
        let end = operation.end();
        assert!(end.is_none_or(|end| operation.call <= end), "it ends before its call: {operation:?}");
        let Some((guard, effect)) = guard_and_effect(operation, numbers) else { return };
        let steps = if end.is_some() { &mut self.answered } else { &mut self.unknown };
        steps.push(Step { call: operation.call, end: end.unwrap_or(u64::MAX), guard, effect });
    }
}

/// The value that an operation sets, if it sets one.
pub(super) fn effect(action: &Action) -> Option<Value> {
    match action {
        Action::Read => None,
        Action::Write(value) => Some(Some(value.clone())),
        Action::Delete => Some(None),
        Action::CompareAndSet { value, .. } => Some(value.clone()),
    }
}

/// What an operation needs and does, if its outcome says anything of it.
fn guard_and_effect(operation: &Operation, numbers: &mut Numbers) -> Option<(Guard, Option<Number>)> {
    let guard = match &operation.action {
        Action::CompareAndSet { expected, .. } => Guard::Is(numbers.of(expected)),
        Action::Read | Action::Write(_) | Action::Delete => Guard::Any,
    };
    let effect = effect(&operation.action).map(|value| numbers.of(&value));
    let mut number = |found: &Option<Value>| found.as_ref().map(|found| numbers.of(found));
    match (&operation.outcome, guard) {
        (Outcome::Ok { found, .. }, _) => Some((guard.and_found(number(found)), effect)),
        (Outcome::Mismatch { found, .. }, Guard::Is(expected)) => {
            Some((Guard::IsNot(expected).and_found(number(found)), None))
        }
        (Outcome::Unknown, _) if effect.is_some() => Some((guard, effect)),
        (Outcome::Mismatch { .. } | Outcome::Fail | Outcome::Unknown, _) => None,
    }
}

#[derive(Default)]
struct Numbers {
    values: Vec<Value>,
    known: HashMap<Value, Number>,
}

impl Numbers {
    fn of(&mut self, value: &Value) -> Number {
        if let Some(&number) = self.known.get(value) {
            return number;
        }
        self.values.push(value.clone());
        self.known.insert(value.clone(), self.values.len() - 1);
        self.values.len() - 1
    }
}
