//! The last steps of a group before something is wrong, as a chart: a lane for each server, time downwards.

use std::collections::VecDeque;

use rafttree_model::trace::Call;
use rafttree_model::{Output, ServerId};

use crate::production::words;

/// Steps of each server that are remembered.
const MAX_REMEMBERED: usize = 12;

/// The last steps of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past(VecDeque<Done>);

/// A step that was taken.
#[derive(Clone, Debug)]
struct Done {
    /// Nanoseconds since 1970.
    at: u64,
    call: Call,
    outputs: Vec<Output>,
}

impl Past {
    /// A step was taken, and these outputs were to be performed.
    pub(crate) fn note(&mut self, at: u64, call: Call, outputs: &[Output]) {
        let is_worth_a_line = !matches!(call, Call::Write) && (call != Call::Flushed || !outputs.is_empty());
        if !is_worth_a_line {
            return;
        }
        let mut memory = Vec::new();
        if self.0.len() == MAX_REMEMBERED
            && let Some(Done { outputs, .. }) = self.0.pop_front()
        {
            memory = outputs;
            memory.clear();
        }
        memory.extend_from_slice(outputs);
        self.0.push_back(Done { at, call, outputs: memory });
    }
}

/// The chart, whose times count from `start`.
pub(crate) fn lines(servers: &[(ServerId, &Past)], start: u64) -> Vec<String> {
    let lanes = |lane: usize| {
        let marks = (0..servers.len()).map(|at| if at == lane { " *" } else { " |" });
        marks.collect::<String>()
    };
    let mut steps: Vec<(usize, &Done)> = Vec::new();
    for (lane, (_, past)) in servers.iter().enumerate() {
        steps.extend(past.0.iter().map(|done| (lane, done)));
    }
    steps.sort_by_key(|(_, done)| done.at);
    let ids: String = servers.iter().map(|(id, _)| format!(" {id}")).collect();
    let mut lines = vec![ids];
    for (lane, Done { at, call, outputs }) in &steps[steps.len().saturating_sub(MAX_REMEMBERED)..] {
        let time = at.saturating_sub(start) as f64 / 1e9;
        lines.push(format!("{}  {time:.6} s  {}", lanes(*lane), words::call(servers[*lane].0, call)));
        let is_told = |output: &&Output| !matches!(output, Output::Restart(_) | Output::Heard { .. });
        let done = outputs.iter().filter(is_told).map(words::output);
        lines.extend(done.map(|words| format!("{}      {words}", lanes(servers.len()))));
    }
    lines
}
