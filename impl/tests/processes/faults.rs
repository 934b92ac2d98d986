//! Each row of the table in `storage::recovery` as a fault in a server's directory: what `rafttree log verify` says
//! of it, and what the server does that is started on it, alone and then with its group.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;

use serde_json::Value;

use crate::cluster::{Cluster, number, run, until};
use crate::store::{Store, eventually};

const BLOCK: u64 = 4096;

/// Where the first batch begins in a segment of the usual size.
const BEGIN: u64 = 17 * BLOCK;

/// How many blocks for batches such a segment has.
const BLOCKS: u64 = 991;

/// What is done to the bytes of something.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// They read as zeros: the disk has not written them.
    Missing,
    /// They are others.
    Garbled,
}

/// A batch of a log.
#[derive(Clone, Debug)]
struct Batch {
    number: u64,
    offset: u64,
    /// The index of its entry, if there is one in it.
    entry: Option<u64>,
}

impl Batch {
    /// Where its slot stands: in the area that is farther away, in pages for even numbers and odd ones in turn.
    fn slot(&self) -> u64 {
        let block = (self.offset - BEGIN) / BLOCK;
        assert!(block < BLOCKS / 2, "the log is short");
        BEGIN + BLOCKS * BLOCK + (block / 64 * 2 + self.number % 2) * BLOCK + block % 64 * 64
    }
}

/// What `log verify` says, and its exit code.
fn verify(directory: &str) -> (Option<i32>, Value, String) {
    let ended = run(&["log", "verify", directory, "-o", "json"]);
    let said = serde_json::from_slice(&ended.stdout).unwrap_or_default();
    (ended.status.code(), said, String::from_utf8_lossy(&ended.stderr).into_owned())
}

/// The batches of a directory's log, which is sound.
fn batches(directory: &str) -> Vec<Batch> {
    let dumped = run(&["log", "dump", directory, "-o", "json"]);
    let batch = |line: &str| {
        let batch: Value = serde_json::from_str(line).unwrap();
        let mut records = batch["records"].as_array().unwrap().iter();
        let entry = records.find(|record| record["record"] == "append");
        let entry = entry.map(|record| number(&record["position"]["index"]));
        Batch { number: number(&batch["batch"]), offset: number(&batch["offset"]), entry }
    };
    String::from_utf8_lossy(&dumped.stdout).lines().map(batch).collect()
}

fn inflict(fault: Fault, directory: &str, offset: u64, length: usize) {
    let bytes = match fault {
        Fault::None => return,
        Fault::Missing => vec![0; length],
        Fault::Garbled => vec![0x55; length],
    };
    let log = fs::OpenOptions::new().write(true).open(format!("{directory}/log-0000000000000001")).unwrap();
    log.write_all_at(&bytes, offset).unwrap();
}

/// A follower's log of several entries, the last of which is in its last batch; nothing runs any more.
fn group() -> (Cluster, u32) {
    let mut cluster = Cluster::start(3);
    let mut leading = cluster.wait_for_leader_after(0);
    for _ in 0..2 {
        run(&["step-down", &cluster.directory(leading.server)]);
        leading = cluster.wait_for_leader_after(leading.fence);
    }
    let follower = leading.server % 3 + 1;
    let last = number(&cluster.status(leading.server)["server"]["last"]["index"]);
    until("the follower has all", || number(&cluster.status(follower)["server"]["last"]["index"]) == last);
    cluster.kill(follower);
    cluster.kill_all();
    assert!(batches(&cluster.directory(follower)).last().unwrap().entry.is_some(), "nothing came after the last entry");
    (cluster, follower)
}

/// One row of the table.
struct Row {
    batch: Fault,
    slot: Fault,
    /// Whether batches follow the one that is hit.
    has_later: bool,
    /// The exit code of `log verify`, and its word for the condition of the batch.
    verified: (i32, Option<&'static str>),
    then: Then,
}

/// What the server does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// It starts with all entries.
    Keeps,
    /// It starts without the batch.
    Cuts,
    /// It starts, and cannot read the entry until the leader has sent it.
    Fetches {
        acknowledged: bool,
    },
    Refuses,
}

