//! How far a long computation is, on stderr.
//!
//! On a terminal that is one line, which `indicatif` rewrites and cuts to the width of the terminal; a
//! line that is longer than that could not be taken back. Elsewhere a line is printed now and then, which
//! `indicatif` does not do.

use std::io::{IsTerminal, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::{grouped, seconds};
use crate::properties::{Property, PropertySet};
use crate::search::{Bits, Progress};

/// From one line to the next, where nothing is rewritten.
const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// How often a terminal is rewritten.
const REDRAWS_PER_SECOND: u8 = 5;

/// A smaller part, and one that took less time, says nothing of how long the rest takes.
const MIN_PART: f64 = 0.02;
const MIN_SPENT: Duration = Duration::from_secs(1);

/// Says how far something is, from any thread; the line is gone once this is.
pub(crate) struct Ticker {
    /// `None` where stderr is no terminal.
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

struct State {
    /// When the last line was printed, where none is rewritten.
    printed: Instant,
    /// How much there is to do in this stage, how much was done of it, and since when.
    all: u64,
    done: u64,
    since: Instant,
}

impl Ticker {
    pub(crate) fn new() -> Ticker {
        let target = || ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND);
        let bar = || ProgressBar::with_draw_target(None, target()).with_style(style("{spinner} {wide_msg}"));
        let now = Instant::now();
        let state = State { printed: now, all: 0, done: 0, since: now };
        Ticker { bar: std::io::stderr().is_terminal().then(bar), state: Mutex::new(state) }
    }

    /// How far a search is. How much there is to find is not known, so nothing is estimated.
    pub(crate) fn tick(&self, progress: &Progress) {
        match progress.simulated {
            Some((done, all)) => self.reach("local simulation, servers", done, all),
            None => self.show(|| progress.words()),
        }
    }

    /// So many are done of so many that take about as long, so the rest is estimated. Where they are not
    /// of as many as before, another stage has begun.
    pub(crate) fn reach(&self, what: &str, done: u64, all: u64) {
        self.estimating(what, all, |_| done);
    }

    /// So many more of them are done.
    pub(crate) fn reach_by(&self, what: &str, more: u64, all: u64) {
        self.estimating(what, all, |before| before + more);
    }

    fn estimating(&self, what: &str, all: u64, go: impl FnOnce(u64) -> u64) {
        let (done, spent) = self.go(all, go);
        self.show(|| format!("{}{}", words_of_part(what, done, all, spent), estimate(done, all, spent)));
    }

    /// So many are done of so many that do not take as long as one another.
    pub(crate) fn count(&self, what: &str, done: u64, all: u64) {
        let (_, spent) = self.go(all, |_| done);
        self.show(|| words_of_part(what, done, all, spent));
    }

    /// How many are done now, and how long the stage has taken.
    fn go(&self, all: u64, go: impl FnOnce(u64) -> u64) -> (u64, Duration) {
        let mut state = self.state();
        let before = if state.all == all { state.done } else { 0 };
        let done = go(before);
        if state.all != all || done < before {
            (state.all, state.since) = (all, Instant::now());
            self.bar.iter().for_each(|bar| bar.set_style(style("{bar:20} {wide_msg}")));
        }
        state.done = done;
        if let Some(bar) = &self.bar {
            bar.set_length(all);
            bar.set_position(done);
        }
        (done, state.since.elapsed())
    }

    /// Prints something else meanwhile.
    pub(crate) fn aside(&self, print: impl FnOnce()) {
        self.bar.as_ref().map_or_else(ProgressBar::hidden, ProgressBar::clone).suspend(print);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows a line, if it is time for one.
    pub(crate) fn show(&self, line: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_message(line());
            return;
        }
        let mut state = self.state();
        if LINE_INTERVAL <= state.printed.elapsed() {
            state.printed = Instant::now();
            // Progress that cannot be written is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{}", line());
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a template of this file")
}

fn words_of_part(what: &str, done: u64, all: u64, spent: Duration) -> String {
    format!("{what}: {} of {}, {}", grouped(done), grouped(all), seconds(spent))
}

/// For how long it goes on if what is left takes as long; nothing where there is too little to go by.
fn estimate(done: u64, all: u64, spent: Duration) -> String {
    let part = done as f64 / all.max(1) as f64;
    if !(MIN_PART..1.0).contains(&part) || spent < MIN_SPENT {
        return String::new();
    }
    format!(", about {} left", rough(spent.mul_f64((1.0 - part) / part)))
}

/// A time that is not known well.
fn rough(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// What is broken, before the numbers of the second search: that may take as long as the first.
fn the_way_to(broken: Bits) -> String {
    let names: Vec<_> = PropertySet::of_bits(broken).iter().map(Property::name).collect();
    format!("{} is broken, the way to it: ", names.join(", "))
}

impl Progress {
    fn words(&self) -> String {
        let rate = self.transitions as f64 / self.elapsed.as_secs_f64().max(0.001) / 1000.0;
        let on_disk = match self.on_disk >> 20 {
            0 => String::new(),
            on_disk => format!(", {on_disk} MiB on disk"),
        };
        format!(
            "{}{} states, {rate:.0}k transitions/s, {}, {}, {} MiB, {} of them for what was visited{on_disk}",
            self.retracing.map_or(String::new(), the_way_to),
            grouped(self.states),
            self.layer_words(),
            seconds(self.elapsed),
            self.resident >> 20,
            self.table_bytes >> 20,
        )
    }

    /// How far the layer is, and whether layers grow. A search ends when they have shrunk to nothing.
    fn layer_words(&self) -> String {
        let [before, layer] = self.layers;
        let done = 100.0 * layer.saturating_sub(self.waiting) as f64 / layer.max(1) as f64;
        let growth = layer as f64 / before.max(1) as f64;
        let word = if growth < 1.0 { "shrinking" } else { "growing" };
        format!("layer {}: {done:.0} % of {}, {word} ({growth:.2})", self.depth, grouped(layer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_made_where_there_is_something_to_go_by() {
        let left = |done, all, spent| estimate(done, all, Duration::from_secs(spent));
        assert_eq!(left(1_000, 4_000, 10), ", about 30 s left");
        assert_eq!(left(50, 100, 600), ", about 10 min left");
        assert_eq!(left(10, 100, 3_600), ", about 9 h left");
        for (done, all, spent) in [(1, 1_000, 10), (100, 100, 10), (50, 100, 0), (0, 0, 10)] {
            assert_eq!(left(done, all, spent), "", "{done} of {all} in {spent} s");
        }
        assert_eq!(words_of_part("cases", 1_000, 4_000, Duration::from_secs(10)), "cases: 1,000 of 4,000, 10.0 s");
    }

    #[test]
    fn a_search_says_how_far_its_layer_is_and_whether_layers_grow() {
        let progress = Progress {
            states: 1_500_000,
            transitions: 6_000_000,
            depth: 12,
            waiting: 60_000,
            layers: [100_000, 80_000],
            resident: 300 << 20,
            table_bytes: 16 << 20,
            on_disk: 0,
            elapsed: Duration::from_secs(3),
            retracing: None,
            simulated: None,
        };
        let known = "1,500,000 states, 2000k transitions/s, layer 12: 25 % of 80,000, shrinking (0.80), 3.0 s, 300 MiB, \
                     16 of them for what was visited";
        assert_eq!(progress.words(), known);
        let on_disk = Progress { on_disk: 700 << 20, ..progress };
        assert_eq!(on_disk.words(), format!("{known}, 700 MiB on disk"));
        let retracing = Some(PropertySet::from_iter([Property::ElectionSafety]).bits());
        let back = Progress { retracing, ..progress };
        assert_eq!(back.words(), format!("C1 ElectionSafety is broken, the way to it: {known}"));
    }

    #[test]
    fn parts_add_up_from_any_thread() {
        let ticker = Ticker::new();
        std::thread::scope(|scope| {
            (0..4).for_each(|_| _ = scope.spawn(|| (0..100).for_each(|_| ticker.reach_by("trials", 10, 4_000))));
        });
        assert_eq!(ticker.state().done, 4_000);
    }
}
