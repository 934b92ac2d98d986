//! Disks that are full, slow, or put back.

use std::fs::{self, OpenOptions};
use std::process::{Command, Stdio};

use crate::cluster::{Cluster, Line, run};

/// A command whose files may not grow beyond so many bytes: the limit stands for a full disk.
fn limited(command: &Command, bytes: u64) -> Command {
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", bytes / 512);
    let mut limited = Command::new("sh");
    limited.args(["-c", &script, "sh"]).arg(command.get_program()).args(command.get_args());
    limited
}

/// How many blocks of the server's log are in use.
fn blocks(directory: &str) -> u64 {
    let log = fs::read(format!("{directory}/log")).unwrap();
    log.iter().rposition(|&byte| byte != 0).unwrap() as u64 / 4096 + 1
}

#[test]
fn a_full_disk_is_said_and_stops_the_server_once_a_write_lacks_room() {
    let mut cluster = Cluster::new(1);
    let directory = cluster.directory(1);
    // Room for four elections beside the log's head, and for a part of the next block.
    let room = (1 + 2 * 4) * 4096 + 1024;
    OpenOptions::new().write(true).open(format!("{directory}/log")).unwrap().set_len(room).unwrap();
    let serve = limited(&cluster.serve(1, &directory), room);
    cluster.launch_as(1, serve);
    let mut fence = 0;
    for election in 1..=4 {
        fence = cluster.wait_for_leader_after(fence).fence;
        assert_eq!(blocks(&directory), 1 + 2 * election, "what an election costs");
        let left = &cluster.status(1)["warnings"][0];
        assert!(left.as_str().unwrap().contains("the disk is full"), "{left}");
        // The fifth election finds no room any more.
        let asked = run(&["step-down", &directory]);
        assert!(asked.status.success(), "{asked:?}");
    }
    assert_eq!(cluster.wait_for_end(1).code(), Some(70));
    let warned = |line: &&Line| line.news["event"] == "warned";
    assert_eq!(cluster.observed.all().iter().filter(warned).count(), 1, "it is said once");

    let ended = limited(&cluster.serve(1, &directory), room).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains(&format!("{directory}/log has no room")) && said.contains("free some space"), "{said}");
    cluster.launch(1);
    assert_eq!(cluster.wait_for_leader_after(fence).fence, fence + 1, "nothing was forgotten");
}
