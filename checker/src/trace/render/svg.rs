//! The message-sequence chart as SVG: a lane for each server, time from top to bottom.
//!
//! Whatever a colour says is also said in words or by a line's style: roles and terms are written, what
//! is not on disk is dashed, what is committed is barred, what is lost ends in a cross.

use std::fmt::Write as _;

use crate::trace::render::arrows::Arrow;
use crate::trace::render::chart::{Chart, ChartStep};
use crate::trace::render::layout::{
    AFTERWARDS_LINE, BOX_WIDTH, CELL_HEIGHT, CELL_WIDTH, LINE, Layout, MAX_CELLS, Row, box_height, details, lost_in,
    marks,
};
use crate::trace::render::names::label;
use crate::trace::render::schedule::Line;
use crate::trace::render::state::{LogEntry, ServerState};

const STYLE: &str = include_str!("picture.css");

/// A file of it.
pub(crate) fn standalone(chart: &Chart) -> String {
    format!("{}\n", drawn(chart))
}

/// The element.
pub(crate) fn drawn(chart: &Chart) -> String {
    drawn_with_links(chart, &[])
}

/// The same with a link from the number of each step, as far as there are links.
pub(crate) fn drawn_with_links(chart: &Chart, links: &[String]) -> String {
    let layout = Layout::of(chart);
    let mut svg = Svg { out: String::new(), layout: &layout, chart, links };
    svg.open();
    chart.steps.iter().zip(&layout.rows).for_each(|(step, row)| svg.row(step, row));
    svg.lanes();
    svg.open_layer("arrows");
    chart.messages.iter().for_each(|message| svg.arrows(message));
    svg.close_layer();
    svg.open_layer("boxes");
    svg.boxes();
    svg.close_layer();
    svg.open_layer("labels");
    chart.messages.iter().for_each(|message| svg.labels(message));
    chart.steps.iter().zip(&layout.rows).for_each(|(step, row)| svg.broken(step, row));
    svg.close_layer();
    svg.afterwards();
    svg.legend();
    svg.out + "</svg>"
}

/// A text in XML.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No other control is a character of XML.
            other if other.is_control() && !['\n', '\t'].contains(&other) => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

struct Svg<'a> {
    out: String,
    layout: &'a Layout,
    chart: &'a Chart,
    links: &'a [String],
}

