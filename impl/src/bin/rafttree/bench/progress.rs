//! Progress of a measurement, and the machine that it is made on.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

/// Away from a terminal, progress is told this often.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(30);

/// The progress of a measurement, on the standard error: one line that changes on a terminal, a line
/// now and then elsewhere.
pub(super) struct Progress {
    is_terminal: bool,
    said: Instant,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress { is_terminal: io::stderr().is_terminal(), said: Instant::now() }
    }

    pub(super) fn say(&mut self, text: impl fmt::Display) {
        if self.is_terminal {
            eprint!("\r\x1b[K{text}");
        } else if PROGRESS_INTERVAL <= self.said.elapsed() {
            self.said = Instant::now();
            eprintln!("{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_terminal {
            eprint!("\r\x1b[K");
        }
    }
}

/// The machine, and what else it does: the average number of processes that wanted to run during
/// the last minute, where the system tells.
pub(super) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().filter(|load| !load.is_empty()).map(|load| format!(", load {load}"));
    format!("{cores} cores{}", load.unwrap_or_default())
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
