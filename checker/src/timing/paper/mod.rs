//! The published figures, beside what is computed here.
//!
//! The one-way latency is at first half of the paper's broadcast time. That makes elections slower than
//! was measured, so the latency is looked for that is nearest to the second panel; how much hangs on it
//! is printed, and both are used to predict the first panel, whose curves are not looked at.

mod published;

mod computed;

mod text;

mod json;

use serde_json::Value;

use crate::timing::continuous::Trials;
use crate::timing::paper::computed::{Computed, Panel};
use crate::timing::paper::published::curve;
use crate::timing::plot::{self, Compared};
use crate::timing::sample::Sample;
use crate::timing::setting::ms;

/// The published figures beside the computed ones.
pub(crate) struct Paper(Computed);

impl Paper {
    /// With so many elections for each row; those of the first panel, and of the search for the nearest
    /// latency, are a quarter of them.
    pub(crate) fn new(trials: &Trials) -> Paper {
        Paper(Computed::new(trials))
    }

    /// How many elections that are in all, if so many are drawn for each row; some of its settings are
    /// refused, and their elections are not drawn.
    pub(crate) fn elections(count: usize) -> usize {
        computed::elections(count)
    }

    pub(crate) fn text(&self) -> String {
        text::text(&self.0)
    }

    pub(crate) fn json(&self) -> Value {
        json::json(&self.0)
    }

    /// A picture of the second panel, measured and computed.
    pub(crate) fn svg(&self) -> String {
        let about = format!(
            "5 servers; the leader dies at random within its heartbeat interval of half the minimum timeout, after a \
             last heartbeat to all at once; two of the four survivors cannot be elected; computed for {} one way. \
             Measured: Copyright 2014 Diego Ongaro, CC-BY 3.0 US.",
            ms(self.0.nearest.latency)
        );
        let curves: Vec<_> = self.0.second_panel.iter().map(compared).collect();
        plot::overlay("Time without a leader, measured and computed", &about, &curves)
    }
}

fn compared(panel: &Panel) -> Compared {
    Compared {
        name: format!("{} ms", panel.timeouts.name()),
        measured: curve(panel.timeouts).into_iter().step_by(8).collect(),
        computed: drawn(&panel.plain),
        ours: drawn(&panel.pre_vote),
    }
}

/// Milliseconds and probabilities of a sample.
fn drawn(sample: &Sample) -> Vec<(f64, f64)> {
    let at = |step: u32| {
        let probability = f64::from(step) / 400.0;
        sample.quantile(probability).map(|it| (it.value / 1e6, probability))
    };
    (1..400).filter_map(at).collect()
}
