//! Lines, numbers and times as people read and write them.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

use crate::search::Progress;

/// Prints a line. Nobody may read any more (`| head`); the exit code still tells the verdict.
pub(crate) fn say(words: std::fmt::Arguments) {
    let _ = writeln!(std::io::stdout(), "{words}");
}

/// What goes wrong before anything is searched: exit code 2.
pub(crate) struct Usage(pub(crate) String);

/// Of two exit codes the one that says the worse: violated, incomplete, vacuous, complete.
pub(crate) fn worse(one: u8, other: u8) -> u8 {
    let rank = |code: u8| [0, 4, 3, 1].iter().position(|&known| known == code);
    if rank(one) < rank(other) { other } else { one }
}

pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let count: u64 = digits.parse().map_err(|_| format!("'{text}' is no time; write it as 30s, 10m or 2h"))?;
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(format!("'{unit}' is no unit of time; use s, m or h")),
    };
    Ok(Duration::from_secs(count * seconds))
}

/// A number as people write it: 1,234,567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Breaks a long line at spaces, further lines indented.
pub(crate) fn wrap(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut column = indent;
    for word in text.split(' ') {
        if column + word.len() > 100 {
            let _ = write!(out, "\n{:indent$}", "");
            column = indent;
        } else if !out.is_empty() {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out
}

/// Tells on stderr how far a search is: one line, rewritten, on a terminal; a line each half
/// minute elsewhere.
pub(crate) struct Ticker {
    terminal: bool,
    shown: Instant,
    wrote: bool,
}

impl Ticker {
    pub(crate) fn new() -> Ticker {
        Ticker { terminal: std::io::stderr().is_terminal(), shown: Instant::now(), wrote: false }
    }

    pub(crate) fn tick(&mut self, progress: &Progress) {
        self.show(|| progress.words());
    }

    /// Shows a line, if it is time for one.
    pub(crate) fn show(&mut self, line: impl FnOnce() -> String) {
        let pause = Duration::from_millis(if self.terminal { 200 } else { 30_000 });
        if self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        self.wrote = true;
        let line = line();
        // Progress that cannot be written is no reason to stop.
        let _ = if self.terminal {
            write!(std::io::stderr(), "\r\x1b[K{line}")
        } else {
            writeln!(std::io::stderr(), "{line}")
        };
    }
}

impl Progress {
    fn words(&self) -> String {
        let progress = self;
        let rate = progress.transitions as f64 / progress.elapsed.as_secs_f64().max(0.001) / 1000.0;
        match progress.simulated {
            Some((done, all)) => format!("local simulation: {} of {} servers", grouped(done), grouped(all)),
            None => format!(
                "{}{} states, {} to go in this layer, {rate:.0}k transitions/s, {} steps deep, {} MiB, {} of them for what was visited, {}",
                if progress.is_retracing { "the way to it: " } else { "" },
                grouped(progress.states),
                grouped(progress.waiting),
                progress.depth,
                progress.resident >> 20,
                progress.table_bytes >> 20,
                seconds(progress.elapsed)
            ),
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if self.terminal && self.wrote {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
