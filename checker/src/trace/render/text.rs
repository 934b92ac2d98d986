//! Steps with numbers, for the terminal: each in the words of traces, and what it changed.

use crate::trace::language::NOT_SENT;
use crate::trace::render::chart::{Chart, ChartStep};

pub(crate) fn told(chart: &Chart) -> String {
    let mut out = format!("{}\n", chart.title);
    chart.remarks.iter().for_each(|remark| out.push_str(&format!("  {remark}\n")));
    out.push('\n');
    chart.steps.iter().for_each(|step| out.push_str(&one(step)));
    let lost = chart.messages.iter().filter(|message| message.is_lost()).count();
    out.push_str(&format!(
        "\n{} steps, {} messages, of which {lost} arrive at no time\n",
        chart.steps.len(),
        chart.messages.len()
    ));
    chart.afterwards.iter().for_each(|line| out.push_str(&format!("{line}\n")));
    out
}

fn one(step: &ChartStep) -> String {
    let mark = if step.sent { "" } else { NOT_SENT };
    let divided = step.partition.iter().map(|groups| format!("      {}\n", partition(groups)));
    let line = step.line.iter().map(|line| format!("      {line}:\n"));
    let head = format!("{:>4}  {}{mark}\n", step.step, step.action);
    let changes = step.changes.iter().map(|change| format!("          {change}\n"));
    divided.chain(line).chain([head]).chain(changes).collect()
}

/// In the words of the scenario language.
pub(crate) fn partition(groups: &[Vec<u32>]) -> String {
    let words = |group: &Vec<u32>| group.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    match groups {
        [] => "heal".to_owned(),
        _ => format!("partition {}", groups.iter().map(words).collect::<Vec<_>>().join(" | ")),
    }
}
