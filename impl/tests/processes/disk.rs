//! Disks that are full, slow, or put back.

use std::fs;
use std::process::{Command, Stdio};

use crate::cluster::{Cluster, Line, STEADY, run, until};

/// A command whose files may not grow beyond so many bytes: the limit stands for a full disk.
pub(crate) fn limited(command: &Command, bytes: u64) -> Command {
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", bytes / 512);
    let mut limited = Command::new("sh");
    limited.args(["-c", &script, "sh"]).arg(command.get_program()).args(command.get_args());
    limited
}

/// The first segment of a log.
const LOG: &str = "log-0000000000000001";

/// Exchanges the empty log for one that begins with a segment of so many blocks, at most 128.
pub(crate) fn begin_with(directory: &str, blocks: u16) -> u64 {
    let path = format!("{directory}/{LOG}");
    let mut header = fs::read(&path).unwrap()[..42].to_vec();
    header[40..].copy_from_slice(&blocks.to_le_bytes());
    let checksum = crc32fast::hash(&header).to_le_bytes();
    header.extend(checksum);
    // Its own block, and two for slots on either side.
    let size = (1 + 2 + u64::from(blocks) + 2) * 4096;
    header.resize(size as usize, 0);
    fs::write(path, header).unwrap();
    size
}

/// How many blocks of the server's first segment are in use, of those that hold batches.
fn blocks(directory: &str) -> u64 {
    let log = fs::read(format!("{directory}/{LOG}")).unwrap();
    let blocks = &log[3 * 4096..log.len() - 2 * 4096];
    blocks.iter().rposition(|&byte| byte != 0).unwrap() as u64 / 4096 + 1
}

#[test]
fn a_full_disk_is_said_and_stops_the_server_once_a_write_lacks_room() {
    let mut cluster = Cluster::new(1);
    let directory = cluster.directory(1);
    // Room for four elections.
    let room = begin_with(&directory, 2 * 4);
    let serve = limited(&cluster.serve(1, &directory), room);
    cluster.launch_as(1, serve);
    let mut fence = 0;
    for election in 1..=4 {
        fence = cluster.wait_for_leader_after(fence).fence;
        assert_eq!(blocks(&directory), 2 * election, "what an election costs");
        let is_full = |left: &serde_json::Value| left.as_str().is_some_and(|left| left.contains("the disk is full"));
        // That there is no next segment may be known only after the first election, and is said with the next write.
        if 1 < election {
            until("it is said what room is left", || is_full(&cluster.status(1)["warnings"][0]));
        }
        // The fifth election finds no room any more.
        let asked = run(&["step-down", &directory]);
        assert!(asked.status.success(), "{asked:?}");
    }
    assert_eq!(cluster.wait_for_end(1).code(), Some(70));
    let warned = |line: &&Line| line.news["event"] == "warned";
    assert_eq!(cluster.observed.all().iter().filter(warned).count(), 1, "it is said once");

    let ended = limited(&cluster.serve(1, &directory), room).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(said.contains(&format!("{directory}/{LOG} has no room")) && said.contains("free some space"), "{said}");
    cluster.launch(1);
    assert_eq!(cluster.wait_for_leader_after(fence).fence, fence + 1, "nothing was forgotten");
}

/// Copies a directory that no server uses.
fn copy(from: &str, to: &str) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|file| file.file_type().unwrap().is_file()) {
        fs::copy(file.path(), format!("{to}/{}", file.file_name().to_str().unwrap())).unwrap();
    }
}

#[test]
fn a_directory_that_was_put_back_is_noticed_said_on_both_sides_and_never_leads() {
    let mut cluster = Cluster::start_with(3, STEADY);
    let first = cluster.wait_for_leader_after(0);
    let follower = first.server % 3 + 1;
    cluster.wait_for_follower(follower, first.fence);
    // Whoever answers goes on being led when the follower ends.
    let third = (1..=3).find(|server| ![first.server, follower].contains(server)).unwrap();
    cluster.wait_for_answer(first.server, third);
    let (directory, older, newest) =
        (cluster.directory(follower), cluster.named_directory("older"), cluster.named_directory("newest"));
    cluster.kill(follower);
    copy(&directory, &older);
    cluster.launch(follower);
    // Another leader, and so another entry, which the follower acknowledges.
    let moved = run(&["transfer", &cluster.directory(first.server), "--to", &third.to_string()]);
    assert!(moved.status.success(), "{moved:?}");
    let leading = cluster.wait_for_leader_after(first.fence);
    cluster.wait_for_follower(follower, leading.fence);
    let log = |status: &serde_json::Value| status["server"]["last"].clone();
    cluster.observed.wait_for("the follower holds what its leader does", |_| {
        (log(&cluster.status(follower)) == log(&cluster.status(leading.server))).then_some(())
    });
    cluster.wait_for_answer(leading.server, follower);

    cluster.kill(follower);
    fs::rename(&directory, &newest).unwrap();
    copy(&older, &directory);
    cluster.launch(follower);
    for (server, peer) in [(leading.server, follower), (follower, leading.server)] {
        let refused = cluster.wait_for_line(server, "it is said", |news| news["event"] == "refused");
        let words = format!("server {follower} has lost entries that it had acknowledged");
        assert!(refused["peer"] == peer && refused["reason"].as_str().unwrap().contains(&words), "{refused}");
    }
    let refused = run(&["transfer", &cluster.directory(leading.server), "--to", &follower.to_string()]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && said.contains("has lost entries"), "{refused:?}");
    assert_eq!(cluster.status(leading.server)["server"]["role"], "leader", "it cost the leadership");

    cluster.kill(follower);
    fs::remove_dir_all(&directory).unwrap();
    fs::rename(&newest, &directory).unwrap();
    cluster.launch(follower);
    cluster.wait_for_follower(follower, leading.fence);
    cluster.wait_for_answer(leading.server, follower);
    let peers = cluster.status(leading.server)["peers"].clone();
    assert!(peers.as_array().unwrap().iter().all(|peer| peer["refused"].is_null()), "{peers}");
}
