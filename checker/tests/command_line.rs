//! What the command says and with which code it ends.

use std::path::PathBuf;
use std::process::{Command, Output};

fn checker(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rafttree-checker")).args(arguments).output().expect("the checker starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ends by itself")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it speaks UTF-8")
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

#[test]
fn a_search_to_the_end_is_complete() {
    let output = checker(&["check"]);
    let said = text(&output.stdout);
    assert_eq!(code(&output), 0, "{said}");
    assert!(said.starts_with("COMPLETE\n"), "{said}");
    assert!(said.contains("runs of any length") && said.contains("C1 ElectionSafety"), "{said}");
    assert_eq!(
        said.matches("COMPLETE\n").count(),
        15,
        "elections, logs, snapshots, leases and damaged disks of several groups, commands and a read: {said}"
    );
}

#[test]
fn the_same_for_programs() {
    let output = checker(&["check", "--format", "json"]);
    let value = json(&output);
    assert_eq!(value["verdict"], "COMPLETE");
    let logs = &value["parts"][1];
    assert_eq!(logs["bounds"]["window"], 1);
    assert!(logs["states"].as_u64().is_some_and(|states| 10_000 < states), "{value}");
    assert!(logs["properties"].as_array().is_some_and(|all| all.iter().all(|it| it["state"] == "holds")), "{value}");
}

#[test]
fn counts_depend_on_neither_threads_nor_fingerprints() {
    let ways: [&[&str]; 3] = [&["--threads", "1"], &["--threads", "2", "--seed", "7"], &["--wide-fingerprints"]];
    let counts = ways.map(|way| {
        let value = json(&checker(&[&["check", "--format", "json"], way].concat()));
        let count = |part: &serde_json::Value| [part["states"].clone(), part["transitions"].clone()];
        value["parts"].as_array().expect("two parts").iter().map(count).collect::<Vec<_>>()
    });
    assert_eq!(counts[0], counts[1]);
    assert_eq!(counts[0], counts[2]);
}

#[test]
fn a_search_that_was_cut_goes_on_from_its_checkpoint() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("elections-3.checkpoint");
    let path = file.to_str().expect("the path is UTF-8");
    let cut = checker(&["check", "elections-3", "--states", "2000", "--checkpoint", path]);
    let said = text(&cut.stdout);
    assert_eq!(code(&cut), 3, "{said}");
    assert!(said.contains("checkpoint  written"), "{said}");
    let resumed = json(&checker(&["check", "elections-3", "--resume", path, "--format", "json"]));
    assert!(resumed["parts"][0]["resumed_from_states"].as_u64().is_some_and(|states| 2000 <= states));
    let whole = json(&checker(&["check", "elections-3", "--format", "json"]));
    for what in ["verdict", "states", "transitions", "depth", "actions", "witnesses"] {
        assert_eq!(resumed["parts"][0][what], whole["parts"][0][what], "{what}");
    }
    let other = checker(&["check", "elections-3", "--spread", "2", "--resume", path]);
    assert_eq!(code(&other), 2, "{}", text(&other.stdout));
}

#[test]
fn a_search_does_not_go_on_from_one_that_judged_other_properties() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("vote_again.checkpoint");
    let path = file.to_str().expect("the path is UTF-8");
    let broken = ["check", "--mutant", "vote_again", "--spread", "2"];
    let cut = checker(&[&broken[..], &["--property", "C3", "--states", "2000", "--checkpoint", path]].concat());
    assert_eq!(code(&cut), 3, "{}", text(&cut.stdout));
    let resumed = checker(&[&broken[..], &["--resume", path]].concat());
    assert_eq!(code(&resumed), 2, "{}", text(&resumed.stdout));
    let told = "error: the checkpoint is of another search: properties: C3 there, C2 here\n";
    assert_eq!(text(&resumed.stderr), told);
    let rules = checker(&["check", "elections-3", "--spread", "2", "--property", "C3", "--resume", path]);
    assert!(text(&rules.stderr).contains("mutant: vote_again there, none here"), "{}", text(&rules.stderr));
}

