//! The time without a leader, from what the chain says and from how the election begins.

use crate::timing::chain::Exact;
use crate::timing::setting::{Setting, Start};

/// Steps of the search for a quantile: the time is known to the 2^-50th part.
const HALVINGS: u32 = 50;

/// Moments at which the chain ends, each spread over the interval that it stands for: timers fire
/// anywhere in their steps, and a leader dies anywhere between two heartbeats.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    /// The middle of each interval, in nanoseconds, and its probability; they rise.
    atoms: Vec<(f64, f64)>,
    /// The lengths of the two even spreads that add up, the longer first.
    spreads: [f64; 2],
    /// All that is known to end.
    total: f64,
}

impl Distribution {
    pub(crate) fn new(exact: &Exact, setting: &Setting) -> Distribution {
        let step = 2.0 * exact.grid.half;
        let heartbeat = setting.heartbeat as f64;
        let (shift, spreads) = match setting.start {
            // It died up to a heartbeat after it had sent the last one, which took its time to arrive.
            Start::Random => {
                let latency = setting.latency.fixed().unwrap_or_default() as f64;
                (latency - heartbeat / 2.0, [heartbeat.max(step), heartbeat.min(step)])
            }
            Start::Worst => (0.0, [step, 0.0]),
        };
        let atoms: Vec<_> = exact.atoms.iter().map(|&(at, odds)| (at + shift, odds)).collect();
        let total = atoms.iter().map(|atom| atom.1).sum();
        Distribution { atoms, spreads, total }
    }

    /// The probability that the election is over after this time, in nanoseconds.
    pub(crate) fn within(&self, time: f64) -> f64 {
        let begun = self.atoms.partition_point(|atom| atom.0 - self.reach() < time);
        self.atoms[..begun].iter().map(|&(at, odds)| odds * self.spread(time - at)).sum()
    }

    /// How far an interval reaches to either side of its middle.
    fn reach(&self) -> f64 {
        (self.spreads[0] + self.spreads[1]) / 2.0
    }

    /// How much of an interval lies before this distance from its middle: the distribution function of
    /// the sum of two even spreads.
    fn spread(&self, distance: f64) -> f64 {
        let [long, short] = self.spreads;
        let before = (distance + self.reach()).max(0.0);
        if short == 0.0 {
            return (before / long).min(1.0);
        }
        let part = |length: f64| length.max(0.0).powi(2);
        let area = part(before) - part(before - short) - part(before - long) + part(before - short - long);
        area / (2.0 * long * short)
    }

    /// After which time the election is over with this probability; `None` if that is unknown.
    pub(crate) fn quantile(&self, probability: f64) -> Option<f64> {
        if self.total < probability {
            return None;
        }
        let (mut low, mut high) = (self.atoms.first()?.0 - self.reach(), self.atoms.last()?.0 + self.reach());
        for _ in 0..HALVINGS {
            let middle = (low + high) / 2.0;
            if self.within(middle) < probability { low = middle } else { high = middle }
        }
        Some(high)
    }

    /// How long the election takes on average, in nanoseconds, of what is known to end.
    pub(crate) fn mean(&self) -> f64 {
        self.atoms.iter().map(|&(at, odds)| at * odds).sum::<f64>() / self.total
    }
}
