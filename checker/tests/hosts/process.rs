//! Processes of a search, and what they say.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use serde_json::Value;

/// A process that takes longer hangs, whatever it waits for: it is ended, and its test fails.
const LIMIT: Duration = Duration::from_secs(120);

/// Addresses of this machine at which nobody listens.
pub(crate) fn addresses(processes: usize) -> Vec<String> {
    let listeners: Vec<_> = (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port is free")).collect();
    listeners.iter().map(|it| it.local_addr().expect("it has an address").to_string()).collect()
}

pub(crate) fn checker(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rafttree-checker"));
    let threads: &[&str] = if arguments.contains(&"--threads") { &[] } else { &["--threads", "1"] };
    let format: &[&str] = if arguments.contains(&"--format") { &[] } else { &["--format", "json"] };
    command.arg("check").args(threads).args(arguments).args(format).env_remove("RAFTTREE_SECRET");
    command
}

/// One of several, which is ended with its test.
pub(crate) struct Process {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    /// Set if it had to be ended.
    hung: Arc<AtomicBool>,
    /// Gone when nobody watches over it any more.
    _watched: Sender<()>,
}

impl Process {
    pub(crate) fn start(hosts: &[String], process: usize, arguments: &[&str]) -> Process {
        let mut command = checker(arguments);
        command.args(["--hosts", &hosts.join(","), "--process", &process.to_string(), "--join-time", "60s"]);
        Process::spawn(&mut command)
    }

    pub(crate) fn spawn(command: &mut Command) -> Process {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the checker starts");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let hung = Arc::new(AtomicBool::new(false));
        let (watched, is_over) = channel::<()>();
        let (flag, id) = (Arc::clone(&hung), child.id());
        std::thread::spawn(move || {
            if is_over.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                flag.store(true, Ordering::Relaxed);
                signal(id, "KILL");
            }
        });
        Process { child, stderr, hung, _watched: watched }
    }

    /// What is to be said of one that has ended otherwise than it should.
    fn end_of_hung(&self) -> String {
        if self.hung.load(Ordering::Relaxed) {
            format!("it hung, and was ended after {LIMIT:?}; ")
        } else {
            String::new()
        }
    }

    /// Reads what it says until a line has these words.
    pub(crate) fn says(&mut self, words: &str) -> String {
        let mut said = String::new();
        while self.stderr.read_line(&mut said).expect("it speaks UTF-8") != 0 {
            if said.lines().next_back().is_some_and(|line| line.contains(words)) {
                return said;
            }
        }
        panic!("{}it never said '{words}', but: {said}", self.end_of_hung());
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Its exit code, what it printed, and what it said since it was last read.
    pub(crate) fn end(mut self) -> (i32, String, String) {
        let (mut printed, mut said) = (String::new(), String::new());
        let out = self.child.stdout.as_mut().expect("it is piped");
        out.read_to_string(&mut printed).expect("it speaks UTF-8");
        self.stderr.read_to_string(&mut said).expect("it speaks UTF-8");
        let code = self.child.wait().expect("it ends").code();
        let code = code.unwrap_or_else(|| panic!("{}it said: {said}", self.end_of_hung()));
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

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), process.to_string()]).status();
    assert!(sent.expect("there is a kill").success());
}

/// So many processes to their ends, each with its code, and what it printed and said.
pub(crate) fn together(processes: usize, arguments: &[&str]) -> Vec<(i32, String, String)> {
    let hosts = addresses(processes);
    let all: Vec<_> = (0..processes).map(|process| Process::start(&hosts, process, arguments)).collect();
    all.into_iter().map(Process::end).collect()
}

pub(crate) fn json(printed: &str) -> Value {
    serde_json::from_str(printed).unwrap_or_else(|_| panic!("this is no JSON: {printed}"))
}

/// What one process finds, with what is expected of its code.
pub(crate) fn alone(arguments: &[&str]) -> (i32, Value) {
    let Output { status, stdout, .. } = checker(arguments).output().expect("the checker starts");
    let printed = String::from_utf8(stdout).expect("it speaks UTF-8");
    (status.code().expect("it ends by itself"), found(&json(&printed)))
}

/// What does not depend on who has searched.
pub(crate) fn found(value: &Value) -> Value {
    let mut part = value["parts"][0].clone();
    let fields = part.as_object_mut().expect("a part has fields");
    for other in ["seconds", "peak_memory_bytes", "visited_set_bytes", "frontier_disk_bytes", "processes", "threads"] {
        fields.remove(other).unwrap_or_else(|| panic!("there is no '{other}'"));
    }
    part
}

/// The reason of an incomplete search.
pub(crate) fn reason(printed: &str) -> String {
    let value = json(printed);
    assert_eq!(value["verdict"], "INCOMPLETE", "{printed}");
    value["parts"][0]["reasons"][0].as_str().expect("it is told").to_owned()
}

/// Two processes to their ends, of which the second may write no file of more than a block, as on a full disk.
#[cfg(unix)]
pub(crate) fn with_a_full_disk(hosts: &[String], arguments: &[&str]) -> [(i32, String, String); 2] {
    let first = Process::start(hosts, 0, arguments);
    let search = checker(arguments);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""]).arg(search.get_program());
    shell.args(search.get_args()).args(["--hosts", &hosts.join(","), "--process", "1"]);
    let second = Process::spawn(shell.env_remove("RAFTTREE_SECRET"));
    [first, second].map(Process::end)
}

pub(crate) fn words(path: &Path) -> &str {
    path.to_str().expect("it is text")
}
