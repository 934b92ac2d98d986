//! A drawing as SVG that stands alone: lines, dots, bars and words, and a frame with axes.
//!
//! `plotters` would draw the axes, but it puts every point on a whole pixel, so that flat curves go in
//! steps, and it has no halo behind words that lie on lines.

use std::fmt::Write as _;

pub(super) const FAINT: &str = "#d9dde3";
pub(super) const INK: &str = "#24292f";
pub(super) const GREY: &str = "#6b7280";

/// A drawing that grows.
pub(super) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// Where a word is put, relative to its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Svg {
        Svg { width, height, body: String::new() }
    }

    /// A title, and what is to be said of the picture, in lines of so many letters.
    pub(super) fn head(&mut self, title: &str, about: &str, most: usize) {
        self.text((28.0, 34.0), 19.0, Anchor::Start, INK, title);
        for (at, line) in in_lines(about, most).iter().enumerate() {
            self.text((28.0, 56.0 + 17.0 * at as f64), 12.5, Anchor::Start, GREY, line);
        }
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, style: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.body,
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}" {style}/>"#
        );
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], colour: &str, style: &str) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        let _ = writeln!(
            self.body,
            r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-linejoin="round" {style}/>"#
        );
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), radius: f64, style: &str) {
        let _ = writeln!(self.body, r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" {style}/>"#);
    }

    pub(super) fn bar(&mut self, (x, y): (f64, f64), width: f64, height: f64, colour: &str) {
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#
        );
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), size: f64, anchor: Anchor, colour: &str, words: &str) {
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

    pub(super) fn finish(self) -> String {
        let Svg { width, height, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{body}</svg>\n"
        )
    }
}

/// The style of a dot that is empty within.
pub(super) fn ring(colour: &str, width: f64) -> String {
    format!(r#"fill="white" stroke="{colour}" stroke-width="{width}""#)
}

/// A rectangle of a drawing in which values have their places.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    /// What lies at the left and at the right end, in milliseconds.
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) logarithmic: bool,
}

impl Frame {
    pub(super) fn x(&self, ms: f64) -> f64 {
        let scale = |value: f64| if self.logarithmic { value.max(1e-3).ln() } else { value };
        self.left + self.width * (scale(ms) - scale(self.from)) / (scale(self.to) - scale(self.from))
    }

    /// Where a probability lies.
    pub(super) fn y(&self, probability: f64) -> f64 {
        self.top + self.height * (1.0 - probability)
    }

    pub(super) fn point(&self, ms: f64, probability: f64) -> (f64, f64) {
        (self.x(ms).clamp(self.left, self.left + self.width), self.y(probability))
    }

    /// Lines and words of both axes.
    pub(super) fn draw(&self, svg: &mut Svg, ticks: &[f64]) {
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
