//! The published figures, beside what is computed here.
//!
//! The one-way latency is at first half of the paper's broadcast time. That makes elections slower than
//! was measured, so the latency is looked for that is nearest to the second panel; how much hangs on it
//! is printed, and both are used to predict the first panel, whose curves are not looked at.

use std::path::Path;

use serde_json::{Value, json};

use crate::console::Usage;
use crate::timing::answer::Limit;
use crate::timing::closed;
use crate::timing::command::write;
use crate::timing::plot::{self, Compared};
use crate::timing::sample::Sample;
use crate::timing::setting::{Latency, MILLISECOND, Nanos, Range, Setting, Start, Until, ms};
use crate::timing::simulate::simulate;
use crate::timing::told::percent;

/// The curves of Figure 16's second panel; the file says from where.
const FIGURE_16: &str = include_str!("../../data/raft-paper-figure-16-scale.csv");

/// The dissertation's probabilities of a split vote (chapter 9), in percent: members, live servers,
/// and what is published for a latency of 0.01, 0.1 and 0.2 of the range.
const SPLITS: [(u8, u8, [Option<f64>; 3]); 4] = [
    (5, 4, [Some(0.06), Some(5.2), Some(18.1)]),
    (5, 3, [Some(2.97), Some(27.1), Some(48.8)]),
    (3, 2, [Some(1.99), Some(19.0), Some(36.0)]),
    (9, 5, [Some(4.9), Some(41.0), Some(67.2)]),
];

const LATENCIES: [f64; 3] = [0.01, 0.1, 0.2];

/// Ways that the chains of this table may have.
const WAYS: usize = 400_000;

/// The ranges of the second panel, with the means that the curves have in full.
const PANEL: [(u64, u64, f64); 5] =
    [(12, 24, 35.0), (25, 50, 48.0), (50, 100, 71.0), (100, 200, 125.0), (150, 300, 181.0)];

/// The upper ends of the ranges of the first panel, which all begin at 150 ms.
const FIRST_PANEL: [u64; 6] = [150, 151, 155, 175, 200, 300];

/// The paper's broadcast time, 'roughly 15 ms'.
const BROADCAST: Nanos = 15 * MILLISECOND;

/// The middle of what the longest of 1,000 trials may be: half of all such longest ones are shorter.
fn longest_of_thousand() -> f64 {
    0.5f64.powf(1.0 / 1000.0)
}

pub(crate) fn report(trials: usize, seed: u64, svg: Option<&Path>, json: bool) -> Result<u8, Usage> {
    let mut value = json!({"trials": trials, "seed": seed});
    let splits = splits(trials, seed, json);
    let (nearest, distance) = nearest(trials / 4, seed);
    let (panel, curves) = second_panel(trials, seed, nearest, json);
    let choices = choices(trials, seed, (nearest, distance), json);
    let first = first_panel(trials / 4, seed, nearest, json);
    if let Some(path) = svg {
        let about = format!(
            "5 servers; the leader dies at random within its heartbeat interval of half the minimum timeout, after a last \
                     heartbeat to all at once; two of the four survivors cannot be elected; computed for {} one way. \
                     Measured: Copyright 2014 Diego Ongaro, CC-BY 3.0 US.",
            ms(nearest)
        );
        write(path, &plot::overlay("Time without a leader, measured and computed", &about, &curves))?;
    }
    if json {
        value["split_votes"] = splits;
        value["nearest_latency_ms"] = (nearest as f64 / 1e6).into();
        value["figure_16_second_panel"] = panel;
        value["choices"] = choices;
        value["figure_16_first_panel_predicted"] = first;
        say!("{value:#}");
    }
    Ok(0)
}

