//! Time that goes in steps, and spans that are no whole numbers of them.
//!
//! A timeout is drawn from `cells` intervals of equal length, the step, and fires in the
//! middle of its interval. All spans are multiples of half a step. The step is such that a message and
//! a flush together take an odd number of halves: then two timers of one age lie clearly before or after
//! a message of one to the other, never at the same moment.
//!
//! Spans that are no whole numbers of halves (of the flush, the minimum timeout, the heartbeat) are
//! rounded up in some chains and down in others, and the latency makes up for what the flush gains or
//! loses. The chains are weighed so that all spans are right on average. What a chain says changes
//! evenly with its spans, so the error of this falls with the square of the step, as that of the steps
//! themselves does.

use crate::timing::setting::{Nanos, Setting};
use crate::timing::timers::{Moment, Spans};

/// The lengths of time as multiples of half a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    /// Half a step in nanoseconds.
    pub(crate) half: f64,
    /// Steps in the range from which timeouts are drawn; the last one may be a part of one.
    pub(crate) cells: f64,
    /// What a message and a flush take together, in halves.
    hop: Moment,
    /// Spans in halves; not always whole numbers.
    flush: f64,
    pub(super) minimum: f64,
    heartbeat: f64,
}

/// Whole numbers for the spans of a grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rounding {
    /// How much it counts.
    pub(super) weight: f64,
    pub(super) latency: Moment,
    pub(super) flush: Moment,
    pub(super) spans: Spans,
}

impl Grid {
    /// One rounding where all spans are whole numbers, else a few: as if one number were drawn between
    /// 0 and 1, and those spans rounded up whose fraction is larger. So each is right on average.
    pub(super) fn roundings(&self) -> Vec<Rounding> {
        let spans = [self.flush, self.minimum, self.heartbeat];
        let [first, second, third] = spans.map(f64::fract);
        let mut bounds = [0.0, first, second, third, 1.0];
        bounds.sort_by(f64::total_cmp);
        let rounding = |drawn: &[f64]| {
            let whole = |span: f64| span.floor() as Moment + Moment::from(drawn[0] < span.fract());
            let [flush, minimum, heartbeat] = spans.map(whole);
            let spans = Spans { minimum, heartbeat: heartbeat.max(1) };
            Rounding { weight: drawn[1] - drawn[0], latency: self.hop - flush, flush, spans }
        };
        bounds.windows(2).filter(|drawn| drawn[0] < drawn[1]).map(rounding).collect()
    }

    /// Whether a message takes no time on it, though it does in truth: then two timers that fire in one
    /// step would not be counted as the split that they are.
    fn lacks_latency(&self, setting: &Setting) -> bool {
        setting.latency.fixed() != Some(0) && self.roundings().iter().any(|it| it.latency == 0)
    }
}

/// A span that differs from a whole number of halves by less than this is that number.
const WHOLE_TOLERANCE: f64 = 1e-6;

/// The grids of a setting, from the coarsest on: the steps become ever smaller. `None` if latency is
/// random, for then there is no such chain.
pub(crate) fn grids(setting: &Setting) -> Option<impl Iterator<Item = Grid> + use<'_>> {
    let hop = (setting.latency.fixed()? + setting.flush) as f64;
    let spread = setting.spread() as f64;
    let grid = move |fineness: u32| {
        let halves = 2 * fineness + 1;
        // Without latency nothing but the range has a length.
        let half = if 0.0 < hop { hop / f64::from(halves) } else { spread / f64::from(10 * halves) };
        let span = |time: Nanos| {
            let span = time as f64 / half;
            if (span - span.round()).abs() < WHOLE_TOLERANCE { span.round() } else { span }
        };
        Grid {
            half,
            cells: spread / half / 2.0,
            hop: (hop / half).round() as Moment,
            flush: span(setting.flush),
            minimum: span(setting.timeout.least),
            heartbeat: span(setting.heartbeat),
        }
    };
    Some((0..).map(grid).skip_while(|grid| grid.lacks_latency(setting)))
}