#[test]
fn where_none_of_the_properties_is_judged_nothing_is_said_to_hold() {
    let of_logs: [&[&str]; 3] = [
        &["elections-3", "--property", "C10"],
        &["recovery-3", "--property", "C10"],
        &["elections-3", "--mutant", "count_any_copy"],
    ];
    for arguments in of_logs {
        let output = checker(&[&["check"], arguments].concat());
        assert_eq!(code(&output), 2, "{}", text(&output.stdout));
    }
    let said = text(&checker(&["check", "--property", "C10"]).stdout);
    assert_eq!(said.matches("COMPLETE\n").count(), 12, "elections judge no logs: {said}");
}

#[test]
fn a_broken_rule_is_violated_and_its_counterexample_replays() {
    let trace = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("vote_again.txt");
    let path = trace.to_str().expect("the path is UTF-8");
    let output = checker(&["check", "--mutant", "may_vote", "--save", path]);
    let said = text(&output.stdout);
    assert_eq!(code(&output), 1, "{said}");
    assert!(said.starts_with("VIOLATED\n") && said.contains("counterexample, "), "{said}");
    let replayed = checker(&["replay", path]);
    let said = text(&replayed.stdout);
    assert_eq!(code(&replayed), 1, "{said}{}", text(&replayed.stderr));
    assert!(said.contains("BROKEN: C2 VoteOnce"), "{said}");
}

#[test]
fn a_step_that_panics_is_violated_and_says_what_and_where() {
    let output = checker(&["check", "--mutant", "never_truncate"]);
    let said = text(&output.stdout);
    assert_eq!(code(&output), 1, "{said}");
    assert!(said.contains("\npanicked    a log has no gaps (model/src/log.rs:"), "{said}");
    assert!(said.contains("counterexample, ") && said.contains("BROKEN: C17 Totality"), "{said}");
}

#[test]
fn a_search_that_was_cut_short_is_incomplete() {
    for limit in [["--time", "1s"], ["--memory", "1M"]] {
        let output = checker(&[&["check", "log-3-wide"], &limit[..]].concat());
        let said = text(&output.stdout);
        assert_eq!(code(&output), 3, "{said}");
        assert!(said.starts_with("INCOMPLETE\n") && said.contains("limit of"), "{said}");
        assert!(!said.contains("holds"), "nothing is claimed: {said}");
    }
}

#[test]
fn a_search_ends_before_it_takes_more_memory_than_it_may() {
    let output = checker(&["check", "log-3", "--memory", "40M", "--format", "json"]);
    let value = json(&output);
    assert_eq!((code(&output), &value["verdict"]), (3, &"INCOMPLETE".into()));
    let (part, limit) = (&value["parts"][0], 40 << 20);
    assert_eq!(part["memory_limit_bytes"], limit);
    assert!(part["peak_memory_bytes"].as_u64().is_some_and(|peak| limit / 2 < peak && peak <= limit), "{part}");
}

#[test]
fn a_search_that_met_no_leader_is_vacuous() {
    let output = checker(&["check", "elections-3", "--spread", "0"]);
    let said = text(&output.stdout);
    assert_eq!(code(&output), 4, "{said}");
    assert!(said.starts_with("VACUOUS\n") && said.contains("a leader was never reached"), "{said}");
}

