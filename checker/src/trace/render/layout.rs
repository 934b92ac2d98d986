//! Where everything stands in a message-sequence chart: a lane for each server, a row for each step.
//!
//! All lengths are in pixels at the picture's own size.

use crate::trace::render::arrows::Arrow;
use crate::trace::render::chart::{Chart, ChartStep};
use crate::trace::render::state::ServerState;
use crate::trace::render::text::partition;

/// What stands left of the lanes: the steps in words.
pub(crate) const GUTTER: i32 = 330;

/// From the middle of one lane to that of the next.
const LANE: i32 = 262;

/// The box with a server's state.
pub(crate) const BOX_WIDTH: i32 = 158;

pub(crate) const LINE: i32 = 14;

/// A line of what follows the run.
pub(crate) const AFTERWARDS_LINE: i32 = 16;

/// The entries of a log, a cell each.
pub(crate) const CELL_WIDTH: i32 = 28;
pub(crate) const CELL_HEIGHT: i32 = 16;

/// More entries than this are shown as the last ones.
pub(crate) const MAX_CELLS: usize = 5;

const HEADER: i32 = 44;
const LANE_HEAD: i32 = 26;
const BAND: i32 = 20;
const ROW_GAP: i32 = 12;

/// From one lost message to the next.
const STUB: i32 = 13;
/// What arrives has its name below; what leaves in the same step leaves lower.
const BELOW_ARRIVAL: i32 = 29;

/// Letters of a line in the gutter.
const GUTTER_LETTERS: usize = 42;

/// How a picture is read.
const LEGEND: [&str; 3] = [
    "A box is its server after the step. Bar: leader, candidate, pre-candidate, follower; tint: the term.",
    "Cells are entries, index@term: solid on disk, dashed not yet, barred below if known to be committed; \
     S stands in a snapshot, ? cannot be read.",
    "Arrows lead from the step that sends to the one that receives; dotted, if it arrives again; a cross: \
     lost, or still under way in the end.",
];

/// The whole picture.
pub(crate) struct Layout {
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) remarks: Vec<String>,
    /// Where the lanes begin, with their names.
    pub(crate) lanes_top: i32,
    /// Where the first states stand.
    pub(crate) start_top: i32,
    pub(crate) rows: Vec<Row>,
    /// Where lanes end, and the last states stand.
    pub(crate) lanes_bottom: i32,
    /// Where the words begin that follow the run.
    pub(crate) afterwards_top: i32,
    pub(crate) legend_top: i32,
    pub(crate) legend: Vec<String>,
}

/// One step.
pub(crate) struct Row {
    pub(crate) top: i32,
    pub(crate) height: i32,
    /// Lines across the whole picture that stand before the step.
    pub(crate) bands: Vec<String>,
    /// Where the box stands.
    pub(crate) box_top: i32,
    pub(crate) box_height: i32,
    /// The action, in lines as long as the gutter is wide.
    pub(crate) words: Vec<String>,
}

impl Layout {
    pub(crate) fn of(chart: &Chart) -> Layout {
        let width = GUTTER + LANE * (chart.servers as i32 - 1) + BOX_WIDTH + 60;
        let remarks: Vec<_> = chart.remarks.iter().flat_map(|remark| wrapped(remark, width as usize / 7)).collect();
        let lanes_top = HEADER + LINE * remarks.len() as i32 + 6;
        let start_top = lanes_top + LANE_HEAD + 8;
        let mut top = start_top + tallest(&chart.start) + ROW_GAP;
        let mut rows = Vec::with_capacity(chart.steps.len());
        for step in &chart.steps {
            let row = Row::of(chart, step, top);
            top += row.height;
            rows.push(row);
        }
        let last = chart.steps.last().map_or(&chart.start, |step| &step.states);
        let lanes_bottom = top + ROW_GAP;
        let afterwards_top = lanes_bottom + tallest(last) + 2 * ROW_GAP;
        let legend_top = afterwards_top + AFTERWARDS_LINE * chart.afterwards.len() as i32 + ROW_GAP;
        let legend: Vec<_> = LEGEND.iter().flat_map(|line| wrapped(line, width as usize / 7)).collect();
        let height = legend_top + 32 + LINE * legend.len() as i32;
        Layout { width, height, remarks, lanes_top, start_top, rows, lanes_bottom, afterwards_top, legend_top, legend }
    }

