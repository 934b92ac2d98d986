//! Pictures of distributions, as SVG that stands alone.

use std::fmt::Write as _;

use crate::timing::answer::Answer;
use crate::timing::closed;
use crate::timing::told::{PERCENTILES, millis};

const EXACT: &str = "#1f5fa8";
const SIMULATED: &str = "#e07b1a";
const FAINT: &str = "#d9dde3";
const INK: &str = "#24292f";
const GREY: &str = "#6b7280";

/// A drawing that grows.
pub(crate) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// Where a word is put, relative to its point.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(crate) fn new(width: f64, height: f64) -> Svg {
        Svg { width, height, body: String::new() }
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, style: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.body,
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}" {style}/>"#
        );
    }

    fn path(&mut self, points: &[(f64, f64)], colour: &str, style: &str) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        let _ = writeln!(
            self.body,
            r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-linejoin="round" {style}/>"#
        );
    }

    fn dot(&mut self, (x, y): (f64, f64), radius: f64, style: &str) {
        let _ = writeln!(self.body, r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" {style}/>"#);
    }

    fn bar(&mut self, (x, y): (f64, f64), width: f64, height: f64, colour: &str) {
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#
        );
    }

    fn text(&mut self, (x, y): (f64, f64), size: f64, anchor: Anchor, colour: &str, words: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let words = words.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" stroke="white" stroke-width="3" paint-order="stroke">{words}</text>"#
        );
    }

    fn finish(self) -> String {
        let Svg { width, height, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{body}</svg>\n"
        )
    }
}

/// A rectangle of a drawing in which values have their places.
#[derive(Clone, Copy)]
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    /// What lies at the left and at the right end, in milliseconds.
    from: f64,
    to: f64,
    logarithmic: bool,
}

impl Frame {
    fn x(&self, ms: f64) -> f64 {
        let scale = |value: f64| if self.logarithmic { value.max(1e-3).ln() } else { value };
        self.left + self.width * (scale(ms) - scale(self.from)) / (scale(self.to) - scale(self.from))
    }

    /// Where a probability lies.
    fn y(&self, probability: f64) -> f64 {
        self.top + self.height * (1.0 - probability)
    }

    fn point(&self, ms: f64, probability: f64) -> (f64, f64) {
        (self.x(ms).clamp(self.left, self.left + self.width), self.y(probability))
    }

    /// Lines and words of both axes.
    fn draw(&self, svg: &mut Svg, ticks: &[f64]) {
        for percent in [0.0, 20.0, 40.0, 60.0, 80.0, 100.0] {
            let y = self.y(percent / 100.0);
            svg.line((self.left, y), (self.left + self.width, y), FAINT, "");
            svg.text((self.left - 8.0, y + 4.0), 12.0, Anchor::End, GREY, &format!("{percent} %"));
        }
        let bottom = self.top + self.height;
        for &tick in ticks {
            svg.line((self.x(tick), bottom), (self.x(tick), bottom + 5.0), GREY, "");
            svg.text((self.x(tick), bottom + 20.0), 12.0, Anchor::Middle, GREY, &format!("{tick}"));
        }
        svg.text(
            (self.left + self.width / 2.0, bottom + 42.0),
            13.0,
            Anchor::Middle,
            INK,
            "milliseconds without a leader",
        );
    }
}

/// Round numbers from 0 to an end, about ten of them.
fn ticks(end: f64) -> Vec<f64> {
    let rough = end / 10.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|it| it * power).into_iter().find(|&it| rough <= it).unwrap_or(power * 10.0);
    (0..).map(|at| f64::from(at) * step).take_while(|&it| it <= end).collect()
}

/// The time without a leader, and how improbable it is that so many terms are not enough.
pub(crate) fn answer(answer: &Answer) -> String {
    let mut svg = Svg::new(980.0, 520.0);
    svg.text((28.0, 34.0), 19.0, Anchor::Start, INK, "How long an election takes");
    for (at, line) in in_lines(&answer.setting.to_string(), 130).iter().enumerate() {
        svg.text((28.0, 56.0 + 17.0 * at as f64), 12.5, Anchor::Start, GREY, line);
    }
    times(&mut svg, answer);
    terms(&mut svg, answer);
    svg.finish()
}

