//! Histories that are known to be good or bad, all small ones beside permutations, and executed ones.

use proptest::collection::vec;
use proptest::prelude::*;

use super::register::Register;
use super::search::{Found, Order, Search};
use super::*;

fn value(name: &str) -> Value {
    Some(name.to_owned())
}

fn cas(expected: &str, new: &str) -> Action {
    Action::CompareAndSet { expected: value(expected), value: value(new) }
}

fn write(name: &str) -> Action {
    Action::Write(name.to_owned())
}

fn done(end: u64) -> Outcome {
    Outcome::Ok { end, found: None }
}

fn found(end: u64, found: Value) -> Outcome {
    Outcome::Ok { end, found: Some(found) }
}

fn operation(action: Action, call: u64, outcome: Outcome) -> Operation {
    Operation { client: 0, key: "x".to_owned(), action, call, outcome }
}

/// Whether some permutation explains the history: by its definition, without any cleverness.
fn is_explained(history: &[Operation]) -> bool {
    is_explained_beside(history, &[])
}

/// The same where the effects of the others may come at any times after their calls.
fn is_explained_beside(history: &[Operation], others: &[Operation]) -> bool {
    let waits = |operation: &&Operation| match operation.outcome {
        Outcome::Fail => false,
        Outcome::Mismatch { .. } => matches!(operation.action, Action::CompareAndSet { .. }),
        Outcome::Ok { .. } | Outcome::Unknown => true,
    };
    is_explained_from(&None, &history.iter().filter(waits).collect::<Vec<_>>(), others)
}

fn is_explained_from(value: &Value, rest: &[&Operation], others: &[Operation]) -> bool {
    let is_first = |operation: &Operation| rest.iter().all(|other| other.end().is_none_or(|end| operation.call <= end));
    let effects = others.iter().filter(|other| is_first(other)).filter_map(|other| match &other.action {
        Action::Read => None,
        Action::Write(value) => Some(Some(value.clone())),
        Action::Delete => Some(None),
        Action::CompareAndSet { value, .. } => Some(value.clone()),
    });
    let values: Vec<Value> = effects.chain([value.clone()]).collect();
    rest.iter().all(|operation| operation.outcome == Outcome::Unknown)
        || (0..rest.len()).filter(|&at| is_first(rest[at])).any(|at| {
            let next = [&rest[..at], &rest[at + 1..]].concat();
            let after = values.iter().filter_map(|value| executed(rest[at], value));
            after.into_iter().any(|value| is_explained_from(&value, &next, others))
        })
}

/// The value after the operation, if it was answered as a register with this value does.
fn executed(operation: &Operation, before: &Value) -> Option<Value> {
    let (is_done, after) = match &operation.action {
        Action::Read => (true, before.clone()),
        Action::Write(value) => (true, Some(value.clone())),
        Action::Delete => (true, None),
        Action::CompareAndSet { expected, value } if expected == before => (true, value.clone()),
        Action::CompareAndSet { .. } => (false, before.clone()),
    };
    let fits = |found: &Option<Value>| found.as_ref().is_none_or(|found| found == before);
    let is_so = match &operation.outcome {
        Outcome::Ok { found, .. } => is_done && fits(found),
        Outcome::Mismatch { found, .. } => !is_done && fits(found),
        Outcome::Unknown => true,
        Outcome::Fail => false,
    };
    is_so.then_some(after)
}

#[test]
fn good_histories_are_linearizable() {
    let histories = [
        vec![],
        vec![operation(Action::Read, 0, found(1, None))],
        // A read that overlaps a write finds either value.
        vec![operation(write("a"), 0, done(9)), operation(Action::Read, 1, found(2, None))],
        vec![operation(write("a"), 0, done(9)), operation(Action::Read, 1, found(2, value("a")))],
        // An answer and a call at one time overlap.
        vec![operation(write("a"), 0, done(5)), operation(Action::Read, 5, found(6, None))],
        // What is unknown takes effect late, and what is unknown may never do.
        vec![
            operation(write("a"), 0, Outcome::Unknown),
            operation(Action::Read, 5, found(6, None)),
            operation(Action::Read, 7, found(8, value("a"))),
        ],
        vec![operation(write("a"), 0, Outcome::Unknown), operation(Action::Read, 5, found(6, None))],
        // Herlihy and Wing's: two writes and reads of both, in the order of the reads.
        vec![
            operation(write("a"), 0, done(10)),
            operation(write("b"), 0, done(10)),
            operation(Action::Read, 5, found(8, value("b"))),
            operation(Action::Read, 9, found(12, value("a"))),
        ],
        vec![
            operation(cas("a", "b"), 0, Outcome::Unknown),
            operation(write("a"), 1, Outcome::Unknown),
            operation(Action::Delete, 20, found(30, value("b"))),
        ],
    ];
    for history in histories {
        assert_eq!(check(&history), Ok(()), "{history:#?}");
        assert!(is_explained(&history));
    }
}

