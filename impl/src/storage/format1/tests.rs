//! Reading format 1: which bad batches are what a crash leaves, and which are damage.

use std::fs::{self, OpenOptions};
use std::path::Path;

use bytes::Bytes;
use rafttree_model::{Entry, Index, Payload, Position, Record, Term};
use tempfile::TempDir;

use super::batch::{self, BLOCK_BYTES, ChainLink};
use super::{FILE, LogEnd};
use crate::storage::disk::{DiskFile as _, FileSystem};
use crate::storage::identity::Incarnation;
use crate::storage::record;
use crate::storage::simulate::{SimulatedDisk, former};
use crate::storage::tests::{append, replay};
use crate::storage::{Recovered, StorageError};

const OWNER: Incarnation = Incarnation::from_bytes([7; 16]);

/// A log of format 1 without records, as an earlier version made it.
pub(crate) fn create(path: &Path, owner: Incarnation) {
    let mut bytes = super::header(owner);
    bytes.resize(1 << 20, 0);
    fs::write(path.join(FILE), bytes).unwrap();
}

/// Writes batches as an earlier version did.
pub(crate) fn write_as(path: &Path, owner: Incarnation, batches: &[Vec<Record<Bytes>>]) {
    let file = OpenOptions::new().read(true).write(true).open(path.join(FILE)).unwrap();
    let (_, LogEnd { mut next, mut offset }) = super::scan(&file, path, owner).unwrap();
    let settling = (next.after < offset).then_some(Vec::new());
    for records in settling.iter().chain(batches) {
        let mut bytes = Vec::new();
        records.iter().for_each(|record| record::encode(record, &mut bytes));
        let (blocks, checksum) = former::batch(next.sequence, next.after, next.previous, owner, &bytes);
        file.write_all_at(&blocks, offset).unwrap();
        offset += blocks.len() as u64;
        next = ChainLink { sequence: next.sequence + 1, after: offset, previous: checksum };
    }
}

fn write(path: &Path, batches: &[Vec<Record<Bytes>>]) {
    write_as(path, OWNER, batches);
}

fn load(path: &Path) -> Result<((), Recovered), StorageError> {
    let recovered = super::read(&FileSystem::new(path), OWNER)?;
    write(path, &[]);
    Ok(((), recovered))
}

fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    create(directory.path(), OWNER);
    directory
}

fn copy(original: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::copy(original.join(FILE), copy.path().join(FILE)).unwrap();
    copy
}

fn overwrite(directory: &Path, offset: u64, bytes: &[u8]) {
    let log = OpenOptions::new().write(true).open(directory.join(FILE)).unwrap();
    log.write_all_at(bytes, offset).unwrap();
}

const BLOCK_LENGTH: u64 = BLOCK_BYTES as u64;

/// A batch of so many blocks.
fn batch_of(blocks: usize, index: u64) -> Vec<Record<Bytes>> {
    vec![append(1, index, blocks * BLOCK_BYTES - 200)]
}

/// Where the log's last byte is that is not zero, in whole blocks.
fn used(directory: &Path) -> u64 {
    let log = fs::read(directory.join("log")).unwrap();
    (log.iter().rposition(|&byte| byte != 0).unwrap() as u64 + 1).next_multiple_of(BLOCK_LENGTH)
}

/// Copies of the directory in which a batch of so many blocks was being written when a crash came:
/// every set of its blocks is kept in one of them. Says whether it is the whole batch.
fn crashes_within(original: &Path, blocks: usize, batch: &[Record<Bytes>]) -> Vec<(TempDir, bool)> {
    let start = used(original);
    let all = 1u32 << blocks;
    let crash = |kept: u32| {
        let crashed = copy(original);
        write(crashed.path(), &[batch.to_vec()]);
        for block in (0..blocks).filter(|block| kept & (1 << block) == 0) {
            overwrite(crashed.path(), start + block as u64 * BLOCK_LENGTH, &[0; BLOCK_BYTES]);
        }
        (crashed, kept == all - 1)
    };
    (0..all).map(crash).collect()
}