const ROWS: [Row; 8] = [
    Row { batch: Fault::None, slot: Fault::None, has_later: true, verified: (0, None), then: Then::Keeps },
    Row { batch: Fault::Missing, slot: Fault::Missing, has_later: false, verified: (0, None), then: Then::Cuts },
    Row { batch: Fault::Garbled, slot: Fault::Garbled, has_later: false, verified: (0, None), then: Then::Cuts },
    Row { batch: Fault::Missing, slot: Fault::None, has_later: false, verified: (0, None), then: Then::Cuts },
    Row {
        batch: Fault::Garbled,
        slot: Fault::None,
        has_later: false,
        verified: (65, Some("damaged")),
        then: Then::Fetches { acknowledged: false },
    },
    Row {
        batch: Fault::Garbled,
        slot: Fault::None,
        has_later: true,
        verified: (65, Some("damaged")),
        then: Then::Fetches { acknowledged: true },
    },
    Row {
        batch: Fault::None,
        slot: Fault::Garbled,
        has_later: true,
        verified: (0, Some("slot_lost")),
        then: Then::Keeps,
    },
    Row { batch: Fault::Garbled, slot: Fault::Garbled, has_later: true, verified: (66, None), then: Then::Refuses },
];

/// The follower's status, once it answers.
fn status(cluster: &Cluster, follower: u32) -> Value {
    cluster.wait_for_line(follower, "it starts", |news| news["event"] == "started");
    cluster.status(follower)
}

fn warns_of_damage(status: &Value) -> bool {
    let warnings = status["warnings"].as_array().unwrap();
    warnings.iter().any(|warning| warning.as_str().unwrap().contains("the disk has damaged the entries"))
}

impl Row {
    fn says(&self) -> String {
        format!("batch {:?}, slot {:?}, later batches {}", self.batch, self.slot, self.has_later)
    }

    /// What `log verify` says of the directory.
    fn check_verdict(&self, directory: &str, hit: &Batch) {
        let (code, said, error) = verify(directory);
        let row = self.says();
        assert_eq!(code, Some(self.verified.0), "{row}: {said} {error}");
        let conditions: Vec<_> = said["unsound"].as_array().into_iter().flatten().collect();
        match self.verified.1 {
            None => assert_eq!(conditions.len(), 0, "{row}: {said}"),
            Some(expected) => {
                assert_eq!(conditions.len(), 1, "{row}: {said}");
                assert_eq!(
                    (&conditions[0]["condition"], &conditions[0]["batch"]),
                    (&expected.into(), &hit.number.into())
                );
            }
        }
        if let Then::Fetches { acknowledged } = self.then {
            let lost = &conditions[0]["lost"];
            assert_eq!(lost["first"]["index"].as_u64(), hit.entry, "{row}: {said}");
            assert_eq!(lost["acknowledged"], acknowledged, "{row}: {said}");
        }
        if self.then == Then::Refuses {
            assert!(error.contains("nobody can tell what was acknowledged: bring back a copy"), "{row}: {error}");
        }
        if self.then == Then::Cuts {
            let is_seen = self.batch == Fault::Garbled || self.slot == Fault::None;
            let notices = said["cut_short"] == true || !said["illegible"].as_array().unwrap().is_empty();
            assert_eq!(notices, is_seen, "{row}: {said}");
        }
    }

    /// What the server does alone, with nobody who could help.
    fn check_start(&self, cluster: &mut Cluster, follower: u32, hit: &Batch, last: u64) {
        cluster.launch(follower);
        let (status, row) = (status(cluster, follower), self.says());
        let kept = if self.then == Then::Cuts { last - 1 } else { last };
        assert_eq!(number(&status["server"]["last"]["index"]), kept, "{row}: {status}");
        assert_eq!(warns_of_damage(&status), matches!(self.then, Then::Fetches { .. }), "{row}: {status}");
        assert!(number(&status["server"]["commit"]) < hit.entry.unwrap(), "{row}: nobody has helped it yet");
    }

    /// What becomes of it among the others.
    fn check_repair(&self, cluster: &mut Cluster, follower: u32, last: u64) {
        (1..=3).filter(|&id| id != follower).for_each(|id| cluster.launch(id));
        let row = self.says();
        if matches!(self.then, Then::Fetches { .. }) {
            assert_ne!(cluster.wait_for_leader_after(0).server, follower, "{row}: it does not lead with it");
        }
        until(&format!("{row}: it has all, and can read it"), || {
            let status = cluster.status(follower);
            last < number(&status["server"]["commit"]) && !warns_of_damage(&status)
        });
        cluster.kill_all();
        let (code, said, _) = verify(&cluster.directory(follower));
        assert!(code == Some(0) && said["sound"] == true, "{row}: {said}");
        let conditions: Vec<_> = said["unsound"].as_array().unwrap().iter().map(|batch| &batch["condition"]).collect();
        let expected: &[&str] = if matches!(self.then, Then::Fetches { .. }) { &["superseded"] } else { &[] };
        assert_eq!(conditions, expected, "{row}: a slot that was lost is written again: {said}");
    }

