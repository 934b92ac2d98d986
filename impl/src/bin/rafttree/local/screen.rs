//! The table on a terminal, refreshed in place, and the keys.

use std::io::{self, Write as _};

use crossterm::cursor::MoveToPreviousLine;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{self, Clear, ClearType};
use crossterm::{QueueableCommand as _, event};
use rafttree::ServerId;

use super::command::{LocalCommand, Who};
use crate::report::Row;

const KEYS: &str = "1-9 select   k kill -9   p pause or resume   r restart   t transfer   s step down   q quit";

/// The terminal, in raw mode until this is dropped.
pub(super) struct Screen {
    /// The server that the keys are about.
    pub(super) selected: ServerId,
    rows: Vec<Row>,
    /// Lines of the table that are on the terminal.
    drawn: u16,
}

/// The meaning of a key.
pub(super) enum Wish {
    Select(ServerId),
    /// Pause the selected server, or let it go on.
    TogglePause,
    Command(LocalCommand),
}

impl Screen {
    pub(super) fn open() -> io::Result<Screen> {
        terminal::enable_raw_mode()?;
        Ok(Screen { selected: ServerId::new(1), rows: Vec::new(), drawn: 0 })
    }

    /// Writes a line above the table.
    pub(super) fn note(&mut self, text: &str) -> io::Result<()> {
        self.erase()?;
        for line in text.lines() {
            print_line(line)?;
        }
        self.draw()
    }

    /// Shows these servers.
    pub(super) fn refresh(&mut self, rows: Vec<Row>) -> io::Result<()> {
        self.rows = rows;
        self.erase()?;
        self.draw()
    }

    /// The meaning of a key, if it has one.
    pub(super) fn wish(&self, key: KeyEvent) -> Option<Wish> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let KeyCode::Char(letter) = key.code else { return None };
        let who = Who::Server(self.selected);
        Some(match letter {
            'c' if key.modifiers.contains(KeyModifiers::CONTROL) => Wish::Command(LocalCommand::Quit),
            '1'..='9' => Wish::Select(ServerId::new(letter.to_digit(10)?)),
            'p' => Wish::TogglePause,
            'k' => Wish::Command(LocalCommand::Kill(who)),
            'r' => Wish::Command(LocalCommand::Restart(who)),
            't' => Wish::Command(LocalCommand::Transfer(self.selected)),
            's' => Wish::Command(LocalCommand::StepDown),
            'q' => Wish::Command(LocalCommand::Quit),
            _ => return None,
        })
    }

    fn draw(&mut self) -> io::Result<()> {
        print_line("")?;
        print_line(&format!("  {}", Row::HEADER))?;
        for row in &self.rows {
            let mark = if row.id == self.selected { '>' } else { ' ' };
            print_line(&format!("{mark} {row}"))?;
        }
        print_line(KEYS)?;
        self.drawn = self.rows.len() as u16 + 3;
        io::stdout().flush()
    }

    fn erase(&mut self) -> io::Result<()> {
        if self.drawn != 0 {
            let mut out = io::stdout();
            out.queue(MoveToPreviousLine(self.drawn))?.queue(Clear(ClearType::FromCursorDown))?;
        }
        self.drawn = 0;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // There is nothing to be done about a terminal that is gone.
        let _ = terminal::disable_raw_mode();
    }
}

/// Waits for the next key; `None` when the terminal is gone.
pub(super) fn next_key() -> Option<KeyEvent> {
    loop {
        match event::read() {
            Ok(event::Event::Key(key)) => return Some(key),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

/// One line, cut where the terminal ends, since a wrapped one would be two.
fn print_line(line: &str) -> io::Result<()> {
    let width = terminal::size().map_or(80, |(columns, _)| usize::from(columns));
    let cut: String = line.chars().take(width.saturating_sub(1)).collect();
    write!(io::stdout(), "{cut}\r\n")
}
