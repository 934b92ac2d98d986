//! A search that was written down is gone on with as if nothing had been.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::toys::{Counters, Endless, Turn, counters, sum};
use super::{counts, flag, search, with_threads};
use crate::search::{CheckpointError, Ended, Found, Identity, Limits, Search, Space};

pub(super) fn saving(path: &Path, threads: usize) -> Search {
    Search { checkpoint: Some(path.to_owned()), code: "this", ..with_threads(threads) }
}

pub(super) fn resume<S: Space>(search: &Search, space: &S, path: &Path) -> Result<Found<S::Action>, CheckpointError> {
    search.resume(space, path, &mut |_| {})
}

pub(super) fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("search");
    (directory, path)
}

/// Stops in the middle of the layers of these sums, one after the other, and goes on each time.
pub(super) fn interrupted(space: &Counters, stops: &[u32], search: Search, path: &Path) -> Found<Turn> {
    let stop_at = |sum_to_stop_at: u32, resumed: bool| {
        let search = Search { stop: flag(), ..search.clone() };
        let hook = |state: &[u8]| {
            if sum(state) == sum_to_stop_at {
                search.stop.store(true, Ordering::Relaxed);
            }
        };
        let space = Counters { hook: &hook, ..*space };
        let found = if resumed { resume(&search, &space, path).unwrap() } else { search.run(&space, &mut |_| {}) };
        assert_eq!(found.saved, Some(Ok(())));
        assert_eq!(found.ended, Ended::Cut("it was told to stop".to_owned()));
    };
    stop_at(stops[0], false);
    for &next in &stops[1..] {
        stop_at(next, true);
    }
    resume(&search, space, path).unwrap()
}

#[test]
fn a_resumed_search_counts_what_one_without_an_end_counts() {
    let (_directory, path) = place();
    let space = counters(5, 8);
    for wide_fingerprints in [false, true] {
        let expected = search(&Search { wide_fingerprints, seed: 5, ..with_threads(1) }, &space);
        for threads in [1, 2, 3] {
            let search = Search { wide_fingerprints, seed: 5, ..saving(&path, threads) };
            let found = interrupted(&space, &[0, 11, 12, 20, 39], search, &path);
            assert_eq!(counts(&found), counts(&expected));
            assert_eq!((found.ended, found.table_bytes), (Ended::Exhausted, expected.table_bytes));
        }
    }
}

#[test]
fn a_search_is_cut_in_the_middle_of_a_layer() {
    let (_directory, path) = place();
    let search = saving(&path, 1);
    let hook = |state: &[u8]| search.stop.store(sum(state) == 16, Ordering::Relaxed);
    let space = Counters { hook: &hook, ..counters(5, 8) };
    let found = search.run(&space, &mut |_| {});
    let expected = super::search(&with_threads(1), &counters(5, 8)).layers;
    assert_eq!(found.layers[..17], expected[..17]);
    assert!(found.layers[17] < expected[17] / 2, "otherwise the tests of this file show little");
}

#[test]
fn a_resumed_search_finds_the_same_counterexample() {
    let (_directory, path) = place();
    let breaks = |state: &[u8]| u64::from(sum(state) == 18 && state[0] == 8);
    let space = Counters { breaks, ..counters(5, 8) };
    let expected = search(&with_threads(1), &space);
    assert_eq!((&expected.ended, expected.path.len()), (&Ended::Violated(1), 18));
    for threads in [1, 2] {
        let found = interrupted(&space, &[3, 16], saving(&path, threads), &path);
        assert_eq!(counts(&found), counts(&expected));
        assert_eq!((found.ended, found.path), (expected.ended.clone(), expected.path.clone()));
    }
}

#[test]
fn checkpoints_are_written_on_the_way() {
    let (_directory, path) = place();
    let search = Search { checkpoint_every: Some(Duration::ZERO), ..saving(&path, 2) };
    let mut copies = Vec::new();
    let space = counters(4, 5);
    let expected = search.run(&space, &mut |progress| {
        if progress.depth % 5 == 0 {
            copies.push(std::fs::read(&path).unwrap());
        }
    });
    assert_eq!((&expected.ended, &expected.saved), (&Ended::Exhausted, &Some(Ok(()))));
    assert!(3 <= copies.len());
    for copy in copies {
        std::fs::write(&path, copy).unwrap();
        assert_eq!(counts(&resume(&saving(&path, 1), &space, &path).unwrap()), counts(&expected));
    }
}