/// The first term after the timers of all were restarted at once.
fn splits(trials: usize, seed: u64, json: bool) -> Value {
    if !json {
        say!("A term elects nobody (latency as a part of the range of timeouts):\n");
        say!("| servers | alive | latency | dissertation | closed form | exact | simulated, 95 % | with PreVote |");
        say!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    }
    let mut rows = Vec::new();
    for (servers, alive, published) in SPLITS {
        for (latency, published) in LATENCIES.into_iter().zip(published) {
            let setting = |pre_vote| split_setting(servers, alive, latency, pre_vote);
            let closed = closed::split(servers, alive, latency);
            // A single grid says nothing of what is left of its error.
            let limit = Limit::new(&setting(false), WAYS).filter(|limit| 1 < limit.grids.len());
            let exact = limit.map(|limit| 1.0 - limit.within_terms(1));
            let failed = |pre_vote| simulate(&setting(pre_vote), trials, seed).within_terms(1);
            let (plain, asking) = (failed(false), failed(true));
            if !json {
                let published = published.map_or("-".into(), |it| format!("{it} %"));
                let exact = exact.map_or("-".into(), percent);
                let [low, high, asking] = [1.0 - plain.high, 1.0 - plain.low, 1.0 - asking.value].map(percent);
                let simulated = format!("{} [{low}, {high}]", percent(1.0 - plain.value));
                say!(
                    "| {servers} | {alive} | {latency} | {published} | {} | {exact} | {simulated} | {asking} |",
                    percent(closed)
                );
            }
            rows.push(json!({
                "servers": servers, "alive": alive, "latency": latency, "published_percent": published,
                "closed_form": closed, "exact": exact,
                "simulated": {"value": 1.0 - plain.value, "low": 1.0 - plain.high, "high": 1.0 - plain.low},
                "with_pre_vote": 1.0 - asking.value,
            }));
        }
    }
    rows.into()
}

fn split_setting(servers: u8, alive: u8, latency: f64, pre_vote: bool) -> Setting {
    let least = 100 * MILLISECOND;
    Setting {
        servers,
        alive,
        behind: 0,
        timeout: Range { least, most: 2 * least },
        heartbeat: least / 2,
        latency: Latency::Fixed((latency * least as f64) as Nanos),
        flush: 0,
        pre_vote,
        start: Start::Worst,
        until: Until::Elected,
    }
}

/// The conditions of Figure 16. The leader's last heartbeat goes to all at once, as every heartbeat
/// does here.
fn figure_16(least: u64, most: u64, latency: Nanos, pre_vote: bool) -> Setting {
    let timeout = Range { least: least * MILLISECOND, most: most * MILLISECOND };
    Setting {
        servers: 5,
        alive: 4,
        behind: 2,
        timeout,
        heartbeat: timeout.least / 2,
        latency: Latency::Fixed(latency),
        flush: 0,
        pre_vote,
        start: Start::Random,
        until: Until::Elected,
    }
}

/// Median, p90, p99, the longest of 1,000, and the mean, in milliseconds.
fn summary(sample: &Sample) -> [Option<f64>; 5] {
    let quantile = |probability| sample.quantile(probability).map(|it| it.value / 1e6);
    let mean = (sample.times.len() == sample.trials).then(|| sample.mean().value / 1e6);
    [quantile(0.5), quantile(0.9), quantile(0.99), quantile(longest_of_thousand()), mean]
}

fn cells(summary: &[Option<f64>; 5]) -> String {
    summary.map(|it| it.map_or("none".into(), |ms| format!("{ms:.0}"))).join(" | ")
}

/// The one-way latency, of those from 1 ms to 10 ms in halves, with which plain Raft comes nearest to
/// the measured medians, p90 and p99, and by how much they differ on average, as a logarithm.
fn nearest(trials: usize, seed: u64) -> (Nanos, f64) {
    let latencies = (2..=20).map(|halves| halves * MILLISECOND / 2);
    let distances = latencies.map(|latency| (latency, distance(latency, trials, seed)));
    distances.min_by(|one, other| one.1.total_cmp(&other.1)).expect("there are latencies")
}

fn distance(latency: Nanos, trials: usize, seed: u64) -> f64 {
    let differences = PANEL.iter().flat_map(|&panel| {
        let (least, most, _) = panel;
        let computed = summary(&simulate(&figure_16(least, most, latency, false), trials, seed));
        let paper = measured(panel);
        [0, 1, 2].map(|at| match (computed[at], paper[at]) {
            (Some(computed), Some(paper)) => (computed / paper).ln().abs(),
            _ => f64::INFINITY,
        })
    });
    differences.sum::<f64>() / (3 * PANEL.len()) as f64
}

