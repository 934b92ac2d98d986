//! What a check leaves behind for continuous integration.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn checker(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rafttree-checker")).args(arguments).output().expect("the checker starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it speaks UTF-8")
}

/// Quick searches that end with each verdict.
const COMPLETE: [&str; 4] = ["check", "elections-3", "--spread", "1"];
const VIOLATED: [&str; 3] = ["check", "--mutant", "vote_again"];
const INCOMPLETE: [&str; 4] = ["check", "elections-3", "--states", "10"];

fn json(arguments: &[&str], more: &[&str]) -> Value {
    let output = checker(&[arguments, more, &["--format", "json"]].concat());
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// Fields and types of the table below a heading of the document.
fn described(heading: &str) -> BTreeMap<String, String> {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md");
    let document = std::fs::read_to_string(document).expect("it describes them");
    let (_, section) = document.split_once(&format!("### {heading}\n")).expect("there is such a heading");
    let rows = section.split("\n#").next().unwrap_or_default().lines().filter(|line| line.starts_with("| `"));
    let field = |row: &str| {
        let mut cells = row.split('|').map(str::trim).skip(1);
        (cells.next().unwrap_or_default().trim_matches('`').to_owned(), cells.next().unwrap_or_default().to_owned())
    };
    rows.map(field).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "flag",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Every field is described, with this type; and every one that is described is there.
fn is_as_described(value: &Value, heading: &str, optional: &[&str]) {
    let (fields, described) = (value.as_object().expect("it is an object"), described(heading));
    for (name, value) in fields {
        let kinds = described.get(name).unwrap_or_else(|| panic!("{heading}: {name} is not described"));
        assert!(kinds.split(" or ").any(|it| it == kind(value)), "{heading}: {name} is {value}, and no {kinds}");
    }
    for name in described.keys().filter(|name| !optional.contains(&name.as_str())) {
        assert!(fields.contains_key(name), "{heading}: {name} is described, and is not there");
    }
}

#[test]
fn the_verdict_for_programs_is_as_it_is_described() {
    for arguments in [&COMPLETE[..], &VIOLATED, &INCOMPLETE] {
        let value = json(arguments, &[]);
        is_as_described(&value, "The command", &["expected_states"]);
        assert_eq!(value["schema"], "rafttree-check/1");
        for part in value["parts"].as_array().expect("there are parts") {
            is_as_described(part, "A part", &[]);
        }
    }
    is_as_described(&json(&COMPLETE, &["--expect-states", "1"]), "The command", &[]);
}

#[test]
fn another_count_of_states_than_expected_is_no_success() {
    let states = json(&COMPLETE, &[])["parts"][0]["states"].as_u64().expect("a count");
    let judged = |count: u64| checker(&[&COMPLETE[..], &["--expect-states", &count.to_string()]].concat());
    let (same, other) = (judged(states), judged(states + 1));
    assert_eq!(same.status.code(), Some(0));
    assert!(text(&same.stdout).ends_with(" states in all, as expected\n"), "{}", text(&same.stdout));
    assert_eq!(other.status.code(), Some(4));
    let said = text(&other.stdout);
    assert!(said.starts_with("COMPLETE\n") && said.ends_with(" were expected (--expect-states)\n"), "{said}");
    let value = json(&COMPLETE, &["--expect-states", "1"]);
    assert_eq!(value["expected_states"], serde_json::json!({"expected": 1, "found": states, "met": false}));
}

#[test]
fn a_count_is_not_judged_where_the_search_was_not_complete() {
    for (arguments, code) in [(&VIOLATED[..], 1), (&INCOMPLETE[..], 3)] {
        let output = checker(&[arguments, &["--expect-states", "1"]].concat());
        assert_eq!(output.status.code(), Some(code));
        assert!(!text(&output.stdout).contains("states in all"), "{}", text(&output.stdout));
    }
}

/// The numbers of a suite's cases, and how many there are.
fn cases(junit: &str) -> [usize; 4] {
    ["<testcase ", "<failure ", "<error ", "<skipped "].map(|element| junit.matches(element).count())
}

#[test]
fn every_property_is_a_case() {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("check.xml");
    let path = file.to_str().expect("a path in words");
    let written = |arguments: &[&str], more: &[&str]| {
        checker(&[arguments, &["--junit", path], more].concat());
        let junit = std::fs::read_to_string(&file).expect("it was written");
        assert!(junit.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites "), "{junit}");
        let numbers: [usize; 4] = ["tests", "failures", "errors", "skipped"].map(|name| {
            let name = format!(" {name}=\"");
            let numbers = junit.split(&name).skip(1);
            numbers.map(|rest| rest.split('"').next().and_then(|it| it.parse::<usize>().ok()).expect("a number")).sum()
        });
        assert_eq!(numbers, cases(&junit), "{junit}");
        junit
    };
    let value = json(&COMPLETE, &[]);
    let properties = value["parts"][0]["properties"].as_array().map_or(0, Vec::len);
    let complete = written(&COMPLETE, &[]);
    let [all, failures, errors, skipped] = cases(&complete);
    assert!(properties < all && [failures, errors, skipped] == [0; 3], "{complete}");
    let violated = written(&VIOLATED, &[]);
    assert_eq!(cases(&violated)[1], 1);
    assert!(violated.contains("sends 1-&gt;2 term 0 pre_vote_request") && violated.contains("BROKEN: C2 VoteOnce"));
    let [_, failures, errors, skipped] = cases(&written(&INCOMPLETE, &[]));
    assert!(failures == 0 && errors == 1 && 0 < skipped, "{failures} {errors} {skipped}");
    assert_eq!(cases(&written(&COMPLETE, &["--expect-states", "1"]))[1], 1, "a count is a case as well");
}

#[test]
fn a_summary_is_added_to_what_is_there() {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("summary.md");
    let path = file.to_str().expect("a path in words");
    checker(&[&COMPLETE[..], &["--summary", path]].concat());
    checker(&[&VIOLATED[..], &["--summary", path]].concat());
    let summary = std::fs::read_to_string(&file).expect("it was written");
    assert!(summary.starts_with("## COMPLETE: elections-3\n"), "{summary}");
    assert!(
        summary.contains("\n## VIOLATED: vote_again\n") && summary.contains("Broken: **C2 VoteOnce**"),
        "{summary}"
    );
    for row in summary.lines().filter(|line| line.starts_with('|')) {
        assert_eq!(row.matches('|').count(), 7, "{row}");
    }
}

#[test]
fn each_run_has_its_directory() {
    let folder = tempfile::tempdir().expect("there is room");
    let runs = folder.path().join("runs");
    let path = runs.to_str().expect("a path in words");
    for _ in 0..2 {
        assert_eq!(checker(&[&VIOLATED[..], &["--run-dir", path]].concat()).status.code(), Some(1));
    }
    checker(&[&COMPLETE[..], &["--run-dir", path]].concat());
    let files = |run: &str| {
        let files = std::fs::read_dir(runs.join(run)).expect("it was made");
        let mut names: Vec<_> =
            files.map(|file| file.expect("a file").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    };
    let told = ["counterexample.html", "counterexample.svg", "counterexample.txt", "report.txt", "verdict.json"];
    assert_eq!(files("vote_again-1"), told);
    assert_eq!(files("vote_again-2"), told);
    assert_eq!(files("elections-3-1"), told[3..]);
    let kept = runs.join("vote_again-1");
    let verdict = std::fs::read_to_string(kept.join("verdict.json")).expect("it was written");
    let verdict: Value = serde_json::from_str(&verdict).expect("it is JSON");
    assert_eq!(verdict["verdict"], "VIOLATED");
    let counterexample = kept.join("counterexample.txt");
    let replayed = checker(&["replay", counterexample.to_str().expect("a path in words")]);
    assert_eq!(replayed.status.code(), Some(1), "{}", text(&replayed.stdout));
}

#[test]
fn what_cannot_be_written_is_said() {
    let nowhere = "no/such/directory/file";
    for option in ["--junit", "--summary"] {
        let output = checker(&[&VIOLATED[..], &[option, nowhere]].concat());
        assert_eq!(output.status.code(), Some(2), "{option}");
        assert!(text(&output.stderr).contains("cannot write no/such/directory/file"), "{option}");
    }
    let output = checker(&["check", "inductive", "--junit", nowhere]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("are for searches"), "{}", text(&output.stderr));
}
