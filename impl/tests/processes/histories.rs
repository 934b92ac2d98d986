//! Histories that are judged offline.

use std::fs;
use std::io::Write as _;
use std::process::{Output, Stdio};

use crate::cluster::{rafttree, run};

const WRITE: &str = r#"{"client":1,"key":"x","op":"write","value":"one","call":10,"end":25,"result":"ok"}"#;
const STALE: &str = r#"{"client":2,"key":"x","op":"read","call":30,"end":40,"result":"ok","found":null}"#;
const EARLY: &str = r#"{"client":2,"key":"x","op":"read","call":20,"end":40,"result":"ok","found":null}"#;

/// Judges these lines.
fn judged(lines: &[&str], more: &[&str]) -> (Option<i32>, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("history.jsonl");
    fs::write(&file, lines.join("\n")).unwrap();
    said(&run(&[&["check-history", file.to_str().unwrap()], more].concat()))
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_linearizable_history_is_said_to_be() {
    let (code, stdout, _) = judged(&[EARLY, "", WRITE], &[]);
    assert_eq!((code, stdout.as_str()), (Some(0), "linearizable: 2 operations on 1 keys\n"));
    let (code, stdout, _) = judged(&[EARLY, WRITE], &["-o", "json"]);
    assert_eq!((code, stdout.as_str()), (Some(0), "{\"keys\":1,\"linearizable\":true,\"operations\":2}\n"));
}

#[test]
fn one_that_is_not_is_told_with_what_contradicts_each_other() {
    let (code, stdout, stderr) = judged(&[WRITE, STALE], &[]);
    assert!(code == Some(1) && stderr == "error: key \"x\" is not linearizable\n", "{stderr}");
    for words in ["client 1, 10 to 25: write \"one\", done", "client 2, 30 to 40: read, found none"] {
        assert!(stdout.contains(words), "`{words}` is not in: {stdout}");
    }
    let (code, stdout, _) = judged(&[WRITE, STALE], &["-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &told["linearizable"], &told["key"]), (Some(1), &false.into(), &"x".into()));
    assert_eq!(told["contradiction"].as_array().unwrap().len(), 2, "{told}");
}

#[test]
fn a_file_that_is_no_history_is_refused_with_the_number_of_its_line() {
    let (code, _, stderr) = judged(&[WRITE, "", "{}"], &[]);
    assert!(code == Some(2) && stderr.contains("history.jsonl:3: missing field `key`"), "{stderr}");
    let (code, _, stderr) = judged(&[WRITE, &EARLY.replace("40", "19")], &[]);
    assert!(code == Some(2) && stderr.contains("history.jsonl:2: its `end` is before its `call`"), "{stderr}");
    let (code, _, stderr) = said(&run(&["check-history", "/nowhere"]));
    assert!(code == Some(2) && stderr.contains("/nowhere: "), "{stderr}");
}

#[test]
fn a_history_is_read_from_the_standard_input() {
    let mut command = rafttree(&["check-history", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{WRITE}\n{STALE}").unwrap();
    assert_eq!(said(&child.wait_with_output().unwrap()).0, Some(1));
}
