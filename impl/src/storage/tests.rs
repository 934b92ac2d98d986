//! Faults that a data directory survives, and those that it refuses.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rafttree_model::{Entry, Faulty, Index, Members, Payload, Position, Record, ServerId, Term};
use rustix::process::{Resource, Rlimit};
use tempfile::TempDir;

use super::disk::{Disk as _, FileSystem};
use super::layout::{BLOCK_BYTES, Layout};
use super::log::SegmentedLog;
use super::snapshot::Snapshots;
use crate::storage::{
    ClusterId, Directory, FileStorage, Identity, Incarnation, Recovered, Room, Storage, StorageError, init,
};

const SECTOR: u64 = 512;

/// The first segment.
const LOG: &str = "log-0000000000000001";

const CLUSTER: ClusterId = ClusterId::from_bytes([1; 16]);
const IDENTITY: Identity = Identity { cluster: CLUSTER, id: ServerId::new(1) };

pub(super) fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    init(directory.path(), IDENTITY).unwrap();
    directory
}

pub(super) fn append(term: u64, index: u64, length: usize) -> Record<Bytes> {
    let position = Position { term: Term::new(term), index: Index::new(index) };
    Record::Append(Entry { position, payload: Payload::Command(Bytes::from(vec![index as u8; length])) })
}

/// Batches of several kinds and sizes; the last takes three blocks.
fn batches() -> Vec<Vec<Record<Bytes>>> {
    vec![
        vec![Record::Term(Term::new(1)), Record::Vote(ServerId::new(1))],
        vec![append(1, 1, 10), append(1, 2, 6000)],
        vec![Record::Term(Term::new(2))],
        vec![Record::Truncate { keep: Index::new(1) }, append(2, 2, 9000)],
    ]
}

pub(super) fn replay(batches: &[Vec<Record<Bytes>>]) -> Recovered {
    let mut recovered = Recovered::default();
    batches.iter().flatten().for_each(|record| recovered.apply(record));
    recovered
}

/// Opens what this test has just closed. A process that another test starts holds a lock of this one
/// for the moment until it has become another program.
pub(super) fn reopen<T>(open: impl Fn() -> Result<T, StorageError>) -> Result<T, StorageError> {
    let began = Instant::now();
    loop {
        match open() {
            Err(StorageError::Locked { .. }) if began.elapsed() < Duration::from_secs(10) => std::thread::yield_now(),
            other => return other,
        }
    }
}

pub(super) fn load(directory: &Path) -> Result<(FileStorage, Recovered), StorageError> {
    let mut storage = reopen(|| FileStorage::open(directory))?;
    let recovered = storage.load()?;
    Ok((storage, recovered))
}

pub(super) fn write(directory: &Path, batches: &[Vec<Record<Bytes>>]) {
    let (mut storage, _) = load(directory).unwrap();
    batches.iter().for_each(|batch| storage.write(batch).unwrap());
}

/// Where the first batch begins: behind the header and an area of slots.
const BEGIN: u64 = 17 * BLOCK_BYTES as u64;

/// Where each of [`batches`] begins, and where the last one ends.
const OFFSETS: [u64; 5] = [
    BEGIN,
    BEGIN + BLOCK_BYTES as u64,
    BEGIN + 3 * BLOCK_BYTES as u64,
    BEGIN + 4 * BLOCK_BYTES as u64,
    BEGIN + 7 * BLOCK_BYTES as u64,
];

/// How much of the last batch is no filler: 19 sectors for its header, two records, and the payload of
/// one.
const LAST_BYTES: u64 = 19 * SECTOR;

/// Where the slot of the last batch stands.
fn last_slot() -> u64 {
    super::file::USUAL.slot_offset(4, 4)
}

/// Changes bytes of the log.
pub(super) fn overwrite(directory: &Path, offset: u64, bytes: &[u8]) {
    let log = OpenOptions::new().write(true).open(directory.join(LOG)).unwrap();
    log.write_all_at(bytes, offset).unwrap();
}

