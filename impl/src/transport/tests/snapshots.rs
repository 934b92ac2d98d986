//! Snapshots between servers.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::io::copy;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::*;
use crate::transport::bulk::SnapshotFailure;

const LAST: Position = Position { term: Term::new(2), index: Index::new(9) };

/// Bytes of which no two parts are alike, from this place on.
fn content(from: usize, length: usize) -> Vec<u8> {
    (from..from + length).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn write(snapshots: &Snapshots, last: Position, length: usize) {
    let mut writer = snapshots.write(last).unwrap();
    for from in (0..length).step_by(1 << 20) {
        writer.write_all(&content(from, (1 << 20).min(length - from))).unwrap();
    }
    writer.finish().unwrap();
}

fn is_content(snapshots: &Snapshots, length: usize) -> bool {
    let newest = snapshots.newest().unwrap();
    let (mut reader, mut some, mut from) = (snapshots.read(&newest).unwrap(), vec![0; 1 << 20], 0);
    while from < length {
        let count = reader.read(&mut some).unwrap();
        if count == 0 || some[..count] != content(from, count) {
            return false;
        }
        from += count;
    }
    reader.read(&mut some).unwrap() == 0
}

/// Carries connections to another address. Of those that carry much it breaks the first ones.
struct Road {
    address: SocketAddr,
    traffic: Arc<Traffic>,
    _tasks: JoinSet<()>,
}

/// What a road has carried, and when it breaks.
struct Traffic {
    carried: AtomicU64,
    broken: AtomicUsize,
    breaks: usize,
    after: u64,
}

impl Road {
    async fn to(address: SocketAddr, breaks: usize, after: u64) -> Road {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (own, mut tasks) = (listener.local_addr().unwrap(), JoinSet::new());
        let traffic =
            Arc::new(Traffic { carried: AtomicU64::default(), broken: AtomicUsize::default(), breaks, after });
        let carrying = traffic.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (caller, _) = listener.accept().await.unwrap();
                let Ok(called) = TcpStream::connect(address).await else { continue };
                let traffic = carrying.clone();
                connections.spawn(async move { traffic.carry(caller, called).await });
            }
        });
        Road { address: own, traffic, _tasks: tasks }
    }

    fn carried(&self) -> u64 {
        self.traffic.carried.load(Ordering::Relaxed)
    }
}

impl Traffic {
    async fn carry(&self, caller: TcpStream, called: TcpStream) {
        caller.set_nodelay(true).unwrap();
        called.set_nodelay(true).unwrap();
        let (mut caller_reads, mut caller_writes) = caller.into_split();
        let (mut called_reads, mut called_writes) = called.into_split();
        tokio::select! {
            () = self.carry_there(&mut caller_reads, &mut called_writes) => {}
            _ = copy(&mut called_reads, &mut caller_writes) => {}
        }
    }

