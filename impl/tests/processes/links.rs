//! Faults of connections between servers.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, rafttree};

/// Long enough for the lease to be seen.
const LONG: Duration = Duration::from_secs(1);

/// Something between two servers, on the way on which one of them calls.
#[derive(Clone, Default)]
struct Way {
    /// Whether whatever is sent from now on vanishes, in both directions.
    swallows: Arc<AtomicBool>,
    /// The connections of the called side.
    called: Arc<Mutex<Vec<TcpStream>>>,
}

impl Way {
    /// A way to this address, and where it begins.
    fn to(address: String) -> (Way, String) {
        let (way, listener) = (Way::default(), TcpListener::bind("127.0.0.1:0").unwrap());
        let begins = listener.local_addr().unwrap().to_string();
        let carrier = way.clone();
        std::thread::spawn(move || listener.incoming().for_each(|caller| carrier.carry(caller.unwrap(), &address)));
        (way, begins)
    }

    fn carry(&self, caller: TcpStream, address: &str) {
        // A connection that was lost to both sides stays open, as packets that vanish leave it.
        let Ok(called) = TcpStream::connect(address) else { return };
        self.called.lock().unwrap().push(called.try_clone().unwrap());
        let [to, from] = [caller.try_clone().unwrap(), called.try_clone().unwrap()];
        self.pump(caller, called);
        self.pump(from, to);
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let swallows = self.swallows.clone();
        to.set_nodelay(true).unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let count = from.read(&mut bytes).unwrap_or(0);
                if swallows.load(Ordering::SeqCst) {
                    // The other side never hears of an end.
                    std::thread::park();
                } else if count == 0 || to.write_all(&bytes[..count]).is_err() {
                    return drop(to.shutdown(Shutdown::Both));
                }
            }
        });
    }

    /// From now on nothing passes, and new connections are taken and lead nowhere.
    fn swallow(&self) {
        self.swallows.store(true, Ordering::SeqCst);
    }

    /// The called side sees its connections end; the caller sees nothing.
    fn hang_up_called(&self) {
        self.called.lock().unwrap().iter().for_each(|called| called.shutdown(Shutdown::Both).unwrap());
    }
}

/// Three servers that reach each other through something that can end their connections.
fn cluster_with_ways() -> (Cluster, BTreeMap<(u32, u32), Way>) {
    let mut cluster = Cluster::new(3);
    let timeout = format!("{}ms", LONG.as_millis());
    let (mut ways, mut commands) = (BTreeMap::new(), Vec::new());
    for server in 1..=3 {
        let listen = cluster.address(server).to_owned();
        let mut command = rafttree(&["serve", &cluster.directory(server), "-o", "json", "--listen", &listen]);
        command.args(["--election-timeout", &timeout]);
        for peer in (1..=3).filter(|&peer| peer != server) {
            let (way, begins) = Way::to(cluster.address(peer).to_owned());
            command.args(["--peer", &format!("{peer}={begins}")]);
            ways.insert((server, peer), way);
        }
        commands.push((server, command));
    }
    commands.into_iter().for_each(|(server, command)| cluster.launch_as(server, command));
    (cluster, ways)
}

/// Something resets the followers' side of the leader's connections, and swallows all else between
/// them and the leader: it holds its lease, so nobody else may lead before that has run out.
#[test]
fn nobody_leads_within_the_lease_of_a_leader_that_was_disconnected() {
    let (cluster, ways) = cluster_with_ways();
    let first = cluster.wait_for_leader_after(0);
    let followers: Vec<u32> = (1..=3).filter(|&server| server != first.server).collect();
    followers.iter().for_each(|&follower| cluster.wait_for_answer(first.server, follower));
    for &follower in &followers {
        ways[&(first.server, follower)].swallow();
        ways[&(follower, first.server)].swallow();
    }
    followers.iter().for_each(|&follower| ways[&(first.server, follower)].hang_up_called());
    let asked = Instant::now();
    let lease = cluster.status(first.server)["lease_milliseconds"].as_f64().unwrap();
    assert!(0.0 < lease, "the leader holds no lease");
    let second = cluster.wait_for_leader_after(first.fence);
    assert!(followers.contains(&second.server));
    let remaining = asked + Duration::from_secs_f64(lease / 1000.0);
    assert!(remaining <= Instant::now(), "two servers hold a lease");
}

#[test]
fn why_a_peer_is_not_reached_is_said_and_stands_in_the_status() {
    let mut cluster = Cluster::new(3);
    cluster.launch(1);
    cluster.launch(2);
    let reason = format!("{} refuses connections", cluster.address(3));
    let line = cluster.wait_for_line(1, "why", |news| news["event"] == "unreachable" && news["peer"] == 3);
    assert!(line["reason"].as_str().unwrap().starts_with(&reason), "{line}");
    let peer = cluster.status(1)["peers"][1].take();
    assert!(peer["unreachable"].as_str().unwrap().starts_with(&reason), "{peer}");
    cluster.launch(3);
    cluster.wait_for_leader_after(0);
    crate::cluster::until("the peer is connected", || {
        let peer = cluster.status(1)["peers"][1].take();
        peer["connected"] == true && peer["unreachable"].is_null()
    });
}

#[test]
fn unequal_election_timeouts_are_said_on_both_sides() {
    let mut cluster = Cluster::new(2);
    cluster.launch(1);
    cluster.set_timeout(2 * crate::cluster::TIMEOUT);
    cluster.launch(2);
    for (server, peer, said) in
        [(1, 2, "server 2 is 300 ms, and that of this server 150 ms"), (2, 1, "server 1 is 150 ms")]
    {
        let line = cluster.wait_for_line(server, "a warning", |news| news["event"] == "warned");
        assert!(line["warning"].as_str().unwrap().contains(said), "{line}");
        assert_eq!(cluster.status(server)["peers"][0]["id"], peer);
    }
}
