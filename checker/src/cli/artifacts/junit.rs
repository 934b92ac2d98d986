//! JUnit XML, as continuous integration reads it: a suite for each system.

use std::fmt::Write as _;

use crate::cli::artifacts::runs::{Count, Run, Runs};
use crate::cli::report::state_of;
use crate::trace::render::xml;
use crate::verdict::Verdict;

/// A case, and what is wrong with it.
struct Case {
    name: String,
    fault: Option<Fault>,
}

enum Fault {
    /// It does not hold: in a line, and in full.
    Failure(String, String),
    /// It was not judged to the end.
    Error(String),
    Skipped(String),
}

pub(crate) fn suites(runs: &Runs, count: Option<&Count>) -> String {
    let mut suites: Vec<_> =
        runs.runs.iter().map(|run| suite(&run.name(), run.outcome.time.as_secs_f64(), &cases(run))).collect();
    suites.extend(count.map(|count| suite("expectations", 0.0, &[expected(count)])));
    let name = xml(&runs.name);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{name}\">\n{}</testsuites>\n",
        suites.concat()
    )
}

fn expected(count: &Count) -> Case {
    let fault = (!count.is_met()).then(|| Fault::Failure(count.words(), String::new()));
    Case { name: "states".to_owned(), fault }
}

/// The verdict, every property, and every witness that should be reached.
fn cases(run: &Run) -> Vec<Case> {
    let outcome = &run.outcome;
    let ended = match &outcome.verdict {
        Verdict::Incomplete(why) => Some(Fault::Error(why.clone())),
        Verdict::Vacuous(missing) => Some(Fault::Failure(missing.join("; "), String::new())),
        Verdict::Complete | Verdict::Violated => None,
    };
    let verdict = Case { name: "the search ends and is not vacuous".to_owned(), fault: ended };
    let properties = run.subject.watched.and(outcome.broken).iter().map(|property| {
        let fault = match state_of(property, outcome) {
            "BROKEN" => Some(Fault::Failure("a property does not hold".to_owned(), story(run))),
            "unknown" => Some(Fault::Skipped("nothing is known of it: the search ended before".to_owned())),
            _ => None,
        };
        Case { name: property.name().to_owned(), fault }
    });
    let witnesses = outcome.witnesses.iter().filter(|met| met.expected).map(|met| {
        let fault =
            (!met.reached && outcome.verdict != Verdict::Violated).then(|| Fault::Skipped("not met".to_owned()));
        Case { name: format!("reached: {}", met.name), fault }
    });
    std::iter::once(verdict).chain(properties).chain(witnesses).collect()
}

fn story(run: &Run) -> String {
    match (&run.story, &run.outcome.counterexample) {
        (Some(story), _) => story.clone(),
        (None, Err(why)) => why.clone(),
        (None, Ok(_)) => String::new(),
    }
}

fn suite(name: &str, seconds: f64, cases: &[Case]) -> String {
    let count = |is_it: fn(&Fault) -> bool| cases.iter().filter(|case| case.fault.as_ref().is_some_and(is_it)).count();
    let failures = count(|fault| matches!(fault, Fault::Failure(..)));
    let errors = count(|fault| matches!(fault, Fault::Error(_)));
    let skipped = count(|fault| matches!(fault, Fault::Skipped(_)));
    let name = xml(name);
    let mut out = format!(
        "<testsuite name=\"{name}\" tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" time=\"{seconds:.3}\">\n",
        cases.len()
    );
    for Case { name: case, fault } in cases {
        let _ = write!(out, "<testcase classname=\"{name}\" name=\"{}\"", xml(case));
        match fault {
            None => out.push_str("/>\n"),
            Some(fault) => {
                let _ = writeln!(out, ">{}</testcase>", element(fault));
            }
        }
    }
    out + "</testsuite>\n"
}

fn element(fault: &Fault) -> String {
    match fault {
        Fault::Failure(message, text) => format!("<failure message=\"{}\">{}</failure>", xml(message), xml(text)),
        Fault::Error(message) => format!("<error message=\"{}\"/>", xml(message)),
        Fault::Skipped(message) => format!("<skipped message=\"{}\"/>", xml(message)),
    }
}