/// What the paper's curve of a range says.
fn measured((least, most, mean): (u64, u64, f64)) -> [Option<f64>; 5] {
    let curve = curve(&format!("{least}-{most}"));
    let at = |probability: f64| curve.iter().find(|it| probability <= it.1 + 1e-9).map(|it| it.0);
    [at(0.5), at(0.9), at(0.99), at(1.0), Some(mean)]
}

fn second_panel(trials: usize, seed: u64, nearest: Nanos, json: bool) -> (Value, Vec<Compared>) {
    if !json {
        say!(
            "\nFigure 16, second panel: time without a leader in ms (longest: of 1,000 trials; for computed rows half of all longest ones are shorter):\n"
        );
        say!("| timeouts | | median | p90 | p99 | longest | mean |\n| --- | --- | --- | --- | --- | --- | --- |");
    }
    let (mut rows, mut curves) = (Vec::new(), Vec::new());
    for panel in PANEL {
        let (least, most, _) = panel;
        let (name, paper) = (format!("{least}-{most}"), measured(panel));
        let run = |latency, pre_vote| simulate(&figure_16(least, most, latency, pre_vote), trials, seed);
        let nominal = summary(&run(BROADCAST / 2, false));
        let (plain, ours) = (run(nearest, false), run(nearest, true));
        let [here, asking] = [summary(&plain), summary(&ours)];
        if !json {
            let differs = here.iter().zip(paper).map(|(here, paper)| match (here, paper) {
                (Some(here), Some(paper)) => format!("{:+.0} %", 100.0 * (here / paper - 1.0)),
                _ => "-".into(),
            });
            say!("| {name} | measured, the paper | {} |", cells(&paper));
            say!("| | plain Raft, {} one way | {} |", ms(BROADCAST / 2), cells(&nominal));
            say!("| | plain Raft, {} one way | {} |", ms(nearest), cells(&here));
            say!("| | ... differs from measured by | {} |", differs.collect::<Vec<_>>().join(" | "));
            say!("| | with PreVote, {} one way | {} |", ms(nearest), cells(&asking));
        }
        rows.push(
            json!({"timeouts": name, "paper": paper, "plain_nominal": nominal, "plain": here, "pre_vote": asking}),
        );
        let thinned = curve(&name).into_iter().step_by(8).collect();
        let (computed, ours) = (drawn(&plain), drawn(&ours));
        curves.push(Compared { name: format!("{name} ms"), measured: thinned, computed, ours });
    }
    (rows.into(), curves)
}

/// Milliseconds and probabilities of one range, as measured.
fn curve(name: &str) -> Vec<(f64, f64)> {
    let point = |line: &str| {
        let mut parts = line.strip_prefix(name)?.strip_prefix(',')?.split(',');
        let probability = parts.next()?.parse().ok()?;
        Some((parts.next()?.parse().ok()?, probability))
    };
    FIGURE_16.lines().filter_map(point).collect()
}

fn drawn(sample: &Sample) -> Vec<(f64, f64)> {
    let at = |step: u32| {
        let probability = f64::from(step) / 400.0;
        sample.quantile(probability).map(|it| (it.value / 1e6, probability))
    };
    (1..400).filter_map(at).collect()
}