fn times(svg: &mut Svg, answer: &Answer) {
    let quantile = |probability| {
        let exact = answer.limit.as_ref().and_then(|limit| limit.quantile(probability));
        exact.or(answer.sample.quantile(probability).map(|it| it.value)).map(|it| it / 1e6)
    };
    let end = quantile(0.999).or(quantile(0.5)).unwrap_or(1.0) * 1.12;
    let frame = Frame { left: 70.0, top: 110.0, width: 560.0, height: 340.0, from: 0.0, to: end, logarithmic: false };
    frame.draw(svg, &ticks(end));
    if let Some(limit) = &answer.limit {
        let at = |step: u32| {
            let ms = end * f64::from(step) / 400.0;
            frame.point(ms, limit.of(|it| Some(it.distribution.within(ms * 1e6))).unwrap_or_default().clamp(0.0, 1.0))
        };
        svg.path(&(0..=400).map(at).collect::<Vec<_>>(), EXACT, r#"stroke-width="2.6""#);
    }
    for step in 0..50 {
        let probability = (f64::from(step) + 0.5) / 50.0;
        if let Some(time) = answer.sample.quantile(probability) {
            svg.dot(
                frame.point(time.value / 1e6, probability),
                3.0,
                &format!(r#"fill="white" stroke="{SIMULATED}" stroke-width="1.6""#),
            );
        }
    }
    for (_, probability) in PERCENTILES {
        let Some(ms) = quantile(probability) else { continue };
        let (x, y) = frame.point(ms, probability);
        svg.line((x, y), (x, frame.y(0.0)), INK, r#"stroke-width="1" stroke-dasharray="3 4""#);
    }
    for (at, (name, probability)) in PERCENTILES.into_iter().enumerate() {
        let Some(ms) = quantile(probability) else { continue };
        let (x, _) = frame.point(ms, probability);
        // Where the curve is steep the labels stand below it, further right above one another.
        let label = (x + 6.0, frame.y(0.08 + 0.12 * at as f64));
        let (label, anchor) = if frame.left + 0.86 * frame.width < x {
            ((x - 6.0, label.1), Anchor::End)
        } else {
            (label, Anchor::Start)
        };
        svg.text(label, 13.0, anchor, INK, &format!("{name}  {}", millis(ms * 1e6)));
    }
    legend(svg, answer);
}

fn legend(svg: &mut Svg, answer: &Answer) {
    let mut left = 70.0;
    if answer.limit.is_some() {
        svg.line((left, 98.0), (left + 26.0, 98.0), EXACT, r#"stroke-width="2.6""#);
        svg.text((left + 33.0, 102.0), 12.5, Anchor::Start, INK, "exact");
        left += 92.0;
    }
    svg.dot((left + 6.0, 98.0), 3.0, &format!(r#"fill="white" stroke="{SIMULATED}" stroke-width="1.6""#));
    svg.text(
        (left + 16.0, 102.0),
        12.5,
        Anchor::Start,
        INK,
        &format!("simulated, {} elections", crate::console::grouped(answer.sample.trials as u64)),
    );
}

/// Bars on a logarithmic scale: what falls geometrically falls in a straight line.
fn terms(svg: &mut Svg, answer: &Answer) {
    const DECADES: f64 = 5.0;
    const SHOWN: usize = 5;
    let (left, top, width, height) = (720.0, 110.0, 232.0, 340.0);
    let y = |odds: f64| top + height * (-odds.max(10f64.powf(-DECADES)).log10() / DECADES).clamp(0.0, 1.0);
    svg.text((left, 98.0), 12.5, Anchor::Start, INK, "no leader after so many terms");
    for (decade, words) in ["1", "0.1", "0.01", "0.001", "10⁻⁴", "10⁻⁵"].into_iter().enumerate() {
        let y = top + height * decade as f64 / DECADES;
        svg.line((left, y), (left + width, y), FAINT, "");
        svg.text((left - 8.0, y + 4.0), 12.0, Anchor::End, GREY, words);
    }
    let wide = width / SHOWN as f64;
    for terms in 1..=SHOWN {
        let middle = left + wide * (terms as f64 - 0.5);
        svg.text((middle, top + height + 20.0), 12.0, Anchor::Middle, GREY, &terms.to_string());
        let seen = answer.sample.within_terms(terms);
        let odds = answer.limit.as_ref().map_or(1.0 - seen.value, |limit| 1.0 - limit.within_terms(terms));
        let colour = if answer.limit.is_some() { EXACT } else { SIMULATED };
        svg.bar((middle - 13.0, y(odds)), 26.0, top + height - y(odds), colour);
        if answer.limit.is_some() && seen.value < 1.0 {
            svg.line((middle, y(1.0 - seen.low)), (middle, y(1.0 - seen.high)), SIMULATED, r#"stroke-width="2""#);
            svg.dot(
                (middle, y(1.0 - seen.value)),
                3.5,
                &format!(r#"fill="white" stroke="{SIMULATED}" stroke-width="1.8""#),
            );
        }
        let form = y(1.0 - closed::within_terms(answer.split, terms));
        svg.line((middle - 18.0, form), (middle + 18.0, form), INK, r#"stroke-width="1.8""#);
    }
    svg.text((left + width / 2.0, top + height + 42.0), 13.0, Anchor::Middle, INK, "terms");
    svg.line((left + width - 96.0, top + 14.0), (left + width - 74.0, top + 14.0), INK, r#"stroke-width="1.8""#);
    svg.text((left + width - 68.0, top + 18.0), 12.5, Anchor::Start, INK, "closed form");
}

fn in_lines(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is a line");
        if most < line.len() + word.len() {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// Curves of one range of timeouts: measured by others, and computed in two ways.
pub(crate) struct Compared {
    pub(crate) name: String,
    /// Milliseconds and probabilities, rising.
    pub(crate) measured: Vec<(f64, f64)>,
    pub(crate) computed: Vec<(f64, f64)>,
    pub(crate) ours: Vec<(f64, f64)>,
}

/// Several ranges of timeouts in one picture.
pub(crate) fn overlay(title: &str, about: &str, curves: &[Compared]) -> String {
    const COLOURS: [&str; 5] = ["#7a3b9a", "#1f5fa8", "#1d8a6a", "#c98a0a", "#c0392b"];
    let mut svg = Svg::new(980.0, 600.0);
    svg.text((28.0, 34.0), 19.0, Anchor::Start, INK, title);
    for (at, line) in in_lines(about, 135).iter().enumerate() {
        svg.text((28.0, 56.0 + 17.0 * at as f64), 12.5, Anchor::Start, GREY, line);
    }
    let frame =
        Frame { left: 70.0, top: 128.0, width: 880.0, height: 400.0, from: 10.0, to: 1000.0, logarithmic: true };
    frame.draw(&mut svg, &[10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]);
    for (curve, colour) in curves.iter().zip(COLOURS) {
        let places = |points: &[(f64, f64)]| points.iter().map(|&(ms, odds)| frame.point(ms, odds)).collect::<Vec<_>>();
        svg.path(&places(&curve.ours), colour, r#"stroke-width="1.3" stroke-dasharray="5 4" opacity="0.75""#);
        svg.path(&places(&curve.computed), colour, r#"stroke-width="2.4""#);
        for place in places(&curve.measured) {
            svg.dot(place, 2.6, &format!(r#"fill="white" stroke="{colour}" stroke-width="1.4""#));
        }
    }
    for (at, (curve, colour)) in curves.iter().zip(COLOURS).enumerate() {
        let (x, y) = (frame.x(560.0), frame.y(0.62 - 0.06 * at as f64));
        svg.line((x, y - 4.0), (x + 22.0, y - 4.0), colour, r#"stroke-width="2.4""#);
        svg.text((x + 30.0, y), 12.5, Anchor::Start, colour, &curve.name);
    }
    svg.text((frame.x(560.0), frame.y(0.68)), 12.5, Anchor::Start, INK, "timeouts");
    let y = 112.0;
    svg.dot((76.0, y - 4.0), 2.6, &format!(r#"fill="white" stroke="{INK}" stroke-width="1.4""#));
    svg.text((88.0, y), 12.5, Anchor::Start, INK, "measured (Figure 16)");
    svg.line((236.0, y - 4.0), (262.0, y - 4.0), INK, r#"stroke-width="2.4""#);
    svg.text((270.0, y), 12.5, Anchor::Start, INK, "computed, plain Raft as measured");
    svg.line((496.0, y - 4.0), (522.0, y - 4.0), INK, r#"stroke-width="1.3" stroke-dasharray="5 4""#);
    svg.text((530.0, y), 12.5, Anchor::Start, INK, "computed, with PreVote as deployed here");
    svg.finish()
}
