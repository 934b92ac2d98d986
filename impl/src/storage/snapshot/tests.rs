//! Snapshots over a disk that crashes, fails and is damaged.

use std::io::Read as _;

use rafttree_model::{Index, Position, Term};

use super::{CHUNK_BYTES, Snapshot, SnapshotWriter, newest, open, remove_older};
use crate::storage::error::StorageError;
use crate::storage::identity::Incarnation;
use crate::storage::simulate::{Fault, SimulatedDisk};

const OWNER: Incarnation = Incarnation::from_bytes([7; 16]);

fn at(term: u64, index: u64) -> Position {
    Position { term: Term::new(term), index: Index::new(index) }
}

/// As many bytes, of which no two parts are alike.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn write(disk: &SimulatedDisk, last: Position, bytes: &[u8]) -> Result<Snapshot, StorageError> {
    let mut writer = SnapshotWriter::begin(disk, OWNER, last)?;
    bytes.chunks(1000).try_for_each(|some| writer.write(some))?;
    writer.finish()
}

fn read(disk: &SimulatedDisk, snapshot: &Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    open(disk, snapshot).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// The position and the bytes of the newest snapshot.
fn held(disk: &SimulatedDisk) -> Option<(Position, Vec<u8>)> {
    newest(disk, OWNER).unwrap().map(|snapshot| (snapshot.last, read(disk, &snapshot)))
}

#[test]
fn a_snapshot_reads_as_it_was_written() {
    for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 5] {
        let disk = SimulatedDisk::default();
        assert_eq!(newest(&disk, OWNER).unwrap(), None);
        let written = write(&disk, at(2, 9), &content(length)).unwrap();
        assert_eq!((written.last, written.length), (at(2, 9), length as u64));
        assert_eq!(newest(&disk, OWNER).unwrap(), Some(written.clone()));
        assert_eq!(read(&disk, &written), content(length));
        assert_eq!(newest(&disk, Incarnation::from_bytes([8; 16])).unwrap(), None, "it is another directory's");
    }
}

#[test]
fn the_one_before_is_kept_until_it_is_removed() {
    let disk = SimulatedDisk::default();
    write(&disk, at(2, 9), &content(10)).unwrap();
    let second = write(&disk, at(3, 10), &content(20)).unwrap();
    assert_eq!(disk.files().len(), 2);
    assert_eq!(held(&disk), Some((at(3, 10), content(20))));
    remove_older(&disk, &second).unwrap();
    assert_eq!(disk.files().len(), 1);
    assert_eq!(held(&disk.crashed(|| false)), Some((at(3, 10), content(20))));
}

/// Writes a second snapshot and removes the first; how far that came.
fn replace(disk: &SimulatedDisk, bytes: &[u8]) -> (bool, Option<StorageError>) {
    let second = match write(disk, at(3, 10), bytes) {
        Ok(second) => second,
        Err(error) => return (false, Some(error)),
    };
    (true, remove_older(disk, &second).err())
}

#[test]
fn whatever_happens_there_is_a_whole_snapshot_and_the_new_one_once_it_was_finished() {
    let (former, next) = (content(1500), content(CHUNK_BYTES + 700));
    let started = || {
        let disk = SimulatedDisk::default();
        write(&disk, at(2, 9), &former).unwrap();
        disk
    };
    let clean = started();
    let begun = clean.calls();
    assert!(replace(&clean, &next).1.is_none());
    for fault in [Fault::Crash, Fault::Error, Fault::Short, Fault::NoRoom] {
        for call in begun..clean.calls() {
            let disk = started();
            disk.plan(call, fault);
            let (is_finished, _) = replace(&disk, &next);
            let mut seed = call + 1;
            let mut images = vec![disk.restarted(), disk.crashed(|| true), disk.crashed(|| false)];
            for _ in 0..30 {
                images.push(disk.crashed(|| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    seed >> 63 == 1
                }));
            }
            for image in images {
                let found = held(&image);
                let is_new = found == Some((at(3, 10), next.clone()));
                let is_former = found == Some((at(2, 9), former.clone()));
                assert!(is_new || is_former && !is_finished, "{fault:?} at {call}");
                assert!(replace(&image, &next).1.is_none(), "{fault:?} at {call}");
                assert_eq!(held(&image), Some((at(3, 10), next.clone())));
            }
        }
    }
}

#[test]
fn a_damaged_snapshot_is_none_and_the_one_before_is_opened() {
    let disk = SimulatedDisk::default();
    write(&disk, at(2, 9), &content(10)).unwrap();
    let (before, name) = (disk.files(), write(&disk, at(3, 10), &content(700)).unwrap().name);
    let files = disk.files();
    let bytes = &files[&name];
    for bit in 0..8 * bytes.len() {
        let mut damaged = files.clone();
        damaged.get_mut(&name).unwrap()[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(held(&SimulatedDisk::holding(&damaged)), Some((at(2, 9), content(10))), "bit {bit}");
    }
    for length in 0..bytes.len() {
        let mut cut = before.clone();
        cut.insert(name.clone(), bytes[..length].to_vec());
        assert_eq!(held(&SimulatedDisk::holding(&cut)), Some((at(2, 9), content(10))), "{length} bytes");
    }
}

#[test]
fn a_disk_that_loses_what_it_confirmed_shows_before_the_snapshot_counts() {
    let disk = SimulatedDisk::default();
    write(&disk, at(2, 9), &content(10)).unwrap();
    // The system drops what was never written, so it does not read back.
    disk.lie();
    let refused = write(&disk, at(3, 10), &content(700)).unwrap_err();
    assert!(matches!(refused, StorageError::Foreign { .. }), "{refused}");
    assert_eq!(held(&disk), Some((at(2, 9), content(10))));
}
