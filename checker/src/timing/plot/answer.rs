//! The picture of an answer: the time without a leader, and the terms.

use crate::console::grouped;
use crate::timing::answer::Answer;
use crate::timing::closed_form;
use crate::timing::plot::svg::{Anchor, FAINT, Frame, GREY, INK, Svg, ring};
use crate::timing::report::figures::{PERCENTILES, millis};

const EXACT: &str = "#1f5fa8";
const SIMULATED: &str = "#e07b1a";

/// The time without a leader, and how improbable it is that so many terms are not enough.
pub(crate) fn answer(answer: &Answer) -> String {
    let mut svg = Svg::new(980.0, 520.0);
    svg.head("How long an election takes", &answer.setting.to_string(), 130);
    times(&mut svg, answer);
    terms(&mut svg, answer);
    svg.finish()
}

fn times(svg: &mut Svg, answer: &Answer) {
    let end = quantile(answer, 0.999).or(quantile(answer, 0.5)).unwrap_or(1.0) * 1.12;
    let frame = Frame { left: 70.0, top: 110.0, width: 560.0, height: 340.0, from: 0.0, to: end, logarithmic: false };
    frame.draw(svg, &ticks(end));
    exact_curve(svg, frame, answer);
    simulated_dots(svg, frame, answer);
    percentiles(svg, frame, answer);
    legend(svg, answer);
}

/// In milliseconds; the exact one, if it is known.
fn quantile(answer: &Answer, probability: f64) -> Option<f64> {
    let exact = answer.limit.as_ref().and_then(|limit| limit.quantile(probability));
    exact.or(answer.sample.quantile(probability).map(|it| it.value)).map(|it| it / 1e6)
}

