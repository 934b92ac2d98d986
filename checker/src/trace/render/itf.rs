//! The Informal Trace Format: <https://apalache-mc.org/docs/adr/015adr-trace.html>.

use serde_json::{Value, json};

use crate::trace::render::chart::Chart;
use crate::trace::render::state::ServerState;

/// The variables of a state, with their types in Apalache's notation. Functions are from servers.
const VARIABLES: [(&str, &str); 10] = [
    ("step", "Int"),
    ("action", "Str"),
    ("role", "Int -> Str"),
    ("term", "Int -> Int"),
    ("vote", "Int -> Int"),
    ("log", "Int -> Seq({ index: Int, term: Int, durable: Bool })"),
    ("commit", "Int -> Int"),
    ("disk", "Int -> { term: Int, vote: Int, log: Seq({ index: Int, term: Int }) }"),
    ("inFlight", "Set({ from: Int, to: Int, term: Int, message: Str })"),
    ("broken", "Set(Str)"),
];

/// The trace; nobody is server 0, which stands for no vote.
pub(crate) fn trace(chart: &Chart) -> String {
    let types: serde_json::Map<_, _> = VARIABLES.iter().map(|(name, kind)| ((*name).to_owned(), json!(kind))).collect();
    let after = chart.steps.iter().map(|step| state(chart, step.step, &step.action, &step.states, &step.broken));
    let states: Vec<_> = std::iter::once(state(chart, 0, "start", &chart.start, &[])).chain(after).collect();
    let value = json!({
        "#meta": {
            "format": "ITF",
            "format-description": "https://apalache-mc.org/docs/adr/015adr-trace.html",
            "source": chart.title,
            "description": chart.remarks.join("; "),
            "varTypes": types,
        },
        "params": [],
        "vars": VARIABLES.map(|(name, _)| name),
        "states": states,
    });
    format!("{value:#}\n")
}

fn state(chart: &Chart, step: usize, action: &str, servers: &[ServerState], broken: &[String]) -> Value {
    let by_server = |what: &dyn Fn(&ServerState) -> Value| {
        let pairs: Vec<_> = servers.iter().map(|it| json!([int(it.server.into()), what(it)])).collect();
        json!({ "#map": pairs })
    };
    let vote = |vote: Option<u32>| int(vote.unwrap_or(0).into());
    json!({
        "#meta": { "index": step },
        "step": int(step as u64),
        "action": action,
        "role": by_server(&|it| json!(it.role)),
        "term": by_server(&|it| int(it.term)),
        "vote": by_server(&|it| vote(it.vote)),
        "log": by_server(&|it| it.log.iter().map(|entry| {
            json!({ "index": int(entry.index), "term": int(entry.term), "durable": entry.durable })
        }).collect()),
        "commit": by_server(&|it| int(it.commit)),
        "disk": by_server(&|it| json!({
            "term": int(it.disk.term),
            "vote": vote(it.disk.vote),
            "log": it.disk.log.iter().map(|at| json!({ "index": int(at.index), "term": int(at.term) })).collect::<Vec<_>>(),
        })),
        "inFlight": in_flight(chart, step),
        "broken": { "#set": broken },
    })
}

/// What was sent up to this step and has not arrived.
fn in_flight(chart: &Chart, step: usize) -> Value {
    let is_under_way = |sent: Option<usize>, received: &[usize]| {
        sent.is_some_and(|sent| sent <= step) && received.first().is_none_or(|first| step < *first)
    };
    let under_way = chart.messages.iter().filter(|it| is_under_way(it.sent, &it.received));
    let told = under_way.map(|it| {
        json!({ "from": int(it.from.into()), "to": int(it.to.into()), "term": int(it.term), "message": it.message })
    });
    json!({ "#set": told.collect::<Vec<_>>() })
}

/// Integers have no bound there, so that they are written as text.
fn int(number: u64) -> Value {
    json!({ "#bigint": number.to_string() })
}
