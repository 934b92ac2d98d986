//! How a server ends, whatever hangs.

use std::fs;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use rustix::process::{Signal, kill_process};

use crate::cluster::{Cluster, DEADLINE, number, pid_of, rafttree, run, until};

fn signal(child: &Child, signal: Signal) {
    kill_process(pid_of(child), signal).unwrap();
}

/// Whether this process ignores a signal, as one does that nohup or the background of a shell has started.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal.as_raw() - 1) & 1 != 0)
}

/// Waits for the end of a process, which ends with this test in any case.
fn end_of(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if deadline < Instant::now() {
            child.kill().unwrap();
            panic!("the process goes on");
        }
        std::thread::yield_now();
    }
}

#[test]
fn every_signal_that_means_the_end_ends_a_server_in_order() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        if is_ignored(signal) {
            println!("SKIPPED: whoever runs the tests ignores {signal:?}, and so do the servers");
            continue;
        }
        let mut cluster = Cluster::start(1);
        cluster.wait_for_leader_after(0);
        cluster.signal(1, signal);
        cluster.wait_for_line(1, "it says that it ends", |news| news["event"] == "stopped");
        assert_eq!(cluster.wait_for_end(1).code(), Some(0), "{signal:?}");
    }
}

#[test]
fn a_signal_asks_a_server_for_its_status_and_another_does_nothing() {
    let cluster = Cluster::start(1);
    let leading = cluster.wait_for_leader_after(0);
    cluster.signal(1, Signal::USR2);
    cluster.signal(1, Signal::USR1);
    let status = cluster.wait_for_line(1, "its status", |news| news["event"] == "status");
    assert_eq!((number(&status["server"]["term"]), &status["work"]), (leading.fence, &"runs".into()));
    assert_eq!(cluster.status(1)["server"]["term"], leading.fence);
}

#[test]
fn a_signal_that_was_to_be_ignored_stays_ignored() {
    let mut cluster = Cluster::new(1);
    let serve = cluster.serve(1, &cluster.directory(1));
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(serve.get_program()).args(serve.get_args());
    cluster.launch_as(1, shell);
    cluster.wait_for_leader_after(0);
    cluster.signal(1, Signal::HUP);
    cluster.signal(1, Signal::USR1);
    cluster.wait_for_line(1, "its status", |news| news["event"] == "status");
    cluster.signal(1, Signal::TERM);
    assert_eq!(cluster.wait_for_end(1).code(), Some(0));
}

/// A pipe that nobody reads, always full, and what ends it.
fn unread() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut full = writer.try_clone().unwrap();
    std::thread::spawn(move || while full.write(&[b'\n'; 1 << 16]).is_ok() {});
    (reader, writer)
}

/// Waits until this server says of itself that it is this.
fn wait_until_it_is(directory: &str, role: &str) {
    let deadline = Instant::now() + DEADLINE;
    let role = format!("is {role}");
    while !String::from_utf8(run(&["status", directory]).stdout).unwrap().contains(&role) {
        assert!(Instant::now() < deadline, "{directory}: it never {role}");
    }
}

#[test]
fn output_that_nobody_reads_holds_up_nothing() {
    let cluster = Cluster::new(1);
    let directory = cluster.directory(1);
    let (_reader, full) = unread();
    let unread = |command: &mut Command| {
        command.stdout(full.try_clone().unwrap()).stderr(full.try_clone().unwrap()).spawn().unwrap()
    };
    let mut server = unread(&mut cluster.serve(1, &directory));
    wait_until_it_is(&directory, "leader");
    // It is in office a moment after it has been elected.
    until("it steps down", || run(&["step-down", &directory]).status.success());
    signal(&server, Signal::TERM);
    assert_eq!(end_of(&mut server).code(), Some(0));
    let mut refused = unread(&mut cluster.serve(1, &cluster.named_directory("nowhere")));
    assert_eq!(end_of(&mut refused).code(), Some(1));
}

#[test]
fn a_local_cluster_whose_output_nobody_reads_ends_when_it_is_told_to() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().to_str().unwrap();
    let (_reader, full) = unread();
    let mut local =
        rafttree(&["local", "--servers", "1", "--dir", directory]).stdin(Stdio::piped()).stdout(full).spawn().unwrap();
    wait_until_it_is(&format!("{directory}/1"), "leader");
    signal(&local, Signal::TERM);
    assert_eq!(end_of(&mut local).code(), Some(0));
}

/// Whether the process will hear of this signal.
fn catches(process: &Child, signal: Signal) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
    u64::from_str_radix(caught, 16).unwrap() >> (signal.as_raw() - 1) & 1 == 1
}

/// The disk hangs, as far as the server can tell: it opens a pipe, and nobody ever does at the other end.
#[test]
fn a_server_that_is_told_to_end_while_it_starts_ends_at_once() {
    let cluster = Cluster::new(1);
    let identity = Path::new(&cluster.directory(1)).join("identity");
    std::fs::remove_file(&identity).unwrap();
    assert!(Command::new("mkfifo").arg(&identity).status().unwrap().success());
    let mut server = cluster.serve(1, &cluster.directory(1)).stderr(Stdio::piped()).spawn().unwrap();
    until("it is there", || catches(&server, Signal::TERM));
    signal(&server, Signal::TERM);
    assert_eq!(end_of(&mut server).code(), Some(1));
    let mut said = String::new();
    server.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "error: told to end before the server had started\n");
}
