//! Processes on hosts of their own: network namespaces, where whoever runs the test may make them.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{Process, alone, checker, found, json, reason};
use crate::{ENDLESS, SMALL};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hosts/namespaces");
const COUNT: usize = 3;

/// Three hosts and the switch between them, which are gone with this.
struct Hosts {
    name: String,
}

impl Hosts {
    /// Nothing, if that is not permitted here.
    fn up() -> Option<Hosts> {
        let hosts = Hosts { name: format!("rafttree-{}-", std::process::id()) };
        let Err(why) = hosts.script("up") else { return Some(hosts) };
        // Past the capture of what tests print: a test that was skipped must not look like one that passed.
        let _ = writeln!(std::io::stderr(), "SKIPPED, no network namespaces can be made here: {why}");
        None
    }

    fn script(&self, what: &str) -> Result<(), String> {
        let ran = Command::new("sh").args([SCRIPT, what, &self.name, &COUNT.to_string()]).output();
        let ran = ran.map_err(|error| error.to_string())?;
        if ran.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&ran.stderr).trim().to_owned()) }
    }

    /// The first so many of them search together.
    fn search(&self, processes: usize, arguments: &[&str]) -> Vec<Process> {
        let addresses: Vec<_> = (1..=processes).map(|host| format!("10.77.0.{host}:7000")).collect();
        let start = |process: usize| {
            let search = checker(arguments);
            let mut command = Command::new("ip");
            command.args(["netns", "exec", &format!("{}{process}", self.name)]);
            command.arg(search.get_program()).args(search.get_args());
            command.args(["--hosts", &addresses.join(","), "--process", &process.to_string(), "--join-time", "60s"]);
            Process::spawn(command.env("RAFTTREE_SECRET", "0123456789abcdef"))
        };
        (0..processes).map(start).collect()
    }

    fn cut_off(&self, host: usize) {
        let link = format!("port{host}");
        let cut = Command::new("ip").args(["-n", &self.name, "link", "set", &link, "down"]).status();
        assert!(cut.expect("it was there before").success());
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        // What is not there need not go.
        let _ = self.script("down");
    }
}

#[test]
fn hosts_of_their_own_find_the_same_and_end_when_a_link_is_cut() {
    let Some(hosts) = Hosts::up() else { return };
    let (_, expected) = alone(&SMALL);
    for processes in [2, 3] {
        let ends: Vec<_> = hosts.search(processes, &SMALL).into_iter().map(Process::end).collect();
        assert!(ends.iter().all(|(code, ..)| *code == 0), "{ends:?}");
        assert_eq!(found(&json(&ends[0].1)), expected, "{processes} hosts");
    }
    let mut all = hosts.search(3, &[&ENDLESS[..], &["--silence", "2s"]].concat());
    all.iter_mut().for_each(|process| drop(process.says("all 3 processes have joined")));
    hosts.cut_off(1);
    let cut = Instant::now();
    let ends: Vec<_> = all.into_iter().map(Process::end).collect();
    assert!(cut.elapsed() < Duration::from_secs(20), "{:?}", cut.elapsed());
    assert!(ends.iter().all(|(code, ..)| *code == 3), "{ends:?}");
    assert!(reason(&ends[0].1).starts_with("process 1 (10.77.0.2:7000) has said nothing for 2s"), "{ends:?}");
    assert!(ends[1].2.contains(" has said nothing for 2s"), "{ends:?}");
}
