//! Whether the closed form holds, in words.

use crate::timing::answer::{Answer, hop};
use crate::timing::report::figures::percent;
use crate::timing::setting::{Latency, Setting, Start};

/// Whether the closed form gives what the first term does, and why not.
pub(super) fn judged(answer: &Answer) -> String {
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
    0.3 < hop(&answer.setting)
}