    async fn carry_there(&self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) {
        let (mut bytes, mut total) = (vec![0; 32 << 10], 0);
        loop {
            let count = from.read(&mut bytes).await.unwrap_or(0);
            total += count as u64;
            self.carried.fetch_add(count as u64, Ordering::Relaxed);
            if self.after < total && self.broken.load(Ordering::Relaxed) < self.breaks {
                self.broken.fetch_add(1, Ordering::Relaxed);
                return;
            }
            if count == 0 || to.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    }
}

/// Asks again and again, as a leader does, until the snapshot has arrived; the other news meanwhile.
async fn until_arrived(from: &Server, to: &mut Server, last: Position) -> Vec<Incoming> {
    let mut before = Vec::new();
    loop {
        from.transport.send_snapshot(to.transport.hub.local.id, last);
        match timeout(Duration::from_millis(20), to.incoming.recv()).await {
            Ok(Some(Incoming::SnapshotArrived { from: ONE, last: arrived })) if arrived == last => return before,
            Ok(incoming) => before.push(incoming.expect("the transport lives")),
            Err(_) => {}
        }
    }
}

/// A server that has a snapshot, and another one that is reached over a road.
async fn servers(length: usize, breaks: usize, after: u64) -> (Server, Server, [Config; 2], Road) {
    let [first, second] = [free_address(), free_address()];
    let road = Road::to(second, breaks, after).await;
    let one = config(ONE, first, &[(TWO, road.address)]);
    let two = config(TWO, second, &[(ONE, first)]);
    write(&one.snapshots, LAST, length);
    let (mut server, mut other) = (Server::start(one.clone()).await, Server::start(two.clone()).await);
    server.until_connected(TWO).await;
    other.until_connected(ONE).await;
    (server, other, [one, two], road)
}

async fn interrupted(length: usize, breaks: usize) {
    let after = length as u64 / (breaks as u64 + 1);
    let (mut one, mut two, [_, config], road) = servers(length, breaks, after).await;
    let news = timeout(60 * DEADLINE, until_arrived(&one, &mut two, LAST)).await.expect("it arrives");
    assert!(is_content(&config.snapshots, length));
    assert_eq!(road.traffic.broken.load(Ordering::Relaxed), breaks);
    // What was on its way when a connection broke was lost, and no more.
    let carried = road.carried();
    assert!(carried < length as u64 + (breaks as u64 + 1) * (8 << 20), "{carried}");
    let ends = |incoming: &Incoming| matches!(incoming, Incoming::Closed { .. } | Incoming::Disconnected { .. });
    assert!(!news.iter().any(ends), "the connection for messages stands: {news:?}");
    one.transport.send_snapshot(TWO, LAST);
    assert!(timeout(Duration::from_millis(1200), two.incoming.recv()).await.is_err(), "it arrives once");
    while let Ok(incoming) = one.incoming.try_recv() {
        assert!(!matches!(incoming, Incoming::SnapshotFailed { .. }) && !ends(&incoming), "{incoming:?}");
    }
}

#[tokio::test]
async fn a_snapshot_arrives_once_though_its_connection_breaks_again_and_again() {
    interrupted(24_000_000, 3).await;
}

/// The same as it may be in earnest; neither side ever holds more than a chunk of it.
#[tokio::test]
#[ignore = "it takes a while"]
async fn a_large_snapshot_arrives_in_little_memory() {
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    let (before, began) = (peak(), Instant::now());
    interrupted(200_000_000, 5).await;
    println!("{:?}, {} KiB more memory", began.elapsed(), peak() - before);
    assert!(peak() - before < 32 << 10, "{} KiB", peak() - before);
}

#[tokio::test]
async fn a_receiver_that_is_restarted_goes_on() {
    let length = 24_000_000;
    let (one, two, [_, config], road) = servers(length, 0, 0).await;
    one.transport.send_snapshot(TWO, LAST);
    while road.carried() < length as u64 / 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let before = road.carried();
    timeout(DEADLINE, Box::new(two.transport).close()).await.expect("nothing holds up the end");
    let directory = config.pins.directory().clone();
    let snapshots = Arc::new(Snapshots::open(directory).unwrap());
    assert_eq!(snapshots.newest(), None);
    let mut two = Server::start(Config { snapshots: snapshots.clone(), ..config }).await;
    timeout(6 * DEADLINE, until_arrived(&one, &mut two, LAST)).await.expect("it arrives");
    assert!(is_content(&snapshots, length));
    let more = road.carried() - before;
    assert!(more < length as u64 * 3 / 4, "{more} bytes after {before}");
}

#[tokio::test]
async fn a_newer_snapshot_takes_the_place_of_an_older_one() {
    let (one, mut two, [config, other], _road) = servers(24_000_000, 0, 0).await;
    let newer = Position { term: Term::new(2), index: Index::new(12) };
    write(&config.snapshots, newer, 1000);
    one.transport.send_snapshot(TWO, LAST);
    one.transport.send_snapshot(TWO, newer);
    one.transport.send_snapshot(TWO, LAST);
    let arrived = Incoming::SnapshotArrived { from: ONE, last: newer };
    assert!(two.until(|incoming| *incoming == arrived).await.is_empty());
    assert!(is_content(&other.snapshots, 1000));
}

#[tokio::test]
async fn messages_keep_their_pace_while_a_snapshot_is_sent() {
    let (one, mut two, _, _road) = servers(48_000_000, 0, 0).await;
    let (mut number, mut worst) = (0, Duration::ZERO);
    one.transport.send_snapshot(TWO, LAST);
    loop {
        let sent = Instant::now();
        number += 1;
        one.transport.send(frame(ONE, TWO, number).into());
        match two.next().await {
            Incoming::Frame(arrived) => assert_eq!(arrived, frame(ONE, TWO, number)),
            Incoming::SnapshotArrived { .. } => break,
            other => panic!("{other:?}"),
        }
        worst = worst.max(sent.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    println!("{number} messages, the slowest took {worst:?}");
    assert!(20 < number, "{number} messages");
    assert!(worst < Duration::from_millis(250), "{worst:?}");
}

#[tokio::test]
async fn why_no_snapshot_is_sent_is_told_once() {
    let (mut one, _two, _, _road) = servers(1000, 0, 0).await;
    let missing = Position { term: Term::new(2), index: Index::new(7) };
    let failed = |last, why| Incoming::SnapshotFailed { with: TWO, last: Some(last), why };
    one.transport.send_snapshot(TWO, missing);
    one.until_told(failed(missing, SnapshotFailure::NotHeld)).await;
    for _ in 0..6 {
        one.transport.send_snapshot(TWO, missing);
        assert!(timeout(Duration::from_millis(300), one.incoming.recv()).await.is_err(), "it is not repeated");
    }
    one.transport.keep_out(TWO);
    one.transport.send_snapshot(TWO, LAST);
    one.until_told(failed(LAST, SnapshotFailure::Refused(Refusal::LostEntries(TWO)))).await;
}

#[tokio::test]
async fn a_peer_that_is_kept_out_sends_no_snapshot() {
    let (mut one, mut two, _, _road) = servers(1000, 0, 0).await;
    two.transport.keep_out(ONE);
    one.transport.send_snapshot(TWO, LAST);
    let why = SnapshotFailure::Refused(Refusal::LostEntries(ONE));
    one.until_told(Incoming::SnapshotFailed { with: TWO, last: Some(LAST), why }).await;
    while let Ok(incoming) = two.incoming.try_recv() {
        assert!(!matches!(incoming, Incoming::SnapshotArrived { .. }));
    }
}

#[tokio::test]
async fn a_receiver_whose_disk_fails_says_so_to_both() {
    let (mut one, mut two, [_, config], _road) = servers(1000, 0, 0).await;
    let root = config.pins.directory().path.clone();
    let moved = root.with_extension("moved");
    std::fs::rename(&root, &moved).unwrap();
    one.transport.send_snapshot(TWO, LAST);
    let failed = |incoming: &Incoming| match incoming {
        Incoming::SnapshotFailed { why: SnapshotFailure::Unwritable(problem), .. } => problem.contains("snapshot"),
        _ => false,
    };
    let is_told = |incoming: &Incoming| failed(incoming) || matches!(incoming, Incoming::SnapshotFailed { .. });
    one.until(is_told).await;
    two.until(is_told).await;
    std::fs::rename(&moved, &root).unwrap();
    timeout(6 * DEADLINE, until_arrived(&one, &mut two, LAST)).await.expect("it arrives once the disk is there");
}

#[tokio::test]
async fn a_kind_of_connection_that_nobody_knows_is_refused() {
    let (mut server, client) = server_and_client().await;
    let refused = handshake::call(&mut connect(&server).await, &client, ONE, Kind::Other(7)).await;
    assert!(matches!(refused, Err(HandshakeFailure::Refused { reason: Refusal::Kind, .. })), "{refused:?}");
    assert_eq!(server.until_refused().await, (TWO, Refusal::Kind));
    assert!(Refusal::Kind.to_string().contains("upgrade the older one"));
}

/// A server that answers a call for a snapshot as if it were one for messages.
#[tokio::test]
async fn a_called_server_that_takes_it_for_another_kind_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, client) = (listener.local_addr().unwrap(), local(TWO, &[ONE]));
    let called = tokio::spawn(async move { strangers::answer_as(&listener, ONE, Kind::Control).await });
    let mut connection = Connection::new(TcpStream::connect(address).await.unwrap(), SILENCE).unwrap();
    let refused = handshake::call(&mut connection, &client, ONE, Kind::Bulk).await;
    assert!(matches!(refused, Err(HandshakeFailure::Refused { reason: Refusal::Kind, .. })), "{refused:?}");
    assert_eq!(called.await.unwrap(), Greeting::Refused(Refusal::Kind));
}
