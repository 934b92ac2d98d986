//! The published figures: of Ongaro's dissertation, and of Figure 16 of the Raft paper.

use crate::timing::setting::{MILLISECOND, Nanos};

/// The curves of Figure 16's second panel; the file says from where.
const FIGURE_16: &str = include_str!("../../../data/raft-paper-figure-16-scale.csv");

/// The dissertation's probabilities of a split vote (chapter 9), in percent: members, live servers,
/// and what is published for each of [`LATENCIES`].
pub(super) const SPLITS: [(u8, u8, [f64; 3]); 4] =
    [(5, 4, [0.06, 5.2, 18.1]), (5, 3, [2.97, 27.1, 48.8]), (3, 2, [1.99, 19.0, 36.0]), (9, 5, [4.9, 41.0, 67.2])];

/// Latencies as parts of the range of timeouts.
pub(super) const LATENCIES: [f64; 3] = [0.01, 0.1, 0.2];

/// A range of timeouts in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub(super) least: u64,
    pub(super) most: u64,
}

impl Timeouts {
    pub(super) fn name(self) -> String {
        format!("{}-{}", self.least, self.most)
    }
}

/// The ranges of the second panel, with the means that the curves have in full.
pub(super) const SECOND_PANEL: [(Timeouts, f64); 5] = [
    (Timeouts { least: 12, most: 24 }, 35.0),
    (Timeouts { least: 25, most: 50 }, 48.0),
    (Timeouts { least: 50, most: 100 }, 71.0),
    (Timeouts { least: 100, most: 200 }, 125.0),
    (Timeouts { least: 150, most: 300 }, 181.0),
];

/// The upper ends of the ranges of the first panel, which all begin at 150 ms.
pub(super) const FIRST_PANEL: [u64; 6] = [150, 151, 155, 175, 200, 300];

/// The paper's broadcast time, 'roughly 15 ms'.
pub(super) const BROADCAST: Nanos = 15 * MILLISECOND;

/// Median, p90, p99, the longest of 1,000, and the mean, in milliseconds.
pub(super) type Summary = [Option<f64>; 5];

/// What the paper's curve of a range says.
pub(super) fn measured((timeouts, mean): (Timeouts, f64)) -> Summary {
    let curve = curve(timeouts);
    let at = |probability: f64| curve.iter().find(|it| probability <= it.1 + 1e-9).map(|it| it.0);
    [at(0.5), at(0.9), at(0.99), at(1.0), Some(mean)]
}

/// Milliseconds and probabilities of one range, as measured.
pub(super) fn curve(timeouts: Timeouts) -> Vec<(f64, f64)> {
    let name = timeouts.name();
    let point = |line: &str| {
        let mut parts = line.strip_prefix(&name)?.strip_prefix(',')?.split(',');
        let probability = parts.next()?.parse().ok()?;
        Some((parts.next()?.parse().ok()?, probability))
    };
    FIGURE_16.lines().filter_map(point).collect()
}
