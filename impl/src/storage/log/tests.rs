//! The log over a disk that crashes, fails and forgets: whatever was acknowledged is there or named.

use bytes::Bytes;
use rafttree_model::{Entry, Index, Payload, Position, Record, ServerId, Term};

use super::SegmentedLog;
use crate::storage::disk::Disk as _;
use crate::storage::error::StorageError;
use crate::storage::identity::Incarnation;
use crate::storage::interface::Recovered;
use crate::storage::layout::{self, Layout};
use crate::storage::simulate::{Fault, SimulatedDisk};

const OWNER: Incarnation = Incarnation::from_bytes([7; 16]);

/// Small segments, so that several are filled.
const SMALL: Layout = Layout { blocks: 5 };

/// Up to so many undecided sectors every set of them is tried, beyond that samples.
const EXHAUSTIVE: u32 = 10;
const SAMPLES: u64 = 40;

type Log = SegmentedLog<SimulatedDisk>;
type Batches = Vec<Vec<Record<Bytes>>>;

fn append(term: u64, index: u64, length: usize) -> Record<Bytes> {
    let position = Position { term: Term::new(term), index: Index::new(index) };
    Record::Append(Entry { position, payload: Payload::Command(Bytes::from(vec![index as u8; length])) })
}

/// What a server may write: votes, entries, conflicts, compaction. It fills several segments.
fn batches() -> Batches {
    vec![
        vec![Record::Term(Term::new(1)), Record::Vote(ServerId::new(1))],
        vec![append(1, 1, 10), append(1, 2, 900)],
        vec![Record::Term(Term::new(2))],
        vec![Record::Truncate { keep: Index::new(1) }, append(2, 2, 4500)],
        vec![append(2, 3, 1), Record::Term(Term::new(3)), Record::Vote(ServerId::new(2))],
        vec![Record::Compact { through: Index::new(2) }],
        vec![append(3, 4, 600)],
        vec![Record::Truncate { keep: Index::new(3) }, append(4, 4, 20), append(4, 5, 20)],
        vec![Record::Term(Term::new(5))],
        vec![Record::Compact { through: Index::new(5) }],
        vec![append(5, 6, 1)],
        vec![Record::Restore { last: Position { term: Term::new(5), index: Index::new(20) } }],
        vec![append(5, 21, 30)],
    ]
}

/// What each number of batches adds up to.
fn states(batches: &Batches) -> Vec<Recovered> {
    let mut states = vec![Recovered::default()];
    for batch in batches {
        let mut state = states.last().unwrap().clone();
        batch.iter().for_each(|record| state.apply(record));
        states.push(state);
    }
    states
}

fn created() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    SegmentedLog::create(&disk, OWNER, SMALL).unwrap();
    disk
}

fn load(disk: &SimulatedDisk) -> Result<(Log, Recovered), StorageError> {
    let mut log = SegmentedLog::open(disk.clone(), OWNER, SMALL)?;
    let recovered = log.load()?;
    Ok((log, recovered))
}

/// Opens the log, checks that it holds this many of the batches, and writes the others until an error;
/// how many are acknowledged, and the error.
fn run(
    disk: &SimulatedDisk,
    batches: &Batches,
    expected: std::ops::RangeInclusive<usize>,
) -> (usize, Option<StorageError>) {
    let states = states(batches);
    let (mut log, recovered) = match load(disk) {
        Ok(loaded) => loaded,
        Err(error) => return (*expected.start(), Some(error)),
    };
    let found = expected.clone().find(|&count| states[count] == recovered);
    let mut held = found.unwrap_or_else(|| panic!("neither of {expected:?}: {:?}", recovered.durable));
    while held < batches.len() {
        if let Err(error) = log.write(&batches[held]) {
            return (held, Some(error));
        }
        held += 1;
        if let Err(error) = log.prepare() {
            return (held, Some(error));
        }
    }
    (held, None)
}

