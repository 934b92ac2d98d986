//! The three answers to one question.

use std::time::{Duration, Instant};

use crate::timing::closed_form;
use crate::timing::continuous::{Trials, simulate};
use crate::timing::limit::Limit;
use crate::timing::sample::Sample;
use crate::timing::setting::Setting;

/// What is known of elections in a setting.
pub(crate) struct Answer {
    pub(crate) setting: Setting,
    /// `None` if the latency is random, or if even the coarsest chain is too large.
    pub(crate) limit: Option<Limit>,
    pub(crate) sample: Sample,
    pub(crate) seed: u64,
    pub(crate) simulated_in: Duration,
    /// The closed form's probability that a term elects nobody.
    pub(crate) split: f64,
}

impl Answer {
    pub(crate) fn new(setting: Setting, trials: &Trials, transitions: usize) -> Answer {
        let began = Instant::now();
        let sample = simulate(&setting, trials);
        let simulated_in = began.elapsed();
        let split = closed_form::split(setting.servers, setting.alive, hop(&setting));
        Answer { limit: Limit::new(&setting, transitions), sample, seed: trials.seed, simulated_in, split, setting }
    }
}

/// From a server's timeout until the others hear of it, as a fraction of the range of timeouts. What it asks them
/// waits for no flush, with PreVote and without.
pub(crate) fn hop(setting: &Setting) -> f64 {
    let hop = setting.latency.mean();
    if setting.spread() == 0 { 1.0 } else { (hop / setting.spread() as f64).min(1.0) }
}
