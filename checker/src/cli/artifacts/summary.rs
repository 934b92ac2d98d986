//! A summary in Markdown, for the page of a run.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use crate::cli::artifacts::runs::{Count, Run, Runs};
use crate::cli::report;
use crate::console::{Usage, grouped, seconds};
use crate::verdict::{Verdict, names};

pub(crate) fn markdown(runs: &Runs, count: Option<&Count>) -> String {
    let mut out = format!("## {}: {}\n\n", report::word(runs.worst), cell(&runs.name));
    out.push_str(
        "| verdict | system | states | transitions | steps | time |\n| --- | --- | ---: | ---: | ---: | ---: |\n",
    );
    runs.runs.iter().for_each(|run| out.push_str(&row(run)));
    out.push('\n');
    if let Some(count) = count {
        let _ = writeln!(out, "{}\n", count.words());
    }
    for run in &runs.runs {
        let mut reasons = run.outcome.reasons();
        reasons.retain(|_| run.outcome.verdict != Verdict::Complete);
        reasons.iter().for_each(|why| {
            let _ = writeln!(out, "- {}: {why}", run.outcome.verdict.word());
        });
        out.push_str(&broken(run));
    }
    out
}

fn row(run: &Run) -> String {
    let outcome = &run.outcome;
    format!(
        "| {} | {} | {} | {} | {} | {} |\n",
        outcome.verdict.word(),
        cell(&run.name()),
        grouped(outcome.states),
        grouped(outcome.transitions),
        outcome.depth,
        seconds(outcome.time)
    )
}

/// A text that ends no column.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// What is broken, and how.
fn broken(run: &Run) -> String {
    if run.outcome.verdict != Verdict::Violated {
        return String::new();
    }
    let names = names(run.outcome.broken).join(", ");
    let told = run.story.as_ref().map_or(String::new(), |story| format!("```text\n{}\n```\n", story.trim_end()));
    format!("\nBroken: **{names}**\n\n{told}")
}

/// Adds it to the end of a file.
pub(crate) fn append(path: &Path, text: &str) -> Result<(), Usage> {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|why| Usage(format!("cannot write {}: {why}", path.display())))
}
