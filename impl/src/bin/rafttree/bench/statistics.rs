//! Figures from samples, each with the interval that holds the true one 95 times in a hundred.
//!
//! Written by hand: the intervals, of order statistics and Wilson's, are what `statrs` does not have.

use std::fmt;

use serde::Serialize;

/// Standard deviations to both sides that hold 95 % of a normal distribution.
const WIDTH: f64 = 1.96;

/// A figure, and what it may really be.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl fmt::Display for Estimate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Estimate { value, low, high } = self;
        out.pad(&format!("{value:.1} ({low:.1}-{high:.1})"))
    }
}

/// Samples by rising size; there is at least one.
#[derive(Clone, Debug)]
pub(super) struct Samples(Vec<f64>);

impl Samples {
    /// `None` if there are none.
    pub(super) fn new(mut samples: Vec<f64>) -> Option<Samples> {
        samples.sort_by(f64::total_cmp);
        (!samples.is_empty()).then_some(Samples(samples))
    }

    pub(super) fn all(&self) -> &[f64] {
        &self.0
    }

    /// The mean, with the interval of the central limit theorem.
    pub(super) fn mean(&self) -> Estimate {
        let count = self.0.len() as f64;
        let value = self.0.iter().sum::<f64>() / count;
        let squares: f64 = self.0.iter().map(|sample| (sample - value).powi(2)).sum();
        let error = WIDTH * (squares / (count - 1.0).max(1.0) / count).sqrt();
        Estimate { value, low: value - error, high: value + error }
    }

    /// The quantile, with the interval of order statistics: how many samples lie below the true
    /// one is binomial, whatever the distribution.
    pub(super) fn quantile(&self, probability: f64) -> Estimate {
        let count = self.0.len() as f64;
        let error = WIDTH * (count * probability * (1.0 - probability)).sqrt();
        let at = |rank: f64| self.0[(rank.ceil().clamp(1.0, count) as usize) - 1];
        let rank = count * probability;
        Estimate { value: at(rank), low: at(rank - error), high: at(rank + error + 1.0) }
    }

    pub(super) fn median(&self) -> f64 {
        self.quantile(0.5).value
    }

    pub(super) fn greatest(&self) -> f64 {
        *self.0.last().expect("there is at least one")
    }
}

/// How often it happens, in percent, with Wilson's interval: that holds near 0 % as well.
pub(super) fn percentage(happened: usize, of: usize) -> Estimate {
    let (count, share) = (of as f64, happened as f64 / of as f64);
    let square = WIDTH * WIDTH / count;
    let middle = (share + square / 2.0) / (1.0 + square);
    let error = WIDTH / (1.0 + square) * (share * (1.0 - share) / count + square / (4.0 * count)).sqrt();
    Estimate { value: 100.0 * share, low: 100.0 * (middle - error).max(0.0), high: 100.0 * (middle + error).min(1.0) }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn figures_of_the_numbers_from_one_to_a_hundred() {
        let samples = Samples::new((1..=100).rev().map(f64::from).collect()).unwrap();
        assert_eq!((samples.mean().value, samples.median(), samples.greatest()), (50.5, 50.0, 100.0));
        assert_eq!(samples.quantile(0.99).value, 99.0);
        let half = samples.quantile(0.5);
        assert_eq!((half.low, half.high), (41.0, 61.0));
        assert!(Samples::new(Vec::new()).is_none());
    }

    #[test]
    fn wilsons_interval_is_known() {
        let none = percentage(0, 200);
        assert!(none.value == 0.0 && none.low == 0.0 && (none.high - 1.88).abs() < 0.01, "{none:?}");
        let some = percentage(10, 100);
        assert!((some.low - 5.52).abs() < 0.01 && (some.high - 17.44).abs() < 0.01, "{some:?}");
    }

    /// Of a thousand intervals, about 950 hold what they should.
    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        let mut random = StdRng::seed_from_u64(3);
        let (mut means, mut medians, mut tails) = (0, 0, 0);
        for _ in 0..1000 {
            let samples = (0..200).map(|_| random.random::<f64>().powi(2)).collect();
            let samples = Samples::new(samples).unwrap();
            let holds = |estimate: Estimate, truth: f64| i32::from((estimate.low..=estimate.high).contains(&truth));
            means += holds(samples.mean(), 1.0 / 3.0);
            medians += holds(samples.quantile(0.5), 0.25);
            tails += holds(samples.quantile(0.9), 0.81);
        }
        for held in [means, medians, tails] {
            assert!((930..980).contains(&held), "{means}, {medians}, {tails}");
        }
    }
}