#[test]
fn bad_histories_are_not() {
    let histories = [
        // Never written.
        vec![operation(Action::Read, 0, found(1, value("a")))],
        // Lost.
        vec![operation(write("a"), 0, done(1)), operation(Action::Read, 2, found(3, None))],
        // Stale.
        vec![
            operation(write("a"), 0, done(1)),
            operation(write("b"), 2, done(3)),
            operation(Action::Read, 4, found(5, value("a"))),
        ],
        // Two reads of an overlapping write, of which the later one is older.
        vec![
            operation(write("a"), 0, done(20)),
            operation(Action::Read, 1, found(2, value("a"))),
            operation(Action::Read, 3, found(4, None)),
        ],
        // What failed took effect.
        vec![operation(write("a"), 0, Outcome::Fail), operation(Action::Read, 2, found(3, value("a")))],
        // What is unknown took effect before its call, or twice.
        vec![operation(Action::Read, 0, found(1, value("a"))), operation(write("a"), 2, Outcome::Unknown)],
        vec![
            operation(write("a"), 0, Outcome::Unknown),
            operation(Action::Delete, 1, found(2, value("a"))),
            operation(Action::Delete, 3, found(4, value("a"))),
        ],
        // Two who compared the same value and set it.
        vec![
            operation(write("a"), 0, done(1)),
            operation(cas("a", "b"), 2, done(9)),
            operation(cas("a", "c"), 2, done(9)),
        ],
        // A mismatch that found what it asked for.
        vec![operation(cas("a", "b"), 0, Outcome::Mismatch { end: 1, found: Some(value("a")) })],
    ];
    for history in histories {
        let violation = check(&history).expect_err("it is not linearizable");
        assert!(!is_explained(&history), "{violation}");
    }
}

#[test]
fn keys_are_judged_for_themselves() {
    let lost = [operation(write("a"), 0, done(1)), operation(Action::Read, 2, found(3, None))];
    let mut history = lost.to_vec();
    history[0].key = "y".to_owned();
    assert_eq!(check(&history), Ok(()));
    history.extend(lost);
    assert_eq!(check(&history).unwrap_err().key, "x");
}

#[test]
fn a_person_sees_what_contradicts_each_other() {
    let mut history: Vec<Operation> =
        (0..20).map(|at| operation(write(&format!("v{at}")), 10 * at, found(10 * at + 5, before(at)))).collect();
    history.push(operation(Action::Read, 72, found(74, value("v7"))));
    history.push(operation(Action::Read, 87, found(89, value("v7"))));
    let violation = check(&history).unwrap_err();
    assert_eq!(
        violation.to_string(),
        r#"key "x" is not linearizable: no order explains the first 11 of its 22 operations
These contradict each other, whatever the others did after their calls. Time goes to the right:
  |--|                 client 0, 70 to 75: write "v7", found "v6"
        |--|           client 0, 80 to 85: write "v8", found "v7"
              |--|     client 0, 87 to 89: read, found "v7"
Orders of all that was answered before leave the value: "v8""#
    );
}

fn before(at: u64) -> Value {
    at.checked_sub(1).and_then(|at| value(&format!("v{at}")))
}

/// What an operation may be, and its outcome with an answer at this time.
type Kind = (Action, fn(u64) -> Outcome);

