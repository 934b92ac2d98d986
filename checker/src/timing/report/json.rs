//! The answers for programs; times in milliseconds.

use serde_json::{Value, json};

use crate::timing::answer::Answer;
use crate::timing::closed_form;
use crate::timing::limit::{Limit, Refined};
use crate::timing::report::closed_form_words::judged;
use crate::timing::report::figures::{PERCENTILES, TERMS};
use crate::timing::required_timeouts::{Demand, Found};
use crate::timing::sample::Estimate;
use crate::timing::setting::{Setting, Start, Until};

/// A value with its interval, in this unit.
pub(crate) fn interval(it: Estimate, unit: f64) -> Value {
    json!({"value": it.value / unit, "low": it.low / unit, "high": it.high / unit})
}

pub(crate) fn answer(answer: &Answer) -> Value {
    let (limit, sample) = (answer.limit.as_ref(), &answer.sample);
    json!({
        "setting": setting(&answer.setting),
        "within_terms": (1..=TERMS).map(|terms| within_terms(answer, terms)).collect::<Vec<_>>(),
        "mean_terms": {"exact": limit.map(Limit::mean_terms), "simulated": interval(sample.mean_terms(), 1.0)},
        "mean_ms": {"exact": limit.map(|it| it.mean() / 1e6), "simulated": interval(sample.mean(), 1e6)},
        "percentiles_ms": PERCENTILES.map(|(name, probability)| percentile(answer, name, probability)),
        "longest_seen_ms": sample.times.last().map(|&time| time as f64 / 1e6),
        "trials": sample.trials,
        "without_end": sample.trials - sample.times.len(),
        "seed": answer.seed,
        "closed_form_split": answer.split,
        "closed_form_judged": judged(answer),
        "grids": limit.iter().flat_map(|limit| &limit.grids).map(grid).collect::<Vec<_>>(),
    })
}

fn within_terms(answer: &Answer, terms: usize) -> Value {
    json!({
        "terms": terms,
        "exact": answer.limit.as_ref().map(|limit| limit.within_terms(terms)),
        "simulated": interval(answer.sample.within_terms(terms), 1.0),
        "closed_form": closed_form::within_terms(answer.split, terms),
    })
}

fn percentile(answer: &Answer, name: &str, probability: f64) -> Value {
    json!({
        "name": name,
        "probability": probability,
        "exact": answer.limit.as_ref().and_then(|limit| limit.quantile(probability)).map(|it| it / 1e6),
        "simulated": answer.sample.quantile(probability).map(|it| interval(it, 1e6)),
    })
}

fn grid(it: &Refined) -> Value {
    json!({
        "step_ms": it.step() / 1e6,
        "cells": it.exact.grid.cells,
        "states": it.exact.states,
        "ways": it.exact.transitions,
        "within_one_term": it.within_terms(1),
        "mean_ms": it.distribution.mean() / 1e6,
        "median_ms": it.distribution.quantile(0.5).map(|it| it / 1e6),
        "not_followed": it.exact.lost,
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

/// Which timeouts meet a demand, or the best that were tried.
pub(crate) fn required_timeouts(demand: Demand, found: &Result<Found, Option<Found>>) -> Value {
    let told = |found: &Found| {
        json!({
            "timeout_ms": [found.setting.timeout.least as f64 / 1e6, found.setting.timeout.most as f64 / 1e6],
            "heartbeat_ms": found.setting.heartbeat as f64 / 1e6,
            "probability": interval(found.met, 1.0),
        })
    };
    json!({
        "within_ms": demand.within as f64 / 1e6,
        "probability": demand.probability,
        "smallest": found.as_ref().ok().map(told),
        "best_tried": found.as_ref().err().and_then(Option::as_ref).map(told),
    })
}
