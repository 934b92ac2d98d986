//! The answers as tables for people, and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::console::{grouped, seconds};
use crate::timing::answer::{Answer, Limit};
use crate::timing::closed;
use crate::timing::sample::Estimate;
use crate::timing::setting::{Latency, Setting, Start, Until, ms};

/// The percentiles that are told.
pub(crate) const PERCENTILES: [(&str, f64); 4] = [("median", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// Terms up to which probabilities are told.
const TERMS: usize = 5;

/// A probability is told in full until it is as near to one as this.
const CERTAIN: f64 = 1e-7;

pub(crate) fn millis(nanos: f64) -> String {
    let ms = nanos / 1e6;
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.1} ms") }
}

pub(crate) fn percent(probability: f64) -> String {
    let near = |end: f64| (probability - end).abs() < 0.0005 && probability != end;
    let digits = if near(0.0) || near(1.0) { 4 } else { 2 };
    format!("{:.digits$} %", 100.0 * probability)
}

/// A probability of the chain, as far as what it did not follow leaves it known.
fn known(probability: f64, limit: &Limit) -> String {
    let lost = limit.finest().exact.lost;
    if 1.0 - probability < 2.0 * lost { format!("> {}", percent(1.0 - 2.0 * lost)) } else { percent(probability) }
}

/// A value with its interval.
fn estimate(it: Estimate, words: fn(f64) -> String) -> String {
    let number = |value| words(value).split(' ').next().unwrap_or_default().to_owned();
    format!("{} [{}, {}]", words(it.value), number(it.low), number(it.high))
}

fn number(value: f64) -> String {
    format!("{value:.4}")
}

/// The table.
pub(crate) fn table(answer: &Answer) -> String {
    let mut out = format!("{}\n\n", wrapped(&answer.setting.to_string()));
    let mut row = |what: &str, exact: Option<String>, simulated: Option<String>, closed: Option<String>| {
        let [exact, simulated, closed] = [exact, simulated, closed].map(|it| it.unwrap_or_else(|| "-".into()));
        let _ = writeln!(out, "{what:<22}{exact:>13}  {simulated:>34}{closed:>14}");
    };
    let head = |words: &str| Some(words.to_owned());
    row("", head("exact"), head("simulated, 95 % interval"), head("closed form"));
    let (limit, sample) = (answer.limit.as_ref(), &answer.sample);
    for terms in 1..=told_terms(answer) {
        let what = if terms == 1 { "leader within 1 term".into() } else { format!("{:>15} terms", terms) };
        let exact = limit.map(|limit| known(limit.within_terms(terms), limit));
        let closed = percent(closed::within_terms(answer.split, terms));
        row(&what, exact, Some(estimate(sample.within_terms(terms), percent)), Some(closed));
    }
    let closed = (answer.split < 1.0).then(|| number(closed::mean_terms(answer.split)));
    row("terms, mean", limit.map(|it| number(it.mean_terms())), Some(estimate(sample.mean_terms(), number)), closed);
    row("time, mean", limit.map(|it| millis(it.mean())), Some(estimate(sample.mean(), millis)), None);
    for (name, probability) in PERCENTILES {
        let exact = limit.and_then(|limit| limit.quantile(probability)).map(millis);
        row(&format!("      {name}"), exact, sample.quantile(probability).map(|it| estimate(it, millis)), None);
    }
    row("      longest seen", None, sample.times.last().map(|&time| millis(time as f64)), None);
    out.push('\n');
    notes(answer).iter().for_each(|note| _ = writeln!(out, "{}", wrapped(note)));
    out
}

/// So many rows of terms as say something new.
fn told_terms(answer: &Answer) -> usize {
    let seen = answer.sample.terms.len();
    (1..TERMS)
        .find(|&terms| terms >= seen && 1.0 - closed::within_terms(answer.split, terms) < CERTAIN)
        .unwrap_or(TERMS)
}

/// How each answer was found, and where the closed form holds.
fn notes(answer: &Answer) -> Vec<String> {
    let mut notes = Vec::new();
    match &answer.limit {
        Some(limit) => notes.push(how_exact(limit)),
        None if answer.setting.spread() == 0 => {
            notes.push("exact: nothing is random here, so there is nothing to compute".into());
        }
        None if answer.setting.latency.fixed().is_none() => {
            notes.push("exact: only for a fixed latency; a random one would be part of the state".into());
        }
        None => {
            notes.push(format!("exact: the smallest chain is larger than --ways allows{}", smaller(&answer.setting)))
        }
    }
    let trials = grouped(answer.sample.trials as u64);
    notes.push(format!(
        "simulated: {trials} elections in continuous time, seed {}, {}; Wilson intervals for probabilities, order statistics for percentiles, normal ones for means",
        answer.seed,
        seconds(answer.simulated_in)
    ));
    let unfinished = answer.sample.trials - answer.sample.times.len();
    if 0 < unfinished {
        let limit = crate::timing::simulate::longest(&answer.setting) as f64 / 1e9;
        notes.push(format!("{} elections had no end within {limit} s, and are in no mean", grouped(unfinished as u64)));
    }
    notes.push(format!("closed form: {}", judged(answer)));
    notes
}

/// Which setting nearby has a smaller chain.
fn smaller(setting: &Setting) -> String {
    let Some(latency) = setting.latency.fixed().filter(|_| 0 < setting.flush) else { return String::new() };
    let hop = ms(latency + setting.flush).replace(' ', "");
    format!("; that of a flush which counts as latency is smaller: --latency {hop} --flush 0ms")
}

fn how_exact(limit: &Limit) -> String {
    let finest = limit.finest();
    let how = match limit.grids.as_slice() {
        [_, .., finest] if !limit.tends() => {
            let apart = percent(limit.apart());
            format!("in steps of {}; the last three grids lie {apart} apart in the first row", millis(finest.step()))
        }
        [.., coarse, _] => {
            format!("the limit of steps of {} and {}", millis(coarse.step()), millis(finest.step()))
        }
        _ => format!(
            "in steps of {} alone, so that its error is unknown (a larger --ways may show it)",
            millis(finest.step())
        ),
    };
    format!(
        "exact: {how}; a chain of {} states over the deployed transitions, {:.0e} of the probability not followed, {}",
        grouped(finest.exact.states as u64),
        finest.exact.lost,
        seconds(finest.took)
    )
}

/// Whether the closed form gives what the first term does, and why not.
fn judged(answer: &Answer) -> String {
    let first = answer.limit.as_ref().map_or(answer.sample.within_terms(1).value, |limit| limit.within_terms(1));
    let (failed, split) = (1.0 - first, answer.split);
    let form =
        format!("a term splits with {}, P(Bin(alive, latency / range) >= alive - floor(servers / 2))", percent(split));
    let simulated = answer.sample.within_terms(1);
    if simulated.holds(1.0 - split) || (failed - split).abs() < 0.05 * split {
        return format!("{form}; it holds here for the first term");
    }
    let Setting { behind, latency, start, .. } = &answer.setting;
    let why = if 0 < *behind {
        "it takes every live server to be eligible"
    } else if hop_is_wide(answer) {
        "it takes a latency that is a small part of the range, and every term as a fresh draw"
    } else if !matches!(latency, Latency::Fixed(_)) {
        "it knows one latency, here the mean"
    } else if *start == Start::Random {
        "it takes every term as a fresh draw"
    } else {
        "it does not know the phases of the timers"
    };
    format!("{form}; it does not hold here, where {} of first terms fail: {why}", percent(failed))
}

fn hop_is_wide(answer: &Answer) -> bool {
    0.3 < crate::timing::answer::hop(&answer.setting)
}

/// The chain on each grid: how the answer converges.
pub(crate) fn steps(limit: &Limit) -> String {
    let mut out = String::from(
        "step       cells    states       ways    1 term   2 terms      mean    median       p99  not followed   took\n",
    );
    for it in &limit.grids {
        let quantile = |probability| it.distribution.quantile(probability).map_or("-".into(), millis);
        let (one, two) = (percent(it.within_terms(1)), percent(it.within_terms(2)));
        let (states, ways) = (grouped(it.exact.states as u64), grouped(it.exact.ways as u64));
        let _ = writeln!(
            out,
            "{:<10}{:>6.1}{states:>10}{ways:>11}{one:>10}{two:>10}{:>10}{:>10}{:>10}{:>14.0e}{:>7}",
            millis(it.step()),
            it.exact.grid.cells,
            millis(it.distribution.mean()),
            quantile(0.5),
            quantile(0.99),
            it.exact.lost,
            seconds(it.took)
        );
    }
    let _ = writeln!(
        out,
        "{:<10}{:>6}{:>10}{:>11}{:>10}{:>10}{:>10}{:>10}{:>10}",
        if limit.tends() { "limit" } else { "taken" },
        "",
        "",
        "",
        percent(limit.within_terms(1)),
        percent(limit.within_terms(2)),
        millis(limit.mean()),
        limit.quantile(0.5).map_or("-".into(), millis),
        limit.quantile(0.99).map_or("-".into(), millis)
    );
    out
}

/// The same for programs; times in milliseconds.
pub(crate) fn value(answer: &Answer) -> Value {
    let interval =
        |it: Estimate, unit: f64| json!({"value": it.value / unit, "low": it.low / unit, "high": it.high / unit});
    let (limit, sample) = (answer.limit.as_ref(), &answer.sample);
    let terms: Vec<_> = (1..=TERMS)
        .map(|terms| {
            json!({
                "terms": terms,
                "exact": limit.map(|limit| limit.within_terms(terms)),
                "simulated": interval(sample.within_terms(terms), 1.0),
                "closed_form": closed::within_terms(answer.split, terms),
            })
        })
        .collect();
    let percentiles: Vec<_> = PERCENTILES
        .iter()
        .map(|&(name, probability)| {
            json!({
                "name": name,
                "probability": probability,
                "exact": limit.and_then(|limit| limit.quantile(probability)).map(|it| it / 1e6),
                "simulated": sample.quantile(probability).map(|it| interval(it, 1e6)),
            })
        })
        .collect();
    let grids = limit.iter().flat_map(|limit| &limit.grids).map(|it| {
        json!({
            "step_ms": it.step() / 1e6,
            "cells": it.exact.grid.cells,
            "states": it.exact.states,
            "ways": it.exact.ways,
            "within_one_term": it.within_terms(1),
            "mean_ms": it.distribution.mean() / 1e6,
            "median_ms": it.distribution.quantile(0.5).map(|it| it / 1e6),
            "not_followed": it.exact.lost,
        })
    });
    json!({
        "setting": setting(&answer.setting),
        "within_terms": terms,
        "mean_terms": {"exact": limit.map(Limit::mean_terms), "simulated": interval(sample.mean_terms(), 1.0)},
        "mean_ms": {"exact": limit.map(|it| it.mean() / 1e6), "simulated": interval(sample.mean(), 1e6)},
        "percentiles_ms": percentiles,
        "longest_seen_ms": sample.times.last().map(|&time| time as f64 / 1e6),
        "trials": sample.trials,
        "without_end": sample.trials - sample.times.len(),
        "seed": answer.seed,
        "closed_form_split": answer.split,
        "closed_form_judged": judged(answer),
        "grids": grids.collect::<Vec<_>>(),
    })
}

fn setting(setting: &Setting) -> Value {
    json!({
        "words": setting.to_string(),
        "servers": setting.servers,
        "alive": setting.alive,
        "behind": setting.behind,
        "timeout_ms": [setting.timeout.least as f64 / 1e6, setting.timeout.most as f64 / 1e6],
        "heartbeat_ms": setting.heartbeat as f64 / 1e6,
        "latency": setting.latency.to_string(),
        "flush_ms": setting.flush as f64 / 1e6,
        "pre_vote": setting.pre_vote,
        "start": if setting.start == Start::Random { "random" } else { "worst" },
        "until": if setting.until == Until::Known { "known" } else { "elected" },
    })
}

/// Long lines, broken at spaces, further ones indented.
fn wrapped(text: &str) -> String {
    let (mut out, mut column) = (String::new(), 0);
    for word in text.split(' ') {
        if 96 < column + word.chars().count() {
            out.push_str("\n  ");
            column = 2;
        } else if 0 < column {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.chars().count();
    }
    out
}