fn flip(directory: &Path, offset: u64, bit: u8) {
    let byte = fs::read(directory.join(LOG)).unwrap()[offset as usize];
    overwrite(directory, offset, &[byte ^ (1 << bit)]);
}

/// A directory whose last batch was changed by `damage` must hold what the earlier ones add up to,
/// and take further batches that are still there after the next start.
fn assert_cut(directory: &Path, context: &str) {
    let acknowledged = replay(&batches()[..3]);
    let (mut storage, recovered) = load(directory).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(recovered == acknowledged, "{context}: {:?}", recovered.durable);
    let before = fs::read(directory.join(LOG)).unwrap();
    storage.write(&[Record::Vote(ServerId::new(3))]).unwrap();
    storage.write(&[append(2, 3, 1)]).unwrap();
    drop(storage);
    let after = fs::read(directory.join(LOG)).unwrap();
    // Not even what the crash left behind.
    let is_kept = before.iter().zip(&after).all(|(&former, &now)| former == 0 || former == now);
    assert!(is_kept, "{context}: something was written again");
    let mut expected = acknowledged;
    expected.apply(&Record::Vote(ServerId::new(3)));
    expected.apply(&append(2, 3, 1));
    assert!(load(directory).unwrap().1 == expected, "{context}");
}

/// A fresh copy of a directory that holds [`batches`].
pub(super) fn copy(original: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["identity", LOG] {
        fs::copy(original.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

fn written() -> TempDir {
    let directory = directory();
    write(directory.path(), &batches());
    directory
}

#[test]
fn what_was_written_is_read_back() {
    let directory = directory();
    for count in 0..batches().len() {
        assert_eq!(load(directory.path()).unwrap().1, replay(&batches()[..count]));
        write(directory.path(), &batches()[count..=count]);
    }
    assert_eq!(load(directory.path()).unwrap().1, replay(&batches()));
}

#[test]
fn the_log_grows_beyond_its_first_segment() {
    let directory = directory();
    let (mut storage, _) = load(directory.path()).unwrap();
    let batches: Vec<_> = (1..=20).map(|index| vec![append(1, index, 500_000)]).collect();
    for batch in &batches {
        storage.write(batch).unwrap();
        storage.prepare().unwrap();
    }
    drop(storage);
    assert_eq!(load(directory.path()).unwrap().1, replay(&batches));
}

#[test]
fn no_records_take_no_space() {
    let directory = directory();
    let (mut storage, _) = load(directory.path()).unwrap();
    let before = fs::read(directory.path().join(LOG)).unwrap();
    storage.write(&[]).unwrap();
    assert_eq!(fs::read(directory.path().join(LOG)).unwrap(), before);
}

/// Everything is read back but what these entries carry, whose names are known.
fn assert_faulty(directory: &Path, expected: &Recovered, (first, last): (u64, u64), context: &str) -> FileStorage {
    let (storage, recovered) = load(directory).unwrap_or_else(|error| panic!("{context}: {error}"));
    let faulty = Faulty::between(Index::new(first), Index::new(last));
    assert_eq!(recovered.durable, expected.durable.clone().damaged(faulty), "{context}");
    assert_eq!(recovered.entries.faulty(), faulty, "{context}");
    for (found, written) in recovered.entries.iter().zip(expected.entries.iter()) {
        let is_lost = faulty.contains(written.position.index);
        assert!(found.position == written.position && (is_lost || found == written), "{context}");
    }
    storage
}

/// Puts back what these entries carried, and finds it at the next start.
fn assert_repaired(directory: &Path, mut storage: FileStorage, expected: &Recovered, (first, last): (u64, u64)) {
    let lost = expected.entries.iter().filter(|entry| (first..=last).contains(&entry.position.index.number()));
    storage.write(&lost.cloned().map(Record::Repair).collect::<Vec<_>>()).unwrap();
    drop(storage);
    assert!(load(directory).unwrap().1 == *expected);
}

/// The last batch was acknowledged or not, which nothing tells: its slot is good, and sectors of it are
/// neither right nor missing.
fn assert_named(directory: &Path, context: &str) {
    drop(assert_faulty(directory, &replay(&batches()), (2, 2), context));
}

/// Garbage where sectors were in flight is left out if the slot is missing, and named if it is there.
fn assert_garbage(directory: &Path, context: &str) {
    assert_named(directory, context);
    overwrite(directory, last_slot(), &[0; 64]);
    assert_cut(directory, context);
}

#[test]
fn a_last_batch_cut_short_at_any_sector_is_dropped() {
    let original = written();
    for keep in (OFFSETS[3]..OFFSETS[4]).step_by(SECTOR as usize) {
        // The last sectors hold only zeros that fill the block: without them nothing is missing.
        let is_whole = OFFSETS[3] + LAST_BYTES <= keep;
        let missing = vec![0; (OFFSETS[4] - keep) as usize];
        let (zeroed, garbled) = (copy(original.path()), copy(original.path()));
        overwrite(zeroed.path(), keep, &missing);
        overwrite(garbled.path(), keep, &vec![0xa5; missing.len()]);
        if is_whole {
            assert!(load(zeroed.path()).unwrap().1 == replay(&batches()), "zeros from {keep}");
            assert!(load(garbled.path()).unwrap().1 == replay(&batches()), "garbage from {keep}");
        } else {
            assert_cut(zeroed.path(), &format!("zeros from {keep}"));
            assert_garbage(garbled.path(), &format!("garbage from {keep}"));
        }
    }
}

/// A segment has its size before it is used, so no crash leaves it shorter.
#[test]
fn a_log_that_is_shorter_than_it_was_made_is_refused() {
    let original = written();
    for keep in [0, 20, 4096, OFFSETS[3], OFFSETS[4], (4 << 20) - 1] {
        let truncated = copy(original.path());
        OpenOptions::new().write(true).open(truncated.path().join(LOG)).unwrap().set_len(keep).unwrap();
        assert!(matches!(load(truncated.path()), Err(StorageError::Foreign { .. })), "{keep}");
    }
}

#[test]
fn a_last_batch_that_lacks_any_one_sector_is_dropped() {
    let original = written();
    for lost in (OFFSETS[3]..OFFSETS[3] + LAST_BYTES).step_by(SECTOR as usize) {
        let (missing, garbled) = (copy(original.path()), copy(original.path()));
        overwrite(missing.path(), lost, &[0; SECTOR as usize]);
        assert_cut(missing.path(), &format!("without sector {lost}"));
        overwrite(garbled.path(), lost, &[0xff; SECTOR as usize]);
        assert_garbage(garbled.path(), &format!("sector {lost} garbled"));
    }
}

#[test]
fn a_tail_may_be_cut_again_and_again() {
    let directory = written();
    for round in 0..5u32 {
        overwrite(directory.path(), last_batch(directory.path()), &[0; SECTOR as usize]);
        let (mut storage, recovered) = load(directory.path()).unwrap();
        assert_eq!(recovered, replay(&batches()[..3]));
        storage.write(&[Record::Vote(ServerId::new(round + 5))]).unwrap();
    }
}

/// Where the last batch begins.
fn last_batch(directory: &Path) -> u64 {
    let log = fs::read(directory.join(LOG)).unwrap();
    let mut starts = (BEGIN as usize..log.len() - 16 * BLOCK_BYTES).step_by(BLOCK_BYTES);
    // The first sector of a batch says that it is number 0 of it.
    starts.rfind(|&at| log[at..at + 12].iter().any(|&byte| byte != 0) && log[at + 12..at + 16] == [0; 4]).unwrap()
        as u64
}

#[test]
fn every_flipped_bit_before_the_last_batch_is_repaired_or_named() {
    let original = written();
    for (number, (start, sectors)) in [(OFFSETS[0], 1), (OFFSETS[1], 13), (OFFSETS[2], 1)].into_iter().enumerate() {
        // Every byte of the header and of what follows it, then samples of the long rest.
        let end = start + sectors * SECTOR;
        for offset in (start..start + 64).chain((start + 64..end).step_by(509)) {
            let damaged = copy(original.path());
            flip(damaged.path(), offset, (offset % 8) as u8);
            if number == 1 {
                // Of its two entries the second was removed by the last batch.
                let expected = replay(&batches());
                let storage = assert_faulty(damaged.path(), &expected, (1, 1), &format!("byte {offset}"));
                assert_repaired(damaged.path(), storage, &expected, (1, 1));
                continue;
            }
            match load(damaged.path()) {
                // Of the others everything is in their slots.
                Ok((_, recovered)) => assert!(recovered == replay(&batches()), "byte {offset}"),
                other => panic!("byte {offset}: {other:?}"),
            }
        }
    }
}

#[test]
fn the_error_says_which_entries_where_and_what_to_do() {
    let directory = directory();
    // Of what is between entries of different terms the slot does not tell the term.
    let spanning = vec![append(1, 1, 1), append(1, 2, 1), append(2, 3, 1)];
    write(directory.path(), &[vec![Record::Term(Term::new(2))], spanning, vec![Record::Vote(ServerId::new(2))]]);
    flip(directory.path(), OFFSETS[1] + 50, 0);
    let said = load(directory.path()).unwrap_err().to_string();
    let place = format!("{}: batch 2 at byte {} is damaged", directory.path().join(LOG).display(), OFFSETS[1]);
    for words in [&place[..], "entries 1@1 to 3@2", "were acknowledged", "bring back a copy", "rafttree log verify"] {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
}

#[test]
fn a_batch_that_is_lost_with_its_slot_is_refused_if_others_follow() {
    let directory = written();
    for offset in [OFFSETS[1], super::file::USUAL.slot_offset(1, 2)] {
        overwrite(directory.path(), offset, &[0x77; SECTOR as usize]);
    }
    let refused = load(directory.path()).unwrap_err();
    assert!(matches!(refused, StorageError::IdentityLost { batch: 2, .. }), "{refused}");
    assert!(refused.to_string().contains("rafttree log verify"), "{refused}");
}

/// A service stores what it likes: also a copy of this very log.
#[test]
fn a_command_that_looks_like_batches_is_none() {
    let directory = written();
    let log = fs::read(directory.path().join(LOG)).unwrap();
    let command = |index, from: u64| {
        let position = Position { term: Term::new(2), index: Index::new(index) };
        let bytes = Bytes::copy_from_slice(&log[from as usize..OFFSETS[4] as usize]);
        Record::Append(Entry { position, payload: Payload::Command(bytes) })
    };
    let (mut storage, mut held) = load(directory.path()).unwrap();
    // Each sector of the log is somewhere at the beginning of a sector of the command, or 16 bytes behind it.
    let batches: Vec<_> = (3..).zip((0..32).map(|shift| OFFSETS[0] + 16 * shift)).collect();
    for (index, from) in batches {
        let record = command(index, from);
        storage.write(std::slice::from_ref(&record)).unwrap();
        held.apply(&record);
    }
    drop(storage);
    assert!(load(directory.path()).unwrap().1 == held);
    // Nor are they if a crash cuts the last one short.
    overwrite(directory.path(), last_batch(directory.path()), &[0; SECTOR as usize]);
    held.apply(&Record::Truncate { keep: Index::new(33) });
    assert!(load(directory.path()).unwrap().1 == held);
}

#[test]
fn a_batch_in_another_place_is_none() {
    let directory = written();
    let log = fs::read(directory.path().join(LOG)).unwrap();
    let third = &log[OFFSETS[2] as usize..OFFSETS[3] as usize];
    overwrite(directory.path(), OFFSETS[1], third);
    drop(assert_faulty(directory.path(), &replay(&batches()), (1, 1), "another batch stands there"));
}

#[test]
fn what_repairs_entries_may_be_damaged_and_then_they_are_faulty_again() {
    let directory = written();
    flip(directory.path(), OFFSETS[1] + 100, 0);
    let expected = replay(&batches());
    let mut storage = assert_faulty(directory.path(), &expected, (1, 1), "at first");
    storage.write(&[Record::Repair(expected.entries[0].clone())]).unwrap();
    storage.write(&[Record::Vote(ServerId::new(3))]).unwrap();
    drop(storage);
    let mut expected = expected;
    expected.apply(&Record::Vote(ServerId::new(3)));
    assert!(load(directory.path()).unwrap().1 == expected);
    flip(directory.path(), OFFSETS[4] + 50, 0);
    let storage = assert_faulty(directory.path(), &expected, (1, 1), "again");
    assert_repaired(directory.path(), storage, &expected, (1, 1));
}

#[test]
fn only_the_very_entry_repairs_a_faulty_one() {
    for repair in [append(2, 1, 10), append(2, 3, 10)] {
        let directory = written();
        flip(directory.path(), OFFSETS[1] + 100, 0);
        let (mut storage, _) = load(directory.path()).unwrap();
        let Record::Append(entry) = repair else { panic!("it is an entry") };
        storage.write(&[Record::Repair(entry)]).unwrap();
        drop(storage);
        assert!(matches!(load(directory.path()), Err(StorageError::Corrupt { .. })));
    }
}

#[test]
fn a_batch_of_another_history_is_refused() {
    let directory = directory();
    write(directory.path(), &batches()[..1]);
    let fork = copy(directory.path());
    let grants = |votes: [u32; 2]| votes.map(|id| vec![Record::Vote(ServerId::new(id))]);
    write(directory.path(), &grants([2, 3]));
    write(fork.path(), &grants([4, 5]));
    let (second, third) = (BEGIN as usize + BLOCK_BYTES, BEGIN as usize + 2 * BLOCK_BYTES);
    let log = fs::read(fork.path().join(LOG)).unwrap();
    overwrite(directory.path(), third as u64, &log[third..third + BLOCK_BYTES]);
    let refused = load(directory.path());
    assert!(matches!(refused, Err(StorageError::Corrupt { batch: 3, .. })), "{refused:?}");
    overwrite(directory.path(), second as u64, &log[second..third]);
    load(directory.path()).unwrap();
}

#[test]
fn a_foreign_or_newer_log_is_refused() {
    let (ours, theirs) = (written(), written());
    fs::copy(theirs.path().join(LOG), ours.path().join(LOG)).unwrap();
    assert!(matches!(load(ours.path()), Err(StorageError::Foreign { .. })));
    overwrite(theirs.path(), 12, &9u32.to_le_bytes());
    assert!(matches!(load(theirs.path()), Err(StorageError::Format { found: 9, expected: 2, .. })));
    overwrite(theirs.path(), 0, b"#!/bin/sh\n\n\n");
    assert!(matches!(load(theirs.path()), Err(StorageError::Foreign { .. })));
}

#[test]
fn a_missing_log_is_not_made_anew() {
    let directory = written();
    fs::remove_file(directory.path().join(LOG)).unwrap();
    let refused = load(directory.path()).unwrap_err();
    assert!(matches!(&refused, StorageError::MissingFile { file } if file.ends_with(LOG)), "{refused}");
}

#[test]
fn a_directory_has_one_user() {
    let directory = directory();
    let first = reopen(|| FileStorage::open(directory.path())).unwrap();
    assert!(matches!(FileStorage::open(directory.path()), Err(StorageError::Locked { .. })));
    assert!(matches!(init(directory.path(), IDENTITY), Err(StorageError::Locked { .. })));
    drop(first);
    reopen(|| FileStorage::open(directory.path())).unwrap();
}

#[test]
fn only_init_makes_an_identity_and_only_once() {
    let empty = tempfile::tempdir().unwrap();
    let refused = FileStorage::open(empty.path()).unwrap_err();
    assert!(matches!(refused, StorageError::NoIdentity { .. }));
    assert!(refused.to_string().contains("initialise the directory"), "{refused}");
    let absent = empty.path().join("absent");
    assert!(matches!(FileStorage::open(&absent), Err(StorageError::NoIdentity { .. })));
    assert!(!absent.exists());
    let incarnation = init(&absent, IDENTITY).unwrap();
    let opened = reopen(|| Directory::open(&absent)).unwrap();
    assert_eq!((opened.identity, opened.incarnation), (IDENTITY, incarnation));
    drop(opened);
    assert!(matches!(init(&absent, IDENTITY), Err(StorageError::AlreadyInitialised { id, .. }) if id == IDENTITY.id));
}

#[test]
fn server_zero_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let zero = Identity { id: ServerId::new(0), ..IDENTITY };
    assert!(matches!(init(directory.path(), zero), Err(StorageError::ZeroId)));
}

#[test]
fn an_interrupted_init_may_be_repeated_but_votes_are_not_forgotten() {
    let interrupted = directory();
    fs::remove_file(interrupted.path().join("identity")).unwrap();
    init(interrupted.path(), IDENTITY).unwrap();
    load(interrupted.path()).unwrap();
    let used = written();
    fs::remove_file(used.path().join("identity")).unwrap();
    assert!(matches!(init(used.path(), IDENTITY), Err(StorageError::LogWithoutIdentity { .. })));
}

#[test]
fn another_servers_directory_is_refused() {
    let directory = directory();
    let opened = reopen(|| Directory::open(directory.path())).unwrap();
    opened.expect(IDENTITY).unwrap();
    let other = Identity { id: ServerId::new(2), ..IDENTITY };
    assert!(matches!(opened.expect(other), Err(StorageError::ForeignServer { found, .. }) if found == IDENTITY.id));
    let other = Identity { cluster: ClusterId::from_bytes([2; 16]), ..IDENTITY };
    assert!(matches!(opened.expect(other), Err(StorageError::ForeignCluster { found: CLUSTER, .. })));
}

#[test]
fn a_damaged_or_newer_identity_is_refused() {
    let directory = directory();
    let path = directory.path().join("identity");
    let text = fs::read_to_string(&path).unwrap();
    for damaged in [text.replace("server 1", "server 2"), text.replace("rafttree", "else"), String::new()] {
        fs::write(&path, damaged).unwrap();
        assert!(matches!(reopen(|| Directory::open(directory.path())), Err(StorageError::Foreign { .. })));
    }
    fs::write(&path, text.replace("identity 1", "identity 2")).unwrap();
    assert!(matches!(reopen(|| Directory::open(directory.path())), Err(StorageError::Format { found: 2, .. })));
}

fn members(ids: &[u32]) -> Members {
    Members::new(ids.iter().copied().map(ServerId::new)).unwrap()
}

#[test]
fn the_group_is_written_down_once() {
    let directory = directory();
    let opened = reopen(|| Directory::open(directory.path())).unwrap();
    let group = members(&[3, 1, 2]);
    opened.expect_group(&group).unwrap();
    assert!(!directory.path().join("group").exists(), "asking writes nothing");
    opened.keep_group(&group).unwrap();
    drop(opened);

    let opened = reopen(|| Directory::open(directory.path())).unwrap();
    opened.expect_group(&members(&[2, 3, 1])).unwrap();
    for other in [&[1][..], &[1, 2], &[1, 2, 4], &[1, 2, 3, 4]] {
        let refused = opened.expect_group(&members(other)).unwrap_err();
        assert!(matches!(&refused, StorageError::OtherGroup { asked, .. } if asked.len() == other.len()), "{refused}");
        opened.keep_group(&members(other)).unwrap();
        opened.expect_group(&group).unwrap();
    }
    let refused = opened.expect_group(&members(&[1])).unwrap_err().to_string();
    let named = [directory.path().to_str().unwrap(), "servers 1, 2, 3, and", "given servers 1: give the same servers"];
    named.iter().for_each(|words| assert!(refused.contains(words), "`{words}` is not in: {refused}"));
}

#[test]
fn a_directory_that_was_used_without_a_group_takes_the_next_one() {
    let directory = written();
    let opened = reopen(|| Directory::open(directory.path())).unwrap();
    opened.expect_group(&members(&[1, 2, 3])).unwrap();
    opened.keep_group(&members(&[1, 2, 3])).unwrap();
    assert!(matches!(opened.expect_group(&members(&[1])), Err(StorageError::OtherGroup { .. })));
}

#[test]
fn a_damaged_or_newer_group_is_refused() {
    let directory = directory();
    let opened = reopen(|| Directory::open(directory.path())).unwrap();
    let group = members(&[1, 2, 3]);
    opened.keep_group(&group).unwrap();
    let path = directory.path().join("group");
    let bytes = fs::read(&path).unwrap();
    for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << bit;
        fs::write(&path, damaged).unwrap();
        let refused = opened.expect_group(&group).unwrap_err();
        assert!(matches!(refused, StorageError::Foreign { .. } | StorageError::Format { .. }), "{at} {bit}: {refused}");
        opened.keep_group(&group).unwrap_err();
    }
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(matches!(opened.expect_group(&group), Err(StorageError::Foreign { .. })), "{length}");
    }
    fs::write(&path, String::from_utf8(bytes).unwrap().replace("group 1", "group 2")).unwrap();
    assert!(matches!(opened.expect_group(&group), Err(StorageError::Format { found: 2, .. })));
}

#[test]
fn after_an_error_nothing_is_written_any_more() {
    let directory = directory();
    let (mut storage, _) = load(directory.path()).unwrap();
    let huge = append(0, 1, super::batch::MAX_BATCH_BYTES);
    assert!(matches!(storage.write(&[huge]), Err(StorageError::TooLarge { .. })));
    assert!(matches!(storage.write(&[Record::Term(Term::new(1))]), Err(StorageError::Sealed)));
    assert!(matches!(storage.prepare(), Err(StorageError::Sealed)));
    drop(storage);
    assert_eq!(load(directory.path()).unwrap().1, Recovered::default());
}

#[test]
fn a_log_is_read_before_it_is_continued() {
    let directory = written();
    let mut storage = reopen(|| FileStorage::open(directory.path())).unwrap();
    assert!(matches!(storage.write(&[Record::Term(Term::new(9))]), Err(StorageError::NotLoaded)));
    drop(storage);
    assert!(load(directory.path()).unwrap().1 == replay(&batches()));
}

/// Set for a process whose files may not grow beyond what the system's limit allows.
const LIMITED: &str = "RAFTTREE_TEST_LIMITED_FILES";

/// Enough for small segments, too little for one of usual size.
const LIMIT: u64 = 1 << 20;

/// Makes the log begin with a segment of so many blocks.
fn begin_with(directory: &Path, blocks: u16) {
    let owner = reopen(|| Directory::open(directory)).unwrap().incarnation;
    SegmentedLog::create(&FileSystem::new(directory), owner, Layout { blocks }).unwrap();
}

/// A directory whose disk takes no second segment.
fn limited_directory(blocks: u16) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let limit = rustix::process::getrlimit(Resource::Fsize);
    rustix::process::setrlimit(Resource::Fsize, Rlimit { current: limit.maximum, ..limit }).unwrap();
    init(directory.path(), IDENTITY).unwrap();
    begin_with(directory.path(), blocks);
    rustix::process::setrlimit(Resource::Fsize, limit).unwrap();
    directory
}