fn kinds() -> Vec<Kind> {
    let (a, b) = (|| write("a"), || write("b"));
    vec![
        (Action::Read, |end| found(end, None)),
        (Action::Read, |end| found(end, value("a"))),
        (Action::Read, |end| found(end, value("b"))),
        (a(), done),
        (b(), done),
        (a(), |end| found(end, value("b"))),
        (b(), |end| found(end, None)),
        (a(), |_| Outcome::Unknown),
        (b(), |_| Outcome::Unknown),
        (a(), |_| Outcome::Fail),
        (Action::Delete, done),
        (Action::Delete, |end| found(end, value("a"))),
        (Action::Delete, |_| Outcome::Unknown),
        (Action::CompareAndSet { expected: None, value: value("a") }, done),
        (cas("a", "b"), done),
        (cas("a", "b"), |_| Outcome::Unknown),
        (cas("a", "b"), |end| Outcome::Mismatch { end, found: None }),
        (cas("a", "b"), |end| Outcome::Mismatch { end, found: Some(value("a")) }),
        (Action::CompareAndSet { expected: value("b"), value: None }, |end| Outcome::Mismatch {
            end,
            found: Some(None),
        }),
    ]
}

/// All calls and ends of so many operations, no two at one time.
fn all_intervals(count: usize) -> Vec<Vec<(u64, u64)>> {
    let mut all = vec![vec![]];
    for at in 0..count as u64 {
        // The next one begins and ends anywhere between what happens already.
        let times = 2 * at;
        let places = (0..=times).flat_map(|call| (call..=times).map(move |end| (call, end + 1)));
        let places: Vec<(u64, u64)> = places.collect();
        let moved = |time: u64, (call, end): (u64, u64)| {
            let time = time + u64::from(call <= time);
            time + u64::from(end <= time)
        };
        all = all
            .iter()
            .flat_map(|before: &Vec<(u64, u64)>| {
                places.iter().map(move |&new| {
                    let before = before.iter().map(|&(call, end)| (moved(call, new), moved(end, new)));
                    before.chain([new]).collect()
                })
            })
            .collect();
    }
    all
}

#[test]
fn there_are_so_many_orders_of_calls_and_ends() {
    for (count, expected) in [(1, 1), (2, 6), (3, 90)] {
        let mut all = all_intervals(count);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), expected);
    }
}

#[test]
fn all_histories_of_three_operations_are_judged_as_permutations_do() {
    let kinds = kinds();
    let (mut good, mut bad) = (0, 0);
    for intervals in all_intervals(3) {
        for first in 0..kinds.len() {
            for second in first..kinds.len() {
                for third in second..kinds.len() {
                    let chosen = [first, second, third].map(|at| &kinds[at]);
                    let history: Vec<Operation> = std::iter::zip(chosen, &intervals)
                        .map(|((action, outcome), &(call, end))| operation(action.clone(), call, outcome(end)))
                        .collect();
                    let verdict = check(&history).is_ok();
                    assert_eq!(verdict, is_explained(&history), "{history:#?}");
                    *(if verdict { &mut good } else { &mut bad }) += 1;
                }
            }
        }
    }
    assert!(10_000 < good && 10_000 < bad, "{good} good ones, {bad} bad ones");
}

/// An operation of a client, before it is known what it finds.
#[derive(Clone, Debug)]
struct Plan {
    client: u64,
    pause: u64,
    takes: u64,
    /// When in this time it takes effect.
    effect: u64,
    kind: u8,
    values: (u8, u8),
    tells: bool,
    /// Mostly it is answered.
    fate: u8,
}

fn plans(count: std::ops::Range<usize>, unanswered: u8) -> impl Strategy<Value = Vec<Plan>> {
    let times = (0..4_u64, 0..8_u64, 0..12_u64, 0..12_u64);
    let plan = (times, 0..4_u8, (0..3_u8, 0..3_u8), any::<bool>(), 0..unanswered);
    let plan = plan.prop_map(|((client, pause, takes, effect), kind, values, tells, fate)| Plan {
        client,
        pause,
        takes,
        effect: effect.min(takes),
        kind,
        values,
        tells,
        fate,
    });
    vec(plan, count)
}

