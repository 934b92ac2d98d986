//! The answers as tables for people.
//!
//! A table is a format string with the widths of its columns, and stays one: a library for tables would
//! save no line here, and no width, since all that is told has a known form.

use std::fmt::Write as _;

use crate::console::{grouped, seconds};
use crate::timing::answer::Answer;
use crate::timing::closed_form;
use crate::timing::continuous::longest;
use crate::timing::limit::{Limit, Refined};
use crate::timing::report::closed_form_words::judged;
use crate::timing::report::figures::{PERCENTILES, TERMS, millis, percent};
use crate::timing::required_timeouts::{Demand, Found};
use crate::timing::sample::Estimate;
use crate::timing::setting::{Range, Setting, ms};

/// A probability is told in full until it is as near to one as this.
const CERTAIN: f64 = 1e-7;

/// The setting, the three answers side by side, and how each was found.
pub(crate) fn table(answer: &Answer) -> String {
    let mut out = format!("{}\n\n", wrapped(&answer.setting.to_string()));
    push_row(&mut out, "", ["exact", "simulated, 95 % interval", "closed form"].map(|head| Some(head.into())));
    (1..=told_terms(answer)).for_each(|terms| push_terms(&mut out, answer, terms));
    push_means(&mut out, answer);
    push_times(&mut out, answer);
    out.push('\n');
    notes(answer).iter().for_each(|note| _ = writeln!(out, "{}", wrapped(note)));
    out
}

/// What is exact, simulated, and of the closed form.
fn push_row(out: &mut String, what: &str, cells: [Option<String>; 3]) {
    let [exact, simulated, closed] = cells.map(|cell| cell.unwrap_or_else(|| "-".into()));
    let _ = writeln!(out, "{what:<22}{exact:>13}  {simulated:>34}{closed:>14}");
}

fn push_terms(out: &mut String, answer: &Answer, terms: usize) {
    let what = if terms == 1 { "leader within 1 term".into() } else { format!("{terms:>15} terms") };
    let exact = answer.limit.as_ref().map(|limit| known(limit.within_terms(terms), limit));
    let simulated = estimate(answer.sample.within_terms(terms), percent);
    let closed = percent(closed_form::within_terms(answer.split, terms));
    push_row(out, &what, [exact, Some(simulated), Some(closed)]);
}

fn push_means(out: &mut String, answer: &Answer) {
    let (limit, sample) = (answer.limit.as_ref(), &answer.sample);
    let closed = (answer.split < 1.0).then(|| number(closed_form::mean_terms(answer.split)));
    let exact = limit.map(|it| number(it.mean_terms()));
    push_row(out, "terms, mean", [exact, Some(estimate(sample.mean_terms(), number)), closed]);
    let exact = limit.map(|it| millis(it.mean()));
    push_row(out, "time, mean", [exact, Some(estimate(sample.mean(), millis)), None]);
}

