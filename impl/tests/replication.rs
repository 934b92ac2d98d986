//! A replicated state machine embedded in a service: real sockets, real files, real time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rafttree::{ClusterId, Identity, Node, ProposeError, Replica, Serialized, Snapshot, StateMachine};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

const T: Duration = Duration::from_millis(300);

/// A map whose values are counted up or set.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct Map(BTreeMap<String, u64>);

#[derive(Clone, Debug, Deserialize, Serialize)]
enum Op {
    Add(String, u64),
    Fill(Vec<u8>),
    Panic,
}

impl StateMachine for Map {
    type Command = Op;
    type Answer = u64;

    fn apply(&mut self, op: Op) -> u64 {
        match op {
            Op::Add(key, by) => {
                let value = self.0.entry(key).or_default();
                *value += by;
                *value
            }
            Op::Fill(bytes) => bytes.len() as u64,
            Op::Panic => panic!("as it was told"),
        }
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(Serialized(self.clone()))
    }

    fn restore(from: &mut dyn Read) -> io::Result<Map> {
        Serialized::read(from)
    }
}

struct Group {
    directory: TempDir,
    ports: Vec<u16>,
    replicas: BTreeMap<u32, Replica<Map>>,
    snapshot_after: u64,
}

impl Group {
    fn new(count: u32) -> Group {
        let sockets: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        let group =
            Group { directory: TempDir::new().unwrap(), ports, replicas: BTreeMap::new(), snapshot_after: 64 << 20 };
        let cluster = ClusterId::random();
        for id in 1..=count {
            rafttree::init(group.path(id), Identity { cluster, id: id.into() }).unwrap();
        }
        group
    }

    async fn running(count: u32) -> Group {
        let mut group = Group::new(count);
        for id in 1..=count {
            group.start(id).await;
        }
        group
    }

    fn path(&self, id: u32) -> PathBuf {
        self.directory.path().join(id.to_string())
    }

    async fn start(&mut self, id: u32) {
        let address = |id: u32| format!("127.0.0.1:{}", self.ports[id as usize - 1]);
        let mut builder = Node::builder(self.path(id)).listen(address(id)).election_timeout(T);
        for peer in (1..=self.ports.len() as u32).filter(|&peer| peer != id) {
            builder = builder.peer(peer, address(peer));
        }
        let replica = builder.machine(Map::default()).snapshot_after(self.snapshot_after).start().await.unwrap();
        self.replicas.insert(id, replica);
    }

    /// As if its process had ended.
    async fn kill(&mut self, id: u32) {
        let replica = self.replicas.remove(&id).unwrap();
        let stopped = replica.clone();
        drop(replica);
        let _ = stopped.shutdown().await;
    }

    async fn leader(&self) -> u32 {
        let (_, any) = self.replicas.first_key_value().unwrap();
        let mut view = any.leader();
        let leader = view.wait_for(|view| view.leader.is_some()).await.unwrap().leader.unwrap();
        leader.number()
    }
}

async fn get(replica: &Replica<Map>, key: &'static str) -> u64 {
    replica.read(move |map| map.0.get(key).copied().unwrap_or(0)).await.unwrap()
}

#[tokio::test]
async fn commands_proposed_anywhere_are_applied_everywhere() {
    let group = Group::running(3).await;
    for (count, replica) in (1..).zip(group.replicas.values()) {
        assert_eq!(replica.propose(Op::Add("x".into(), 1)).await.unwrap(), count);
    }
    for replica in group.replicas.values() {
        assert_eq!(get(replica, "x").await, 3, "what was answered is read on every server");
    }
}

#[tokio::test]
async fn a_server_of_its_own_is_a_group() {
    let mut group = Group::running(1).await;
    for count in 1..=10 {
        assert_eq!(group.replicas[&1].propose(Op::Add("x".into(), 1)).await.unwrap(), count);
    }
    group.kill(1).await;
    group.start(1).await;
    assert_eq!(get(&group.replicas[&1], "x").await, 10);
}