fn chosen(plan: &Plan) -> Action {
    let named = |number: u8| (number != 0).then(|| number.to_string());
    match plan.kind {
        0 => Action::Read,
        1 => Action::Write(plan.values.0.to_string()),
        2 => Action::Delete,
        _ => Action::CompareAndSet { expected: named(plan.values.0), value: named(plan.values.1) },
    }
}

/// The history of plans that are executed: each client does one thing after the other.
fn history_of(plans: &[Plan], action: impl Fn(usize, &Plan) -> Action) -> Vec<Operation> {
    let mut clocks = std::collections::BTreeMap::new();
    let mut planned = Vec::new();
    for (number, plan) in plans.iter().enumerate() {
        let clock: &mut u64 = clocks.entry(plan.client).or_default();
        let call = *clock + plan.pause;
        *clock = call + plan.takes + 1;
        planned.push((call + plan.effect, call, action(number, plan), plan));
    }
    planned.sort_by_key(|&(effect, ..)| effect);
    let mut value = None;
    let mut history = Vec::new();
    for (_, call, action, plan) in planned {
        let end = call + plan.takes;
        let is_match = !matches!(&action, Action::CompareAndSet { expected, .. } if *expected != value);
        let found = (plan.tells || action == Action::Read).then(|| value.clone());
        let outcome = match (plan.fate, is_match) {
            (0, _) => Outcome::Fail,
            (1 | 2, _) => Outcome::Unknown,
            (_, true) => Outcome::Ok { end, found },
            (_, false) => Outcome::Mismatch { end, found },
        };
        let operation = Operation { client: plan.client, key: "x".to_owned(), action, call, outcome };
        // What is unknown may take effect, or not.
        if 1 < plan.fate && is_match {
            value = executed(&Operation { outcome: Outcome::Unknown, ..operation.clone() }, &value).unwrap();
        }
        history.push(operation);
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_was_executed_is_linearizable(plans in plans(0..60, 20)) {
        let history = history_of(&plans, |_, plan| chosen(plan));
        prop_assert_eq!(check(&history), Ok(()));
    }

    #[test]
    fn one_answer_that_nobody_could_give_is_noticed(plans in plans(1..60, 20), which in any::<prop::sample::Index>()) {
        let mut history = history_of(&plans, |_, plan| chosen(plan));
        let is_answer = |operation: &Operation| matches!(operation.outcome, Outcome::Ok { .. });
        let answers: Vec<usize> = (0..history.len()).filter(|&at| is_answer(&history[at])).collect();
        prop_assume!(!answers.is_empty());
        let at = answers[which.index(answers.len())];
        history[at].outcome = found(history[at].end().unwrap(), value("never written"));
        prop_assert_eq!(check(&history).unwrap_err().operations, [history[at].clone()]);
    }

    /// Any answer may be any other one: judged as permutations do, and what contradicts each other does so.
    #[test]
    fn one_answer_that_is_another_one_is_judged_right(
        plans in plans(1..7, 8),
        which in any::<prop::sample::Index>(),
        other in 0..3_u8,
    ) {
        let mut history = history_of(&plans, |_, plan| chosen(plan));
        let at = which.index(history.len());
        let changed = (other != 0).then(|| other.to_string());
        if let Outcome::Ok { found, .. } | Outcome::Mismatch { found, .. } = &mut history[at].outcome {
            *found = Some(changed);
        }
        let verdict = check(&history);
        prop_assert_eq!(verdict.is_ok(), is_explained(&history));
        let Err(Violation { operations, .. }) = verdict else { return Ok(()) };
        let others: Vec<Operation> = history.iter().filter(|it| !operations.contains(it)).cloned().collect();
        prop_assert!(!is_explained_beside(&operations, &others), "{operations:#?}");
        for at in 0..operations.len() {
            let (mut fewer, mut more) = (operations.clone(), others.clone());
            more.push(fewer.remove(at));
            prop_assert!(is_explained_beside(&fewer, &more), "{operations:#?}");
        }
    }

    #[test]
    fn the_order_of_the_list_does_not_matter(plans in plans(0..12, 10)) {
        let mut history = history_of(&plans, |_, plan| chosen(plan));
        history.reverse();
        prop_assert_eq!(check(&history), Ok(()));
    }

    #[test]
    fn an_operation_is_the_same_after_it_was_written(plans in plans(0..12, 5)) {
        for operation in history_of(&plans, |_, plan| chosen(plan)) {
            let line = serde_json::to_string(&operation).unwrap();
            prop_assert_eq!(serde_json::from_str::<Operation>(&line).unwrap(), operation);
        }
    }
}

/// Clients of one key, as many as that, who write values of their own and others; some are never answered.
fn busy(count: usize, clients: u64) -> Vec<Operation> {
    let mut state = 1_u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % below
    };
    let plan = |_| Plan {
        client: random(clients),
        pause: random(10),
        takes: 5 + random(100),
        effect: random(5),
        kind: random(4) as u8,
        values: (random(3) as u8, random(3) as u8),
        tells: random(2) == 0,
        fate: if random(100) < 2 { 1 + random(2) as u8 } else { 9 },
    };
    let plans: Vec<Plan> = (0..count).map(plan).collect();
    history_of(&plans, |number, plan| match plan.kind {
        1 => Action::Write(format!("unique {number}")),
        _ => chosen(plan),
    })
}