/// Every disk that a crash may leave, or samples of them.
fn crashes(disk: &SimulatedDisk, seed: u64) -> Vec<SimulatedDisk> {
    let undecided = disk.undecided();
    let choose = |bits: u64| {
        let mut bits = bits;
        disk.crashed(|| {
            let keeps = bits & 1 == 1;
            bits = bits.rotate_right(1);
            keeps
        })
    };
    if undecided <= EXHAUSTIVE {
        return (0..1 << undecided).map(choose).collect();
    }
    let mut random = seed | 1;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    [0, u64::MAX].into_iter().chain((0..SAMPLES).map(|_| next())).map(choose).collect()
}

#[test]
fn what_was_written_is_read_back() {
    let (disk, batches) = (created(), batches());
    for (count, state) in states(&batches).iter().enumerate() {
        let (mut log, recovered) = load(&disk).unwrap();
        assert_eq!(&recovered, state, "{count}");
        if count < batches.len() {
            log.write(&batches[count]).unwrap();
            log.prepare().unwrap();
        }
    }
}

#[test]
fn a_batch_costs_one_flush() {
    let disk = created();
    let (mut log, _) = load(&disk).unwrap();
    log.write(&batches()[0]).unwrap();
    let before = disk.flushes();
    log.write(&batches()[1]).unwrap();
    assert_eq!(disk.flushes(), before + 1);
}

#[test]
fn compacted_segments_are_removed_and_their_numbers_are_not_used_again() {
    let disk = created();
    run(&disk, &batches(), 0..=0);
    let names = disk.files().into_keys().collect::<Vec<_>>();
    assert!(!names.contains(&"log-0000000000000001".to_owned()), "{names:?}");
    let (mut log, mut held) = load(&disk).unwrap();
    for index in 22..75 {
        for record in [append(5, index, 3000), Record::Compact { through: Index::new(index) }] {
            log.write(std::slice::from_ref(&record)).unwrap();
            held.apply(&record);
            log.prepare().unwrap();
        }
    }
    let (_, recovered) = load(&disk).unwrap();
    assert_eq!(recovered, held);
    let names = disk.files().into_keys().collect::<Vec<_>>();
    assert!(names.len() <= 2 && "log-0000000000000020" < names[0].as_str(), "{names:?}");
}

#[test]
fn a_crash_at_any_call_loses_nothing_that_was_acknowledged() {
    let batches = batches();
    let clean = created();
    let created = clean.calls();
    run(&clean, &batches, 0..=0);
    let mut images = 0;
    for call in 0..clean.calls() - created {
        let disk = self::created();
        disk.plan(created + call, Fault::Crash);
        let (acknowledged, error) = run(&disk, &batches, 0..=0);
        assert!(error.is_some(), "call {call}");
        for crashed in crashes(&disk, call) {
            images += 1;
            let most = (acknowledged + 1).min(batches.len());
            let (held, error) = run(&crashed, &batches, acknowledged..=most);
            assert!(held == batches.len() && error.is_none(), "call {call}: {error:?}");
            assert_eq!(load(&crashed).unwrap().1, *states(&batches).last().unwrap(), "call {call}");
        }
    }
    assert!(1000 < images, "{images}");
}

/// What the process had not flushed is in the memory of the operating system, which the next one finds, and
/// must not take for durable.
#[test]
fn what_is_written_after_a_process_has_ended_at_any_call_outlives_the_power() {
    let batches = batches();
    let clean = created();
    let created = clean.calls();
    run(&clean, &batches, 0..=0);
    for call in 0..clean.calls() - created {
        let disk = self::created();
        disk.plan(created + call, Fault::Crash);
        let (acknowledged, _) = run(&disk, &batches, 0..=0);
        // Whatever is written later may flush the name as well, so the power goes after each number of batches.
        for end in (acknowledged + 1).min(batches.len())..=batches.len() {
            let (restarted, written) = (disk.restarted(), batches[..end].to_vec());
            let (held, error) = run(&restarted, &written, acknowledged..=(acknowledged + 1).min(end));
            assert!(held == end && error.is_none(), "call {call}: {error:?}");
            let crashed = restarted.crashed(|| false);
            let (_, recovered) = load(&crashed).unwrap_or_else(|error| panic!("call {call}, {end} batches: {error}"));
            assert_eq!(recovered, states(&batches)[end], "call {call}, {end} batches");
        }
    }
}

