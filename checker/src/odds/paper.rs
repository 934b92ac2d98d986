//! The published figures, beside what is computed here.
//!
//! Nothing is fitted: the one-way latency is half of the paper's broadcast time. How much hangs on that
//! choice is printed too.

use std::path::Path;

use serde_json::{Value, json};

use crate::odds::answer::Limit;
use crate::odds::closed;
use crate::odds::command::write;
use crate::odds::plot::{self, Compared};
use crate::odds::sample::Sample;
use crate::odds::setting::{Latency, MILLISECOND, Nanos, Range, Setting, Start, Until};
use crate::odds::simulate::simulate;
use crate::odds::told::percent;
use crate::options::Usage;

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
const WAYS: usize = 150_000;

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
    let (panel, curves) = second_panel(trials, seed, json);
    let choices = choices(trials, seed, json);
    let first = first_panel(trials, seed, json);
    if let Some(path) = svg {
        let about = "5 servers; the leader dies at random within its heartbeat interval of half the minimum timeout, after a last \
                     heartbeat to all at once; two of the four survivors cannot be elected; 7.5 ms one way (half of the paper's \
                     broadcast time). Measured curves: Copyright 2014 Diego Ongaro, CC-BY 3.0 US.";
        write(path, &plot::overlay("Time without a leader, measured and computed", about, &curves))?;
    }
    if json {
        value["split_votes"] = splits;
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
            let exact = Limit::new(&setting(false), WAYS).map(|limit| 1.0 - limit.within_terms(1));
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
fn figure_16(least: u64, most: u64, pre_vote: bool) -> Setting {
    let timeout = Range { least: least * MILLISECOND, most: most * MILLISECOND };
    Setting {
        servers: 5,
        alive: 4,
        behind: 2,
        timeout,
        heartbeat: timeout.least / 2,
        latency: Latency::Fixed(BROADCAST / 2),
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

fn second_panel(trials: usize, seed: u64, json: bool) -> (Value, Vec<Compared>) {
    if !json {
        say!(
            "\nFigure 16, second panel: time without a leader in ms (longest: of 1,000 trials, for computed rows its median):\n"
        );
        say!("| timeouts | | median | p90 | p99 | longest | mean |\n| --- | --- | --- | --- | --- | --- | --- |");
    }
    let (mut rows, mut curves) = (Vec::new(), Vec::new());
    for (least, most, mean) in PANEL {
        let name = format!("{least}-{most}");
        let measured = curve(&name);
        let at = |probability: f64| measured.iter().find(|it| probability <= it.1 + 1e-9).map(|it| it.0);
        let paper = [at(0.5), at(0.9), at(0.99), at(1.0), Some(mean)];
        let plain = simulate(&figure_16(least, most, false), trials, seed);
        let ours = simulate(&figure_16(least, most, true), trials, seed);
        if !json {
            let differs = [0, 1, 2, 3, 4].map(|of| {
                let (here, there) = (summary(&plain)[of].unwrap_or(f64::NAN), paper[of].unwrap_or(f64::NAN));
                format!("{:+.0} %", 100.0 * (here / there - 1.0))
            });
            say!("| {name} | measured, the paper | {} |", cells(&paper));
            say!("| | computed, plain Raft | {} |", cells(&summary(&plain)));
            say!("| | difference | {} |", differs.join(" | "));
            say!("| | computed, PreVote | {} |", cells(&summary(&ours)));
        }
        rows.push(json!({"timeouts": name, "paper": paper, "plain": summary(&plain), "pre_vote": summary(&ours)}));
        let thinned = measured.iter().step_by(8).copied().collect();
        curves.push(Compared {
            name: format!("{name} ms"),
            measured: thinned,
            computed: drawn(&plain),
            ours: drawn(&ours),
        });
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

/// What 15 ms may stand for: how the medians move with that choice.
fn choices(trials: usize, seed: u64, json: bool) -> Value {
    let choices = [
        ("5 ms one way", 5_000_000, 0),
        ("7.5 ms one way, as above", 7_500_000, 0),
        ("10 ms one way", 10_000_000, 0),
        ("0.1 ms one way, each vote 7.4 ms to disk", 100_000, 7_400_000),
        ("0.1 ms one way, each vote 14.8 ms to disk", 100_000, 14_800_000),
    ];
    if !json {
        say!("\nMedian and p99 in ms of plain Raft, by what the broadcast time of 15 ms is taken to mean:\n");
        let names: Vec<_> = PANEL.iter().map(|(least, most, _)| format!("{least}-{most}")).collect();
        say!("| | {} |\n| ---{} |", names.join(" | "), " | ---".repeat(names.len()));
        let paper: Vec<_> = names
            .iter()
            .map(|name| {
                let curve = curve(name);
                let at = |probability| curve.iter().find(|it| probability <= it.1 + 1e-9).map_or(0.0, |it| it.0);
                format!("{:.0}, {:.0}", at(0.5), at(0.99))
            })
            .collect();
        say!("| measured, the paper | {} |", paper.join(" | "));
    }
    let mut rows = Vec::new();
    for (name, latency, flush) in choices {
        let told: Vec<_> = PANEL
            .iter()
            .map(|&(least, most, _)| {
                let setting = Setting { latency: Latency::Fixed(latency), flush, ..figure_16(least, most, false) };
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
    rows.into()
}

fn first_panel(trials: usize, seed: u64, json: bool) -> Value {
    if !json {
        say!("\nFigure 16, first panel, predicted: plain Raft (and with PreVote), time in ms:\n");
        say!(
            "| timeouts | latency | median | p99 | longest of 1,000 | term 1 succeeds | term 2 | term 3 | PreVote: median | p99 |"
        );
        say!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    }
    let spread = Range { least: BROADCAST / 3, most: 2 * BROADCAST / 3 };
    let latencies = [("7.5", Latency::Fixed(BROADCAST / 2)), ("5 to 10", Latency::Uniform(spread))];
    let mut rows = Vec::new();
    for most in FIRST_PANEL {
        for (words, latency) in &latencies {
            let run = |pre_vote| {
                let setting = Setting { latency: latency.clone(), ..figure_16(150, most, pre_vote) };
                simulate(&setting, trials / 4, seed)
            };
            let (plain, ours) = (run(false), run(true));
            let [here, asking] = [summary(&plain), summary(&ours)];
            let success = [1, 2, 3].map(|term| success(&plain, term));
            if !json {
                let number = |it: Option<f64>| it.map_or("none".into(), |ms| format!("{ms:.0}"));
                let rates = success.map(|it| it.map_or("-".into(), |rate| format!("{:.1} %", 100.0 * rate)));
                let [median, _, p99, longest, _] = here.map(number);
                let [our_median, _, our_p99, ..] = asking.map(number);
                say!(
                    "| 150-{most} | {words} | {median} | {p99} | {longest} | {} | {our_median} | {our_p99} |",
                    rates.join(" | ")
                );
            }
            rows.push(json!({"timeouts": format!("150-{most}"), "latency_ms": words, "plain": here, "pre_vote": asking, "success_of_terms": success}));
        }
    }
    rows.into()
}

/// How often a term elects a leader if it is reached; `None` if it never was.
fn success(sample: &Sample, term: usize) -> Option<f64> {
    let before: u64 = sample.terms.iter().take(term - 1).sum();
    let reached = sample.trials as u64 - before;
    (0 < reached).then(|| sample.terms.get(term - 1).copied().unwrap_or(0) as f64 / reached as f64)
}