    /// The server does not start, and says what to do; with the copy that it asks for it does.
    fn check_refusal(&self, cluster: &mut Cluster, follower: u32, sound: &[u8]) {
        let directory = cluster.directory(follower);
        let ended = cluster.serve(follower, &directory).stdin(Stdio::null()).output().unwrap();
        let error = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(self.verified.0), "{error}");
        assert!(error.contains("so nobody can tell what was acknowledged: bring back a copy"), "{error}");
        fs::write(format!("{directory}/log-0000000000000001"), sound).unwrap();
        cluster.launch(follower);
        status(cluster, follower);
    }
}

#[test]
fn each_fault_of_the_table_is_named_and_met_as_the_table_says() {
    let (template, follower) = group();
    let batches = batches(&template.directory(follower));
    let last = batches.last().unwrap();
    let first = batches.iter().find(|batch| batch.entry.is_some()).unwrap();
    for row in ROWS {
        let mut cluster = template.copy();
        let directory = cluster.directory(follower);
        let hit = if row.has_later { first } else { last };
        let sound = fs::read(format!("{directory}/log-0000000000000001")).unwrap();
        inflict(row.batch, &directory, hit.offset, BLOCK as usize);
        inflict(row.slot, &directory, hit.slot(), 64);
        row.check_verdict(&directory, hit);
        if row.then == Then::Refuses {
            row.check_refusal(&mut cluster, follower, &sound);
        } else {
            row.check_start(&mut cluster, follower, hit, last.entry.unwrap());
            row.check_repair(&mut cluster, follower, last.entry.unwrap());
        }
    }
}

/// The snapshots of a server, the newest first.
fn snapshots(directory: &str) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("snapshot-")).collect();
    names.sort();
    names.reverse();
    names.into_iter().map(|name| format!("{directory}/{name}")).collect()
}

/// Flips a bit in the middle of a file.
fn damage(path: &str) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Three stores, of which a follower has two snapshots and a log that begins behind the older one.
fn with_snapshots() -> (Store, u32) {
    let store = Store::start();
    let follower = store.leader() % 3 + 1;
    for value in ["one", "two", "three"] {
        let put = || (store.call(follower, "PUT", "/kv/x", value).ok()?.0 == 200).then_some(());
        eventually("it is written", put);
        let applied = || store.call(follower, "GET", "/kv/x", "").ok().filter(|answer| answer.0 == 200);
        eventually("the follower has applied it", applied);
        if value != "three" {
            let taken = run(&["snapshot", &store.directory(follower)]);
            assert!(taken.status.success(), "{taken:?}");
        }
    }
    let compacted = || {
        let status = run(&["status", &store.directory(follower), "-o", "json"]).stdout;
        let status: Value = serde_json::from_slice(&status).ok()?;
        (0 < number(&status["status"]["compacted"]["index"])).then_some(())
    };
    eventually("the log is compacted", compacted);
    (store, follower)
}

#[test]
fn a_damaged_snapshot_is_done_without_where_the_log_or_another_has_what_is_in_it() {
    for damaged in [0, 1] {
        let (mut store, follower) = with_snapshots();
        store.kill(follower);
        damage(&snapshots(&store.directory(follower))[damaged]);
        store.launch(follower);
        let stale = || store.call(follower, "GET", "/kv/x?stale", "").ok().filter(|answer| answer.1 == "\"three\"");
        eventually("it has all that it had", stale);
        let answer = eventually("it answers", || store.call(follower, "GET", "/kv/x", "").ok());
        assert_eq!(answer, (200, "\"three\"".to_owned()), "without snapshot {damaged}");
    }
}

#[test]
fn a_server_whose_snapshots_are_all_damaged_refuses_and_starts_with_one_put_back() {
    let (mut store, follower) = with_snapshots();
    store.kill(follower);
    let snapshots = snapshots(&store.directory(follower));
    let sound = fs::read(&snapshots[1]).unwrap();
    snapshots.iter().for_each(|path| damage(path));
    let ended = store.serve(follower).stdin(Stdio::null()).output().unwrap();
    let error = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{error}");
    assert!(error.contains("there is no sound snapshot") && error.contains("put the snapshot files back"), "{error}");
    assert_eq!(
        store.call(store.leader(), "GET", "/kv/x", "").unwrap(),
        (200, "\"three\"".to_owned()),
        "the others go on"
    );
    fs::write(&snapshots[1], sound).unwrap();
    store.launch(follower);
    eventually("it answers", || store.call(follower, "GET", "/kv/x", "").ok().filter(|answer| answer.1 == "\"three\""));
}
