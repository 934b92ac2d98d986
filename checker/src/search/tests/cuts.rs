//! A search that did not get to its end never says that it did.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::toys::{Counters, Endless, counters};
use super::{flag, search, with_threads};
use crate::search::memory::allowed_under;
use crate::search::{Ended, Found, Limits, Search};

fn reason<A>(found: &Found<A>) -> &str {
    let Ended::Cut(reason) = &found.ended else { panic!("{:?} instead of a cut", found.ended) };
    reason
}

fn limited(threads: usize, limits: Limits) -> Search {
    Search { limits, ..with_threads(threads) }
}

#[test]
fn time_cuts_a_search_by_one_thread_as_well_as_by_more() {
    // With one thread Stateright's `timeout` does nothing, and with two `is_done` is true after it.
    for threads in [1, 2, 3] {
        let limits = Limits { time: Some(Duration::from_millis(20)), ..Limits::default() };
        let found = search(&limited(threads, limits), &Endless);
        assert_eq!(reason(&found), "the time limit of 20ms was reached");
        assert!(limits.time.unwrap() <= found.elapsed);
        assert!(1 < found.states && found.states <= found.transitions + 1);
    }
}

#[test]
fn no_time_at_all_is_a_cut_even_of_a_small_space() {
    for threads in [1, 2] {
        let limits = Limits { time: Some(Duration::ZERO), ..Limits::default() };
        let found = search(&limited(threads, limits), &counters(2, 2));
        assert_eq!((reason(&found), found.states), ("the time limit of 0ns was reached", 1));
    }
}

#[test]
fn memory_cuts() {
    for threads in [1, 2] {
        let found = search(&limited(threads, Limits { memory: Some(1 << 20), ..Limits::default() }), &Endless);
        assert!(reason(&found).starts_with("the memory limit of 1 MiB would be passed ("), "{}", reason(&found));
        assert!(1 << 20 < found.peak_resident);
    }
}

/// File systems as a system shows them, each file with its text.
fn shown(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let file = directory.path().join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    directory
}

#[test]
fn the_least_of_all_memory_limits_is_what_is_allowed() {
    let allowed = |files: &[(&str, &str)]| {
        let root = shown(files);
        allowed_under(&root.path().join("proc"), &root.path().join("cgroup")).map(|bytes| bytes >> 20)
    };
    let machine = ("proc/meminfo", "MemTotal:       8388608 kB\nMemFree: 1 kB\n");
    assert_eq!(allowed(&[]), None);
    assert_eq!(allowed(&[machine]), Some(8192));
    let second = ("proc/self/cgroup", "0::/a.slice/b.scope\n");
    let (unlimited, outer) =
        (("cgroup/a.slice/b.scope/memory.max", "max\n"), ("cgroup/a.slice/memory.max", "41943040\n"));
    assert_eq!(allowed(&[machine, second, unlimited]), Some(8192));
    assert_eq!(allowed(&[machine, second, unlimited, outer]), Some(40), "that of a group that it is in counts");
    let beside = ("cgroup/other.slice/memory.max", "1\n");
    assert_eq!(allowed(&[machine, second, beside]), Some(8192));
    let first = ("proc/self/cgroup", "9:cpu,cpuacct:/c\n8:memory:/docker/c\n0::/c\n");
    let inner = ("cgroup/memory/docker/c/memory.limit_in_bytes", "52428800\n");
    assert_eq!(allowed(&[machine, first, inner]), Some(50));
    let root = ("cgroup/memory/memory.limit_in_bytes", "62914560\n");
    assert_eq!(allowed(&[machine, first, root]), Some(60), "as a container sees it, whose path is the host's");
    let hybrid = ("cgroup/unified/c/memory.max", "20971520\n");
    assert_eq!(allowed(&[machine, first, inner, hybrid]), Some(20));
}

#[test]
fn a_number_of_states_cuts() {
    for threads in [1, 2] {
        let found = search(&limited(threads, Limits { states: Some(1_000), ..Limits::default() }), &Endless);
        assert_eq!(reason(&found), "the limit of 1000 states was reached");
        // Looked at between layers while they are small.
        assert_eq!((found.states, found.layers.len()), (1_365, 6));
    }
}

#[test]
fn a_signal_cuts() {
    for threads in [1, 2] {
        let search = Search { stop: flag(), ..with_threads(threads) };
        let found =
            search.run(&Endless, &mut |progress| search.stop.store(100_000 < progress.states, Ordering::Relaxed));
        assert_eq!(reason(&found), "it was told to stop");
        assert!(100_000 < found.states && found.states < 1_000_000, "it stops soon");
    }
}

#[test]
fn limits_that_are_not_reached_change_nothing() {
    let limits = Limits { time: Some(Duration::from_secs(3600)), memory: Some(1 << 50), states: Some(1_001) };
    assert_eq!(search(&limited(2, limits), &counters(3, 9)).ended, Ended::Exhausted);
    // Nothing is left to do when the last state is counted, and still not everything was looked at.
    let limits = Limits { states: Some(1_000), ..Limits::default() };
    assert!(matches!(search(&limited(2, limits), &counters(3, 9)).ended, Ended::Cut(_)));
}

#[test]
fn a_panic_that_breaks_nothing_is_a_panic() {
    let hook = |state: &[u8]| assert!(state != [4, 3, 2, 1], "no good at 4321");
    let space = Counters { hook: &hook, ..counters(4, 6) };
    for threads in [1, 2, 3] {
        let panic = catch_unwind(AssertUnwindSafe(|| search(&with_threads(threads), &space))).err().unwrap();
        assert!(panic.downcast_ref::<String>().unwrap().contains("no good at 4321"));
    }
}
