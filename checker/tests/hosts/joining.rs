//! Who may join, and who may not.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::SMALL;
use crate::process::{Process, addresses, checker};

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
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let refused: [(&[&str], &str); 5] = [
        (&["quick", "--hosts", "127.0.0.1:1", "--process", "0"], "--hosts is for presets of one system"),
        (&["log-3", "--hosts", "127.0.0.1:1,127.0.0.1:2"], "which of them is this?"),
        (&["log-3", "--hosts", "127.0.0.1:1,127.0.0.1:2", "--process", "2"], "--process 0 to 1"),
        (&["log-3", "--hosts", "127.0.0.1:1", "--process", "0", "--silence", "1s"], "at least 2s"),
        (
            &["log-3", "--hosts", "127.0.0.1:1", "--process", "0", "--checkpoint", file],
            "a checkpoint cannot be written",
        ),
    ];
    for (arguments, why) in refused {
        let (code, printed, said) = Process::spawn(&mut checker(arguments)).end();
        assert_eq!((code, printed.as_str()), (2, ""), "{said}");
        assert!(said.contains(why), "'{why}' is not in: {said}");
    }
}
