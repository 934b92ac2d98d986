//! `rafttree check-history`: whether what clients were answered is linearizable, judged offline.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;
use rafttree::linearizability::{Operation, Violation, check};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::options::Format;
use crate::report::say;

pub(crate) const HISTORY_EXAMPLES: &str = r#"Examples:
  Whether a history is linearizable, and if not, which operations contradict each other:
    rafttree check-history history.jsonl

Each line of the file is an operation of a client on a register, a JSON object:

  {"client":1,"key":"x","op":"write","value":"one","call":10,"end":25,"result":"ok"}
  {"client":2,"key":"x","op":"read","call":12,"end":20,"result":"ok","found":null}
  {"client":2,"key":"x","op":"cas","expected":"one","value":null,"call":30,"result":"unknown"}

  client    a number for who called, for people alone; may be left out
  key       the register; each is judged for itself, and has no value at first
  op        read, write, delete, or cas (compare-and-set)
  value     of a write: what is written; of a cas also null, which removes the value
  expected  of a cas: the value that it asks for, null for none
  call      the time of the call, a whole number in any unit, by one monotonic clock for all clients
  end       the time of the answer by the same clock; without meaning where there was none
  result    ok; mismatch: a cas found another value; fail: it had no effect and never will have;
            unknown: it may take effect at any time after its call, or never
  found     the value before the operation, null for none; others than a read may leave it out

Lines may come in any order, and empty ones are skipped.

Exit codes: 0 the history is linearizable; 1 it is not; 2 the file could not be read, or a line,
whose number is said, is no operation."#;

#[derive(Args, Debug)]
pub(crate) struct HistoryOptions {
    /// The history, an operation a line; `-` for the standard input.
    file: PathBuf,
}

pub(crate) fn run(options: &HistoryOptions, output: Format) -> Result<(), Failure> {
    let history = read(&options.file)?;
    let keys = history.iter().map(|operation| &operation.key).collect::<std::collections::BTreeSet<_>>().len();
    let verdict = check(&history);
    match (&verdict, output) {
        (Ok(()), Format::Text) => say(format!("linearizable: {} operations on {keys} keys", history.len()))?,
        (Ok(()), Format::Json) => say(json!({ "linearizable": true, "operations": history.len(), "keys": keys }))?,
        (Err(violation), Format::Text) => say(violation)?,
        (Err(violation), Format::Json) => say(as_json(violation))?,
    }
    let not = |violation: Violation| Failure::Operation(format!("key {:?} is not linearizable", violation.key));
    verdict.map_err(not)
}

fn read(file: &Path) -> Result<Vec<Operation>, Failure> {
    let name = file.display();
    let lines: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let opened = File::open(file).map_err(|error| Failure::Illegible(format!("{name}: {error}")))?;
        Box::new(BufReader::new(opened))
    };
    let mut history = Vec::new();
    for (number, line) in (1..).zip(lines.lines()) {
        let wrong = |error: &dyn std::fmt::Display| Failure::Illegible(format!("{name}:{number}: {error}"));
        let line = line.map_err(|error| wrong(&error))?;
        if !line.trim().is_empty() {
            history.push(serde_json::from_str(&line).map_err(|error| wrong(&error))?);
        }
    }
    Ok(history)
}

fn as_json(violation: &Violation) -> Value {
    let Violation { key, operations, called, total, values, .. } = violation;
    json!({
        "linearizable": false,
        "key": key,
        "contradiction": operations,
        "called": called,
        "operations": total,
        "values": values,
    })
}
