//! The distribution of the first survivor's timeout, if timeouts are drawn continuously.
//!
//! Written by hand: no library has the distribution of a minimum of timeouts less a phase.

/// s servers survive the leader. Each draws its timeout U(T, 2T) anew whenever it hears a
/// heartbeat, so what counts was drawn at the last one. Heartbeats are sent every h, and the
/// leader ends at a random moment between two: a time U(0, h) after the last one. From that
/// moment, the first timeout is
///
/// ```text
/// X = min(U_1, ..., U_s) - P      U_i ~ U(least, least + spread), P ~ U(0, phase)
/// ```
///
/// with least = spread = T and phase = h. Where the end of the leader's connections is noticed
/// (disconnect detection), the survivors take turns from that moment on: s = 1 draws from the range of the
/// first turn, and phase = 0. (Where h exceeds T, X may be negative: then a survivor campaigned
/// while the leader still lived.)
///
/// - P(min > y) = S(y) = (1 - u)^s with u = (y - least) / spread, kept within 0 and 1.
/// - P(X > x) = 1/phase times the integral of S over \[x, x + phase\].
/// - E\[X\] = least + spread / (s + 1) - phase / 2.
///
/// What the election itself takes comes on top: a constant `delay`. All times are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theory {
    pub(super) survivors: u32,
    pub(super) least: f64,
    pub(super) spread: f64,
    pub(super) phase: f64,
    pub(super) delay: f64,
}

impl Theory {
    pub(super) fn mean(&self) -> f64 {
        self.least + self.spread / f64::from(self.survivors + 1) - self.phase / 2.0 + self.delay
    }

    /// P(X <= x).
    pub(super) fn distribution(&self, x: f64) -> f64 {
        let start = x - self.delay;
        let later = if self.phase == 0.0 {
            self.left(start).powf(f64::from(self.survivors))
        } else {
            (self.waited(start + self.phase) - self.waited(start)) / self.phase
        };
        1.0 - later
    }

    /// The x at which P(X <= x) is this.
    pub(super) fn quantile(&self, probability: f64) -> f64 {
        let (mut low, mut high) = (self.least - self.phase + self.delay, self.least + self.spread + self.delay);
        // Each step halves what is left of the range.
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if self.distribution(middle) < probability { low = middle } else { high = middle }
        }
        high
    }

    /// The probability that the first round elects nobody, if whoever campaigns within `latency` of the first
    /// keeps its vote to itself (dissertation 9.2, for a group of n of which only the leader is
    /// missing): more than s - floor(n/2) of the survivors, the first one included.
    ///
    /// Given the first, at u, the others are independent U(u, 1), so each follows within l with
    /// probability min(1, l / (1 - u)); the density of u is s (1 - u)^(s-1).
    pub(super) fn split(&self, latency: f64) -> f64 {
        const STEPS: u32 = 10_000;
        let others = self.survivors - 1;
        if others == 0 {
            // Nobody else campaigns.
            return 0.0;
        }
        // Of s + 1 servers, floor((s+1)/2) others make a majority with the candidate.
        let spare = self.survivors - self.survivors.div_ceil(2);
        let weight = |step: u32| {
            let left = 1.0 - (f64::from(step) + 0.5) / f64::from(STEPS);
            let follows = (latency / self.spread / left).min(1.0);
            let density = f64::from(self.survivors) * left.powf(f64::from(others));
            density * at_least(spare, others, follows) / f64::from(STEPS)
        };
        (0..STEPS).map(weight).sum()
    }

    /// The share of the range that lies beyond y.
    fn left(&self, y: f64) -> f64 {
        1.0 - ((y - self.least) / self.spread).clamp(0.0, 1.0)
    }

    /// The integral of S from `least` to y: how much of the time until y was spent waiting.
    fn waited(&self, y: f64) -> f64 {
        let exponent = f64::from(self.survivors + 1);
        (y - self.least).min(0.0) + self.spread * (1.0 - self.left(y).powf(exponent)) / exponent
    }
}

