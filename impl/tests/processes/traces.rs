//! Traces that real processes have kept, some of which were killed.

use std::path::Path;

use rafttree_model::chain::{Chain, MAGIC, Opened};
use rafttree_model::replayed::Outcome;
use rafttree_model::trace::{Ending, Frame};
use rafttree_model::{ServerId, Traced};
use rustix::process::Signal;

use crate::cluster::Cluster;
use crate::store::Store;

/// The traces of a store under load, whose servers were all killed. They are kept where the tests keep such things: the
/// checker is a program of its own, and judges them as a group.
pub(crate) fn of_a_store(store: &Store) {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut steps = 0;
    for id in 1..=3 {
        let trace = std::fs::read(store.trace(id)).unwrap();
        steps += parts(id, &trace).into_iter().map(|(count, _)| count).sum::<usize>();
        std::fs::write(kept.join(format!("{id}.trace")), trace).unwrap();
    }
    assert!(1000 < steps, "{steps} steps");
}

/// How many steps each part has that is replayed, and how it ends if it says so.
fn parts(id: u32, mut trace: &[u8]) -> Vec<(usize, Option<Ending>)> {
    let mut parts = Vec::new();
    while let Some(part) = trace.strip_prefix(&MAGIC) {
        let end = part.windows(MAGIC.len()).position(|bytes| bytes == MAGIC).unwrap_or(part.len());
        let (part, next) = part.split_at(end);
        parts.push(replayed(id, part));
        trace = next;
    }
    assert!(trace.is_empty());
    parts
}

/// Every part is replayed by the deployed code to the very digests that its server has recorded; a server that was
/// killed has left no mark at its end, and nothing that is not whole.
pub(crate) fn of_servers_that_were_killed(cluster: &Cluster, stopped: u32) {
    let (mut count, mut steps) = (0, 0);
    for server in 1..=3 {
        let parts = parts(server, &std::fs::read(cluster.trace(server)).unwrap());
        for (place, (more, ending)) in parts.iter().enumerate() {
            let is_stopped = server == stopped && place + 1 == parts.len();
            assert_eq!(*ending, is_stopped.then_some(Ending::Stopped), "server {server}");
            steps += more;
        }
        count += parts.len();
    }
    assert_eq!(count, 3 + 3, "three servers were started again");
    assert!(60 < steps, "{steps} steps");
}

/// How many steps the part has, and how it ends if it says so.
fn replayed(id: u32, mut part: &[u8]) -> (usize, Option<Ending>) {
    let (mut chain, mut outcome, mut server, mut steps) = (Chain::default(), Outcome::default(), None, 0);
    while let Opened::Body(body) = chain.open(part) {
        part = &part[Chain::size(body.len())..];
        match (Frame::read(body).unwrap(), &mut server) {
            (Frame::Origin(origin), None) => {
                assert_eq!(origin.id, ServerId::new(id));
                server = Some(Traced::replaying(origin));
            }
            (Frame::Step(step), Some(server)) => {
                steps += 1;
                let made = server.replay(step.call.clone(), &mut outcome);
                assert_eq!(made, Some(step.digests), "server {id}, step {steps}: {step:?}");
            }
            (Frame::Ending(ending), Some(_)) if part.is_empty() => return (steps, Some(ending)),
            (frame, _) => panic!("server {id}: {frame:?} stands where it does not belong"),
        }
    }
    // Of the last step a server that is killed may have written a part.
    (steps, None)
}

/// Each server is right, and the disk of one gives back what it held before it ever ran. The traces are kept for the
/// checker, which has to name what that breaks.
pub(crate) fn of_a_directory_that_was_put_back() {
    let mut cluster = Cluster::new(3);
    let mut later = cluster.copy();
    (cluster.is_traced, later.is_traced) = (true, true);
    [1, 3].into_iter().for_each(|server| cluster.launch(server));
    let former = cluster.wait_for_leader_after(0);
    let voter = if former.server == 1 { 3 } else { 1 };
    cluster.wait_for_follower(voter, former.fence);
    // The voter first, so that no leadership is transferred to it; both traces end in order.
    for server in [voter, former.server] {
        cluster.signal(server, Signal::TERM);
        assert!(cluster.wait_for_end(server).success());
    }
    [2, voter].into_iter().for_each(|server| later.launch(server));
    later.wait_for_leader_after(0);
    later.kill_all();
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("put-back");
    std::fs::create_dir_all(&kept).unwrap();
    let traces = [(&cluster, former.server, ""), (&cluster, voter, ""), (&later, voter, "-later"), (&later, 2, "")];
    for entry in std::fs::read_dir(&kept).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for (cluster, server, part) in traces {
        std::fs::copy(cluster.trace(server), kept.join(format!("{server}{part}.trace"))).unwrap();
    }
}
