//! Snapshots over a disk that crashes, fails and is damaged.

mod travel;

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rafttree_model::{Index, Position, Record, ServerId, Term};

use super::format::{CHUNK_BYTES, file_name};
use super::{Snapshot, Snapshots};
use crate::storage::directory::Directory;
use crate::storage::error::StorageError;
use crate::storage::identity::{ClusterId, Identity, Incarnation};
use crate::storage::init::init;
use crate::storage::layout::Layout;
use crate::storage::log::SegmentedLog;
use crate::storage::simulate::{Fault, SimulatedDisk};

const OWNER: Incarnation = Incarnation::from_bytes([7; 16]);

const LAYOUT: Layout = Layout { blocks: 5 };

fn at(term: u64, index: u64) -> Position {
    Position { term: Term::new(term), index: Index::new(index) }
}

/// As many bytes, of which no two parts are alike.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn opened(disk: &SimulatedDisk) -> Snapshots<SimulatedDisk> {
    Snapshots::within(disk.clone(), OWNER, None).unwrap()
}

fn write(snapshots: &Snapshots<SimulatedDisk>, last: Position, bytes: &[u8]) -> Result<Snapshot, StorageError> {
    let mut writer = snapshots.write(last)?;
    // A service may not look at what becomes of its writes.
    bytes.chunks(1000).for_each(|some| drop(writer.write_all(some)));
    writer.finish()
}

fn read(snapshots: &Snapshots<SimulatedDisk>, snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    snapshots.read(snapshot).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// The position and the bytes of the newest snapshot, as a server finds it that starts now.
fn held(disk: &SimulatedDisk) -> Option<(Position, Vec<u8>)> {
    let snapshots = opened(disk);
    snapshots.newest().map(|snapshot| (snapshot.last, read(&snapshots, &snapshot)))
}

#[test]
fn a_snapshot_reads_as_it_was_written() {
    for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 5] {
        let disk = SimulatedDisk::default();
        let snapshots = opened(&disk);
        assert_eq!(snapshots.newest(), None);
        let written = write(&snapshots, at(2, 9), &content(length)).unwrap();
        assert_eq!((written.last, written.length), (at(2, 9), length as u64));
        assert_eq!(written.file_bytes, disk.files()[&file_name(at(2, 9))].len() as u64);
        for found in [snapshots, opened(&disk)] {
            assert_eq!(found.all(), std::slice::from_ref(&written));
            assert_eq!(read(&found, &written), content(length));
        }
        let other = Snapshots::within(disk, Incarnation::from_bytes([8; 16]), None).unwrap();
        assert_eq!(other.newest(), None, "it is another directory's");
    }
}

#[test]
fn a_directory_of_the_file_system_keeps_snapshots() {
    let root = tempfile::tempdir().unwrap();
    let identity = Identity { cluster: ClusterId::from_bytes([7; 16]), id: ServerId::new(1) };
    init(root.path(), identity).unwrap();
    for length in [10, 300_000] {
        let snapshots = Snapshots::open(Arc::new(Directory::open(root.path()).unwrap())).unwrap();
        let mut writer = snapshots.write(at(2, length)).unwrap();
        writer.write_all(&content(length as usize)).unwrap();
        let written = writer.finish().unwrap();
        assert_eq!(snapshots.newest(), Some(written.clone()));
        assert!(Directory::open(root.path()).is_err(), "it is locked as long as something may be written");
        drop(snapshots);
        let found = Snapshots::open(Arc::new(Directory::open(root.path()).unwrap())).unwrap();
        let mut bytes = Vec::new();
        found.read(&found.newest().unwrap()).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!((found.newest(), bytes), (Some(written), content(length as usize)));
    }
}

