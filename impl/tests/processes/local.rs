//! The cluster that `rafttree local` runs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::cluster::{DEADLINE, number, pid_of, rafttree, run};

/// A cluster that runs until it is told to end.
struct Local {
    process: Child,
    output: BufReader<ChildStdout>,
    servers: Vec<Pid>,
}

impl Local {
    fn start(arguments: &[&str]) -> Local {
        let mut process = rafttree(&[&["local", "-o", "json"], arguments].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Local { process, output, servers: Vec::new() }
    }

    fn say(&mut self, command: &str) {
        writeln!(self.process.stdin.as_mut().unwrap(), "{command}").unwrap();
    }

    /// The next line about this event.
    fn next(&mut self, event: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(0 < self.output.read_line(&mut line).unwrap(), "the output ends before `{event}`");
            let news: Value = serde_json::from_str(&line).unwrap();
            if news["event"] == "started" {
                self.servers.push(Pid::from_raw(number(&news["pid"]).try_into().unwrap()).unwrap());
            }
            if news["event"] == event {
                return news;
            }
        }
    }

    /// Waits until none of the processes exists any more.
    fn assert_nothing_is_left(&mut self) {
        assert_eq!(self.servers.len(), 3);
        let deadline = Instant::now() + DEADLINE;
        while self.servers.iter().any(|server| test_kill_process(*server).is_ok()) {
            assert!(Instant::now() < deadline, "a server is left behind: {:?}", self.servers);
            std::thread::yield_now();
        }
    }
}

fn events(lines: &[u8]) -> Vec<Value> {
    lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

#[test]
fn a_script_kills_the_leader_and_sees_the_next_one() {
    let script = ["kill leader", "wait leader", "pause leader", "restart 1", "restart 2", "restart 3", "wait leader"];
    let mut arguments = vec!["local", "-o", "json", "--servers", "3"];
    script.iter().for_each(|command| arguments.extend(["--script", *command]));
    arguments.extend(["--script", "status"]);
    let run = run(&arguments);
    assert!(run.status.success(), "{run:?}");
    let events = events(&run.stdout);
    let elected: Vec<&Value> = events.iter().filter(|event| event["event"] == "elected").collect();
    let terms: Vec<u64> = elected.iter().map(|event| number(&event["term"])).collect();
    assert!(3 <= terms.len() && terms.is_sorted_by(|before, after| before < after), "{terms:?}");
    assert!(elected.iter().all(|event| event["milliseconds"].as_f64() > Some(0.0)), "{elected:?}");
    let table = events.iter().find(|event| event["event"] == "servers").unwrap();
    assert!(table["servers"].as_array().unwrap().iter().all(|server| server["state"] == "up"), "{table}");
}

#[test]
fn commands_are_read_from_the_standard_input() {
    let mut local = Local::start(&[]);
    let first = local.next("elected");
    let target = number(&first["leader"]) % 3 + 1;
    local.say("wait leader");
    local.say(&format!("transfer {target}"));
    let second = local.next("elected");
    assert_eq!(number(&second["leader"]), target);
    local.say("pause leader");
    let third = local.next("elected");
    assert_ne!(number(&third["leader"]), target);
    local.say("quit");
    assert_eq!(local.process.wait().unwrap().code(), Some(0));
    local.assert_nothing_is_left();
}

#[test]
fn whatever_ends_the_cluster_leaves_no_process_behind() {
    for signal in [Signal::TERM, Signal::INT, Signal::KILL] {
        let mut local = Local::start(&[]);
        local.next("elected");
        local.say("pause leader");
        local.next("obeyed");
        kill_process(pid_of(&local.process), signal).unwrap();
        let status = local.process.wait().unwrap();
        assert_eq!(status.code(), if signal == Signal::KILL { None } else { Some(0) }, "{signal:?}");
        local.assert_nothing_is_left();
    }
}

#[test]
fn a_cluster_is_found_as_it_was_left() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().to_str().unwrap();
    let elected = |servers: &str| {
        let arguments = ["local", "-o", "json", "--dir", directory, "--servers", servers, "--script", "wait leader"];
        let run = run(&arguments);
        let term =
            events(&run.stdout).iter().find(|event| event["event"] == "elected").map(|event| number(&event["term"]));
        (run.status.code(), term)
    };
    let (first, second) = (elected("3"), elected("3"));
    assert_eq!((first.0, second.0), (Some(0), Some(0)));
    assert!(first.1.is_some() && first.1 < second.1, "{first:?}, {second:?}");
    assert_eq!(elected("5"), (Some(1), None), "it is a cluster of three");
}

#[test]
fn it_ends_when_its_time_is_over() {
    let began = Instant::now();
    let run = run(&["local", "--run-for", "1s"]);
    assert!(run.status.success() && Duration::from_secs(1) <= began.elapsed(), "{run:?}");
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(said.contains("leader ") && said.contains(" T)"), "{said}");
}

#[test]
fn what_cannot_be_done_fails() {
    let no_quorum = ["--script", "kill 1", "--script", "kill 2", "--script", "transfer 3", "--run-for", "2s"];
    let run_out = run(&[["local"].as_slice(), &no_quorum].concat());
    assert_eq!(run_out.status.code(), Some(1), "{run_out:?}");
    let unknown = run(&["local", "--script", "kill 7"]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("the servers are 1 to 3"), "{unknown:?}");
    let hasty = run(&["local", "--election-timeout", "1ms"]);
    assert_eq!(hasty.status.code(), Some(2), "{hasty:?}");
    assert!(String::from_utf8_lossy(&hasty.stdout).contains("give 10ms or more"), "{hasty:?}");
    let nonsense = run(&["local", "--script", "destroy"]);
    assert_eq!(nonsense.status.code(), Some(2), "{nonsense:?}");
}
