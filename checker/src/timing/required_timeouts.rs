//! The smallest timeouts with which a leader is there within a given time: what to configure.

use crate::timing::continuous::{Trials, simulate_for};
use crate::timing::sample::Estimate;
use crate::timing::setting::{MILLISECOND, Nanos, Range, Setting};

/// First looks at a timeout take so many elections: enough to see that it fails by far.
const FIRST_LOOK_TRIALS: [usize; 2] = [200, 4_000];

/// From one timeout that is tried to the next.
const TIMEOUT_RATIO: f64 = 1.1;

/// What is asked: a leader within this time, with this probability.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    pub(crate) within: Nanos,
    pub(crate) probability: f64,
}

/// A timeout that meets a demand.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) setting: Setting,
    /// The probability that was simulated for it.
    pub(crate) met: Estimate,
}

/// The smallest T, in whole milliseconds (tenths below 10 ms), such that timeouts from \[T, 2T) meet
/// the demand: the interval of 95 % of the simulated probability lies above it. Otherwise the best
/// that was tried. `heartbeat` gives that of each T.
pub(crate) fn smallest(
    setting: &Setting,
    demand: Demand,
    heartbeat: impl Fn(Nanos) -> Nanos,
    trials: &Trials,
) -> Result<Found, Option<Found>> {
    let at = |least: Nanos| Setting {
        timeout: Range { least, most: 2 * least },
        heartbeat: heartbeat(least),
        ..setting.clone()
    };
    let (mut fails, mut best): (Nanos, Option<Found>) = (0, None);
    for least in tried(setting, demand) {
        let setting = at(least);
        if setting.refusal().is_some() {
            continue;
        }
        let met = met(&setting, demand, trials);
        if demand.probability <= met.low {
            return Ok(refined(fails, Found { setting, met }, demand, &at, trials));
        }
        fails = least;
        if best.as_ref().is_none_or(|best| best.met.value < met.value) {
            best = Some(Found { setting, met });
        }
    }
    Err(best)
}

/// Timeouts from about the latency to the whole patience.
fn tried(setting: &Setting, demand: Demand) -> impl Iterator<Item = Nanos> + use<> {
    let first = (setting.latency.mean() + setting.flush as f64).max(MILLISECOND as f64);
    let rising = std::iter::successors(Some(first), |least| Some(least * TIMEOUT_RATIO));
    let mut rounded: Vec<Nanos> =
        rising.take_while(|&least| least < demand.within as f64).map(|it| round(it as Nanos)).collect();
    rounded.dedup();
    rounded.into_iter()
}

/// To what a person would configure.
fn round(time: Nanos) -> Nanos {
    let grain = grain(time);
    time.div_ceil(grain) * grain
}

fn grain(time: Nanos) -> Nanos {
    if time < 10 * MILLISECOND { MILLISECOND / 10 } else { MILLISECOND }
}

/// Halves what is between a timeout that fails and one that does not.
fn refined(
    mut fails: Nanos,
    mut meets: Found,
    demand: Demand,
    at: &impl Fn(Nanos) -> Setting,
    trials: &Trials,
) -> Found {
    while grain(fails) < meets.setting.timeout.least - fails {
        let middle = round(fails.midpoint(meets.setting.timeout.least));
        if meets.setting.timeout.least <= middle {
            return meets;
        }
        let setting = at(middle);
        let met = met(&setting, demand, trials);
        if setting.refusal().is_none() && demand.probability <= met.low {
            meets = Found { setting, met };
        } else {
            fails = middle;
        }
    }
    meets
}

/// The probability to be in time. What fails by far is seen at a first look.
fn met(setting: &Setting, demand: Demand, trials: &Trials) -> Estimate {
    let seen = |count| simulate_for(setting, &Trials { count, ..*trials }, demand.within).within(demand.within);
    let looks = FIRST_LOOK_TRIALS.into_iter().filter(|&look| look < trials.count).map(&seen);
    looks.into_iter().find(|look| look.high < demand.probability).unwrap_or_else(|| seen(trials.count))
}
