//! What a number of trials says, and how surely.

use crate::timing::setting::Nanos;

/// The quantile of the normal distribution that leaves 2.5 % on either side: intervals are of 95 %.
const NORMAL_QUANTILE: f64 = 1.959_964;

/// How an election ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ended {
    /// How long after the leader died.
    pub(crate) time: Nanos,
    /// By how much the leader's term is higher than the term before.
    pub(crate) terms: u64,
}

/// The elections of a number of trials.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    /// Those that did not end are in here, and nowhere else.
    pub(crate) trials: usize,
    /// The time of each election that ended, sorted.
    pub(crate) times: Vec<Nanos>,
    /// How many took so many terms, from one term on.
    pub(crate) terms: Vec<u64>,
}

/// A value, and an interval that holds the true one with a probability of 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Estimate {
    /// That the other thing happens.
    pub(crate) fn of_the_contrary(self) -> Estimate {
        Estimate { value: 1.0 - self.value, low: 1.0 - self.high, high: 1.0 - self.low }
    }

    pub(crate) fn holds(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

impl Sample {
    pub(crate) fn new(ended: Vec<Ended>, trials: usize) -> Sample {
        let most = ended.iter().map(|it| it.terms as usize).max().unwrap_or(0);
        let mut terms = vec![0; most];
        ended.iter().for_each(|it| terms[it.terms as usize - 1] += 1);
        let mut times: Vec<_> = ended.into_iter().map(|it| it.time).collect();
        times.sort_unstable();
        Sample { trials, times, terms }
    }

    /// The probability that an election ends within so many terms.
    pub(crate) fn within_terms(&self, terms: usize) -> Estimate {
        wilson(self.terms.iter().take(terms).sum::<u64>() as usize, self.trials)
    }

    /// The probability that an election ends within this time.
    pub(crate) fn within(&self, time: Nanos) -> Estimate {
        wilson(self.times.partition_point(|&it| it <= time), self.trials)
    }

    /// How many terms an election takes on average.
    pub(crate) fn mean_terms(&self) -> Estimate {
        let values = self.terms.iter().enumerate().map(|(at, &count)| (at as f64 + 1.0, count as f64));
        mean(values, self.times.len())
    }

    /// How long an election takes on average, in nanoseconds, by the central limit theorem.
    pub(crate) fn mean(&self) -> Estimate {
        mean(self.times.iter().map(|&time| (time as f64, 1.0)), self.times.len())
    }

    /// The time within which elections end with this probability. The interval is between two of the
    /// sorted times: how many lie below the true quantile is binomial. `None` if it is unknown,
    /// since so many trials did not end.
    pub(crate) fn quantile(&self, probability: f64) -> Option<Estimate> {
        let trials = self.trials as f64;
        let rank = |rank: f64| self.times.get((rank.ceil() as usize).max(1) - 1).map(|&time| time as f64);
        let (middle, wide) =
            (trials * probability, NORMAL_QUANTILE * (trials * probability * (1.0 - probability)).sqrt());
        let last = self.times.last().map(|&time| time as f64);
        let high = rank(middle + wide + 1.0).or(last)?;
        Some(Estimate { value: rank(middle)?, low: rank((middle - wide).max(1.0))?, high })
    }
}

fn mean(values: impl Iterator<Item = (f64, f64)> + Clone, count: usize) -> Estimate {
    let count = count.max(1) as f64;
    let value = values.clone().map(|(value, times)| value * times).sum::<f64>() / count;
    let variance = values.map(|(it, times)| (it - value).powi(2) * times).sum::<f64>() / (count - 1.0).max(1.0);
    let wide = NORMAL_QUANTILE * (variance / count).sqrt();
    Estimate { value, low: value - wide, high: value + wide }
}

/// A probability of which `count` of `trials` are seen, with the interval of Wilson, which `statrs`, the library
/// for distributions, does not have.
pub(crate) fn wilson(count: usize, trials: usize) -> Estimate {
    let n = trials.max(1) as f64;
    let value = count as f64 / n;
    let middle =
        (value + NORMAL_QUANTILE * NORMAL_QUANTILE / (2.0 * n)) / (1.0 + NORMAL_QUANTILE * NORMAL_QUANTILE / n);
    let wide = NORMAL_QUANTILE / (1.0 + NORMAL_QUANTILE * NORMAL_QUANTILE / n)
        * (value * (1.0 - value) / n + NORMAL_QUANTILE * NORMAL_QUANTILE / (4.0 * n * n)).sqrt();
    Estimate { value, low: (middle - wide).max(0.0).min(value), high: (middle + wide).min(1.0).max(value) }
}