/// Opens the log again and again, also as if the crash had come before the remains were settled,
/// and each time it must hold this.
fn assert_holds(directory: &Path, expected: &Recovered) {
    let remains = used(directory);
    assert!(load(directory).unwrap().1 == *expected);
    if remains < used(directory) {
        overwrite(directory, remains, &[0; BLOCK_BYTES]);
        assert!(load(directory).unwrap().1 == *expected);
    }
    assert!(load(directory).unwrap().1 == *expected);
}

#[test]
fn whatever_crashes_leave_of_batches_opens_with_what_was_acknowledged() {
    let original = directory();
    let acknowledged = vec![batch_of(1, 1)];
    write(original.path(), &acknowledged);
    for first in 1..=3 {
        for (once, is_whole) in crashes_within(original.path(), first, &batch_of(first, 2)) {
            let mut held = acknowledged.clone();
            held.extend(is_whole.then(|| batch_of(first, 2)));
            assert_holds(once.path(), &replay(&held));
            let next = held.len() as u64 + 1;
            for second in [1, 3] {
                for (twice, is_whole) in crashes_within(once.path(), second, &batch_of(second, next)) {
                    let mut held = held.clone();
                    held.extend(is_whole.then(|| batch_of(second, next)));
                    assert_holds(twice.path(), &replay(&held));
                    let last = batch_of(1, held.len() as u64 + 1);
                    write(twice.path(), std::slice::from_ref(&last));
                    held.push(last);
                    assert_holds(twice.path(), &replay(&held));
                }
            }
        }
    }
}

const SIZES: [usize; 5] = [1, 2, 1, 3, 1];

/// Batches of several sizes, and where each begins.
fn several() -> (TempDir, Vec<u64>) {
    let directory = directory();
    let mut starts = Vec::new();
    for (index, blocks) in (1..).zip(SIZES) {
        starts.push(used(directory.path()).max(BLOCK_LENGTH));
        write(directory.path(), &[batch_of(blocks, index)]);
    }
    (directory, starts)
}

/// One way to damage the batch that begins here and takes so many blocks.
type Damage = fn(&Path, u64, usize);

fn flip_a_payload(directory: &Path, start: u64, _: usize) {
    overwrite(directory, start + 100, &[0xee]);
}

fn wipe(directory: &Path, start: u64, blocks: usize) {
    overwrite(directory, start, &vec![0; blocks * BLOCK_BYTES]);
}

fn garble(directory: &Path, start: u64, blocks: usize) {
    overwrite(directory, start, &vec![0xa5; blocks * BLOCK_BYTES]);
}

fn wipe_the_header(directory: &Path, start: u64, _: usize) {
    overwrite(directory, start, &[0; 64]);
}

/// The last batch of all may be damaged as well, as long as its header is legible.
#[test]
fn any_damaged_batches_before_a_legible_header_are_refused() {
    let (original, starts) = several();
    let damages: [Damage; 4] = [flip_a_payload, wipe, garble, wipe_the_header];
    for damage in damages {
        for set in 1u32..1 << SIZES.len() {
            let damaged = copy(original.path());
            let is_hit = |batch: &usize| set & (1 << batch) != 0;
            let last = SIZES.len() - 1;
            for batch in (0..SIZES.len()).filter(is_hit) {
                let damage = if batch == last { flip_a_payload } else { damage };
                damage(damaged.path(), starts[batch], SIZES[batch]);
            }
            let first = (0..SIZES.len()).find(is_hit).unwrap();
            match load(damaged.path()) {
                Err(StorageError::Corrupt { batch, offset, .. }) => {
                    assert_eq!((batch, offset), (first as u64 + 1, starts[first]), "{set:b}");
                }
                // Nothing tells this from what a crash leaves.
                Ok(_) => assert_eq!(first, last, "{set:b}"),
                other => panic!("{set:b}: {other:?}"),
            }
        }
    }
}