/// What 15 ms may stand for, and how median and p99 move with that choice.
fn choices(trials: usize, seed: u64, (nearest, distance): (Nanos, f64), json: bool) -> Value {
    let choices = [
        ("2 ms one way", 2 * MILLISECOND, 0),
        ("4 ms one way", 4 * MILLISECOND, 0),
        ("5 ms one way", 5 * MILLISECOND, 0),
        ("7.5 ms one way", BROADCAST / 2, 0),
        ("10 ms one way", 10 * MILLISECOND, 0),
        ("0.1 ms one way, votes 3.9 ms to disk", MILLISECOND / 10, 39 * MILLISECOND / 10),
        ("0.1 ms one way, votes 7.4 ms to disk", MILLISECOND / 10, 74 * MILLISECOND / 10),
    ];
    if !json {
        say!("\nMedian and p99 in ms of plain Raft, by what a vote takes:\n");
        let names: Vec<_> = PANEL.iter().map(|(least, most, _)| format!("{least}-{most}")).collect();
        say!("| | {} |\n| ---{} |", names.join(" | "), " | ---".repeat(names.len()));
        let pair = |panel| {
            let [median, _, p99, ..] = measured(panel).map(Option::unwrap_or_default);
            format!("{median:.0}, {p99:.0}")
        };
        say!("| measured, the paper | {} |", PANEL.map(pair).join(" | "));
    }
    let mut rows = Vec::new();
    for (name, latency, flush) in choices {
        let told: Vec<_> = PANEL
            .iter()
            .map(|&(least, most, _)| {
                let setting =
                    Setting { latency: Latency::Fixed(latency), flush, ..figure_16(least, most, latency, false) };
                if setting.refusal().is_some() {
                    return [None, None];
                }
                let summary = summary(&simulate(&setting, trials, seed));
                [summary[0], summary[2]]
            })
            .collect();
        if !json {
            let cells: Vec<_> = told
                .iter()
                .map(|pair| match pair {
                    [Some(median), Some(p99)] => format!("{median:.0}, {p99:.0}"),
                    _ => "-".into(),
                })
                .collect();
            say!("| {name} | {} |", cells.join(" | "));
        }
        rows.push(json!({"choice": name, "median_and_p99_ms": told}));
    }
    if !json {
        let differ = 100.0 * (distance.exp() - 1.0);
        say!(
            "\nOf 1 ms to 10 ms one way, {} is nearest to the second panel: its medians, p90 and p99 differ by {differ:.0} % on average.",
            ms(nearest)
        );
    }
    rows.into()
}

fn first_panel(trials: usize, seed: u64, nearest: Nanos, json: bool) -> Value {
    if !json {
        say!(
            "\nFigure 16, first panel, predicted: plain Raft, and with PreVote; time in ms, terms by how often they succeed when they are reached:\n"
        );
        say!(
            "| timeouts | one way | median | p99 | longest of 1,000 | term 1 | term 2 | term 3 | PreVote: median | p99 | term 1 |"
        );
        say!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    }
    let around = |latency| Latency::Uniform(Range { least: latency * 2 / 3, most: latency * 4 / 3 });
    let fixed = [BROADCAST / 2, nearest].map(Latency::Fixed);
    let latencies: Vec<_> = fixed.into_iter().chain([around(nearest)]).collect();
    let mut rows = Vec::new();
    for most in FIRST_PANEL {
        for latency in &latencies {
            let run = |pre_vote| {
                let setting = Setting { latency: latency.clone(), ..figure_16(150, most, nearest, pre_vote) };
                simulate(&setting, trials, seed)
            };
            let (plain, ours) = (run(false), run(true));
            let [here, asking] = [summary(&plain), summary(&ours)];
            let success = [1, 2, 3].map(|term| success(&plain, term));
            let first = self::success(&ours, 1);
            if !json {
                let number = |it: Option<f64>| it.map_or("none".into(), |ms| format!("{ms:.0}"));
                let rate = |it: Option<f64>| it.map_or("-".into(), |rate| format!("{:.1} %", 100.0 * rate));
                let [median, _, p99, longest, _] = here.map(number);
                let [our_median, _, our_p99, ..] = asking.map(number);
                let (rates, first) = (success.map(rate).join(" | "), rate(first));
                say!(
                    "| 150-{most} | {latency} | {median} | {p99} | {longest} | {rates} | {our_median} | {our_p99} | {first} |"
                );
            }
            rows.push(json!({
                "timeouts": format!("150-{most}"), "latency": latency.to_string(), "plain": here, "pre_vote": asking,
                "success_of_terms": success, "pre_vote_success_of_term_1": first,
            }));
        }
    }
    if !json {
        say!("\n'none': so many of the elections had no end within 30 s, or 100 of the longest timeouts.");
    }
    rows.into()
}

/// How often a term elects a leader if it is reached; `None` if it never was.
fn success(sample: &Sample, term: usize) -> Option<f64> {
    let before: u64 = sample.terms.iter().take(term - 1).sum();
    let reached = sample.trials as u64 - before;
    (0 < reached).then(|| sample.terms.get(term - 1).copied().unwrap_or(0) as f64 / reached as f64)
}