/// The disk of a server whose power failed while it wrote the batch of this number.
fn interrupted(number: usize) -> (SimulatedDisk, usize) {
    let disk = created();
    let (mut log, _) = load(&disk).unwrap();
    for batch in &batches()[..number] {
        log.write(batch).unwrap();
        log.prepare().unwrap();
    }
    let calls = disk.calls();
    // The batch, its slot, and then the flush, unless another segment is begun.
    disk.plan(calls + 2, Fault::Crash);
    log.write(&batches()[number]).unwrap_err();
    (disk, number)
}

#[test]
fn a_crash_while_a_crash_is_dealt_with_loses_nothing_either() {
    let batches = batches();
    let mut images = 0;
    for number in 0..batches.len() {
        let (disk, acknowledged) = interrupted(number);
        for once in crashes(&disk, number as u64).into_iter().take(130) {
            let probe = once.restarted();
            let whole = load(&probe).unwrap().1 != states(&batches)[acknowledged];
            let least = acknowledged + usize::from(whole);
            for call in 0..probe.calls() {
                let again = once.restarted();
                again.plan(call, Fault::Crash);
                assert!(load(&again).is_err());
                for twice in crashes(&again, call).into_iter().take(20) {
                    images += 1;
                    let (held, error) = run(&twice, &batches, least..=acknowledged + 1);
                    assert!(held == batches.len() && error.is_none(), "{number}, call {call}: {error:?}");
                }
            }
        }
    }
    assert!(1000 < images, "{images}");
}

#[test]
fn whatever_fails_seals_the_log_and_nothing_that_was_acknowledged_is_lost() {
    let batches = batches();
    let clean = created();
    let created = clean.calls();
    run(&clean, &batches, 0..=0);
    for fault in [Fault::Error, Fault::Short, Fault::NoRoom] {
        for call in 0..clean.calls() - created {
            let disk = self::created();
            disk.plan(created + call, fault);
            let (acknowledged, error) = run(&disk, &batches, 0..=0);
            if let Some(error) = &error {
                assert!(fault != Fault::NoRoom || !matches!(error, StorageError::Sealed), "{error}");
            }
            let most = (acknowledged + 1).min(batches.len());
            // Whether the machine runs on, with what its system remembers, or loses power.
            let (running, remembering) = (disk.restarted(), disk.restarted());
            remembering.keep_cached();
            let after = crashes(&disk, call).into_iter().take(64).chain([running, remembering]);
            for next in after {
                let (held, error) = run(&next, &batches, acknowledged..=most);
                assert!(held == batches.len() && error.is_none(), "{fault:?} at {call}: {error:?}");
                // What it goes on with is on the disk, not in the system's memory alone.
                let (_, recovered) = load(&next.crashed(|| false)).unwrap();
                assert_eq!(recovered, *states(&batches).last().unwrap(), "{fault:?} at {call}");
            }
        }
    }
}

#[test]
fn after_an_error_nothing_is_written() {
    let disk = created();
    let (mut log, _) = load(&disk).unwrap();
    disk.plan(disk.calls(), Fault::Error);
    log.write(&batches()[0]).unwrap_err();
    let before = disk.files();
    assert!(matches!(log.write(&batches()[0]), Err(StorageError::Sealed)));
    assert!(matches!(log.prepare(), Err(StorageError::Sealed)));
    assert_eq!(disk.files(), before);
}

#[test]
fn after_a_flush_of_the_directory_that_failed_for_somebody_else_nothing_is_written() {
    for prepares in [false, true] {
        let disk = created();
        let (mut log, _) = load(&disk).unwrap();
        log.write(&batches()[0]).unwrap();
        disk.fail_next_sync();
        disk.sync().unwrap_err();
        let before = disk.files();
        let refused = if prepares { log.prepare().map(drop) } else { log.write(&batches()[1]) };
        assert!(matches!(refused, Err(StorageError::Io { action: "flush", .. })), "{refused:?}");
        assert!(matches!(log.write(&batches()[1]), Err(StorageError::Sealed)));
        assert_eq!(disk.files(), before);
    }
}

