//! The picture of several ranges of timeouts, measured by others and computed here.

use crate::timing::plot::svg::{Anchor, Frame, INK, Svg, ring};

/// Curves of one range of timeouts: measured by others, and computed in two ways.
pub(crate) struct Compared {
    pub(crate) name: String,
    /// Milliseconds and probabilities, rising.
    pub(crate) measured: Vec<(f64, f64)>,
    pub(crate) computed: Vec<(f64, f64)>,
    pub(crate) ours: Vec<(f64, f64)>,
}

/// One for each range.
const COLOURS: [&str; 5] = ["#7a3b9a", "#1f5fa8", "#1d8a6a", "#c98a0a", "#c0392b"];

/// Several ranges of timeouts in one picture.
pub(crate) fn overlay(title: &str, about: &str, curves: &[Compared]) -> String {
    let mut svg = Svg::new(980.0, 600.0);
    svg.head(title, about, 135);
    let frame =
        Frame { left: 70.0, top: 128.0, width: 880.0, height: 400.0, from: 10.0, to: 1000.0, logarithmic: true };
    frame.draw(&mut svg, &[10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]);
    for (curve, colour) in curves.iter().zip(COLOURS) {
        let places = |points: &[(f64, f64)]| {
            points.iter().map(|&(ms, probability)| frame.point(ms, probability)).collect::<Vec<_>>()
        };
        svg.path(&places(&curve.ours), colour, r#"stroke-width="1.3" stroke-dasharray="5 4" opacity="0.75""#);
        svg.path(&places(&curve.computed), colour, r#"stroke-width="2.4""#);
        for place in places(&curve.measured) {
            svg.dot(place, 2.6, &ring(colour, 1.4));
        }
    }
    timeouts_legend(&mut svg, frame, curves);
    kinds_legend(&mut svg);
    svg.finish()
}

/// Which colour is which range.
fn timeouts_legend(svg: &mut Svg, frame: Frame, curves: &[Compared]) {
    for (at, (curve, colour)) in curves.iter().zip(COLOURS).enumerate() {
        let (x, y) = (frame.x(560.0), frame.y(0.62 - 0.06 * at as f64));
        svg.line((x, y - 4.0), (x + 22.0, y - 4.0), colour, r#"stroke-width="2.4""#);
        svg.text((x + 30.0, y), 12.5, Anchor::Start, colour, &curve.name);
    }
    svg.text((frame.x(560.0), frame.y(0.68)), 12.5, Anchor::Start, INK, "timeouts");
}

/// Which line is which answer.
fn kinds_legend(svg: &mut Svg) {
    let y = 112.0;
    svg.dot((76.0, y - 4.0), 2.6, &ring(INK, 1.4));
    svg.text((88.0, y), 12.5, Anchor::Start, INK, "measured (Figure 16)");
    svg.line((236.0, y - 4.0), (262.0, y - 4.0), INK, r#"stroke-width="2.4""#);
    svg.text((270.0, y), 12.5, Anchor::Start, INK, "computed, plain Raft as measured");
    svg.line((496.0, y - 4.0), (522.0, y - 4.0), INK, r#"stroke-width="1.3" stroke-dasharray="5 4""#);
    svg.text((530.0, y), 12.5, Anchor::Start, INK, "computed, with PreVote as deployed here");
}
