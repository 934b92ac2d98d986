//! `rafttree bench`: few trials, on whatever else the machine does. How fast elections are is no
//! test; that they are told as they were is one.

use serde_json::Value;

use crate::cluster::{number, run};

/// The last line of the output: what was measured.
fn measured(arguments: &[&str]) -> Value {
    let run = run(&[&["bench"], arguments, &["-o", "json"]].concat());
    assert!(run.status.success(), "{run:?}");
    serde_json::from_slice(&run.stdout).unwrap()
}

fn figure(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no figure"))
}

/// The relations that hold between any failover's figures.
fn check_failover(report: &Value, trials: usize) {
    let measured = report["trials"].as_array().unwrap();
    assert_eq!(measured.len(), trials);
    let confirmed: Vec<f64> = measured.iter().map(|trial| figure(&trial["confirmed_milliseconds"])).collect();
    for (trial, confirmed) in measured.iter().zip(&confirmed) {
        let led = figure(&trial["led_milliseconds"]);
        assert!(0.0 < led && led <= *confirmed && 1 <= number(&trial["rounds"]), "{trial}");
    }
    let mean = confirmed.iter().sum::<f64>() / trials as f64;
    assert!((figure(&report["measured"]["mean"]["value"]) - mean).abs() < 1e-6, "{report}");
    let greatest = confirmed.iter().copied().fold(0.0, f64::max);
    assert_eq!(figure(&report["measured"]["max"]), greatest);
    assert!(0.0 < figure(&report["round_trip_milliseconds"]) && 0.0 < figure(&report["flush_milliseconds"]));
}

#[test]
fn a_paused_leader_is_replaced_after_a_timeout_that_follows_its_last_heartbeat() {
    let directory = tempfile::tempdir().unwrap();
    let svg = directory.path().join("failover.svg");
    let options = ["failover", "--pause", "--trials", "3", "--timeout", "150ms..300ms", "--heartbeat", "15ms"];
    let report = measured(&[options.as_slice(), &["--svg", svg.to_str().unwrap()]].concat());
    check_failover(&report, 3);
    for trial in report["trials"].as_array().unwrap() {
        // At least T - h, unless the machine kept the leader from sending its last heartbeats.
        assert!(75.0 <= figure(&trial["led_milliseconds"]), "a survivor did not wait for its timeout: {report}");
    }
    // T + T/3 - h/2.
    assert!((figure(&report["theory"]["mean"]) - 192.5).abs() < 1e-6, "{report}");
    let picture = std::fs::read_to_string(svg).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("leader paused"), "{picture}");
}

#[test]
fn a_killed_leader_is_replaced_before_a_timeout() {
    let options = ["failover", "--kill", "--trials", "3", "--timeout", "2s..4s", "--heartbeat", "100ms"];
    let report = measured(&options);
    check_failover(&report, 3);
    let fastest = report["trials"].as_array().unwrap().iter().map(|trial| figure(&trial["led_milliseconds"]));
    let fastest = fastest.fold(f64::MAX, f64::min);
    assert!(fastest < 1000.0, "the end of a process does not count as a timeout: {report}");
    assert!((figure(&report["theory"]["mean"]) - 0.75).abs() < 1e-6, "{report}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_cluster_that_is_left_alone_costs_little_and_elects_nobody() {
    let report = measured(&["steady", "--timeout", "2s..4s", "--heartbeat", "100ms", "--for", "1s"]);
    assert_eq!(report["elections"], 0);
    let servers = report["servers"].as_array().unwrap();
    assert_eq!(servers.iter().filter(|server| server["leads"] == true).count(), 1);
    for server in servers {
        let processor = figure(&server["processor_percent"]);
        assert!(0.0 < processor && processor < 20.0, "{server}");
        // Each heartbeat wakes it, or its answer does.
        assert!(8.0 <= figure(&server["wakeups_per_second"]), "{server}");
        assert!(0.5 < figure(&server["resident_mebibytes"]), "{server}");
    }
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_reason() {
    let refusals: [(&[&str], i32, &str); 5] = [
        (&["failover"], 2, "--kill"),
        (&["failover", "--kill", "--pause"], 2, "cannot be used with"),
        (&["failover", "--kill", "--timeout", "100ms..150ms"], 2, "write 100ms..200ms"),
        (&["failover", "--kill", "--timeout", "1ms..2ms"], 2, "10ms"),
        (&["failover", "--kill", "--heartbeat", "90ms"], 2, "half of the election timeout"),
    ];
    for (arguments, code, words) in refusals {
        let refused = run(&[&["bench"], arguments].concat());
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(code), "{said}");
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
}

#[test]
fn a_picture_that_cannot_be_written_is_an_error_with_its_path() {
    let refused = run(&["bench", "failover", "--kill", "--trials", "2", "--svg", "/nowhere/failover.svg"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot write /nowhere/failover.svg"), "{said}");
}