/// The case that no later header proves.
#[test]
fn bytes_beyond_the_end_of_a_damaged_batch_prove_that_another_one_followed() {
    let (original, starts) = several();
    let last = SIZES.len() - 1;
    for damage in [garble, wipe_the_header] as [Damage; 2] {
        let damaged = copy(original.path());
        flip_a_payload(damaged.path(), starts[last - 1], 3);
        damage(damaged.path(), starts[last], 1);
        let refused = load(damaged.path()).unwrap_err().to_string();
        assert!(refused.contains("batch 4 at byte 20480") && refused.contains("beyond its end"), "{refused}");
        // What a crash can leave of the fourth batch alone is no damage.
        wipe(damaged.path(), starts[last], 1);
        assert!(3 <= load(damaged.path()).unwrap().1.entries.len());
    }
}

/// Earlier versions left several batches that were cut short one behind the other.
#[test]
fn a_log_that_earlier_versions_left_unsettled_opens() {
    let directory = directory();
    let first = batch_of(1, 1);
    write(directory.path(), std::slice::from_ref(&first));
    let log = fs::read(directory.path().join("log")).unwrap();
    let good = batch::decode(OWNER, log[BLOCK_BYTES..2 * BLOCK_BYTES].to_vec()).unwrap();
    let next = ChainLink { sequence: 2, after: 2 * BLOCK_LENGTH, previous: good.checksum };
    let (once, _) = former::batch(next.sequence, next.after, next.previous, OWNER, &[7; 2 * BLOCK_BYTES - 100]);
    let (again, _) = former::batch(next.sequence, next.after, next.previous, OWNER, &[8; 4 * BLOCK_BYTES - 100]);
    overwrite(directory.path(), 2 * BLOCK_LENGTH, &once[..BLOCK_BYTES]);
    overwrite(directory.path(), 3 * BLOCK_LENGTH, &again[..3 * BLOCK_BYTES]);
    assert_holds(directory.path(), &replay(&[first]));
}

/// A file that a crash left shorter than its blocks, or that grew by a part of one.
#[test]
fn a_log_of_any_length_opens() {
    let (original, starts) = several();
    let end = starts.last().unwrap() + BLOCK_LENGTH;
    for length in [end - 3000, end - 1, end, end + 1, end + 2 * BLOCK_LENGTH + 7] {
        let cut = copy(original.path());
        OpenOptions::new().write(true).open(cut.path().join("log")).unwrap().set_len(length).unwrap();
        let (_, recovered) = load(cut.path()).unwrap();
        let next = batch_of(2, recovered.durable.log().last().index.number() + 1);
        write(cut.path(), std::slice::from_ref(&next));
        let mut expected = recovered;
        next.iter().for_each(|record| expected.apply(record));
        assert_holds(cut.path(), &expected);
    }
}

/// Each of these once ended the program, with checksums that are right.
#[test]
fn records_that_contradict_each_other_are_refused() {
    let at = |term, index| Position { term: Term::new(term), index: Index::new(index) };
    let append = |term, index| Record::Append(Entry { position: at(term, index), payload: Payload::Blank });
    let keep = |index| Record::Truncate { keep: Index::new(index) };
    let compact = |index| Record::Compact { through: Index::new(index) };
    for (records, is_log) in [
        (vec![append(1, 1), append(1, 2), keep(1), append(2, 2), compact(1)], true),
        (vec![append(1, 1), append(1, 3)], false),
        (vec![append(2, 1), append(1, 2)], false),
        (vec![Record::Restore { last: at(1, 5) }, keep(4)], false),
        (vec![append(1, 1), compact(2)], false),
    ] {
        let log = SimulatedDisk::holding(&[(FILE.to_owned(), former::log(OWNER, &[records]))].into());
        assert_eq!(super::read(&log, OWNER).is_ok(), is_log);
    }
}
