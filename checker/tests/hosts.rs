//! One search by several processes: what it finds is what one process finds, and whatever goes wrong has a clear end.
#![cfg(feature = "hosts")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Thousands of states, in a second.
const SMALL: [&str; 5] = ["log-3", "--spread", "1", "--window", "1"];
/// More than anybody waits for here.
const ENDLESS: [&str; 1] = ["log-3-wide"];

/// Addresses of this machine at which nobody listens.
fn addresses(processes: usize) -> Vec<String> {
    let listeners: Vec<_> = (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port is free")).collect();
    listeners.iter().map(|it| it.local_addr().expect("it has an address").to_string()).collect()
}

fn checker(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rafttree-checker"));
    let threads: &[&str] = if arguments.contains(&"--threads") { &[] } else { &["--threads", "1"] };
    command.arg("check").args(threads).args(arguments).args(["--format", "json"]).env_remove("RAFTTREE_SECRET");
    command
}

/// One of several, which is ended with its test.
struct Process {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Process {
    fn start(hosts: &[String], process: usize, arguments: &[&str]) -> Process {
        let mut command = checker(arguments);
        command.args(["--hosts", &hosts.join(","), "--process", &process.to_string(), "--join-time", "60s"]);
        Process::spawn(&mut command)
    }

    fn spawn(command: &mut Command) -> Process {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the checker starts");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        Process { child, stderr }
    }

    /// Reads what it says until a line has these words.
    fn says(&mut self, words: &str) -> String {
        let mut said = String::new();
        while self.stderr.read_line(&mut said).expect("it speaks UTF-8") != 0 {
            if said.lines().next_back().is_some_and(|line| line.contains(words)) {
                return said;
            }
        }
        panic!("it never said '{words}', but: {said}");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(sent.expect("there is a kill").success());
    }

    /// Its exit code, what it printed, and what it said since it was last read.
    fn end(mut self) -> (i32, String, String) {
        let (mut printed, mut said) = (String::new(), String::new());
        let out = self.child.stdout.as_mut().expect("it is piped");
        out.read_to_string(&mut printed).expect("it speaks UTF-8");
        self.stderr.read_to_string(&mut said).expect("it speaks UTF-8");
        let code = self.child.wait().expect("it ends").code().expect("it ends by itself");
        (code, printed, said)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, as a rule.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// So many processes to their ends, each with its code, and what it printed and said.
fn together(processes: usize, arguments: &[&str]) -> Vec<(i32, String, String)> {
    let hosts = addresses(processes);
    let all: Vec<_> = (0..processes).map(|process| Process::start(&hosts, process, arguments)).collect();
    all.into_iter().map(Process::end).collect()
}

fn json(printed: &str) -> Value {
    serde_json::from_str(printed).unwrap_or_else(|_| panic!("this is no JSON: {printed}"))
}

/// What one process finds, with what is expected of its code.
fn alone(arguments: &[&str]) -> (i32, Value) {
    let Output { status, stdout, .. } = checker(arguments).output().expect("the checker starts");
    let printed = String::from_utf8(stdout).expect("it speaks UTF-8");
    (status.code().expect("it ends by itself"), found(&json(&printed)))
}

/// What does not depend on who has searched.
fn found(value: &Value) -> Value {
    let mut part = value["parts"][0].clone();
    let fields = part.as_object_mut().expect("a part has fields");
    for other in ["seconds", "peak_memory_bytes", "visited_set_bytes", "processes", "threads"] {
        fields.remove(other).unwrap_or_else(|| panic!("there is no '{other}'"));
    }
    part
}

/// The reason of an incomplete search.
fn reason(printed: &str) -> String {
    let value = json(printed);
    assert_eq!(value["verdict"], "INCOMPLETE", "{printed}");
    value["parts"][0]["reasons"][0].as_str().expect("it is told").to_owned()
}

#[test]
fn any_number_of_processes_finds_what_one_does() {
    let (code, expected) = alone(&SMALL);
    assert_eq!((code, &expected["verdict"]), (0, &Value::from("COMPLETE")));
    for (processes, further) in [(1, &[][..]), (2, &["--wide-fingerprints"]), (3, &["--seed", "7"])] {
        let ends = together(processes, &[&SMALL, further].concat());
        for (process, (code, printed, said)) in ends.iter().enumerate() {
            assert_eq!(*code, 0, "{said}");
            assert_eq!(process == 0, !printed.is_empty(), "process 0 alone tells the verdict: {printed}");
        }
        let value = json(&ends[0].1);
        let mut now = found(&value);
        now["collision_probability"] = expected["collision_probability"].clone();
        assert_eq!(now, expected, "{processes} processes");
        let held = value["parts"][0]["processes"].as_array().expect("each is told");
        let states: Vec<u64> = held.iter().map(|it| it["states"].as_u64().expect("a number")).collect();
        assert_eq!(states.len(), processes);
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
        let ends = together(2, &arguments);
        assert_eq!(ends.iter().map(|(code, ..)| *code).collect::<Vec<_>>(), [1, 1], "{mutant}: {ends:?}");
        assert_eq!(found(&json(&ends[0].1)), expected, "{mutant}");
    }
}

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
fn when(happens: impl FnOnce(&Process)) -> (String, Duration, [String; 2]) {
    let hosts = addresses(2);
    let start = |process| Process::start(&hosts, process, &[&ENDLESS[..], &["--silence", "2s"]].concat());
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
    let (reason, _, hosts) = when(|second| second.signal("KILL"));
    assert!(reason.starts_with(&format!("process 1 ({}) is gone", hosts[1])), "{reason}");
}

#[test]
fn a_process_that_falls_silent_ends_the_others_within_a_bound() {
    let (reason, time, hosts) = when(|second| second.signal("STOP"));
    assert!(reason.starts_with(&format!("process 1 ({}) has said nothing for 2s", hosts[1])), "{reason}");
    assert!(time < Duration::from_secs(20), "{time:?}");
}

#[test]
fn strangers_are_turned_away_and_the_run_waits_on() {
    let hosts = addresses(2);
    let mut first = Process::start(&hosts, 0, &SMALL);
    let called = || loop {
        match TcpStream::connect(&hosts[0]) {
            Ok(stream) => return stream,
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    // One that says nothing all the while, one that speaks something else, one that hangs up, and one that has
    // heard how it begins, and makes up the rest.
    let _silent = called();
    called().write_all(b"GET / HTTP/1.1\r\n\r\n").expect("it is taken in");
    first.says("is no checker of this version");
    drop(called());
    first.says("is no checker of this version");
    let mut clever = called();
    clever.write_all(&[&b"RThosts1"[..], &[7; 32], &64_u32.to_le_bytes(), &[9; 64]].concat()).expect("it is taken in");
    first.says("it does not know the secret");
    let mut heard = Vec::new();
    // A connection that is cut is closed as well.
    let _ = clever.read_to_end(&mut heard);
    assert_eq!(heard.len(), 40, "a greeting, and no more than that");
    let second = Process::start(&hosts, 1, &SMALL);
    let [first, second] = [first, second].map(Process::end);
    assert_eq!([first.0, second.0], [0, 0], "{first:?} {second:?}");
}

#[test]
fn unequal_processes_refuse_each_other_and_say_why() {
    let hosts = addresses(2);
    let mut first = Process::start(&hosts, 0, &SMALL);
    let unlike: [(&[&str], &str); 5] = [
        (&["log-3", "--spread", "1", "--window", "2"], "window of logs: 1 there, 2 here"),
        (&["log-3", "--spread", "2", "--window", "1"], "spread of terms: 1 there, 2 here"),
        (&["log-3", "--spread", "1", "--window", "1", "--seed", "3"], "seed: 0 there, 3 here"),
        (&["log-3", "--spread", "1", "--window", "1", "--property", "C1"], "properties: "),
        (&["log-3", "--spread", "1", "--window", "1", "--mutant", "commit_any_term"], "mutant: "),
    ];
    for (arguments, difference) in unlike {
        let (code, printed, said) = Process::start(&hosts, 1, arguments).end();
        assert_eq!((code, printed.as_str()), (2, ""), "{said}");
        assert!(said.contains(difference), "'{difference}' is not in: {said}");
        first.says("process 1: it is another search");
    }
    let second = Process::start(&hosts, 1, &SMALL);
    let [first, second] = [first, second].map(Process::end);
    assert_eq!([first.0, second.0], [0, 0], "{first:?} {second:?}");
}

#[test]
fn who_does_not_know_the_secret_does_not_join() {
    let hosts = addresses(2);
    let with = |process: &str, secret: &str| {
        let mut command = checker(&SMALL);
        command.args(["--hosts", &hosts.join(","), "--process", process]).env("RAFTTREE_SECRET", secret);
        Process::spawn(&mut command)
    };
    let secret = "0123456789abcdef";
    let mut first = with("0", secret);
    for other in ["0123456789abcdee", "0123456789abcdef0"] {
        let (code, _, said) = with("1", other).end();
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("is the secret the same there?"), "{said}");
        first.says("it does not know the secret");
    }
    let (code, _, said) = Process::start(&hosts, 1, &SMALL).end();
    assert!(code == 2 && said.contains("is the secret the same there?"), "none is another one: {said}");
    let second = with("1", secret);
    let [first, second] = [first, second].map(Process::end);
    assert_eq!([first.0, second.0], [0, 0], "{first:?} {second:?}");
    let (code, _, said) = Process::start(&["0.0.0.0:0".into(), hosts[1].clone()], 0, &SMALL).end();
    assert!(code == 2 && said.contains("without a secret all processes must be on this machine"), "{said}");
}

#[test]
fn one_that_never_comes_is_not_waited_for_for_ever() {
    let hosts = addresses(2);
    let mut command = checker(&SMALL);
    command.args(["--hosts", &hosts.join(","), "--process", "0", "--join-time", "1s"]);
    let (code, _, said) = Process::spawn(&mut command).end();
    assert_eq!(code, 2, "{said}");
    assert!(said.contains(&format!("process 1 ({}) has not joined within 1s", hosts[1])), "{said}");
}

#[test]
fn what_cannot_be_searched_so_is_refused_with_the_reason() {
    let refused: [(&[&str], &str); 4] = [
        (&["quick", "--hosts", "127.0.0.1:1", "--process", "0"], "--hosts is for presets of one system"),
        (&["log-3", "--hosts", "127.0.0.1:1,127.0.0.1:2"], "which of them is this?"),
        (&["log-3", "--hosts", "127.0.0.1:1,127.0.0.1:2", "--process", "2"], "--process 0 to 1"),
        (&["log-3", "--hosts", "127.0.0.1:1", "--process", "0", "--silence", "1s"], "at least 2s"),
    ];
    for (arguments, why) in refused {
        let (code, printed, said) = Process::spawn(&mut checker(arguments)).end();
        assert_eq!((code, printed.as_str()), (2, ""), "{said}");
        assert!(said.contains(why), "'{why}' is not in: {said}");
    }
}

/// The names of what is in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("it can be read");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("it is there").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn words(path: &Path) -> &str {
    path.to_str().expect("it is text")
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
    for processes in [1, 2, 3] {
        let ends = together(processes, &[&SMALL[..], &["--resume", words(directory.path())]].concat());
        assert_eq!(ends[0].0, 0, "{ends:?}");
        assert_eq!(found(&json(&ends[0].1)), expected, "{processes} processes");
    }
    // Cut once more, by more of them: only the newest checkpoint stays, and it is as good.
    let further = ["--resume", words(directory.path()), "--states", "6000"];
    let ends = together(3, &[&SMALL[..], &further].concat());
    assert_eq!(ends[0].0, 3, "{ends:?}");
    let names = names(directory.path());
    assert_eq!(names.len(), 4, "a manifest and three pieces: {names:?}");
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
    let ends = together(1, &[&ENDLESS[..], &["--resume", at, "--states", "3000"]].concat());
    assert_eq!(json(&ends[0].1)["parts"][0]["resumed_from_states"], states);
}

/// What a full disk says: no file may have more than a block.
#[cfg(unix)]
#[test]
fn a_full_disk_is_told_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().expect("there is room");
    let hosts = addresses(2);
    let arguments = |process: &str| {
        let of_checkpoint = ["--checkpoint", words(directory.path()), "--states", "3000", "--threads", "1"];
        let of_hosts = ["--hosts", &hosts.join(","), "--process", process].map(str::to_owned);
        [&SMALL[..], &of_checkpoint].concat().into_iter().map(str::to_owned).chain(of_hosts).collect::<Vec<_>>()
    };
    let program = env!("CARGO_BIN_EXE_rafttree-checker");
    let first = Process::spawn(Command::new(program).arg("check").args(arguments("0")));
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" check \"$@\"", program]).args(arguments("1"));
    let second = Process::spawn(&mut shell);
    let [first, second] = [first, second].map(Process::end);
    assert_eq!([first.0, second.0], [3, 3], "{first:?} {second:?}");
    let line = first.1.lines().find(|line| line.starts_with("checkpoint")).expect("it is told");
    assert!(line.starts_with(&format!("checkpoint  not written: process 1 ({}): ", hosts[1])), "{line}");
    assert_eq!(names(directory.path()), [""; 0]);
}