#[test]
fn what_cannot_be_understood_is_a_usage_error() {
    let wrong: [&[&str]; 19] = [
        &["check", "nonsense"],
        &["check", "--mutant", "nonsense"],
        &["check", "--property", "nonsense"],
        &["check", "--servers", "10"],
        &["check", "--servers", "9"],
        &["check", "--terms", "3"],
        &["check", "plain-pair", "--spread", "3"],
        &["check", "--checkpoint", "two-parts"],
        &["check", "--time", "soon"],
        &["check", "--memory", "8"],
        &["catalogue", "nonsense"],
        &["mutants", "nonsense"],
        &["mutants", "--checks", "nonsense"],
        &["mutants", "--limit", "soon"],
        &["replay", "no/such/file"],
        &["show", "no/such/file"],
        &["show", "figure_8", "-o", "gif"],
        &["show", "figure_8", "-o", "svg", "--to", "no/such/directory/picture.svg"],
        &["explore", "--address", "nowhere"],
    ];
    for arguments in wrong {
        let output = checker(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", text(&output.stdout));
        assert!(text(&output.stderr).starts_with("error: "), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_part_of_the_catalogue_can_be_named() {
    let output = checker(&["catalogue", "may_vote", "1", "--format", "json"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let value = json(&output);
    let caught: Vec<_> = value.as_array().expect("a list").iter().map(|it| it["caught"].clone()).collect();
    assert_eq!(caught, [true, true]);
    assert_eq!(value[0]["caught_by"][0], "C2 VoteOnce");
}

#[test]
fn a_counterexample_ends_with_the_lines_that_go_on_from_it() {
    let said = text(&checker(&["check", "--mutant", "vote_again"]).stdout);
    let (_, further) = said.split_once("BROKEN: C2 VoteOnce\n").expect("it is broken");
    let lines: Vec<_> = further.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines[0], "to keep it     rafttree-checker check --mutant vote_again --save counterexample.txt");
    assert_eq!(lines[1], "to replay it   rafttree-checker replay counterexample.txt");
    assert_eq!(lines[2], "to explore it  rafttree-checker explore counterexample.txt");
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("kept.txt");
    let path = file.to_str().expect("a path in words");
    let said = text(&checker(&["check", "--mutant", "vote_again", "--save", path]).stdout);
    assert!(file.exists() && !said.contains("to keep it"), "it is kept: {said}");
    let replay = said.lines().find_map(|line| line.strip_prefix("to replay it   rafttree-checker ")).expect("a line");
    assert_eq!(code(&checker(&replay.split(' ').collect::<Vec<_>>())), 1, "the line does what it says");
}

#[test]
fn a_trace_is_shown_in_every_format() {
    let folder = tempfile::tempdir().expect("there is room");
    let beginnings = [
        ("html", "<!DOCTYPE html>"),
        ("svg", "<svg "),
        ("mermaid", "---\n"),
        ("itf", "{"),
        ("shiviz", "(?<event>"),
        ("json", "{"),
        ("text", "figure 8\n"),
    ];
    for (format, beginning) in beginnings {
        let output = checker(&["show", "figure_8", "-o", format]);
        assert_eq!(code(&output), 0, "{format}: {}", text(&output.stderr));
        assert!(text(&output.stdout).starts_with(beginning), "{format}");
    }
    let file = folder.path().join("figure_8.txt");
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/counterexamples/figure_8.txt");
    std::fs::copy(kept, &file).expect("it can be copied");
    let picture = folder.path().join("picture.svg");
    let [file, path] = [&file, &picture].map(|path| path.to_str().expect("a path in words"));
    assert_eq!(code(&checker(&["show", file, "-o", "svg", "--to", path])), 0);
    let by_name = text(&checker(&["show", "figure_8", "-o", "svg"]).stdout);
    assert_eq!(std::fs::read_to_string(picture).expect("it was written"), by_name);
}

#[test]
fn what_the_catalogue_finds_is_drawn() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().to_str().expect("a path in words");
    let output = checker(&["zoo", "may_vote", "--save", path, "--show", "svg"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let drawn = std::fs::read_to_string(folder.path().join("vote_again.svg")).expect("it was drawn");
    assert!(drawn.contains("BROKEN: C2 VoteOnce"), "{drawn}");
}

/// The words of before: whoever has written them down goes on.
#[test]
fn older_names_are_still_understood() {
    let older: [&[&str]; 6] = [
        &["zoo", "1"],
        &["list", "zoo"],
        &["report", "ledger", "--help"],
        &["report", "second-opinion", "--help"],
        &["check", "plain-flush", "--handovers", "false", "--states", "9"],
        &["check", "--ablate", "vote_again"],
    ];
    assert_eq!(older.map(|words| code(&checker(words))), [0, 0, 0, 0, 3, 1]);
}

#[test]
fn everything_that_can_be_named_is_listed() {
    for what in ["properties", "presets", "actions", "catalogue"] {
        let output = checker(&["list", what]);
        assert_eq!(code(&output), 0);
        assert!(2 < text(&output.stdout).lines().count());
        assert!(json(&checker(&["list", what, "--format", "json"])).is_array());
    }
}

#[test]
fn mutants_are_listed_with_what_is_expected_of_them() {
    let output = checker(&["mutants", "election", "rules", "--list"]);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("refused_votes_count"));
    let value = json(&checker(&["mutants", "--list", "--format", "json"]));
    let rows = value.as_array().expect("a list");
    assert!(60 <= rows.len());
    let is_equivalent = |row: &&serde_json::Value| row["expected"] == "equivalent";
    assert!(rows.iter().filter(is_equivalent).all(|row| row["reason"].is_string()), "{value}");
}

/// The class of the invariant without something that is reached: a stranger can see that it is missed.
#[test]
fn a_class_of_the_invariant_that_is_too_narrow_is_violated() {
    for narrow in ["commit", "matched", "logs", "requests", "compacted", "snapshots"] {
        let output = checker(&["check", "--narrow", narrow]);
        let said = text(&output.stdout);
        assert_eq!(code(&output), 1, "{said}");
        assert!(said.contains("it breaks I1 InClass") && said.contains("one is missing"), "{said}");
    }
    let output = checker(&["check", "elections-3", "--narrow", "logs"]);
    assert_eq!(code(&output), 2, "{}", text(&output.stdout));
}

const STEPS: [&str; 8] = ["check", "inductive-steps", "--servers", "3", "--terms", "2", "--entries", "2"];

#[test]
fn an_invariant_that_every_step_keeps_is_complete() {
    let value = json(&checker(&[&STEPS[..], &["--format", "json"]].concat()));
    assert_eq!(value["verdict"], "COMPLETE");
    let part = &value["parts"][0];
    assert_eq!(part["bounds"]["terms"], 2);
    let stages = part["stages"].as_array().expect("it has stages");
    assert!(stages.iter().all(|stage| stage["state"] == "holds"), "{value}");
    let logs = stages.iter().find(|stage| stage["name"] == "logs").expect("logs are judged");
    assert_eq!(logs["counts"]["histories"], 11);
}

#[test]
fn a_step_that_breaks_the_invariant_is_told_with_a_run_that_the_search_finds() {
    let output = checker(&["check", "inductive", "--mutant", "vote_again"]);
    let said = text(&output.stdout);
    assert_eq!(code(&output), 1, "{said}");
    assert!(said.starts_with("VIOLATED\n"), "{said}");
    assert!(said.contains("counterexample to induction, not necessarily reachable; it breaks E1"), "{said}");
    assert!(said.contains("    BROKEN: E1 one vote a term"), "{said}");
    assert!(said.contains("the search reaches it: a run of this code breaks C2 VoteOnce"), "{said}");
}

#[test]
fn an_invariant_that_was_not_judged_to_the_end_is_incomplete() {
    let output = checker(&["check", "inductive", "--time", "1s"]);
    assert_eq!(code(&output), 3, "{}", text(&output.stdout));
    assert!(text(&output.stdout).starts_with("INCOMPLETE\n  a limit or a signal ended it"));
}

#[test]
fn what_the_invariant_has_no_use_for_is_refused() {
    let refused: [(&[&str], &str); 8] = [
        (&["--spread", "2"], "it speaks of single steps"),
        (&["--terms", "9"], "--terms 9: the invariant is judged for 1 to 6"),
        (&["--entries", "0"], "--entries 0: the invariant is judged for 1 to 6"),
        (&["--terms", "6", "--entries", "6"], "more histories than anybody has the time for"),
        (&["--property", "C1"], "the invariant is judged whole"),
        (&["--states", "9"], "no states are kept for the invariant"),
        (&["--narrow", "commit"], "the invariant is judged whole"),
        (&["--mutant", "torn_vote"], "no mutant of a step is called 'torn_vote'"),
    ];
    for (options, why) in refused {
        let output = checker(&[&["check", "inductive"], options].concat());
        assert_eq!(code(&output), 2, "{options:?}");
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
}

#[test]
fn a_swarm_that_finds_nothing_says_that_this_proves_nothing() {
    let arguments = ["swarm", "--runs", "3", "--steps", "500"];
    let said = checker(&arguments);
    assert_eq!(code(&said), 0, "{}", text(&said.stderr));
    assert!(text(&said.stdout).starts_with("NOTHING FOUND in 3 runs\n"), "{}", text(&said.stdout));
    assert!(!text(&said.stdout).contains("COMPLETE") && text(&said.stdout).contains("\nnever met:"));
    let value = json(&checker(&[&arguments[..], &["--format", "json"]].concat()));
    assert_eq!((&value["schema"], &value["verdict"]), (&"rafttree-swarm/1".into(), &"NOTHING FOUND".into()));
    assert_eq!((&value["actions_tried"], &value["runs"]), (&1500.into(), &3.into()));
    assert!(value["rules"]["may_vote"]["yes"].as_u64().is_some_and(|count| 0 < count), "{value}");
    assert!(text(&said.stdout).contains(value["digest"].as_str().expect("a digest")));
}

#[test]
fn a_swarm_finds_a_mutant_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("found.txt");
    let path = file.to_str().expect("the path is UTF-8");
    let output = checker(&["swarm", "--mutant", "vote_again", "--save", path]);
    let said = text(&output.stdout);
    assert_eq!(code(&output), 1, "{said}");
    assert!(said.starts_with("VIOLATED\n") && said.contains("BROKEN        C2 VoteOnce"), "{said}");
    let replayed = checker(&["replay", path]);
    assert_eq!(code(&replayed), 1, "{}", text(&replayed.stderr));
    assert!(text(&replayed.stdout).contains("BROKEN: C2 VoteOnce"), "{}", text(&replayed.stdout));
    let again = said.lines().find_map(|line| line.strip_prefix("to make it again  rafttree-checker ")).expect("a line");
    let again = json(&checker(&[&again.split(' ').collect::<Vec<_>>()[..], &["--format", "json"]].concat()));
    assert_eq!(again["runs"], 1);
    let scenario = std::fs::read_to_string(file).expect("it was written");
    assert_eq!(again["found"]["scenario"], scenario);
}

#[test]
fn a_swarm_without_a_leader_is_vacuous_and_nonsense_is_refused() {
    let output = checker(&["swarm", "--runs", "1", "--steps", "1"]);
    assert_eq!(code(&output), 4, "{}", text(&output.stdout));
    let refused: [(&[&str], &str); 5] = [
        (&["--shard", "4/3"], "'4/3' is no shard"),
        (&["--mutant", "no_such"], "no mutant is called 'no_such'"),
        (&["--property", "V1"], "V1 Recovery is not judged in runs"),
        (&["--run", "3", "--time", "1s"], "cannot be used with"),
        (&["--servers", "10"], "10 is not in 1..=9"),
    ];
    for (options, why) in refused {
        let output = checker(&[&["swarm"], options].concat());
        assert_eq!(code(&output), 2, "{options:?}");
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
}