/// Runs one test of this program under the limit. The signal that tells of it is ignored, as a
/// full disk sends none.
fn run_limited(test: &str) {
    let script = format!("trap '' XFSZ; ulimit -S -f {}; exec \"$0\" --exact {test} --nocapture", LIMIT / 512);
    let program = std::env::current_exe().unwrap();
    let run = std::process::Command::new("sh").args(["-c", &script]).arg(program).env(LIMITED, "").output().unwrap();
    assert!(run.status.success() && String::from_utf8_lossy(&run.stdout).contains("1 passed"), "{run:?}");
}

/// Prepares for the next batch until that finds so much room: a thread looks for it.
fn prepare_until(storage: &mut FileStorage, is_expected: impl Fn(Room) -> bool) {
    let began = std::time::Instant::now();
    while !is_expected(storage.prepare().unwrap()) {
        assert!(began.elapsed().as_secs() < 20, "the room stays as it was");
        std::thread::yield_now();
    }
}

#[test]
fn a_full_disk_stops_nothing_until_a_write_lacks_room() {
    if std::env::var_os(LIMITED).is_none() {
        return run_limited("storage::tests::a_full_disk_stops_nothing_until_a_write_lacks_room");
    }
    let blocks = 12;
    let directory = limited_directory(blocks);
    let mut held = Recovered::default();
    for number in 1..=u64::from(blocks) {
        // Opened anew each time in turn: a start needs no room of its own.
        let (mut storage, recovered) = load(directory.path()).unwrap();
        assert!(recovered == held, "{number}");
        let record = append(1, number, 1000);
        storage.write(std::slice::from_ref(&record)).unwrap();
        held.apply(&record);
        let left = (u64::from(blocks) - number) * BLOCK_BYTES as u64;
        prepare_until(&mut storage, |room| room == Room::Scarce { left });
    }
    let (mut storage, _) = load(directory.path()).unwrap();
    let refused = storage.write(&[append(1, u64::from(blocks) + 1, 1000)]).unwrap_err();
    assert!(matches!(refused, StorageError::NoRoom { left: 0, .. }), "{refused:?}");
    assert!(refused.to_string().contains("free some space"), "{refused}");
    drop(storage);
    assert!(load(directory.path()).unwrap().1 == held);
}