fn exact_curve(svg: &mut Svg, frame: Frame, answer: &Answer) {
    let Some(limit) = &answer.limit else { return };
    let at = |step: u32| {
        let ms = frame.to * f64::from(step) / 400.0;
        frame.point(ms, limit.of(|it| Some(it.distribution.within(ms * 1e6))).unwrap_or_default().clamp(0.0, 1.0))
    };
    svg.path(&(0..=400).map(at).collect::<Vec<_>>(), EXACT, r#"stroke-width="2.6""#);
}

fn simulated_dots(svg: &mut Svg, frame: Frame, answer: &Answer) {
    for step in 0..50 {
        let probability = (f64::from(step) + 0.5) / 50.0;
        if let Some(time) = answer.sample.quantile(probability) {
            svg.dot(frame.point(time.value / 1e6, probability), 3.0, &ring(SIMULATED, 1.6));
        }
    }
}

/// The lines first, so that they lie behind all labels.
fn percentiles(svg: &mut Svg, frame: Frame, answer: &Answer) {
    for (_, probability) in PERCENTILES {
        let Some(ms) = quantile(answer, probability) else { continue };
        let (x, y) = frame.point(ms, probability);
        svg.line((x, y), (x, frame.y(0.0)), INK, r#"stroke-width="1" stroke-dasharray="3 4""#);
    }
    for (at, (name, probability)) in PERCENTILES.into_iter().enumerate() {
        let Some(ms) = quantile(answer, probability) else { continue };
        let (x, _) = frame.point(ms, probability);
        // Where the curve is steep the labels stand below it, further right above one another.
        let y = frame.y(0.08 + 0.12 * at as f64);
        let is_right = frame.left + 0.86 * frame.width < x;
        let (x, anchor) = if is_right { (x - 6.0, Anchor::End) } else { (x + 6.0, Anchor::Start) };
        svg.text((x, y), 13.0, anchor, INK, &format!("{name}  {}", millis(ms * 1e6)));
    }
}

fn legend(svg: &mut Svg, answer: &Answer) {
    let mut left = 70.0;
    if answer.limit.is_some() {
        svg.line((left, 98.0), (left + 26.0, 98.0), EXACT, r#"stroke-width="2.6""#);
        svg.text((left + 33.0, 102.0), 12.5, Anchor::Start, INK, "exact");
        left += 92.0;
    }
    svg.dot((left + 6.0, 98.0), 3.0, &ring(SIMULATED, 1.6));
    svg.text(
        (left + 16.0, 102.0),
        12.5,
        Anchor::Start,
        INK,
        &format!("simulated, {} elections", grouped(answer.sample.trials as u64)),
    );
}

/// Round numbers from 0 to an end, about ten of them.
fn ticks(end: f64) -> Vec<f64> {
    let rough = end / 10.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|it| it * power).into_iter().find(|&it| rough <= it).unwrap_or(power * 10.0);
    (0..).map(|at| f64::from(at) * step).take_while(|&it| it <= end).collect()
}

/// Where the bars are: on a logarithmic scale what falls geometrically falls in a straight line.
const BARS: Frame =
    Frame { left: 720.0, top: 110.0, width: 232.0, height: 340.0, from: 0.0, to: 1.0, logarithmic: true };

/// Powers of ten on that scale, and their names.
const DECADES: [&str; 6] = ["1", "0.1", "0.01", "0.001", "10⁻⁴", "10⁻⁵"];

/// Terms that have a bar.
const SHOWN: usize = 5;

/// Where a probability lies on that scale.
fn height_of(probability: f64) -> f64 {
    let decades = DECADES.len() as f64 - 1.0;
    BARS.top + BARS.height * (-probability.max(10f64.powf(-decades)).log10() / decades).clamp(0.0, 1.0)
}

fn terms(svg: &mut Svg, answer: &Answer) {
    let Frame { left, top, width, height, .. } = BARS;
    svg.text((left, 98.0), 12.5, Anchor::Start, INK, "no leader after so many terms");
    for (decade, words) in DECADES.into_iter().enumerate() {
        let y = top + height * decade as f64 / (DECADES.len() as f64 - 1.0);
        svg.line((left, y), (left + width, y), FAINT, "");
        svg.text((left - 8.0, y + 4.0), 12.0, Anchor::End, GREY, words);
    }
    (1..=SHOWN).for_each(|terms| bar_of(svg, answer, terms));
    svg.text((left + width / 2.0, top + height + 42.0), 13.0, Anchor::Middle, INK, "terms");
    svg.line((left + width - 96.0, top + 14.0), (left + width - 74.0, top + 14.0), INK, r#"stroke-width="1.8""#);
    svg.text((left + width - 68.0, top + 18.0), 12.5, Anchor::Start, INK, "closed form");
}

/// How probable it is that so many terms are not enough, in all three answers.
fn bar_of(svg: &mut Svg, answer: &Answer, terms: usize) {
    let (middle, bottom) = (BARS.left + BARS.width / SHOWN as f64 * (terms as f64 - 0.5), BARS.top + BARS.height);
    svg.text((middle, bottom + 20.0), 12.0, Anchor::Middle, GREY, &terms.to_string());
    let seen = answer.sample.within_terms(terms);
    let probability = answer.limit.as_ref().map_or(1.0 - seen.value, |limit| 1.0 - limit.within_terms(terms));
    let colour = if answer.limit.is_some() { EXACT } else { SIMULATED };
    let y = height_of;
    svg.bar((middle - 13.0, y(probability)), 26.0, bottom - y(probability), colour);
    if answer.limit.is_some() && seen.value < 1.0 {
        svg.line((middle, y(1.0 - seen.low)), (middle, y(1.0 - seen.high)), SIMULATED, r#"stroke-width="2""#);
        svg.dot((middle, y(1.0 - seen.value)), 3.5, &ring(SIMULATED, 1.8));
    }
    let form = y(1.0 - closed_form::within_terms(answer.split, terms));
    svg.line((middle - 18.0, form), (middle + 18.0, form), INK, r#"stroke-width="1.8""#);
}
