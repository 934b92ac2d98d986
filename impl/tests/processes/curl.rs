//! The lines that `--help` of an example prints, run as they are printed, with curl: each must answer what the help
//! says.
//!
//! Behind a line `  curl ..` of the help stands one that begins with its answer, up to a colon: one of several
//! (`1 or 3`), with `…` for a number; the status if it is not 200; and `by and by` if it may be another one first.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::store::{Store, eventually};

/// A line, and what it answers according to the help.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Line {
    command: String,
    answers: Vec<String>,
    status: u16,
    by_and_by: bool,
}

/// The lines of a help.
fn lines(help: &str) -> Vec<Line> {
    let pairs = help.lines().zip(help.lines().skip(1));
    let calls = pairs.filter(|(command, _)| command.trim_start().starts_with("curl "));
    calls.map(|(command, claim)| line(command.trim(), claim.trim())).collect()
}

fn line(command: &str, claim: &str) -> Line {
    let (claim, _) = claim.split_once(": ").unwrap_or_else(|| panic!("no answer stands under `{command}`: {claim}"));
    let (claim, by_and_by) = claim.strip_suffix(" by and by").map_or((claim, false), |claim| (claim, true));
    let (claim, status) =
        claim.rsplit_once(", status ").map_or((claim, 200), |(claim, status)| (claim, status.parse().unwrap()));
    let answers = claim.split([',', ' ']).filter(|word| !["", "or"].contains(word));
    let answers = if claim.starts_with('{') { vec![claim.to_owned()] } else { answers.map(str::to_owned).collect() };
    Line { command: command.to_owned(), answers, status, by_and_by }
}

impl Line {
    fn claims(&self, (status, answer): &(u16, String)) -> bool {
        *status == self.status && self.answers.iter().any(|claimed| is_as(answer, claimed))
    }
}

/// Whether the answer is as claimed, where `…` is a number.
fn is_as(answer: &str, claimed: &str) -> bool {
    let Some((before, after)) = claimed.split_once('…') else { return answer == claimed };
    let rest = answer.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    rest.is_some_and(|number| number.parse::<u64>().is_ok())
}

/// A shell in which curl is quiet, and says the status after the answer.
struct Shell {
    home: TempDir,
    port: u16,
}

impl Shell {
    fn new(store: &Store) -> Shell {
        let home = tempfile::tempdir().unwrap();
        let settings = ["silent", "show-error", "max-time = 30", r#"write-out = "\n%{http_code}""#, ""].join("\n");
        fs::write(home.path().join(".curlrc"), settings).unwrap();
        Shell { home, port: store.port }
    }

    /// Runs a line as it is printed, but for the ports, which `--port` chooses.
    fn begin(&self, line: &Line) -> Child {
        let here = |command: String, id: u16| {
            command.replace(&format!("127.0.0.1:{}", 8000 + id), &format!("127.0.0.1:{}", self.port + id))
        };
        let command = (1..=3).fold(line.command.clone(), here);
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).env("CURL_HOME", self.home.path()).env_remove("http_proxy");
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn end(curl: Child) -> (u16, String) {
        let ended = curl.wait_with_output().unwrap();
        assert!(ended.status.success(), "is curl installed, and does it understand this? {ended:?}");
        let said = String::from_utf8(ended.stdout).unwrap();
        let (answer, status) = said.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), answer.to_owned())
    }

    fn run(&self, line: &Line) -> (u16, String) {
        Shell::end(self.begin(line))
    }
}

/// Three servers of an example that answer, and the lines of its help.
fn running(name: &'static str) -> (Store, Shell, Vec<Line>) {
    let mut store = Store::of(name);
    (1..=3).for_each(|id| store.launch(id));
    for id in 1..=3 {
        eventually("it answers", || store.call(id, "GET", "/leader", "").ok());
    }
    let (shell, lines) = (Shell::new(&store), lines(&store.help()));
    (store, shell, lines)
}

/// Runs a line, and holds it to what the help says.
fn run(shell: &Shell, line: &Line) {
    let mut answer = shell.run(line);
    if line.by_and_by {
        eventually("it answers so by and by", || {
            answer = shell.run(line);
            line.claims(&answer).then_some(())
        });
    }
    assert!(line.claims(&answer), "{line:?}: {answer:?}");
}

/// Moves the leadership until this server has it: whoever is told to end transfers it first.
fn let_lead(store: &mut Store, id: u32) {
    for _ in 0..40 {
        let leader = store.leader();
        if leader == id {
            return;
        }
        store.signal(leader, Signal::INT);
        store.wait_for_end(leader);
        store.launch(leader);
    }
    panic!("server {id} never leads");
}

/// Holds the line that waits while server 2 leads to it, until its process is killed.
fn answers_once_another_leads(store: &mut Store, shell: &Shell, line: &Line) {
    for _ in 0..10 {
        let_lead(store, 2);
        let mut curl = shell.begin(line);
        thread::sleep(Duration::from_millis(300));
        let waits = curl.try_wait().unwrap().is_none();
        if waits {
            store.kill(2);
        }
        let answer = Shell::end(curl);
        assert!(line.claims(&answer), "{line:?}: {answer:?}");
        // On a busy machine another may lead before that, and then it is right to answer.
        if waits {
            return;
        }
    }
    panic!("it never waits: {line:?}");
}

/// Without curl nothing can be said of what it prints.
fn lacks_curl() -> bool {
    let lacks = Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err();
    if lacks {
        eprintln!("curl is not installed: the lines that the examples print were not run");
    }
    lacks
}

#[test]
fn the_lines_of_the_key_value_store_answer_what_its_help_says() {
    if lacks_curl() {
        return;
    }
    let (mut store, shell, lines) = running("kv");
    let (waiting, others): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.command.contains("not=2"));
    assert_eq!((waiting.len(), others.len()), (1, 10));
    others.iter().for_each(|line| run(&shell, line));

    answers_once_another_leads(&mut store, &shell, &waiting[0]);
}

#[test]
fn the_lines_of_the_lock_service_answer_what_its_help_says() {
    if lacks_curl() {
        return;
    }
    let (_store, shell, lines) = running("locks");
    assert_eq!(lines.len(), 7);
    lines.iter().for_each(|line| run(&shell, line));
}

#[test]
fn what_a_line_claims_is_told_from_what_it_does_not() {
    let help = "Some words:\n\n  curl a/x -d one\n      \"one\" or null, status 409 by and by: words, more: words\n";
    let line = lines(help).pop().unwrap();
    let expected = Line {
        command: "curl a/x -d one".to_owned(),
        answers: vec!["\"one\"".to_owned(), "null".to_owned()],
        status: 409,
        by_and_by: true,
    };
    assert_eq!(line, expected);
    assert!(line.claims(&(409, "null".to_owned())));
    assert!(!line.claims(&(200, "null".to_owned())) && !line.claims(&(409, "\"two\"".to_owned())));
    assert!(is_as("{\"until\":17}", "{\"until\":…}") && !is_as("{\"until\":}", "{\"until\":…}"));
}
