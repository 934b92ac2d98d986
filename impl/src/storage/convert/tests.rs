//! A log of format 1 becomes the present one, whatever happens meanwhile.

use std::collections::BTreeMap;
use std::fs;

use bytes::Bytes;
use rafttree_model::{Index, Record, ServerId, Term};

use super::convert;
use crate::storage::Directory;
use crate::storage::error::StorageError;
use crate::storage::file::FileStorage;
use crate::storage::format1;
use crate::storage::identity::Incarnation;
use crate::storage::interface::{Recovered, Storage as _};
use crate::storage::layout::Layout;
use crate::storage::log::SegmentedLog;
use crate::storage::simulate::{Fault, SimulatedDisk};
use crate::storage::tests::{append, directory, load, replay};

const OWNER: Incarnation = Incarnation::from_bytes([7; 16]);
const SMALL: Layout = Layout { blocks: 5 };

fn batches() -> Vec<Vec<Record<Bytes>>> {
    vec![
        vec![Record::Term(Term::new(1)), Record::Vote(ServerId::new(1)), append(1, 1, 10), append(1, 2, 20)],
        vec![Record::Compact { through: Index::new(1) }],
        vec![Record::Term(Term::new(2)), append(2, 3, 9000), append(2, 4, 20_000)],
    ]
}

/// A disk with a log of format 1.
fn former(batches: &[Vec<Record<Bytes>>]) -> SimulatedDisk {
    let directory = tempfile::tempdir().unwrap();
    format1::tests::create(directory.path(), OWNER);
    format1::tests::write_as(directory.path(), OWNER, batches);
    let bytes = fs::read(directory.path().join(format1::FILE)).unwrap();
    // The zeros at its end tell nothing.
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    SimulatedDisk::holding(&BTreeMap::from([(format1::FILE.to_owned(), bytes[..end].to_vec())]))
}

fn open(disk: &SimulatedDisk) -> Result<Recovered, StorageError> {
    convert(disk, OWNER, SMALL)?;
    SegmentedLog::open(disk.clone(), OWNER, SMALL)?.load()
}

#[test]
fn a_directory_of_the_former_format_opens_and_goes_on() {
    let directory = directory();
    let path = directory.path();
    fs::remove_file(path.join("log-0000000000000001")).unwrap();
    let owner = Directory::open(path).unwrap().incarnation;
    format1::tests::create(path, owner);
    format1::tests::write_as(path, owner, &batches());
    let mut expected = replay(&batches());
    let (mut storage, recovered) = load(path).unwrap();
    assert!(recovered == expected);
    storage.write(&[append(2, 5, 1)]).unwrap();
    drop(storage);
    assert!(!path.join(format1::FILE).exists(), "no version may go on with it");
    expected.apply(&append(2, 5, 1));
    assert!(load(path).unwrap().1 == expected);
    drop(FileStorage::open(path));
}

#[test]
fn an_empty_log_of_the_former_format_opens() {
    assert_eq!(open(&former(&[])).unwrap(), Recovered::default());
}

#[test]
fn a_conversion_may_be_cut_short_at_any_call() {
    let expected = replay(&batches());
    let clean = former(&batches());
    assert_eq!(open(&clean).unwrap(), expected);
    for fault in [Fault::Crash, Fault::Error, Fault::Short, Fault::NoRoom] {
        for call in 0..clean.calls() {
            let disk = former(&batches());
            disk.plan(call, fault);
            let outcome = open(&disk);
            assert!(outcome.is_err() || outcome.unwrap() == expected);
            let mut seed = call;
            let coin = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                seed >> 63 == 1
            };
            for next in [disk.restarted(), disk.crashed(|| true), disk.crashed(|| false), disk.crashed(coin)] {
                assert_eq!(open(&next).unwrap(), expected, "{fault:?} at {call}");
                assert!(!next.files().contains_key(format1::FILE));
            }
        }
    }
}

/// The process has ended before the copy's name was flushed, and the power fails when the next one has removed the
/// former log.
#[test]
fn a_conversion_that_is_taken_up_again_outlives_a_loss_of_power() {
    let expected = replay(&batches());
    let clean = former(&batches());
    open(&clean).unwrap();
    for ended in clean.changing_calls() {
        let disk = former(&batches());
        disk.plan(ended, Fault::Crash);
        open(&disk).unwrap_err();
        let probe = disk.restarted();
        open(&probe).unwrap();
        for call in probe.changing_calls() {
            let again = disk.restarted();
            again.plan(call, Fault::Crash);
            let _ = open(&again);
            let changes = again.undecided().min(10);
            for kept in 0..1u32 << changes {
                let mut bits = kept;
                let crashed = again.crashed(|| {
                    bits = bits.rotate_right(1);
                    bits >> 31 == 1
                });
                assert_eq!(open(&crashed).unwrap(), expected, "calls {ended} and {call}, {kept:b}");
            }
        }
    }
}

/// Where a converted log begins is said by its first batch alone.
#[test]
fn a_flipped_bit_does_not_move_where_a_converted_log_begins() {
    let all_compacted = vec![
        vec![Record::Term(Term::new(1)), append(1, 1, 10), append(1, 2, 20)],
        vec![Record::Compact { through: Index::new(2) }],
    ];
    let expected = replay(&all_compacted);
    let disk = former(&all_compacted);
    open(&disk).unwrap();
    for has_lost_its_slot in [false, true] {
        let disk = disk.restarted();
        if has_lost_its_slot {
            (0..64).for_each(|byte| disk.flip("log-0000000000000001", SMALL.slot_offset(0, 1) as usize + byte, 3));
            assert_eq!(open(&disk).unwrap(), expected, "the slot is written again");
        }
        for bit in 0..8 * 512 {
            let damaged = disk.restarted();
            damaged.flip("log-0000000000000001", SMALL.offset(0) as usize + bit / 8, (bit % 8) as u8);
            let refused = open(&damaged).unwrap_err();
            assert!(matches!(refused, StorageError::Corrupt { .. }), "bit {bit}: {refused}");
        }
    }
}

#[test]
fn a_former_log_that_was_put_back_is_refused() {
    let disk = former(&batches());
    let put_back = disk.files();
    convert(&disk, OWNER, SMALL).unwrap();
    let mut log = SegmentedLog::open(disk.clone(), OWNER, SMALL).unwrap();
    log.load().unwrap();
    log.write(&[Record::Vote(ServerId::new(3))]).unwrap();
    let mut files = disk.files();
    files.extend(put_back);
    let refused = open(&SimulatedDisk::holding(&files)).unwrap_err();
    assert!(matches!(refused, StorageError::Foreign { .. }) && refused.to_string().contains("format 1"), "{refused}");
}

#[test]
fn a_damaged_former_log_is_refused_as_before() {
    let disk = former(&batches());
    let mut files = disk.files();
    files.get_mut(format1::FILE).unwrap()[5000] ^= 1;
    let refused = open(&SimulatedDisk::holding(&files)).unwrap_err();
    assert!(matches!(refused, StorageError::Corrupt { batch: 1, .. }), "{refused}");
}
