//! Lines, numbers and times as people read and write them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

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