/// P(Bin(n, p) >= k).
fn at_least(k: u32, n: u32, p: f64) -> f64 {
    let mut ways = 1.0;
    let mut sum = 0.0;
    for successes in 0..=n {
        if k <= successes {
            sum += ways * p.powf(f64::from(successes)) * (1.0 - p).powf(f64::from(n - successes));
        }
        ways *= f64::from(n - successes) / f64::from(successes + 1);
    }
    sum
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    const SAMPLES: usize = 40_000;

    fn cases() -> Vec<Theory> {
        let mut cases = Vec::new();
        for survivors in [2, 4, 8] {
            cases.push(Theory { survivors, least: 100.0, spread: 100.0, phase: 10.0, delay: 0.0 });
            cases.push(Theory { survivors, least: 12.0, spread: 12.0, phase: 6.0, delay: 1.5 });
            cases.push(Theory { survivors: survivors - 1, least: 0.5, spread: 0.5, phase: 0.0, delay: 0.7 });
        }
        cases
    }

    /// The survivors' draws, from the moment of the leader's end.
    fn draw(theory: &Theory, random: &mut StdRng) -> Vec<f64> {
        let phase = theory.phase * random.random::<f64>();
        let mut draw = || theory.least + theory.spread * random.random::<f64>() - phase + theory.delay;
        (0..theory.survivors).map(|_| draw()).collect()
    }

    #[test]
    fn it_is_what_sampling_gives() {
        for theory in cases() {
            let mut random = StdRng::seed_from_u64(7);
            let mut first: Vec<f64> =
                (0..SAMPLES).map(|_| draw(&theory, &mut random).into_iter().fold(f64::MAX, f64::min)).collect();
            first.sort_by(f64::total_cmp);
            let mean = first.iter().sum::<f64>() / SAMPLES as f64;
            assert!((mean - theory.mean()).abs() < theory.spread / 200.0, "{theory:?}: {mean}, {}", theory.mean());
            // Kolmogorov and Smirnov: beyond 1.95 / sqrt(n) once in a thousand times.
            for (rank, x) in first.iter().enumerate() {
                let distance = (theory.distribution(*x) - (rank as f64 + 0.5) / SAMPLES as f64).abs();
                assert!(distance < 1.95 / (SAMPLES as f64).sqrt(), "{theory:?}: {distance} at {x}");
            }
        }
    }

    #[test]
    fn quantiles_invert_the_distribution() {
        for theory in cases() {
            for probability in [0.001, 0.1, 0.5, 0.9, 0.99, 0.999] {
                let back = theory.distribution(theory.quantile(probability));
                assert!((back - probability).abs() < 1e-6, "{theory:?}: {probability} became {back}");
            }
            assert!(theory.distribution(theory.least - theory.phase + theory.delay) < 1e-9);
            assert!(1.0 - 1e-9 < theory.distribution(theory.least + theory.spread + theory.delay));
        }
    }

    #[test]
    fn splits_are_those_that_sampling_gives() {
        for (survivors, latency) in [(2, 1.0), (2, 10.0), (4, 10.0), (4, 20.0), (8, 20.0)] {
            let theory = Theory { survivors, least: 100.0, spread: 100.0, phase: 0.0, delay: 0.0 };
            let mut random = StdRng::seed_from_u64(8);
            let mut splits = 0;
            for _ in 0..SAMPLES {
                let draws = draw(&theory, &mut random);
                let first = draws.iter().copied().fold(f64::MAX, f64::min);
                let votes = 1 + draws.iter().filter(|&&drawn| first + latency < drawn).count();
                splits += usize::from(votes <= (survivors as usize).div_ceil(2));
            }
            let (sampled, computed) = (splits as f64 / SAMPLES as f64, theory.split(latency));
            let error = 4.0 * (computed * (1.0 - computed) / SAMPLES as f64).sqrt();
            assert!((sampled - computed).abs() < error, "{survivors}, {latency}: {sampled}, {computed}");
        }
    }
}