fn push_times(out: &mut String, answer: &Answer) {
    for (name, probability) in PERCENTILES {
        let exact = answer.limit.as_ref().and_then(|limit| limit.quantile(probability)).map(millis);
        let simulated = answer.sample.quantile(probability).map(|it| estimate(it, millis));
        push_row(out, &format!("      {name}"), [exact, simulated, None]);
    }
    let longest = answer.sample.times.last().map(|&time| millis(time as f64));
    push_row(out, "      longest seen", [None, longest, None]);
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

/// So many rows of terms as say something new.
fn told_terms(answer: &Answer) -> usize {
    let seen = answer.sample.terms.len();
    (1..TERMS)
        .find(|&terms| terms >= seen && 1.0 - closed_form::within_terms(answer.split, terms) < CERTAIN)
        .unwrap_or(TERMS)
}

/// How each answer was found, and where the closed form holds.
fn notes(answer: &Answer) -> Vec<String> {
    let exact = answer.limit.as_ref().map_or_else(|| why_not_exact(&answer.setting), how_exact);
    let notes = [Some(exact), Some(how_simulated(answer)), unfinished(answer)];
    let closed_form = format!("closed form: {}", judged(answer));
    notes.into_iter().flatten().chain([closed_form]).collect()
}

fn why_not_exact(setting: &Setting) -> String {
    if setting.spread() == 0 {
        "exact: nothing is random here, so there is nothing to compute".into()
    } else if setting.latency.fixed().is_none() {
        "exact: only for a fixed latency; a random one would be part of the state".into()
    } else {
        format!("exact: the smallest chain is larger than --ways allows{}", smaller(setting))
    }
}

fn how_simulated(answer: &Answer) -> String {
    format!(
        "simulated: {} elections in continuous time, seed {}, {}; Wilson intervals for probabilities, order statistics for percentiles, normal ones for means",
        grouped(answer.sample.trials as u64),
        answer.seed,
        seconds(answer.simulated_in)
    )
}

fn unfinished(answer: &Answer) -> Option<String> {
    let count = answer.sample.trials - answer.sample.times.len();
    let limit = longest(&answer.setting) as f64 / 1e9;
    (0 < count).then(|| format!("{} elections had no end within {limit} s, and are in no mean", grouped(count as u64)))
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

/// The chain on each grid: how the answer converges.
pub(crate) fn steps(limit: &Limit) -> String {
    let head =
        ["step", "cells", "states", "ways", "1 term", "2 terms", "mean", "median", "p99", "not followed", "took"];
    let rows = limit.grids.iter().map(step_cells).chain([limit_cells(limit)]);
    [head.map(str::to_owned)].into_iter().chain(rows).map(step_line).collect()
}

fn step_line(cells: [String; 11]) -> String {
    let [step, cells, states, transitions, one, two, mean, median, p99, lost, took] = cells;
    let line = format!(
        "{step:<10}{cells:>6}{states:>10}{transitions:>11}{one:>10}{two:>10}{mean:>10}{median:>10}{p99:>10}{lost:>14}{took:>7}"
    );
    format!("{}\n", line.trim_end())
}

fn step_cells(it: &Refined) -> [String; 11] {
    let quantile = |probability| it.distribution.quantile(probability).map_or("-".into(), millis);
    [
        millis(it.step()),
        format!("{:.1}", it.exact.grid.cells),
        grouped(it.exact.states as u64),
        grouped(it.exact.transitions as u64),
        percent(it.within_terms(1)),
        percent(it.within_terms(2)),
        millis(it.distribution.mean()),
        quantile(0.5),
        quantile(0.99),
        format!("{:.0e}", it.exact.lost),
        seconds(it.took),
    ]
}

fn limit_cells(limit: &Limit) -> [String; 11] {
    let quantile = |probability| limit.quantile(probability).map_or("-".into(), millis);
    let (none, name) = (String::new, if limit.tends() { "limit" } else { "taken" });
    let [one, two] = [1, 2].map(|terms| percent(limit.within_terms(terms)));
    let times = [millis(limit.mean()), quantile(0.5), quantile(0.99)];
    let [mean, median, p99] = times;
    [name.into(), none(), none(), none(), one, two, mean, median, p99, none(), none()]
}

/// Which timeouts meet a demand, or that none do.
pub(crate) fn required_timeouts(demand: Demand, found: &Result<Found, Option<Found>>) -> String {
    let met = |found: &Found| {
        let sure = [found.met.value, found.met.low, found.met.high].map(percent);
        format!("a leader within {}: {} [{}, {}]\n{}", ms(demand.within), sure[0], sure[1], sure[2], found.setting)
    };
    match found {
        Ok(found) => {
            let Range { least, most } = found.setting.timeout;
            format!("timeouts {} to {}, heartbeat {}\n{}", ms(least), ms(most), ms(found.setting.heartbeat), met(found))
        }
        Err(best) => {
            let best = best.as_ref().map_or(String::new(), |best| {
                format!("\nthe best that was tried, timeouts from {}:\n{}", ms(best.setting.timeout.least), met(best))
            });
            format!("no timeouts T to 2T give that{best}")
        }
    }
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