#[test]
fn a_sector_that_holds_an_acknowledged_batch_is_never_written_with_other_bytes() {
    let disk = created();
    let (mut log, _) = load(&disk).unwrap();
    let mut before = disk.files();
    for batch in &batches() {
        log.write(batch).unwrap();
        let after = disk.files();
        for (name, bytes) in &before {
            let changed = bytes.iter().zip(&after[name]).any(|(&former, now)| former != 0 && former != *now);
            assert!(!changed, "{name}");
        }
        before = after;
    }
}

/// Batches without compaction, so that everything in them matters.
fn lasting() -> Batches {
    let before = batches().into_iter().take_while(|batch| !matches!(batch[0], Record::Restore { .. }));
    before.filter(|batch| !matches!(batch[0], Record::Compact { .. })).collect()
}

fn flipped(files: &std::collections::BTreeMap<String, Vec<u8>>, name: &str, bit: usize) -> SimulatedDisk {
    let mut files = files.clone();
    files.get_mut(name).unwrap()[bit / 8] ^= 1 << (bit % 8);
    SimulatedDisk::holding(&files)
}

/// With `RAFTTREE_TEST_EVERY_BIT` set each bit of the directory is flipped, otherwise one of each byte
/// that is in use, and of a few that are not.
#[test]
fn a_flipped_bit_is_harmless_repaired_or_named() {
    let (disk, batches) = (created(), lasting());
    run(&disk, &batches, 0..=0);
    let (files, last) = (disk.files(), states(&batches).pop().unwrap());
    let every = std::env::var_os("RAFTTREE_TEST_EVERY_BIT").is_some();
    let (mut held, mut named) = (0, 0);
    for (name, bytes) in &files {
        for bit in 0..8 * bytes.len() {
            let (at, is_used) = (bit / 8, bytes[bit / 8] != 0);
            if !every && bit % 8 != at % 8 || !every && !is_used && at % 97 != 0 {
                continue;
            }
            let damaged = flipped(&files, name, bit);
            match load(&damaged) {
                Ok((mut log, recovered)) if !recovered.durable.faulty().is_none() => {
                    named += 1;
                    assert_faulty(&recovered, &last, &batches);
                    let lost = last.entries.iter().filter(|it| recovered.entries.faulty().contains(it.position.index));
                    log.write(&lost.cloned().map(Record::Repair).collect::<Vec<_>>()).unwrap();
                    assert_eq!(load(&damaged).unwrap().1, last, "{name} {at}: once it is repaired");
                }
                Ok((mut log, recovered)) => {
                    held += 1;
                    assert_eq!(recovered, last, "{name} {at}");
                    log.write(&[append(6, 7, 3)]).unwrap();
                    let mut expected = recovered;
                    expected.apply(&append(6, 7, 3));
                    assert_eq!(load(&damaged).unwrap().1, expected, "{name} {at}");
                }
                Err(StorageError::Foreign { .. } | StorageError::Format { .. }) if at < 64 => named += 1,
                Err(error) => panic!("{name} {at}: {error}"),
            }
        }
    }
    assert!(1000 < held && 1000 < named, "{held} {named}");
}

/// What is faulty are entries of one batch, as far as they are in the log, and all others are there.
fn assert_faulty(recovered: &Recovered, last: &Recovered, batches: &Batches) {
    let faulty = recovered.durable.faulty();
    assert_eq!(recovered.durable, last.durable.clone().damaged(faulty));
    assert_eq!(recovered.entries.len(), last.entries.len());
    let are_lost = |entry: &Entry<Bytes>| faulty.contains(entry.position.index);
    let lost: Vec<_> = last.entries.iter().filter(|entry| are_lost(entry)).cloned().map(Record::Append).collect();
    let is_of = |batch: &Vec<Record<Bytes>>| {
        let are_in_the_log = |record: &&Record<Bytes>| match record {
            Record::Append(entry) => last.entries.contains(entry),
            _ => false,
        };
        batch.iter().filter(are_in_the_log).eq(&lost)
    };
    assert!(batches.iter().any(is_of), "{faulty:?}");
    let rest = recovered.entries.iter().zip(last.entries.iter()).filter(|(_, written)| !are_lost(written));
    assert!(rest.into_iter().all(|(found, written)| found == written));
}