#[test]
fn a_disk_that_has_room_again_is_used_again() {
    if std::env::var_os(LIMITED).is_none() {
        return run_limited("storage::tests::a_disk_that_has_room_again_is_used_again");
    }
    let directory = limited_directory(230);
    let (mut storage, _) = load(directory.path()).unwrap();
    let batch = [append(1, 1, 200 * BLOCK_BYTES)];
    storage.write(&batch).unwrap();
    prepare_until(&mut storage, |room| matches!(room, Room::Scarce { .. }));
    let limit = rustix::process::getrlimit(Resource::Fsize);
    rustix::process::setrlimit(Resource::Fsize, Rlimit { current: limit.maximum, ..limit }).unwrap();
    prepare_until(&mut storage, |room| room == Room::Enough);
    drop(storage);
    let (mut storage, recovered) = load(directory.path()).unwrap();
    assert!(recovered == replay(&[batch.to_vec()]));
    storage.write(&[append(1, 2, 100 * BLOCK_BYTES)]).unwrap();
}

#[test]
fn records_beyond_one_batch_take_several() {
    let directory = directory();
    let records: Vec<_> = (1..=3).map(|index| append(1, index, super::batch::MAX_BATCH_BYTES / 2)).collect();
    write(directory.path(), std::slice::from_ref(&records));
    assert_eq!(load(directory.path()).unwrap().1, replay(&[records]));
}

#[test]
fn incarnations_differ() {
    assert_ne!(Incarnation::random(), Incarnation::random());
}

#[test]
fn a_flush_of_the_directory_that_fails_for_one_of_its_users_has_failed_for_all() {
    let root = directory();
    let open = || Arc::new(Directory::open(root.path()).unwrap());
    let opened = open();
    let mut log = FileStorage::within(opened.clone()).unwrap();
    log.load().unwrap();
    let snapshots = Snapshots::open(opened.clone()).unwrap();
    let moved = root.path().with_extension("moved");
    std::fs::rename(root.path(), &moved).unwrap();
    opened.disk().sync().unwrap_err();
    std::fs::rename(&moved, root.path()).unwrap();
    opened.disk().sync().unwrap_err();
    snapshots.check().unwrap_err();
    log.write(&[append(1, 1, 10)]).unwrap_err();
    drop((log, snapshots, opened));
    open().disk().sync().unwrap();
}
