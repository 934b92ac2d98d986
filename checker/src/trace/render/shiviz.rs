//! A log for ShiViz, <https://bestchai.bitbucket.io/shiviz/>: in its first line the regular expression
//! that reads it, then an empty one (there is one execution), then two lines for each event.
//!
//! ShiViz draws what clocks say: an arrival has seen all that its sender had seen when it sent.

use crate::trace::render::chart::Chart;
use crate::trace::render::mermaid::summary;

/// As ShiViz reads it.
const PARSER: &str = r"(?<event>.*)\n(?<host>\S*) (?<clock>{.*})";

/// A vector clock: what was seen of each server, by its number less one.
type Clock = Vec<usize>;

pub(crate) fn log(chart: &Chart) -> String {
    let mut out = format!("{PARSER}\n\n");
    let mut now: Vec<Clock> = vec![vec![0; chart.servers]; chart.servers];
    let mut after: Vec<Clock> = Vec::with_capacity(chart.steps.len());
    for step in &chart.steps {
        let at = step.server as usize - 1;
        let arrived = chart.messages.iter().filter(|message| message.received.contains(&step.step));
        for sent in arrived.filter_map(|message| message.sent) {
            let seen = &after[sent - 1];
            now[at].iter_mut().zip(seen).for_each(|(mine, theirs)| *mine = (*mine).max(*theirs));
        }
        now[at][at] += 1;
        let broken: String = step.broken.iter().map(|name| format!("; BROKEN: {name}")).collect();
        let event = format!("{} {}: {}{broken}", step.step, step.action, summary(step.actor()));
        out.push_str(&format!("{}\nserver{} {}\n", event.replace('\n', " "), step.server, clock(&now[at])));
        after.push(now[at].clone());
    }
    out
}

/// Servers of which nothing was seen are left out.
fn clock(seen: &Clock) -> String {
    let seen = seen.iter().enumerate().filter(|(_, count)| **count > 0);
    let words: Vec<_> = seen.map(|(at, count)| format!("\"server{}\":{count}", at + 1)).collect();
    format!("{{{}}}", words.join(", "))
}