#[test]
fn the_newest_stays_and_what_the_log_needs_or_is_about_to_need() {
    let positions = [at(2, 9), at(2, 10), at(3, 11), at(3, 14)];
    for (base, kept) in [
        (at(0, 0), &[at(3, 14), at(3, 11), at(2, 10), at(2, 9)][..]),
        (at(2, 9), &[at(3, 14), at(3, 11), at(2, 10), at(2, 9)]),
        (at(2, 10), &[at(3, 14), at(3, 11), at(2, 10)]),
        (at(3, 12), &[at(3, 14), at(3, 11)]),
        (at(3, 14), &[at(3, 14), at(3, 11)]),
    ] {
        let disk = SimulatedDisk::default();
        let snapshots = opened(&disk);
        let written = positions.map(|last| write(&snapshots, last, b"state").unwrap().last);
        assert_eq!(written, positions);
        snapshots.remove_older(base).unwrap();
        for found in [snapshots.all(), opened(&disk.crashed(|| false)).all()] {
            assert_eq!(found.iter().map(|snapshot| snapshot.last).collect::<Vec<_>>(), kept, "base {base}");
        }
    }
}

/// The file of one that is being written, or arrives, has its name before it counts.
#[test]
fn what_has_just_got_its_name_is_not_removed_with_older_ones() {
    let disk = SimulatedDisk::default();
    let snapshots = opened(&disk);
    for last in [at(2, 8), at(2, 9), at(2, 10)] {
        write(&snapshots, last, b"state").unwrap();
    }
    write(&opened(&disk), at(3, 11), b"later").unwrap();
    snapshots.remove_older(at(2, 9)).unwrap();
    let left = [at(2, 9), at(2, 10), at(3, 11)].map(file_name);
    assert_eq!(disk.files().into_keys().collect::<Vec<_>>(), left);
}

#[test]
fn a_damaged_snapshot_is_never_kept_instead_of_a_whole_one() {
    let disk = SimulatedDisk::default();
    let [_, _] = [at(2, 9), at(2, 10)].map(|last| write(&opened(&disk), last, b"state").unwrap());
    let mut files = disk.files();
    files.get_mut(&file_name(at(2, 10))).unwrap()[70] ^= 1;
    let damaged = SimulatedDisk::holding(&files);
    let snapshots = opened(&damaged);
    snapshots.remove_older(at(2, 10)).unwrap();
    assert_eq!(held(&damaged), Some((at(2, 9), b"state".to_vec())));
    let [before, newest] = [at(2, 11), at(2, 12)].map(|last| write(&snapshots, last, b"state").unwrap().last);
    snapshots.remove_older(before).unwrap();
    assert_eq!(damaged.files().into_keys().collect::<Vec<_>>(), [before, newest].map(file_name));
}

#[test]
fn one_snapshot_is_written_at_a_time_and_leaves_nothing_if_it_is_not_finished() {
    let disk = SimulatedDisk::default();
    let snapshots = opened(&disk);
    let first = snapshots.write(at(2, 9)).unwrap();
    assert!(snapshots.write(at(2, 9)).is_err());
    drop(first);
    assert!(disk.files().is_empty());
    let crashed = disk.clone();
    let begun = snapshots.write(at(2, 9)).unwrap();
    assert_eq!(opened(&crashed.restarted()).all(), []);
    drop(begun);
    let crashed = SimulatedDisk::holding(&[("snapshot.new".to_owned(), vec![1; 100])].into());
    assert_eq!(opened(&crashed).all(), []);
    assert!(crashed.files().is_empty(), "a crash left it");
}

/// Writes one more snapshot and removes the oldest; whether the new one counts, and whether all was done.
fn replace(disk: &SimulatedDisk, bytes: &[u8]) -> (bool, bool) {
    let Ok(snapshots) = Snapshots::within(disk.clone(), OWNER, None) else { return (false, false) };
    let written = write(&snapshots, at(3, 10), bytes);
    let is_known = snapshots.newest().is_some_and(|newest| newest.last == at(3, 10));
    assert_eq!(written.is_ok(), is_known);
    (written.is_ok(), written.is_ok() && snapshots.remove_older(at(3, 10)).is_ok())
}

/// What a restart finds, and a loss of power, which keeps some of what was not flushed.
fn images(disk: &SimulatedDisk, mut seed: u64, more: usize) -> Vec<SimulatedDisk> {
    let mut images = vec![disk.restarted(), disk.crashed(|| true), disk.crashed(|| false)];
    for _ in 0..more {
        images.push(disk.crashed(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed >> 63 == 1
        }));
    }
    images
}