    /// The middle of a server's lane.
    pub(crate) fn lane(&self, server: u32) -> i32 {
        GUTTER + LANE * (server as i32 - 1) + BOX_WIDTH / 2 + 15
    }
}

impl Row {
    fn of(chart: &Chart, step: &ChartStep, top: i32) -> Row {
        let divided = step.partition.iter().map(|groups| partition(groups));
        let bands: Vec<_> = divided.chain(step.line.clone()).collect();
        let words = wrapped(&step.action, GUTTER_LETTERS);
        let box_top = top + BAND * bands.len() as i32 + ROW_GAP / 2;
        let is_crash = marks(step).is_some();
        let first_departure = first_departure(step);
        let stubs = lost_in(chart, step.step).count() as i32;
        let leaves = chart.messages.iter().any(|message| message.sent == Some(step.step));
        let room = if leaves { first_departure + 7 + STUB * stubs } else { 0 };
        let content = box_height(step.actor()) + if is_crash { LINE } else { 0 };
        let box_height = content.max(room);
        let words_height = LINE * words.len() as i32;
        let broken = BAND * step.broken.len() as i32;
        let height = box_top - top + box_height.max(words_height) + ROW_GAP / 2 + broken;
        Row { top, height, bands, box_top, box_height, words }
    }

    /// Where a message arrives.
    pub(crate) fn arrival(&self) -> i32 {
        self.box_top + 9
    }

    /// Where a message leaves.
    pub(crate) fn departure(&self) -> i32 {
        self.box_top + self.box_height - 7
    }

    /// Where a lost message leaves, below so many others.
    pub(crate) fn stub(&self, step: &ChartStep, above: i32) -> i32 {
        self.box_top + first_departure(step) + STUB * above
    }

    /// Where the lines begin that say what the step broke.
    pub(crate) fn broken_top(&self, step: &ChartStep) -> i32 {
        self.top + self.height - BAND * step.broken.len() as i32
    }
}

/// How far below the top of its box the first message leaves in a step.
fn first_departure(step: &ChartStep) -> i32 {
    if step.verb == "deliver" { BELOW_ARRIVAL } else { 10 }
}

/// What a server has lost or not told in this step, if that is what happened.
pub(crate) fn marks(step: &ChartStep) -> Option<&'static str> {
    match step.verb.as_str() {
        "crash" => Some("crashes and restarts"),
        "damage" => Some("restarts, disk damaged"),
        _ => None,
    }
}

/// The messages that a step sends and that arrive at no time.
pub(crate) fn lost_in(chart: &Chart, step: usize) -> impl Iterator<Item = &Arrow> {
    chart.messages.iter().filter(move |message| message.sent == Some(step) && message.is_lost())
}

/// What a box says besides the role: lines below it.
pub(crate) fn details(state: &ServerState) -> Vec<String> {
    let vote = state.vote.map(|vote| format!("votes for {vote}"));
    let commit = (state.commit > 0).then(|| format!("commits {}", state.commit));
    let promises: Vec<_> = vote.into_iter().chain(commit).collect();
    let mut lines: Vec<_> = (!promises.is_empty()).then(|| promises.join(", ")).into_iter().collect();
    if state.unsynced > 0 {
        let vote = state.disk.vote.map_or("no vote".to_owned(), |vote| format!("vote {vote}"));
        lines.push(if state.has_promises_on_disk() {
            format!("{} not on disk", if state.unsynced == 1 { "1 record" } else { "records" })
        } else {
            format!("disk: term {}, {vote}", state.disk.term)
        });
        let more = state.only_on_disk();
        lines.extend((more > 0).then(|| format!("disk: {more} entries more")));
    }
    lines
}

/// How tall a box is that says all of a server.
pub(crate) fn box_height(state: &ServerState) -> i32 {
    let strip = if state.log.is_empty() { 0 } else { CELL_HEIGHT + 5 };
    20 + LINE * details(state).len() as i32 + strip
}

fn tallest(states: &[ServerState]) -> i32 {
    states.iter().map(box_height).max().unwrap_or_default()
}

/// Lines of at most so many letters, broken at spaces.
pub(crate) fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one from the beginning");
        if !line.is_empty() && letters < line.chars().count() + 1 + word.chars().count() {
            lines.push(word.to_owned());
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
}
