//! What ends a search early, and how the others end then.

use std::time::{Duration, Instant};

use crate::process::{Process, addresses, reason, together, with_a_full_disk, words};
use crate::{ENDLESS, FEW};

#[test]
fn a_limit_or_a_signal_at_any_process_ends_all() {
    let ends = together(2, &[&ENDLESS[..], &["--states", "2000"]].concat());
    assert_eq!(
        reason(&ends[0].1),
        "the limit of 2000 states was reached; nothing is known of the states that were not reached"
    );
    assert!(ends.iter().all(|(code, ..)| *code == 3), "{ends:?}");
    let hosts = addresses(2);
    let mut all = [0, 1].map(|process| Process::start(&hosts, process, &ENDLESS));
    all.iter_mut().for_each(|process| drop(process.says("all 2 processes have joined")));
    all[1].signal("TERM");
    let [first, second] = all.map(Process::end);
    assert!(reason(&first.1).starts_with(&format!("process 1 ({}): it was told to stop", hosts[1])), "{first:?}");
    assert_eq!([first.0, second.0], [3, 3], "{second:?}");
}

/// Starts two endless ones, does something to the second, and says why the first ends, and within what time.
pub(crate) fn when(further: &[&str], happens: impl FnOnce(&Process)) -> (String, Duration, [String; 2]) {
    let hosts = addresses(2);
    let start = |process| Process::start(&hosts, process, &[&ENDLESS[..], &["--silence", "2s"], further].concat());
    let [mut first, mut second] = [start(0), start(1)];
    first.says("all 2 processes have joined");
    second.says("all 2 processes have joined");
    happens(&second);
    let began = Instant::now();
    let (code, printed, said) = first.end();
    assert_eq!(code, 3, "{said}");
    assert!(!said.contains("panic") && !said.contains("internal"), "{said}");
    (reason(&printed), began.elapsed(), [hosts[0].clone(), hosts[1].clone()])
}

#[test]
fn a_process_that_dies_ends_the_others_at_once() {
    let (reason, _, hosts) = when(&[], |second| second.signal("KILL"));
    assert!(reason.starts_with(&format!("process 1 ({}) is gone", hosts[1])), "{reason}");
}

#[test]
fn a_process_that_falls_silent_ends_the_others_within_a_bound() {
    let (reason, time, hosts) = when(&[], |second| second.signal("STOP"));
    assert!(reason.starts_with(&format!("process 1 ({}) has said nothing for 2s", hosts[1])), "{reason}");
    assert!(time < Duration::from_secs(20), "{time:?}");
}

#[test]
fn what_ends_the_local_simulation_at_any_process_ends_all() {
    for (name, why) in [("TERM", "it was told to stop"), ("KILL", "is gone")] {
        let hosts = addresses(2);
        let mut all = [0, 1].map(|process| Process::start(&hosts, process, &FEW));
        all.iter_mut().for_each(|process| drop(process.says("the processes share the local simulation")));
        all[1].signal(name);
        let [first, second] = all;
        let (code, printed, said) = first.end();
        let reason = reason(&printed);
        let beginning = format!("the local simulation was cut short: process 1 ({})", hosts[1]);
        assert!(reason.starts_with(&beginning) && reason.contains(why), "{name}: {reason}");
        assert!(reason.ends_with("but not all was tried that may happen to single servers"), "{reason}");
        assert_eq!(code, 3, "{said}");
        if name == "TERM" {
            assert_eq!(second.end().0, 3);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_of_waiting_states_ends_all_with_the_reason() {
    let (directory, hosts) = (tempfile::tempdir().expect("there is room"), addresses(2));
    let further = ["--frontier-memory", "0K", "--frontier-dir", words(directory.path())];
    let [first, second] = with_a_full_disk(&hosts, &[&ENDLESS[..], &further].concat());
    assert_eq!([first.0, second.0], [3, 3], "{first:?} {second:?}");
    let beginning = format!("process 1 ({}): states that wait cannot be written to ", hosts[1]);
    assert!(reason(&first.1).starts_with(&beginning), "{first:?}");
    assert_eq!(directory.path().read_dir().expect("it is there").count(), 0, "nothing is left behind");
}