impl Svg<'_> {
    fn text(&mut self, class: &str, x: i32, y: i32, words: &str) {
        let _ = writeln!(self.out, r#"<text class="{class}" x="{x}" y="{y}">{}</text>"#, escaped(words));
    }

    fn rectangle(&mut self, class: &str, [x, y, width, height]: [i32; 4]) {
        let _ = writeln!(self.out, r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"/>"#);
    }

    fn line(&mut self, class: &str, [x1, y1, x2, y2]: [i32; 4]) {
        let _ = writeln!(self.out, r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#);
    }

    fn open_layer(&mut self, name: &str) {
        let _ = writeln!(self.out, r#"<g class="layer {name}">"#);
    }

    fn close_layer(&mut self) {
        self.out.push_str("</g>\n");
    }

    fn open(&mut self) {
        let Layout { width, height, .. } = *self.layout;
        let title = escaped(&self.chart.title);
        let _ = writeln!(
            self.out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">
<title>{title}</title>
<style>
{STYLE}</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="head" d="M0 0.5 L8 4 L0 7.5 z"/></marker></defs>"#
        );
        self.rectangle("page", [0, 0, width, height]);
        self.text("title", 14, 28, &self.chart.title);
        for (at, remark) in self.layout.remarks.iter().enumerate() {
            self.text("muted", 14, 46 + LINE * at as i32, remark);
        }
    }

    /// What a step says on its own: what stands behind the lanes, and the words beside them.
    fn row(&mut self, step: &ChartStep, row: &Row) {
        let (width, number) = (self.layout.width, step.step);
        let said = escaped(&format!("{} {}\n{}", number, step.action, step.changes.join("\n")));
        let _ = writeln!(self.out, r#"<g class="step" id="step-{number}" data-step="{number}"><title>{said}</title>"#);
        let shade = if number % 2 == 0 { "row even" } else { "row" };
        self.rectangle(shade, [0, row.top, width, row.height]);
        for (at, band) in row.bands.iter().enumerate() {
            let y = row.top + 20 * at as i32;
            if band.starts_with("partition") || band == "heal" {
                self.line("band", [0, y + 10, width, y + 10]);
            }
            self.text("band-words", 42, y + 14, band);
        }
        let link = self.links.get(number - 1);
        if let Some(link) = link {
            let _ = write!(self.out, r#"<a href="{}">"#, escaped(link));
        }
        self.text("number", 32, row.box_top + 12, &number.to_string());
        self.out.push_str(link.map_or("", |_| "</a>\n"));
        for (at, words) in row.words.iter().enumerate() {
            self.text("action", 42, row.box_top + 12 + LINE * at as i32, words);
        }
        self.close_layer();
    }

    /// What a step broke, over all lanes.
    fn broken(&mut self, step: &ChartStep, row: &Row) {
        for (at, broken) in step.broken.iter().enumerate() {
            let y = row.broken_top(step) + 20 * at as i32;
            self.rectangle("broken", [6, y, self.layout.width - 12, 18]);
            self.text("broken-words", 42, y + 13, &format!("BROKEN: {broken}"));
        }
    }

    fn lanes(&mut self) {
        let Layout { lanes_top, lanes_bottom, .. } = *self.layout;
        self.open_layer("lanes");
        for server in 1..=self.chart.servers as u32 {
            let x = self.layout.lane(server);
            self.line("life", [x, lanes_top + 24, x, lanes_bottom]);
            self.text("lane", x, lanes_top + 16, &format!("server {server}"));
        }
        self.text("muted", 42, self.layout.start_top + 12, "start");
        self.text("muted", 42, lanes_bottom + 12, "in the end");
        self.close_layer();
    }

    /// The ways of a message: one for each time that it arrives, a stub if it never does.
    fn arrows(&mut self, message: &Arrow) {
        let side = side(message);
        let (from, to) = (self.layout.lane(message.from), self.layout.lane(message.to));
        let (leaves, arrives) = (from + side * BOX_WIDTH / 2, to - side * BOX_WIDTH / 2);
        let title = escaped(&message.words());
        for (at, step) in message.received.iter().enumerate() {
            let y2 = self.layout.rows[step - 1].arrival();
            let (class, x1, y1) = match message.sent {
                None => ("arrow unsent", arrives - side * 40, y2 - 12),
                Some(sent) => {
                    let class = if at == 0 { "arrow" } else { "arrow again" };
                    (class, leaves, self.layout.rows[sent - 1].departure())
                }
            };
            let _ = writeln!(
                self.out,
                r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{arrives}" y2="{y2}" marker-end="url(#head)"><title>{title}</title></line>"#
            );
        }
        if let (true, Some(sent)) = (message.is_lost(), message.sent) {
            let y = self.stub(sent, message);
            let end = leaves + side * 18;
            let _ = writeln!(
                self.out,
                r#"<path class="arrow lost" d="M{leaves} {y} L{end} {y}"><title>{title}</title></path><path class="cross" d="M{} {} l6 6 m0 -6 l-6 6"/>"#,
                end - 3,
                y - 3
            );
        }
    }

    /// Where what is lost leaves its sender, each lower than the one before.
    fn stub(&self, sent: usize, message: &Arrow) -> i32 {
        let above = lost_in(self.chart, sent).take_while(|other| *other != message).count() as i32;
        self.layout.rows[sent - 1].stub(&self.chart.steps[sent - 1], above)
    }

    fn labels(&mut self, message: &Arrow) {
        let side = side(message);
        let (from, to) = (self.layout.lane(message.from), self.layout.lane(message.to));
        let anchor = |ends: bool| if ends { "label ends" } else { "label" };
        for (at, step) in message.received.iter().enumerate() {
            let again = if at == 0 { "" } else { " (again)" };
            let y = self.layout.rows[step - 1].arrival() + 12;
            let words = format!("{}{again}", label(&message.message));
            self.text(anchor(side > 0), to - side * (BOX_WIDTH / 2 + 4), y, &words);
        }
        if let (true, Some(sent)) = (message.is_lost(), message.sent) {
            let (x, y) = (from + side * (BOX_WIDTH / 2 + 25), self.stub(sent, message) + 3);
            let class = format!("{} faint", anchor(side < 0));
            self.text(&class, x, y, &format!("{} to {}", label(&message.message), message.to));
        }
    }

    fn boxes(&mut self) {
        let (chart, layout) = (self.chart, self.layout);
        for state in &chart.start {
            self.state(state, layout.start_top, box_height(state), None);
        }
        for (step, row) in chart.steps.iter().zip(&layout.rows) {
            self.state(step.actor(), row.box_top, row.box_height, marks(step));
        }
        let last = chart.steps.last().map_or(&chart.start, |step| &step.states);
        for state in last {
            self.state(state, layout.lanes_bottom, box_height(state), None);
        }
    }

    /// A server in its lane.
    fn state(&mut self, state: &ServerState, top: i32, height: i32, mark: Option<&str>) {
        let x = self.layout.lane(state.server) - BOX_WIDTH / 2;
        self.rectangle(&format!("state term-{} {}", tint(state.term), state.role), [x, top, BOX_WIDTH, height]);
        self.rectangle(&format!("role {}", state.role), [x, top, 6, height]);
        let mut y = top + 14;
        if let Some(mark) = mark {
            let _ = write!(self.out, r#"<path class="crash" d="M{x} {top}"#);
            (0..BOX_WIDTH / 15).for_each(|_| {
                let _ = write!(self.out, " l7 -5 l8 5");
            });
            self.out.push_str("\"/>\n");
            self.text("crash-words", x + 12, y, mark);
            y += LINE;
        }
        self.text("role-words", x + 12, y, &format!("{}, term {}", state.role, state.term));
        for line in details(state) {
            y += LINE;
            self.text("details", x + 12, y, &line);
        }
        self.strip(state, x + 9, y + 5);
    }

    /// The log, a cell for each entry.
    fn strip(&mut self, state: &ServerState, x: i32, top: i32) {
        let skipped = state.log.len().saturating_sub(MAX_CELLS);
        for (at, entry) in state.log.iter().skip(skipped).enumerate() {
            let x = x + (CELL_WIDTH - 1) * at as i32;
            self.rectangle(&cell(entry), [x, top, CELL_WIDTH - 1, CELL_HEIGHT]);
            if entry.committed {
                self.rectangle("bar", [x + 1, top + CELL_HEIGHT - 3, CELL_WIDTH - 3, 3]);
            }
            let words = match () {
                () if at == 0 && skipped > 0 => format!("..{}", entry.index),
                () if !entry.readable => "?".to_owned(),
                () if entry.index <= state.snapshot => format!("S{}", entry.index),
                () => format!("{}@{}", entry.index, entry.term),
            };
            self.text("cell-words", x + CELL_WIDTH / 2, top + 11, &words);
        }
    }

    /// What follows the run, a line each: messages and events in the lanes, the rest in words.
    fn afterwards(&mut self) {
        let (chart, layout) = (self.chart, self.layout);
        for (at, text) in chart.afterwards.iter().enumerate() {
            let y = layout.afterwards_top + AFTERWARDS_LINE * at as i32;
            let line = Line::of(text, chart.servers);
            let is_in_lanes = !matches!(line, Line::Words(_));
            for x in (1..=chart.servers as u32).filter(|_| is_in_lanes).map(|server| layout.lane(server)) {
                self.line("life", [x, y - 12, x, y + 4]);
            }
            match line {
                Line::Words(words) => self.text("action", 42, y, words),
                Line::Event { server, words } => self.text("event", layout.lane(server), y, words),
                Line::Message { from, to, words } => {
                    self.text("action faint", 60, y, text.trim());
                    let (x1, x2, y) = (layout.lane(from), layout.lane(to), y - 4);
                    let _ = writeln!(
                        self.out,
                        r#"<line class="arrow" x1="{x1}" y1="{y}" x2="{x2}" y2="{y}" marker-end="url(#head)"><title>{}</title></line>"#,
                        escaped(words)
                    );
                }
            }
        }
    }

    fn legend(&mut self) {
        let mut x = 42;
        for role in ["leader", "candidate", "pre-candidate", "follower"] {
            self.rectangle(&format!("role {role}"), [x, self.layout.legend_top, 6, 14]);
            self.text("muted", x + 10, self.layout.legend_top + 11, role);
            x += 110;
        }
        for (at, line) in self.layout.legend.iter().enumerate() {
            self.text("muted", 42, self.layout.legend_top + 32 + LINE * at as i32, line);
        }
    }
}

/// Which way a message goes: 1 to the right, -1 to the left.
fn side(message: &Arrow) -> i32 {
    if message.from < message.to { 1 } else { -1 }
}

/// Terms have six tints; the first, of term 0, has none.
fn tint(term: u64) -> u64 {
    if term == 0 { 0 } else { 1 + (term - 1) % 6 }
}

fn cell(entry: &LogEntry) -> String {
    let durable = if entry.durable { "durable" } else { "volatile" };
    format!("cell term-{} {durable}", tint(entry.term))
}