#[test]
fn the_time_before_a_checkpoint_is_told_after_it() {
    let (_directory, path) = place();
    let search = Search { limits: Limits { states: Some(5_000), ..Limits::default() }, ..saving(&path, 1) };
    let mut before = Duration::ZERO;
    search.run(&counters(4, 9), &mut |progress| before = progress.elapsed);
    let mut told = Vec::new();
    let after = saving(&path, 1).resume(&counters(4, 9), &path, &mut |progress| told.push(progress.elapsed)).unwrap();
    assert!(before < told[0] && told[0] < after.elapsed);
}

/// A checkpoint of four counters.
fn written(path: &Path) -> Vec<u8> {
    let search = Search { limits: Limits { states: Some(100), ..Limits::default() }, ..saving(path, 1) };
    assert_eq!(search.run(&counters(4, 9), &mut |_| {}).saved, Some(Ok(())));
    std::fs::read(path).unwrap()
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let (_directory, path) = place();
    let whole = written(&path);
    let try_with = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        resume(&saving(&path, 1), &counters(4, 9), &path)
    };
    assert!(try_with(&whole).is_ok());
    for place in (0..whole.len()).step_by(61).chain([0, 8, whole.len() - 1]) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        let error = try_with(&damaged).unwrap_err();
        match place {
            0..8 => assert!(matches!(error, CheckpointError::Foreign)),
            8..12 => assert!(matches!(error, CheckpointError::OtherVersion(_))),
            _ => assert!(matches!(error, CheckpointError::Damaged)),
        }
    }
    for length in (12..whole.len()).step_by(997).chain([12, 15, 16, whole.len() - 1]) {
        assert!(matches!(try_with(&whole[..length]), Err(CheckpointError::Damaged)));
    }
    let longer = [&whole[..], &[0]].concat();
    assert!(matches!(try_with(&longer), Err(CheckpointError::Damaged)));
}

#[test]
fn something_else_than_a_checkpoint_is_refused() {
    let (directory, path) = place();
    for other in [&b""[..], b"RT", b"a poem about trees"] {
        std::fs::write(&path, other).unwrap();
        assert!(matches!(resume(&saving(&path, 1), &counters(4, 9), &path), Err(CheckpointError::Foreign)));
    }
    let nothing = resume(&saving(&path, 1), &counters(4, 9), &directory.path().join("nothing"));
    assert!(matches!(nothing, Err(CheckpointError::Unreadable(_))));
}

#[test]
fn a_checkpoint_of_another_search_is_refused_with_what_differs() {
    let (_directory, path) = place();
    written(&path);
    let search = saving(&path, 1);
    let refused = |search: &Search, space: &Counters, differences: &str| {
        let told = resume(search, space, &path).unwrap_err().to_string();
        assert_eq!(told, format!("the checkpoint is of another search: {differences}"));
    };
    let same = counters(4, 9);
    refused(&Search { seed: 1, ..search.clone() }, &same, "seed: 0 there, 1 here");
    let wide = Search { wide_fingerprints: true, ..search.clone() };
    refused(&wide, &same, "bits of a fingerprint: 64 there, 128 here");
    refused(&Search { code: "other", ..search.clone() }, &same, "code: this there, other here");
    refused(&search, &counters(5, 8), "counters: 4 there, 5 here; top: 9 there, 8 here");
}

#[test]
fn a_part_that_only_one_of_two_searches_has_is_a_difference() {
    let (one, both) = (Identity::default().with("seed", 1), Identity::default().with("seed", 1).with("code", "this"));
    assert_eq!(both.differences(&one), ["code: nothing there, this here"]);
    assert_eq!(one.differences(&both), ["code: this there, nothing here"]);
    assert!(both.differences(&both).is_empty());
}

#[test]
fn a_resumed_search_says_so() {
    let (_directory, path) = place();
    let search = Search { limits: Limits { states: Some(100), ..Limits::default() }, ..saving(&path, 1) };
    let cut = search.run(&counters(4, 9), &mut |_| {});
    let resumed = resume(&saving(&path, 1), &counters(4, 9), &path).unwrap();
    assert_eq!((cut.resumed_from, resumed.resumed_from), (None, Some(cut.states)));
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_told() {
    let (directory, _) = place();
    let path = directory.path().join("nowhere").join("search");
    let search = Search { limits: Limits { states: Some(100), ..Limits::default() }, ..saving(&path, 1) };
    let found = search.run(&counters(4, 9), &mut |_| {});
    assert!(matches!(found.ended, Ended::Cut(_)));
    assert!(found.saved.unwrap().unwrap_err().contains("nowhere"));
}

#[test]
#[should_panic(expected = "a space that cannot write checkpoints is asked to")]
fn a_space_that_cannot_write_checkpoints_is_not_asked_to() {
    let (_directory, path) = place();
    search(&saving(&path, 1), &Endless);
}