/// A crash has cut a batch of two blocks short, of which the second is empty, and the batch that says so was written
/// behind it: a bit of that one must not bring back the other.
#[test]
fn a_bit_that_flips_brings_no_batch_back_that_does_not_count() {
    let disk = created();
    let (mut log, _) = load(&disk).unwrap();
    batches()[..2].iter().for_each(|batch| log.write(batch).unwrap());
    disk.plan(disk.calls() + 2, Fault::Crash);
    log.write(&[Record::Term(Term::new(2)), append(2, 3, 4500)]).unwrap_err();
    assert_eq!(disk.undecided(), 11, "ten sectors and a slot");
    let mut number = 0;
    let crashed = disk.crashed(|| {
        number += 1;
        number <= 3 || number == 11
    });
    let expected = states(&batches())[2].clone();
    assert_eq!(load(&crashed).unwrap().1, expected);
    let empty = SMALL.offset(4) as usize;
    let (name, bytes) = crashed.files().pop_first().unwrap();
    assert!(bytes[empty..empty + 512].iter().any(|&byte| byte != 0), "the batch that says so");
    for bit in 0..8 * 512 {
        let damaged = crashed.restarted();
        damaged.flip(&name, empty + bit / 8, (bit % 8) as u8);
        assert_eq!(load(&damaged).unwrap().1, expected, "bit {bit}");
    }
}

/// The slot that is lost is that of the first batch that is left: what it says of the segment's entries is known from
/// the batch alone, which tells how many there were before.
#[test]
fn a_segment_whose_first_slot_is_lost_stays_while_its_entries_do() {
    let disk = created();
    let (mut log, mut held) = load(&disk).unwrap();
    let mut write = |log: &mut Log, record: Record<Bytes>| {
        log.write(std::slice::from_ref(&record)).unwrap();
        log.prepare().unwrap();
        held.apply(&record);
    };
    write(&mut log, Record::Term(Term::new(1)));
    // Each takes a segment of its own.
    (1..=4).for_each(|index| write(&mut log, append(1, index, 17_000)));
    write(&mut log, Record::Compact { through: Index::new(2) });
    let names: Vec<_> = disk.files().into_keys().collect();
    assert!(!names.contains(&layout::file_name(3)) && names.contains(&layout::file_name(4)), "{names:?}");
    let slot = [0, 1].map(|sequence| SMALL.slot_offset(0, sequence) as usize);
    for byte in 0..64 {
        slot.iter().for_each(|place| disk.flip(&layout::file_name(4), place + byte, 3));
    }
    drop(log);
    let (mut log, found) = load(&disk).unwrap();
    log.prepare().unwrap();
    drop(log);
    assert!(disk.files().contains_key(&layout::file_name(4)), "its entries are not compacted");
    assert_eq!((&found, &load(&disk).unwrap().1), (&held, &held));
}

/// Two batches are known by their slots alone, since every sector of theirs reads as zeros: the first one was followed,
/// so it was acknowledged, and the second one was cut short. What is written next takes neither's place, nor that of
/// the first one's slot.
#[test]
fn where_all_sectors_of_a_batch_are_lost_nothing_takes_its_place() {
    let disk = created();
    let (mut log, _) = load(&disk).unwrap();
    log.write(&[Record::Term(Term::new(1)), append(1, 1, 10)]).unwrap();
    log.write(&[append(1, 2, 10)]).unwrap();
    let mut files = disk.files();
    let bytes = files.get_mut(&layout::file_name(1)).unwrap();
    bytes[SMALL.offset(0) as usize..SMALL.offset(SMALL.blocks) as usize].fill(0);
    let damaged = SimulatedDisk::holding(&files);
    let (mut log, mut found) = load(&damaged).unwrap();
    let first = Position { term: Term::new(1), index: Index::new(1) };
    assert_eq!((found.durable.log().last(), found.durable.faulty().first()), (first, Some(first.index)));
    for term in 2..5 {
        let next = Record::Term(Term::new(term));
        log.write(std::slice::from_ref(&next)).unwrap();
        found.apply(&next);
        assert_eq!(load(&damaged).unwrap().1, found);
    }
}
