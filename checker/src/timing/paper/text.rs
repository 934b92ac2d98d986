//! The tables for people, in Markdown.

use std::fmt::Write as _;

use crate::timing::paper::computed::{Choice, Computed, Nearest, Panel, Predicted, Split, summary};
use crate::timing::paper::published::{BROADCAST, SECOND_PANEL, Summary, measured};
use crate::timing::report::figures::percent;
use crate::timing::setting::ms;

pub(super) fn text(computed: &Computed) -> String {
    let Computed { splits, nearest, second_panel, choices, first_panel, .. } = computed;
    [
        "A term elects nobody (latency as a part of the range of timeouts):".to_owned(),
        split_table(splits),
        "Figure 16, second panel: time without a leader in ms (longest: of 1,000 trials; for computed rows half of \
         all longest ones are shorter):"
            .to_owned(),
        panel_table(second_panel, nearest),
        "Median and p99 in ms of plain Raft, by what a vote takes:".to_owned(),
        choice_table(choices),
        nearest_words(nearest),
        "Figure 16, first panel, predicted: plain Raft, and with PreVote; time in ms, terms by how often they succeed \
         when they are reached:"
            .to_owned(),
        predicted_table(first_panel),
        "'none': so many of the elections had no end within 30 s, or 100 of the longest timeouts.".to_owned(),
    ]
    .join("\n\n")
}

/// A table with so many columns, each row with its cells already joined.
fn table(head: &str, rows: impl IntoIterator<Item = String>) -> String {
    let columns = head.matches('|').count() + 1;
    let mut out = format!("| {head} |\n|{}", " --- |".repeat(columns));
    rows.into_iter().for_each(|row| _ = write!(out, "\n| {row} |"));
    out
}

fn split_table(splits: &[Split]) -> String {
    let row = |it: &Split| {
        let Split { servers, alive, latency, published_percent, simulated, .. } = it;
        let [closed_form, with_pre_vote] = [it.closed_form, it.with_pre_vote].map(percent);
        let exact = it.exact.map_or("-".into(), percent);
        let [seen, low, high] = [simulated.value, simulated.low, simulated.high].map(percent);
        format!(
            "{servers} | {alive} | {latency} | {published_percent} % | {closed_form} | {exact} | {seen} [{low}, {high}] | \
             {with_pre_vote}"
        )
    };
    table(
        "servers | alive | latency | dissertation | closed form | exact | simulated, 95 % | with PreVote",
        splits.iter().map(row),
    )
}

fn panel_table(panels: &[Panel], nearest: &Nearest) -> String {
    let rows = |panel: &Panel| {
        let [plain, pre_vote] = [summary(&panel.plain), summary(&panel.pre_vote)];
        let [broadcast, nearest] = [BROADCAST / 2, nearest.latency].map(ms);
        [
            format!("{} | measured, the paper | {}", panel.timeouts.name(), cells(&panel.paper)),
            format!("| plain Raft, {broadcast} one way | {}", cells(&panel.nominal)),
            format!("| plain Raft, {nearest} one way | {}", cells(&plain)),
            format!("| ... differs from measured by | {}", differences(&plain, &panel.paper)),
            format!("| with PreVote, {nearest} one way | {}", cells(&pre_vote)),
        ]
    };
    table("timeouts | | median | p90 | p99 | longest | mean", panels.iter().flat_map(rows))
}

fn number(ms: Option<f64>) -> String {
    ms.map_or("none".into(), |ms| format!("{ms:.0}"))
}

fn cells(summary: &Summary) -> String {
    summary.map(number).join(" | ")
}

fn differences(computed: &Summary, paper: &Summary) -> String {
    let difference = |(computed, paper): (&Option<f64>, &Option<f64>)| match (computed, paper) {
        (Some(computed), Some(paper)) => format!("{:+.0} %", 100.0 * (computed / paper - 1.0)),
        _ => "-".into(),
    };
    computed.iter().zip(paper).map(difference).collect::<Vec<_>>().join(" | ")
}

fn choice_table(choices: &[Choice]) -> String {
    let pair = |pair: [Option<f64>; 2]| match pair {
        [Some(median), Some(p99)] => format!("{median:.0}, {p99:.0}"),
        _ => "-".into(),
    };
    let paper = SECOND_PANEL.map(measured).map(|[median, _, p99, ..]| pair([median, p99])).join(" | ");
    let row = |choice: &Choice| format!("{} | {}", choice.name, choice.median_and_p99.map(pair).join(" | "));
    let names = SECOND_PANEL.map(|(timeouts, _)| timeouts.name()).join(" | ");
    let rows = [format!("measured, the paper | {paper}")].into_iter().chain(choices.iter().map(row));
    table(&format!("| {names}"), rows)
}

fn nearest_words(nearest: &Nearest) -> String {
    let (latency, differ) = (ms(nearest.latency), 100.0 * (nearest.distance.exp() - 1.0));
    format!(
        "Of 1 ms to 10 ms one way, {latency} is nearest to the second panel: its medians, p90 and p99 differ by \
         {differ:.0} % on average."
    )
}

fn predicted_table(rows: &[Predicted]) -> String {
    let rate = |it: Option<f64>| it.map_or("-".into(), |rate| format!("{:.1} %", 100.0 * rate));
    let row = |it: &Predicted| {
        let [median, _, p99, longest, _] = it.plain.map(number);
        let [our_median, _, our_p99, ..] = it.pre_vote.map(number);
        let (timeouts, latency, rates) = (it.timeouts.name(), &it.latency, it.success.map(rate).join(" | "));
        let ours = format!("{our_median} | {our_p99} | {}", rate(it.pre_vote_success));
        format!("{timeouts} | {latency} | {median} | {p99} | {longest} | {rates} | {ours}")
    };
    table(
        "timeouts | one way | median | p99 | longest of 1,000 | term 1 | term 2 | term 3 | PreVote: median | p99 | term 1",
        rows.iter().map(row),
    )
}
