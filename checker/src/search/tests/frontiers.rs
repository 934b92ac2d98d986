//! A frontier that memory has no room for changes nothing but where it is.

use std::fs;
use std::path::Path;

use super::checkpoints::{interrupted, place, resume, saving};
use super::toys::{Counters, Endless, counters, sum};
use super::{counts, search, with_threads};
use crate::search::frontier::{BLOCK, Frontier, Room};
use crate::search::{Ended, Limits, Search};

fn on_disk(search: Search, bytes: u64, directory: &Path) -> Search {
    Search { frontier_memory: Some(bytes), frontier_directory: Some(directory.to_owned()), ..search }
}

/// A block of its states has 1,536 bytes, and the widest layer about 60 of them.
fn space() -> Counters<'static> {
    counters(5, 8)
}

#[test]
fn a_frontier_on_disk_is_searched_as_one_in_memory_is() {
    let directory = tempfile::tempdir().unwrap();
    let expected = search(&with_threads(1), &space());
    assert_eq!(expected.most_on_disk, 0, "memory has no bound");
    for threads in [1, 2, 3] {
        let [all, some] = [0, 50_000].map(|bytes| {
            let found = search(&on_disk(with_threads(threads), bytes, directory.path()), &space());
            assert_eq!((&found.ended, counts(&found)), (&Ended::Exhausted, counts(&expected)), "{threads} threads");
            found.most_on_disk
        });
        assert!(0 < some && some + 5_000 < all && all < 2 * 5 * 4_000, "{some} and {all} bytes");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn what_is_on_disk_is_told_on_the_way_and_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    on_disk(with_threads(1), 0, directory.path()).run(&space(), &mut |progress| told.push(progress.on_disk));
    assert!(told.iter().any(|bytes| 5 * 3_000 < *bytes), "{told:?}");
    assert_eq!(told.last(), Some(&0));
}

#[test]
fn its_counterexample_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let breaks = |state: &[u8]| u64::from(sum(state) == 18 && state[0] == 8);
    let space = Counters { breaks, ..space() };
    let expected = search(&with_threads(1), &space);
    assert_eq!(expected.path.len(), 18);
    for threads in [1, 2] {
        let found = search(&on_disk(with_threads(threads), 0, directory.path()), &space);
        assert_eq!((found.ended, found.path), (expected.ended.clone(), expected.path.clone()));
    }
}

#[test]
fn a_checkpoint_has_what_is_on_disk_and_is_gone_on_with_by_any_room() {
    let (directory, path) = place();
    let expected = search(&with_threads(1), &space());
    for bytes in [0, 50_000] {
        let search = on_disk(saving(&path, 2), bytes, directory.path());
        let found = interrupted(&space(), &[0, 11, 12, 20], search, &path);
        assert_eq!((counts(&found), 0 < found.most_on_disk), (counts(&expected), true));
        // The last that was written, once more, without a bound.
        let found = resume(&saving(&path, 1), &space(), &path).unwrap();
        assert_eq!((counts(&found), found.most_on_disk), (counts(&expected), 0));
    }
}

#[test]
fn a_disk_that_takes_nothing_ends_the_search_with_the_reason_and_loses_nothing() {
    let (directory, path) = place();
    let no_directory = directory.path().join("file");
    fs::write(&no_directory, "").unwrap();
    let cut = search(&on_disk(saving(&path, 2), 50_000, &no_directory), &space());
    let Ended::Cut(reason) = &cut.ended else { panic!("{:?}", cut.ended) };
    let beginning = format!("states that wait cannot be written to {}: ", no_directory.display());
    assert!(reason.starts_with(&beginning) && beginning.len() < reason.len(), "{reason}");
    assert_eq!(cut.saved, Some(Ok(())));
    let found = resume(&saving(&path, 1), &space(), &path).unwrap();
    assert_eq!((found.resumed_from, counts(&found)), (Some(cut.states), counts(&search(&with_threads(1), &space()))));
}

#[test]
fn states_that_cannot_be_written_down_stay_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let search = Search { limits: Limits { states: Some(1_000), ..Limits::default() }, ..with_threads(1) };
    let found = super::search(&on_disk(search, 0, directory.path()), &Endless);
    assert_eq!((found.states, found.most_on_disk), (1_365, 0));
}

#[test]
fn a_block_that_has_changed_on_disk_is_not_believed_and_still_waits() {
    let directory = tempfile::tempdir().unwrap();
    for damage in [Frontier::flip_on_disk, Frontier::cut_on_disk] {
        let mut frontier = Frontier::new(Some(Room { blocks: 0, directory: directory.path().to_owned() }));
        frontier.push([vec![vec![1, 2, 3, 4, 5]; BLOCK]]);
        frontier.spill(&space());
        frontier.advance();
        damage(&mut frontier);
        frontier.batch(&space(), &mut [()], || false, |(), _| panic!("nothing is to be worked on"));
        assert!(frontier.trouble().unwrap().starts_with("states that wait cannot be read from "));
        assert!(!frontier.is_layer_done() && frontier.waiting() == BLOCK as u64);
    }
}

/// Layers that were gathered piece by piece, as those who go on from a checkpoint of others do.
#[cfg(feature = "hosts")]
#[test]
fn a_frontier_of_two_layers_has_all_of_both_wherever_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let gathered = |from: u8| {
        let mut layer = Frontier::new(Some(Room { blocks: 1, directory: directory.path().to_owned() }));
        layer.push((from..from + 3).map(|state| vec![vec![state; 5]]));
        layer.spill(&space());
        layer
    };
    let mut frontier = Frontier::of_layers(gathered(0), gathered(3));
    assert_eq!((frontier.waiting(), frontier.on_disk()), (3, 4 * 5), "two blocks of each are on disk");
    let mut taken = Vec::new();
    for _ in 0..2 {
        let mut layer: Vec<u8> = std::iter::from_fn(|| frontier.pop(&space())).map(|block| block[0][0]).collect();
        layer.sort_unstable();
        taken.push(layer);
        frontier.advance();
    }
    assert_eq!(taken, [[0, 1, 2], [3, 4, 5]]);
}