#[tokio::test]
async fn what_was_answered_survives_its_leader_and_every_server() {
    let mut group = Group::running(3).await;
    let mut expected = 0;
    for _ in 0..3 {
        for replica in group.replicas.values() {
            expected += 1;
            assert_eq!(replica.propose(Op::Add("x".into(), 1)).await.unwrap(), expected);
        }
        let leader = group.leader().await;
        group.kill(leader).await;
        for replica in group.replicas.values() {
            assert_eq!(get(replica, "x").await, expected);
        }
        group.start(leader).await;
    }
    for id in 1..=3 {
        group.kill(id).await;
    }
    for id in 1..=3 {
        group.start(id).await;
    }
    for replica in group.replicas.values() {
        assert_eq!(get(replica, "x").await, expected);
    }
}

#[tokio::test]
async fn a_session_applies_each_command_once_whatever_ends() {
    let mut group = Group::running(3).await;
    let mut session = group.replicas[&1].session().await.unwrap();
    let adds = tokio::spawn(async move {
        for count in 1..=200 {
            assert_eq!(session.propose(Op::Add("x".into(), 1)).await.unwrap(), count);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    for _ in 0..3 {
        let leader = group.leader().await;
        if leader != 1 {
            group.kill(leader).await;
            group.start(leader).await;
        } else {
            group.replicas[&1].step_down().await.unwrap();
        }
        tokio::time::sleep(T).await;
    }
    adds.await.unwrap();
    assert_eq!(get(&group.replicas[&2], "x").await, 200);
}

#[tokio::test]
async fn a_log_with_snapshots_stays_small_and_comes_back() {
    let mut group = Group::new(1);
    group.snapshot_after = 256 << 10;
    group.start(1).await;
    let replica = group.replicas[&1].clone();
    for _ in 0..200 {
        replica.propose(Op::Fill(vec![7; 100_000])).await.unwrap();
    }
    assert_eq!(replica.propose(Op::Add("x".into(), 5)).await.unwrap(), 5);
    let began = Instant::now();
    while size_of(&group.path(1)) > 16 << 20 {
        assert!(began.elapsed() < Duration::from_secs(20), "{} bytes", size_of(&group.path(1)));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(replica);
    group.kill(1).await;
    group.start(1).await;
    assert_eq!(get(&group.replicas[&1], "x").await, 5);
    assert_eq!(group.replicas[&1].propose(Op::Add("x".into(), 1)).await.unwrap(), 6);
}

/// Its log ends where the others' logs no longer begin.
#[tokio::test]
async fn a_server_that_missed_much_is_sent_a_snapshot() {
    let mut group = Group::new(3);
    group.snapshot_after = 256 << 10;
    for id in 1..=3 {
        group.start(id).await;
    }
    assert_eq!(group.replicas[&1].propose(Op::Add("x".into(), 1)).await.unwrap(), 1);
    let (leader, late) = (group.leader().await, group.leader().await % 3 + 1);
    group.kill(late).await;
    let replica = group.replicas[&leader].clone();
    for _ in 0..100 {
        replica.propose(Op::Fill(vec![7; 100_000])).await.unwrap();
    }
    replica.propose(Op::Add("x".into(), 1)).await.unwrap();
    let began = Instant::now();
    while replica.status().await.unwrap().compacted.index.number() < 5 {
        replica.propose(Op::Fill(vec![7; 100_000])).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(20), "the log does not go");
    }
    group.start(late).await;
    let late = group.replicas[&late].clone();
    assert_eq!(get(&late, "x").await, 2);
    let status = late.status().await.unwrap();
    assert!(status.snapshot.is_some() && status.snapshot == Some(status.compacted), "{status:?}");
    assert_eq!(late.propose(Op::Add("x".into(), 1)).await.unwrap(), 3, "it goes on from there");
}

fn size_of(directory: &std::path::Path) -> u64 {
    std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn a_command_that_is_too_long_is_refused_before_anything_happens() {
    let group = Group::running(1).await;
    let error = group.replicas[&1].propose(Op::Fill(vec![0; 2 << 20])).await.unwrap_err();
    assert!(matches!(error, ProposeError::TooLong { .. }), "{error}");
    assert_eq!(group.replicas[&1].propose(Op::Add("x".into(), 1)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_state_machine_that_panics_stops_its_server_and_is_named() {
    let group = Group::running(1).await;
    let replica = &group.replicas[&1];
    assert!(matches!(replica.propose(Op::Panic).await, Err(ProposeError::Unknown)));
    let error = replica.closed().await.unwrap_err().to_string();
    assert!(error.contains("has panicked") && error.contains("as it was told"), "{error}");
}
