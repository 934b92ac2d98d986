//! Searches that are written down, and gone on with.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::ends::when;
use crate::process::{Process, addresses, alone, checker, found, json, reason, together, with_a_full_disk, words};
use crate::{ENDLESS, SMALL};

/// The names of what is in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("it can be read");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("it is there").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A small search by two processes, cut in the middle, and the directory that it was written to.
fn cut() -> (tempfile::TempDir, u64) {
    let directory = tempfile::tempdir().expect("there is room");
    let further = ["--states", "3000", "--checkpoint", words(directory.path())];
    let ends = together(2, &[&SMALL[..], &further].concat());
    assert!(ends.iter().all(|(code, ..)| *code == 3), "{ends:?}");
    let names = names(directory.path());
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names.iter().filter(|name| name.ends_with(".piece")).count() == 2, "{names:?}");
    let states = json(&ends[0].1)["parts"][0]["states"].as_u64().expect("a number");
    (directory, states)
}

#[test]
fn any_number_of_processes_goes_on_from_a_checkpoint_to_the_same_counts() {
    let (_, mut expected) = alone(&SMALL);
    let (directory, states) = cut();
    expected["resumed_from_states"] = Value::from(states);
    assert!(3000 <= states && states < expected["states"].as_u64().expect("a number"));
    for (processes, room) in [(1, "1G"), (2, "0K"), (3, "1G")] {
        let further = ["--resume", words(directory.path()), "--frontier-memory", room];
        let ends = together(processes, &[&SMALL[..], &further].concat());
        assert_eq!(ends[0].0, 0, "{ends:?}");
        assert_eq!(found(&json(&ends[0].1)), expected, "{processes} processes");
    }
    // Cut once more, by more of them and of more threads: only the newest checkpoint stays, and it is as good.
    let further =
        ["--resume", words(directory.path()), "--states", "6000", "--frontier-memory", "0K", "--threads", "2"];
    let ends = together(3, &[&SMALL[..], &further].concat());
    assert_eq!(ends[0].0, 3, "{ends:?}");
    let names = names(directory.path());
    assert_eq!(names.len(), 7, "a manifest and six pieces: {names:?}");
    expected["resumed_from_states"] = json(&ends[0].1)["parts"][0]["states"].clone();
    let ends = together(2, &[&SMALL[..], &["--resume", words(directory.path())]].concat());
    assert_eq!(found(&json(&ends[0].1)), expected);
}

#[test]
fn a_checkpoint_that_is_cut_or_of_another_search_is_refused() {
    let (directory, _) = cut();
    let resume = ["--resume", words(directory.path())];
    let refused = |arguments: &[&str], why: &str| {
        let (code, printed, said) = Process::start(&addresses(1), 0, &[arguments, &resume].concat()).end();
        assert_eq!((code, printed.as_str()), (2, ""), "{said}");
        assert!(said.contains(why), "'{why}' is not in: {said}");
    };
    refused(&["log-3", "--spread", "1", "--window", "2"], "window of logs: 1 there, 2 here");
    refused(&["log-3", "--spread", "1", "--window", "1", "--seed", "3"], "seed: 0 there, 3 here");
    let names = names(directory.path());
    let (one, manifest) = (directory.path().join(&names[0]), directory.path().join("manifest"));
    let alone = checker(&[&SMALL[..], &["--resume", words(&one)]].concat()).output().expect("the checker starts");
    let said = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert!(alone.status.code() == Some(2) && said.contains("piece: 0 of 2"), "a piece is no checkpoint: {said}");
    let [whole, list] = [&one, &manifest].map(|path| fs::read(path).expect("it is there"));
    fs::write(&one, &whole[..whole.len() - 1]).expect("there is room");
    refused(&SMALL, &format!("{}: the checkpoint is damaged", names[0]));
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&one, &flipped).expect("there is room");
    refused(&SMALL, "the checkpoint is damaged");
    fs::remove_file(&one).expect("it is there");
    refused(&SMALL, "the checkpoint cannot be read");
    fs::write(&one, &whole).expect("there is room");
    fs::write(&manifest, &list[..list.len() - 3]).expect("there is room");
    refused(&SMALL, "manifest: the checkpoint is damaged");
    fs::write(&manifest, &list).expect("there is room");
    let (code, _, said) = Process::start(&addresses(1), 0, &[&SMALL[..], &resume].concat()).end();
    assert_eq!(code, 0, "as it was, it is gone on with: {said}");
}

#[test]
fn a_process_that_dies_leaves_the_checkpoint_to_go_on_from() {
    let directory = tempfile::tempdir().expect("there is room");
    let at = words(directory.path());
    let ends = together(2, &[&ENDLESS[..], &["--states", "2000", "--checkpoint", at]].concat());
    let states = json(&ends[0].1)["parts"][0]["states"].clone();
    let before = names(directory.path());
    let hosts = addresses(2);
    let mut both = [0, 1].map(|process| Process::start(&hosts, process, &[&ENDLESS[..], &["--resume", at]].concat()));
    both.iter_mut().for_each(|process| drop(process.says("all 2 processes have joined")));
    both[1].signal("KILL");
    let [first, _] = both;
    let (code, printed, said) = first.end();
    assert_eq!(code, 3, "{said}");
    let reason = reason(&printed);
    assert!(reason.contains(&format!("is gone; '--resume {at}' at all goes on from the last checkpoint")), "{reason}");
    assert_eq!(names(directory.path()), before);
    let (reason, ..) = when(&["--seed", "3", "--checkpoint", at], |second| second.signal("KILL"));
    let words = format!("is gone; no checkpoint had been written to {at} yet");
    assert!(reason.contains(&words), "that of another search is none: {reason}");
    let ends = together(1, &[&ENDLESS[..], &["--resume", at, "--states", "3000"]].concat());
    assert_eq!(json(&ends[0].1)["parts"][0]["resumed_from_states"], states);
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_told_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().expect("there is room");
    let hosts = addresses(2);
    let of_checkpoint = ["--checkpoint", words(directory.path()), "--states", "3000", "--format", "text"];
    let arguments = [&SMALL[..], &of_checkpoint].concat();
    let [first, second] = with_a_full_disk(&hosts, &arguments);
    assert_eq!([first.0, second.0], [3, 3], "{first:?} {second:?}");
    let line = first.1.lines().find(|line| line.starts_with("checkpoint")).expect("it is told");
    assert!(line.starts_with(&format!("checkpoint  not written: process 1 ({}): ", hosts[1])), "{line}");
    assert!(second.2.contains("the checkpoint was not written: "), "{second:?}");
    assert_eq!(names(directory.path()), [""; 0]);
}
