//! What several processes find.

use serde_json::Value;

use crate::SMALL;
use crate::process::{alone, found, json, together};

#[test]
fn any_number_of_processes_finds_what_one_does() {
    let (code, expected) = alone(&SMALL);
    assert_eq!((code, &expected["verdict"]), (0, &Value::from("COMPLETE")));
    let others: [&[&str]; 3] = [&[], &["--wide-fingerprints"], &["--seed", "7", "--frontier-memory", "0K"]];
    for (processes, further) in (1..).zip(others) {
        let ends = together(processes, &[&SMALL[..], further].concat());
        for (process, (code, printed, said)) in ends.iter().enumerate() {
            assert_eq!(*code, 0, "{said}");
            assert_eq!(process == 0, !printed.is_empty(), "process 0 alone tells the verdict: {printed}");
        }
        let value = json(&ends[0].1);
        let mut now = found(&value);
        now["collision_probability"] = expected["collision_probability"].clone();
        assert_eq!(now, expected, "{processes} processes");
        let held = value["parts"][0]["processes"].as_array().expect("each is told");
        let of_each = |what: &str| held.iter().map(|it| it[what].as_u64().expect("a number")).collect::<Vec<_>>();
        let (states, on_disk) = (of_each("states"), of_each("frontier_disk_bytes"));
        assert_eq!(states.len(), processes);
        let has_no_room = further.contains(&"0K");
        assert!(on_disk.iter().all(|bytes| (0 < *bytes) == has_no_room), "{on_disk:?} bytes on disk");
        assert_eq!(value["parts"][0]["frontier_disk_bytes"], on_disk.iter().sum::<u64>());
        assert_eq!(Value::from(states.iter().sum::<u64>()), expected["states"], "each belongs to one: {states:?}");
        let share = expected["states"].as_u64().expect("a number") / processes as u64;
        assert!(states.iter().all(|states| share * 9 / 10 < *states), "each has its share: {states:?}");
    }
}

#[test]
fn threads_of_several_processes_find_the_same() {
    let (_, expected) = alone(&SMALL);
    let ends = together(2, &[&SMALL[..], &["--threads", "2"]].concat());
    assert_eq!(found(&json(&ends[0].1)), expected);
}

#[test]
fn a_mutant_has_the_counterexample_that_it_has_on_one_machine() {
    for mutant in ["commit_any_term", "never_truncate", "commit_unverified"] {
        let arguments = ["--mutant", mutant];
        let (code, expected) = alone(&arguments);
        assert_eq!((code, &expected["verdict"]), (1, &Value::from("VIOLATED")), "{mutant}");
        // States that wait on disk are expanded like any others, in both searches.
        let ends = together(2, &[&arguments[..], &["--frontier-memory", "0K"]].concat());
        assert_eq!(ends.iter().map(|(code, ..)| *code).collect::<Vec<_>>(), [1, 1], "{mutant}: {ends:?}");
        assert_eq!(found(&json(&ends[0].1)), expected, "{mutant}");
    }
}

/// Each process tries its share, and that of the first server which fails is told.
#[test]
fn what_a_single_server_does_wrong_is_told_as_on_one_machine() {
    for (mutant, processes) in [("stale_acknowledgement", 2), ("lead_without_own_vote", 3), ("vote_again", 2)] {
        let arguments = [&SMALL[..], &["--mutant", mutant, "--property", "S1"]].concat();
        let (code, mut expected) = alone(&arguments);
        assert_eq!((code, &expected["verdict"]), (1, &Value::from("VIOLATED")), "{mutant}");
        let ends = together(processes, &arguments);
        assert!(ends.iter().all(|(code, ..)| *code == 1), "{mutant}: {ends:?}");
        let mut now = found(&json(&ends[0].1));
        // How many others were tried by then depends on who has tried them.
        for found in [&mut expected, &mut now] {
            let tried = found["local_simulation"].take();
            assert!(0 < tried["steps"].as_u64().expect("a number"), "{mutant}: {tried}");
        }
        assert_eq!(now, expected, "{mutant}");
    }
}
