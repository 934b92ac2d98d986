//! The standard output, written by a thread of its own: whoever stops to read it holds up that
//! thread, and nobody else.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::options::Format;

/// Lines that wait for a reader; of those after them only the number is kept.
const MAX_WAITING_LINES: usize = 1024;

/// Time for a reader to take the last lines of a command that is told to end.
pub(crate) const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(1);

/// Writes lines to the standard output. They are written in order, by and by; clones write to the
/// same.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    format: Format,
    queue: Arc<LineQueue>,
}

/// Resolves when everything has been written, or nobody reads any more.
pub(crate) struct Written(oneshot::Receiver<()>);

#[derive(Debug, Default)]
struct LineQueue {
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Waiting>,
    /// Nothing more will come.
    is_closed: bool,
    /// Why nothing more can be written.
    failure: Option<io::ErrorKind>,
}

/// Lines that wait to be written.
#[derive(Debug, Eq, PartialEq)]
enum Waiting {
    Line(String),
    /// Lines that would be here, and had no room.
    Lost(u64),
}

impl Printer {
    /// Starts the thread. What it says of lines that had no room is made by `lost`.
    pub(crate) fn start<T: fmt::Display + Serialize>(
        format: Format,
        lost: impl Fn(u64) -> T + Send + 'static,
    ) -> (Printer, Written) {
        let printer = Printer { format, queue: Arc::default() };
        let (writing, written) = oneshot::channel();
        let queue = printer.queue.clone();
        std::thread::spawn(move || {
            let _ends_with_this_thread = writing;
            queue.write_all(|lines| render(format, &lost(lines)));
        });
        (printer, Written(written))
    }

    /// Prints one line, and waits for nobody. It fails once nobody reads any more.
    pub(crate) fn print<T: fmt::Display + Serialize>(&self, line: &T) -> io::Result<()> {
        self.queue.push(render(self.format, line))
    }

    /// Whether everybody still reads, as far as that is known.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.queue.lock().failure.map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// Nothing more will be printed.
    pub(crate) fn close(&self) {
        self.queue.lock().is_closed = true;
        self.queue.more.notify_one();
    }
}

impl Written {
    /// Waits until all is written that was printed before the printer was closed, but not for longer
    /// than this.
    pub(crate) async fn wait_within(self, patience: Duration) {
        // The thread never sends: it ends.
        let _ = timeout(patience, self.0).await;
    }
}

impl LineQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: String) -> io::Result<()> {
        let mut state = self.lock();
        if let Some(failure) = state.failure {
            return Err(failure.into());
        }
        state.push(line);
        self.more.notify_one();
        Ok(())
    }

    /// The next to be written; `None` once nothing will come.
    fn next(&self) -> Option<Waiting> {
        let mut state = self.lock();
        loop {
            match state.lines.pop_front() {
                Some(waiting) => return Some(waiting),
                None if state.is_closed => return None,
                None => state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn write_all(&self, lost: impl Fn(u64) -> String) {
        while let Some(waiting) = self.next() {
            let line = match waiting {
                Waiting::Line(line) => line,
                Waiting::Lost(lines) => lost(lines),
            };
            let mut output = io::stdout().lock();
            if let Err(error) = writeln!(output, "{line}").and_then(|()| output.flush()) {
                self.lock().failure = Some(error.kind());
                return;
            }
        }
    }
}

impl State {
    fn push(&mut self, line: String) {
        let is_full = MAX_WAITING_LINES <= self.lines.len();
        match self.lines.back_mut() {
            Some(Waiting::Lost(lines)) if is_full => *lines += 1,
            _ if is_full => self.lines.push_back(Waiting::Lost(1)),
            _ => self.lines.push_back(Waiting::Line(line)),
        }
    }
}

fn render<T: fmt::Display + Serialize>(format: Format, line: &T) -> String {
    match format {
        Format::Text => line.to_string(),
        Format::Json => serde_json::to_string(line).expect("lines have no keys but strings"),
    }
}

/// Writes to the standard error, where that is read.
pub(crate) fn complain(text: String) {
    let (written, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        eprintln!("{text}");
        let _ = written.send(());
    });
    let _ = end.recv_timeout(LAST_LINES_TIMEOUT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_counted_where_it_was() {
        let mut state = State::default();
        (0..MAX_WAITING_LINES + 3).for_each(|number| state.push(number.to_string()));
        state.lines.drain(..MAX_WAITING_LINES - 1).for_each(drop);
        (0..2).for_each(|number| state.push(number.to_string()));
        let line = |number: usize| Waiting::Line(number.to_string());
        assert_eq!(Vec::from(state.lines), [line(MAX_WAITING_LINES - 1), Waiting::Lost(3), line(0), line(1)]);
    }

    #[test]
    fn lines_that_were_lost_stay_one_note_while_the_queue_is_full() {
        let mut state = State::default();
        for _ in 0..10 * MAX_WAITING_LINES {
            state.push(String::new());
        }
        assert_eq!(state.lines.len(), MAX_WAITING_LINES + 1);
        state.lines.pop_front();
        state.push(String::new());
        assert_eq!(state.lines.len(), MAX_WAITING_LINES);
        assert_eq!(state.lines.back(), Some(&Waiting::Lost(9 * MAX_WAITING_LINES as u64 + 1)));
    }
}
