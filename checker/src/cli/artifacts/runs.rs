//! What a command has searched, as it is reported.

use serde_json::{Value, json};

use crate::cli::report::{self, Subject};
use crate::console::grouped;
use crate::verdict::{Outcome, Verdict};

/// One system that was searched.
pub(crate) struct Run<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) outcome: Outcome,
    /// The counterexample in words.
    pub(crate) story: Option<String>,
    /// The same as a file that can be replayed.
    pub(crate) scenario: Option<String>,
}

/// All that a command has searched.
pub(crate) struct Runs<'a> {
    /// The preset, or the mutant, if there is one.
    pub(crate) name: String,
    pub(crate) runs: Vec<Run<'a>>,
    /// The exit code that the verdicts have.
    pub(crate) worst: u8,
}

impl Run<'_> {
    /// What people read of it.
    pub(crate) fn text(&self) -> String {
        report::text(&self.subject, &self.outcome, self.story.as_deref())
    }

    /// What programs read of it.
    pub(crate) fn value(&self) -> Value {
        report::value(&self.subject, &self.outcome)
    }

    /// Which system it is, in few words.
    pub(crate) fn name(&self) -> String {
        let mutant = self.subject.mutant.map_or(String::new(), |mutant| format!(" with {mutant}"));
        format!("{}{mutant}: {}", self.subject.preset, self.subject.part.words())
    }
}

/// A count that was expected, and what there is.
pub(crate) struct Count {
    pub(crate) expected: u64,
    pub(crate) found: u64,
}

impl Count {
    pub(crate) fn is_met(&self) -> bool {
        self.expected == self.found
    }

    pub(crate) fn words(&self) -> String {
        let (expected, found) = (grouped(self.expected), grouped(self.found));
        if self.is_met() {
            format!("{found} states in all, as expected")
        } else {
            format!("{found} states in all, and {expected} were expected (--expect-states)")
        }
    }

    pub(crate) fn value(&self) -> Value {
        json!({"expected": self.expected, "found": self.found, "met": self.is_met()})
    }
}

impl Runs<'_> {
    /// The states of all systems together.
    pub(crate) fn states(&self) -> u64 {
        self.runs.iter().map(|run| run.outcome.states).sum()
    }

    /// The same for programs, as `--format json` prints it.
    pub(crate) fn value(&self, preset: &str, count: Option<&Count>) -> Value {
        let mut value = report::all(preset, self.worst, self.runs.iter().map(Run::value).collect());
        if let Some(count) = count {
            value["expected_states"] = count.value();
        }
        value
    }

    /// The first violated system, of which there is a counterexample to keep.
    pub(crate) fn violated(&self) -> Option<&Run<'_>> {
        self.runs.iter().find(|run| run.outcome.verdict == Verdict::Violated && run.scenario.is_some())
    }
}
