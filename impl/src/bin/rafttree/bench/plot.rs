//! The distribution as a picture: measured as steps, theory as a line.
//!
//! Written by hand: one picture of two lines, in which a library would leave the axes, the steps and the
//! legend to be described all the same.

use std::fmt::Write as _;

use super::theory::Theory;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 48.0;

/// Ticks on the axis of time, about.
const TICKS: f64 = 8.0;

/// The axes: milliseconds to the right, probability upwards.
struct Axes {
    first: f64,
    last: f64,
}

impl Axes {
    fn x(&self, time: f64) -> f64 {
        LEFT + (time - self.first) / (self.last - self.first) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, probability: f64) -> f64 {
        HEIGHT - BOTTOM - probability * (HEIGHT - TOP - BOTTOM)
    }
}

/// A self-contained SVG; `samples` by rising size, at least one.
pub(super) fn svg(title: &str, samples: &[f64], theory: &Theory) -> String {
    let end = samples[samples.len() - 1].max(theory.quantile(0.999));
    let step = round_step((end - samples[0].min(theory.quantile(0.001))) / TICKS);
    let first = (samples[0].min(theory.quantile(0.001)) / step).floor() * step;
    let axes = Axes { first, last: (end / step).ceil() * step };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>{title}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"14\">{title}</text>\n"
    );
    grid(&mut out, &axes, step);
    line(&mut out, "#999999", &theory_points(&axes, theory));
    line(&mut out, "#0b62a4", &measured_points(&axes, samples));
    let legend = LEFT + 12.0;
    for (number, (colour, text)) in [("#0b62a4", "measured"), ("#999999", "theory")].into_iter().enumerate() {
        let y = TOP + 14.0 + 18.0 * number as f64;
        writeln!(out, "<rect x=\"{legend}\" y=\"{}\" width=\"18\" height=\"3\" fill=\"{colour}\"/>", y - 5.0)
            .expect(WRITES);
        writeln!(out, "<text x=\"{}\" y=\"{y}\">{text}</text>", legend + 24.0).expect(WRITES);
    }
    out.push_str("</svg>\n");
    out
}

const WRITES: &str = "a string takes all that is written";

/// 1, 2 or 5 times a power of ten.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.max(1e-3).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|&step| least <= step).unwrap_or(10.0 * power)
}

fn grid(out: &mut String, axes: &Axes, step: f64) {
    let (left, right, top, bottom) = (LEFT, WIDTH - RIGHT, axes.y(1.0), axes.y(0.0));
    let ticks = ((axes.last - axes.first) / step).round() as u32;
    for time in (0..=ticks).map(|tick| axes.first + f64::from(tick) * step) {
        let x = axes.x(time);
        let label = (time * 1000.0).round() / 1000.0;
        writeln!(out, "<path d=\"M{x:.1} {top}V{bottom}\" stroke=\"#e5e5e5\"/>").expect(WRITES);
        writeln!(out, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", bottom + 18.0)
            .expect(WRITES);
    }
    for percent in [0, 25, 50, 75, 100] {
        let y = axes.y(f64::from(percent) / 100.0);
        writeln!(out, "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#e5e5e5\"/>").expect(WRITES);
        let (x, y) = (left - 8.0, y + 4.0);
        writeln!(out, "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{percent} %</text>").expect(WRITES);
    }
    writeln!(
        out,
        "<text x=\"{right}\" y=\"{}\" text-anchor=\"end\">milliseconds without a confirmed leader</text>",
        bottom + 36.0
    )
    .expect(WRITES);
}

fn theory_points(axes: &Axes, theory: &Theory) -> Vec<(f64, f64)> {
    const STEPS: u32 = 200;
    let time = |step| axes.first + (axes.last - axes.first) * f64::from(step) / f64::from(STEPS);
    (0..=STEPS).map(time).map(|time| (axes.x(time), axes.y(theory.distribution(time)))).collect()
}

fn measured_points(axes: &Axes, samples: &[f64]) -> Vec<(f64, f64)> {
    let share = |count: usize| axes.y(count as f64 / samples.len() as f64);
    let steps = samples.iter().enumerate();
    let steps = steps.flat_map(|(rank, &time)| [(axes.x(time), share(rank)), (axes.x(time), share(rank + 1))]);
    [(axes.x(axes.first), share(0))]
        .into_iter()
        .chain(steps)
        .chain([(axes.x(axes.last), share(samples.len()))])
        .collect()
}

fn line(out: &mut String, colour: &str, points: &[(f64, f64)]) {
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let points = points.join(" ");
    writeln!(out, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>")
        .expect(WRITES);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_lies_within_the_picture() {
        let theory = Theory { survivors: 2, least: 100.0, spread: 100.0, phase: 10.0, delay: 1.0 };
        let samples = [96.0, 120.0, 151.0, 333.0];
        let picture = svg("leader paused", &samples, &theory);
        let lines: Vec<&str> = picture.lines().filter(|line| line.starts_with("<polyline")).collect();
        assert_eq!(lines.len(), 2);
        for line in lines {
            let points = line.split('"').nth(1).unwrap().split(' ');
            for point in points {
                let (x, y) = point.split_once(',').unwrap();
                let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                assert!((LEFT..=WIDTH - RIGHT).contains(&x) && (TOP..=HEIGHT - BOTTOM).contains(&y), "{point}");
            }
        }
        assert!(picture.contains(">350</text>") && picture.contains("leader paused</title>"), "{picture}");
    }

    #[test]
    fn ticks_are_round() {
        for (least, step) in [(0.7, 1.0), (1.0, 1.0), (1.1, 2.0), (23.0, 50.0), (51.0, 100.0)] {
            assert!((round_step(least) - step).abs() < 1e-9, "{least}");
        }
    }
}
