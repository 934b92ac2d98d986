//! Traces that real processes have kept, some of which were killed.

use rafttree_model::chain::{Chain, MAGIC, Opened};
use rafttree_model::replayed::Outcome;
use rafttree_model::trace::{Ending, Frame};
use rafttree_model::{ServerId, Traced};

use crate::cluster::Cluster;

/// Every part is replayed by the deployed code to the very digests that its server has recorded; a server that was
/// killed has left no mark at its end, and nothing that is not whole.
pub(crate) fn of_servers_that_were_killed(cluster: &Cluster, stopped: u32) {
    let (mut parts, mut steps) = (0, 0);
    for server in 1..=3 {
        let trace = std::fs::read(cluster.trace(server)).unwrap();
        let mut rest = &trace[..];
        while let Some(part) = rest.strip_prefix(&MAGIC) {
            let end = part.windows(MAGIC.len()).position(|bytes| bytes == MAGIC).unwrap_or(part.len());
            let (part, next) = part.split_at(end);
            let (count, ending) = replayed(server, part);
            let is_stopped = server == stopped && next.is_empty();
            assert_eq!(ending, is_stopped.then_some(Ending::Stopped), "server {server}");
            (parts, steps, rest) = (parts + 1, steps + count, next);
        }
        assert!(rest.is_empty());
    }
    assert_eq!(parts, 3 + 3, "three servers were started again");
    assert!(100 < steps, "{steps} steps");
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
    assert!(part.is_empty(), "server {id}: {} bytes are no step", part.len());
    (steps, None)
}
