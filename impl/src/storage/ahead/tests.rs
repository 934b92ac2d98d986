//! A thread does the log's errands, and the log goes on.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rafttree_model::{Entry, Index, Payload, Position, Record, Term};

use crate::storage::error::StorageError;
use crate::storage::helper::Helper;
use crate::storage::identity::Incarnation;
use crate::storage::interface::{Recovered, Room};
use crate::storage::layout::{self, Layout};
use crate::storage::log::SegmentedLog;
use crate::storage::simulate::{Fault, SimulatedDisk};

const OWNER: Incarnation = Incarnation::from_bytes([7; 16]);

const SMALL: Layout = Layout { blocks: 8 };

/// Whatever takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn log(disk: &SimulatedDisk) -> (SegmentedLog<SimulatedDisk>, Recovered) {
    let mut log = SegmentedLog::open(disk.clone(), OWNER, SMALL).unwrap().with_helper(Helper::Thread);
    let recovered = log.load().unwrap();
    (log, recovered)
}

fn created() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    SegmentedLog::create(&disk, OWNER, SMALL).unwrap();
    disk
}

fn append(index: u64) -> [Record<Bytes>; 1] {
    let position = Position { term: Term::new(1), index: Index::new(index) };
    [Record::Append(Entry { position, payload: Payload::Command(Bytes::from(vec![index as u8; 3000])) })]
}

/// The numbers of the segments that are there.
fn segments(disk: &SimulatedDisk) -> Vec<u64> {
    disk.files().keys().filter_map(|name| layout::segment_number(name)).collect()
}

/// Prepares until this holds.
fn prepare_until(
    log: &mut SegmentedLog<SimulatedDisk>,
    mut holds: impl FnMut(&Result<Room, StorageError>) -> bool,
) -> Result<Room, StorageError> {
    let began = Instant::now();
    loop {
        let prepared = log.prepare();
        if holds(&prepared) {
            return prepared;
        }
        assert!(began.elapsed() < PATIENCE, "{prepared:?}");
        thread::yield_now();
    }
}

#[test]
fn batches_are_written_while_the_next_segment_is_made_and_wait_for_it_only_where_they_need_it() {
    let disk = created();
    let (mut log, mut held) = log(&disk);
    let mut write = move |indices: std::ops::RangeInclusive<u64>| {
        for index in indices {
            log.write(&append(index)).unwrap();
            log.prepare().unwrap();
            held.apply(&append(index)[0]);
        }
        held.clone()
    };
    let being_made = disk.hold();
    let (ended, end) = channel();
    let writing = thread::spawn(move || {
        write(1..=u64::from(SMALL.blocks));
        let _ = ended.send(());
        write(u64::from(SMALL.blocks) + 1..=50)
    });
    end.recv_timeout(PATIENCE).expect("no batch waits while there is room");
    assert_eq!(segments(&disk), [1], "the second one is not durable");
    drop(being_made);
    let held = writing.join().unwrap();
    assert_eq!(self::log(&disk.crashed(|| false)).1, held);
}

/// Whoever opens the directory then must find nobody at work in it.
#[test]
fn the_end_of_a_log_waits_for_what_is_done_beside_it() {
    let disk = created();
    let (mut log, _) = log(&disk);
    (1..=6).for_each(|index| log.write(&append(index)).unwrap());
    let being_made = disk.hold();
    log.prepare().unwrap();
    let (ended, end) = channel();
    let found = disk.clone();
    thread::spawn(move || {
        drop(log);
        let _ = ended.send(segments(&found));
    });
    assert_eq!(end.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout));
    drop(being_made);
    assert_eq!(end.recv_timeout(PATIENCE), Ok(vec![1, 2]));
}

#[test]
fn an_error_beside_the_log_seals_it() {
    // The flush of the segment, and that of its name.
    for number in [4, 6] {
        let disk = created();
        let (mut log, _) = log(&disk);
        (1..=6).for_each(|index| log.write(&append(index)).unwrap());
        disk.plan(disk.calls() + number, Fault::Error);
        let failed = prepare_until(&mut log, Result::is_err);
        assert!(matches!(failed, Err(StorageError::Io { action: "flush", .. })), "{number}: {failed:?}");
        assert!(matches!(log.write(&append(7)), Err(StorageError::Sealed)));
    }
}

#[test]
fn a_disk_that_is_full_is_told_of_until_it_has_room() {
    let disk = created();
    let (mut log, _) = log(&disk);
    (1..=6).for_each(|index| log.write(&append(index)).unwrap());
    disk.set_full(true);
    let is_scarce = |prepared: &Result<Room, _>| matches!(prepared, Ok(Room::Scarce { left: 8192 }));
    prepare_until(&mut log, is_scarce).unwrap();
    // It is tried again meanwhile.
    assert!(is_scarce(&log.prepare()));
    disk.set_full(false);
    prepare_until(&mut log, |prepared| matches!(prepared, Ok(Room::Enough))).unwrap();
    assert_eq!(segments(&disk), [1, 2]);
}

/// A log of several segments, of which all but the last are compacted, and what it holds.
fn compacted(disk: &SimulatedDisk) -> (SegmentedLog<SimulatedDisk>, Recovered) {
    let (mut log, mut held) = log(disk);
    let last = 4 * u64::from(SMALL.blocks);
    let compact = [Record::Compact { through: Index::new(last) }];
    for record in (1..=last).map(append).chain([compact, append(last + 1)]) {
        log.write(&record).unwrap();
        held.apply(&record[0]);
    }
    (log, held)
}

#[test]
fn batches_are_written_while_compacted_segments_are_removed() {
    let disk = created();
    let (mut log, mut held) = compacted(&disk);
    let former = segments(&disk);
    let being_removed = disk.hold();
    let (ended, end) = channel();
    let writing = thread::spawn(move || {
        log.prepare().unwrap();
        let record = append(held.durable.log().last().index.next().number());
        log.write(&record).unwrap();
        log.prepare().unwrap();
        held.apply(&record[0]);
        let _ = ended.send(());
        (log, held)
    });
    end.recv_timeout(PATIENCE).expect("no batch waits for a segment that goes");
    let meanwhile = segments(&disk);
    drop(being_removed);
    let (mut log, held) = writing.join().unwrap();
    assert!(former[1..].iter().all(|number| meanwhile.contains(number)), "one after the other: {meanwhile:?}");
    prepare_until(&mut log, |_| segments(&disk)[0] == former[former.len() - 1]).unwrap();
    drop(log);
    assert_eq!(self::log(&disk.crashed(|| false)).1, held);
}

#[test]
fn a_removal_that_fails_seals_the_log() {
    let disk = created();
    let (mut log, _) = compacted(&disk);
    disk.plan(disk.calls(), Fault::Error);
    let failed = prepare_until(&mut log, Result::is_err);
    assert!(matches!(failed, Err(StorageError::Io { action: "remove", .. })), "{failed:?}");
    assert!(matches!(log.write(&append(99)), Err(StorageError::Sealed)));
}
