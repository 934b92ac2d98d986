//! What a check leaves behind for continuous integration: files, and whether a count is as expected.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use crate::cli::show;
use crate::console::{Usage, worse};
use crate::verdict::Verdict;

mod runs;

mod junit;

mod summary;

mod run_dir;

pub(crate) use runs::{Count, Run, Runs};

/// Files to write, and what to expect.
#[derive(Args)]
#[command(next_help_heading = "Continuous integration")]
pub(crate) struct ArtifactArgs {
    /// Write the verdict as JUnit XML: a suite for each system, a case for each property and witness.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Append a summary in Markdown to this file, as to that which $GITHUB_STEP_SUMMARY names.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Make a new directory in this one for what comes of this run: verdict.json, report.txt, and of a
    /// counterexample the scenario and its pictures.
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// How many distinct states all systems of the preset have together; a complete search that counts
    /// others ends with exit code 4.
    #[arg(long, value_name = "COUNT")]
    expect_states: Option<u64>,
}

impl ArtifactArgs {
    pub(crate) fn are_given(&self) -> bool {
        [&self.junit, &self.summary, &self.run_dir].iter().any(|path| path.is_some()) || self.expect_states.is_some()
    }

    /// The count to judge: none, if none is named, or where the search was not complete and its verdict
    /// says so.
    pub(crate) fn count(&self, runs: &Runs) -> Option<Count> {
        let is_complete =
            runs.runs.iter().all(|run| matches!(run.outcome.verdict, Verdict::Complete | Verdict::Vacuous(_)));
        self.expect_states.filter(|_| is_complete).map(|expected| Count { expected, found: runs.states() })
    }

    /// Writes what is asked for.
    pub(crate) fn write(&self, runs: &Runs, value: &Value, count: Option<&Count>) -> Result<(), Usage> {
        if let Some(path) = &self.junit {
            show::write(path, &junit::suites(runs, count))?;
        }
        if let Some(path) = &self.summary {
            summary::append(path, &summary::markdown(runs, count))?;
        }
        if let Some(folder) = &self.run_dir {
            let made = run_dir::write(folder, runs, value)?;
            eprintln!("this run is kept in {}", made.display());
        }
        Ok(())
    }
}

/// The exit code, with the count that was expected.
pub(crate) fn exit_code(worst: u8, count: Option<&Count>) -> u8 {
    let is_other = count.is_some_and(|count| !count.is_met());
    if is_other { worse(worst, UNEXPECTED) } else { worst }
}

/// As where something that should be met is not.
const UNEXPECTED: u8 = 4;
