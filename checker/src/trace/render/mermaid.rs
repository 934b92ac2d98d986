//! A Mermaid sequence diagram: <https://mermaid.js.org/syntax/sequenceDiagram.html>.
//!
//! Its arrows have one place, so a message stands where it arrives, with the step that sent it, and one
//! that is lost where it was sent, with a cross for its head.

use std::fmt::Write as _;

use crate::trace::render::arrows::Arrow;
use crate::trace::render::chart::{Chart, ChartStep};
use crate::trace::render::state::ServerState;
use crate::trace::render::text::partition;

pub(crate) fn diagram(chart: &Chart) -> String {
    let mut out = format!("---\ntitle: {}\n---\nsequenceDiagram\n", serde_json::json!(chart.title));
    for server in 1..=chart.servers {
        let _ = writeln!(out, "    participant S{server} as server {server}");
    }
    let mut before = &chart.start;
    for step in &chart.steps {
        steps(&mut out, chart, step, &before[step.server as usize - 1]);
        before = &step.states;
    }
    out
}

fn steps(out: &mut String, chart: &Chart, step: &ChartStep, before: &ServerState) {
    let all = if chart.servers == 1 { "S1".to_owned() } else { format!("S1,S{}", chart.servers) };
    let across = |words: &str| format!("    Note over {all}: {}\n", escaped(words));
    if let Some(groups) = &step.partition {
        out.push_str(&across(&partition(groups)));
    }
    let server = step.server;
    let arrived = chart.messages.iter().filter(|message| message.received.contains(&step.step));
    let mut is_arrival = false;
    for message in arrived {
        is_arrival = true;
        let _ = writeln!(out, "    S{}-)S{server}: {}", message.from, escaped(&arrival(message, step.step)));
    }
    if !is_arrival {
        let _ = writeln!(out, "    Note over S{server}: {}", escaped(&format!("{} {}", step.step, step.action)));
    }
    let after = step.actor();
    if after != before {
        let _ = writeln!(out, "    Note over S{server}: {}", escaped(&summary(after)));
    }
    let lost = chart.messages.iter().filter(|message| message.sent == Some(step.step) && message.is_lost());
    for message in lost {
        let words = format!("{} (lost)", with_term(message));
        let _ = writeln!(out, "    S{server}--xS{}: {}", message.to, escaped(&words));
    }
    for broken in &step.broken {
        out.push_str(&across(&format!("BROKEN: {broken}")));
    }
}

fn with_term(message: &Arrow) -> String {
    format!("term {} {}", message.term, message.message)
}

fn arrival(message: &Arrow, step: usize) -> String {
    let again = if message.received.first() == Some(&step) { "" } else { ", again" };
    let sent = message.sent.map_or("sent by nobody here".to_owned(), |sent| format!("sent in {sent}"));
    format!("{step} {} ({sent}{again})", with_term(message))
}

/// A server in one line.
pub(crate) fn summary(state: &ServerState) -> String {
    let entries: Vec<_> = state.log.iter().map(|entry| format!("{}@{}", entry.index, entry.term)).collect();
    let log = if entries.is_empty() { String::new() } else { format!(", log [{}]", entries.join(" ")) };
    let commit = if state.commit == 0 { String::new() } else { format!(", commits {}", state.commit) };
    let unsynced = if state.unsynced == 0 { String::new() } else { format!(", {} not on disk", state.unsynced) };
    format!("{} of term {}{log}{commit}{unsynced}", state.role, state.term)
}

/// What Mermaid would take for its own, as its entity codes.
fn escaped(words: &str) -> String {
    let mut out = String::with_capacity(words.len());
    for letter in words.chars() {
        match letter {
            '#' => out.push_str("#35;"),
            ';' => out.push_str("#59;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '&' => out.push_str("#amp;"),
            '%' => out.push_str("#37;"),
            '\n' => out.push_str("<br/>"),
            other => out.push(other),
        }
    }
    out
}