#[test]
fn whatever_happens_there_is_a_whole_snapshot_and_the_new_one_once_it_was_finished() {
    let (former, next) = (content(1500), content(CHUNK_BYTES + 700));
    let started = || {
        let disk = SimulatedDisk::default();
        let [_, _] = [at(2, 8), at(2, 9)].map(|last| write(&opened(&disk), last, &former).unwrap());
        disk
    };
    let clean = started();
    let begun = clean.calls();
    assert_eq!(replace(&clean, &next), (true, true));
    for fault in [Fault::Crash, Fault::Error, Fault::Short, Fault::NoRoom] {
        for call in begun..clean.calls() {
            let disk = started();
            disk.plan(call, fault);
            let (is_finished, _) = replace(&disk, &next);
            for image in images(&disk, call + 1, 30) {
                let found = held(&image);
                let is_new = found == Some((at(3, 10), next.clone()));
                let is_former = found == Some((at(2, 9), former.clone()));
                assert!(is_new || is_former && !is_finished, "{fault:?} at {call}");
                assert_eq!(replace(&image, &next), (true, true), "{fault:?} at {call}");
                assert_eq!(held(&image), Some((at(3, 10), next.clone())));
                assert_eq!(image.files().len(), 2, "{fault:?} at {call}: two snapshots, and nothing begun");
            }
        }
    }
}

#[test]
fn a_damaged_snapshot_is_none_and_the_one_before_is_opened() {
    let disk = SimulatedDisk::default();
    write(&opened(&disk), at(2, 9), &content(10)).unwrap();
    let before = disk.files();
    write(&opened(&disk), at(3, 10), &content(700)).unwrap();
    let (files, name) = (disk.files(), file_name(at(3, 10)));
    let bytes = &files[&name];
    for bit in 0..8 * bytes.len() {
        let mut damaged = files.clone();
        damaged.get_mut(&name).unwrap()[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(held(&SimulatedDisk::holding(&damaged)), Some((at(2, 9), content(10))), "bit {bit}");
    }
    for length in (0..bytes.len()).chain([bytes.len() + 1]) {
        let mut cut = before.clone();
        cut.insert(name.clone(), bytes.iter().copied().chain([0]).take(length).collect());
        assert_eq!(held(&SimulatedDisk::holding(&cut)), Some((at(2, 9), content(10))), "{length} bytes");
    }
}

#[test]
fn a_disk_that_loses_what_it_confirmed_shows_before_the_snapshot_counts() {
    let disk = SimulatedDisk::default();
    let snapshots = opened(&disk);
    write(&snapshots, at(2, 9), &content(10)).unwrap();
    // The system drops what was never written, so it does not read back.
    disk.lie();
    let refused = write(&snapshots, at(3, 10), &content(700)).unwrap_err();
    assert!(matches!(refused, StorageError::Foreign { .. }), "{refused}");
    assert_eq!(held(&disk), Some((at(2, 9), content(10))));
}

#[test]
fn a_snapshot_whose_name_was_not_flushed_counts_neither_then_nor_later() {
    let disk = SimulatedDisk::default();
    SegmentedLog::create(&disk, OWNER, LAYOUT).unwrap();
    let mut log = SegmentedLog::open(disk.clone(), OWNER, LAYOUT).unwrap();
    log.load().unwrap();
    let snapshots = opened(&disk);
    write(&snapshots, at(2, 9), b"former").unwrap();
    snapshots.check().unwrap();
    disk.fail_next_sync();
    write(&snapshots, at(3, 10), b"undecided").unwrap_err();
    let held = || snapshots.all().into_iter().map(|snapshot| snapshot.last).collect::<Vec<_>>();
    assert_eq!(held(), [at(2, 9)]);
    // A flush that succeeds now would write no name that the failed one has forgotten.
    write(&snapshots, at(3, 11), b"later").unwrap_err();
    snapshots.remove_older(at(3, 11)).unwrap_err();
    snapshots.check().unwrap_err();
    assert_eq!(held(), [at(2, 9)]);
    log.write(&[Record::Term(Term::new(1))]).unwrap_err();
    assert!(matches!(log.prepare(), Err(StorageError::Sealed)));
    assert_eq!(self::held(&disk.crashed(|| false)), Some((at(2, 9), b"former".to_vec())));
}