#[test]
fn thousands_of_operations_take_few_steps() {
    for (order, clients, most) in
        [(Order::Furthest, 1, 10), (Order::Furthest, 5, 10), (Order::Furthest, 10, 10), (Order::Nearest, 5, 100)]
    {
        let history = busy(5_000, clients);
        let register = Register::new(&history, []);
        let mut search = Search::new(&register, order);
        assert_eq!(search.run(most * 5_000), Found::Order, "{clients} clients, {order:?}");
    }
}

#[test]
fn one_bad_answer_of_thousands_is_told_with_few_operations() {
    let mut history = busy(5_000, 5);
    let last = history.iter_mut().rev().find(|it| it.action == Action::Read && it.end().is_some()).unwrap();
    let Outcome::Ok { found: Some(found), .. } = &mut last.outcome else { unreachable!("a read tells") };
    *found = history_value_long_ago();
    let violation = check(&history).unwrap_err();
    assert!(violation.operations.len() < 6, "{violation}");
    assert!(4_900 < violation.called && violation.total == 5_000, "{violation}");
}

fn history_value_long_ago() -> Value {
    let is_written = |operation: &&Operation| matches!(operation.action, Action::Write(_)) && operation.end().is_some();
    let Action::Write(value) = busy(5_000, 5).iter().find(is_written).unwrap().action.clone() else { unreachable!() };
    Some(value)
}

#[test]
fn a_line_that_makes_no_sense_is_refused_with_a_reason() {
    for (fields, reason) in [
        (r#""op":"read","call":1,"end":2,"result":"ok""#, "a `read` whose result is `ok` has a `found`"),
        (r#""op":"read","call":3,"end":2,"result":"ok","found":null"#, "its `end` is before its `call`"),
        (r#""op":"read","value":"a","call":1,"result":"unknown""#, "a `read` has no `value`"),
        (r#""op":"write","value":null,"call":1,"result":"unknown""#, "a `write` has a `value`"),
        (r#""op":"write","value":"a","call":1,"end":2,"result":"mismatch""#, "only a `cas` has the result `mismatch`"),
        (r#""op":"write","value":"a","call":1,"result":"ok""#, "an answer has an `end`"),
        (r#""op":"delete","value":"a","call":1,"result":"fail""#, "a `delete` has no `value`"),
        (r#""op":"cas","value":"a","call":1,"result":"fail""#, "a `cas` has an `expected` and a `value`"),
        (r#""op":"write","value":"a","call":1,"result":"fail","found":"b""#, "who has no answer has no `found`"),
        (r#""op":"increment","call":1,"result":"fail""#, "unknown variant `increment`"),
        (r#""op":"read","call":-1,"result":"unknown""#, "invalid value"),
        (r#""op":"read","call":1,"result":"unknown","why":"timeout""#, "unknown field `why`"),
    ] {
        let line = format!(r#"{{"key":"x",{fields}}}"#);
        let error = serde_json::from_str::<Operation>(&line).unwrap_err().to_string();
        assert!(error.contains(reason), "{line}: {error}");
    }
}
