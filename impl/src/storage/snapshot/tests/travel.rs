//! Snapshots on their way from one disk to another.

use super::*;
use crate::storage::disk::DiskFile as _;
use crate::storage::snapshot::format::{END_BYTES, HEADER_BYTES, MAX_PART_BYTES, arriving_position};
use crate::storage::snapshot::{ArrivalError, Offer, Outgoing, OutgoingError};

const THEIRS: Incarnation = Incarnation::from_bytes([9; 16]);
const LAST: Position = Position { term: Term::new(3), index: Index::new(10) };

/// Several reads of the sender, the last chunk short.
const LENGTH: usize = 6 * CHUNK_BYTES + 700;

/// The disk of a server that has this snapshot.
fn sender(last: Position, bytes: &[u8]) -> (SimulatedDisk, Snapshots<SimulatedDisk>) {
    let disk = SimulatedDisk::default();
    let snapshots = Snapshots::within(disk.clone(), THEIRS, None).unwrap();
    write(&snapshots, last, bytes).unwrap();
    (disk, snapshots)
}

fn outgoing(bytes: &[u8]) -> Outgoing<SimulatedDisk> {
    sender(LAST, bytes).1.send(LAST).unwrap().unwrap()
}

/// Sends all, or so many reads; where it began. `None` if the snapshot was there.
fn send(
    from: &Outgoing<SimulatedDisk>,
    to: &Snapshots<SimulatedDisk>,
    reads: usize,
) -> Result<Option<u64>, ArrivalError> {
    let Some(mut arrival) = to.receive(from.offer, || {})? else { return Ok(None) };
    let begun = arrival.offset();
    assert!(from.may_begin_at(begun));
    for _ in 0..reads {
        let bytes = from.read(arrival.offset()).unwrap();
        if bytes.is_empty() {
            arrival.finish(|| {})?;
            break;
        }
        arrival.add(arrival.offset(), &bytes)?;
    }
    Ok(Some(begun))
}

fn arriving(disk: &SimulatedDisk) -> usize {
    disk.files().keys().filter(|name| arriving_position(name).is_some()).count()
}

#[test]
fn a_snapshot_arrives_as_it_was_sent_and_is_the_receivers_own() {
    for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 4 * CHUNK_BYTES, LENGTH] {
        let (from, disk) = (outgoing(&content(length)), SimulatedDisk::default());
        let to = opened(&disk);
        assert_eq!(send(&from, &to, usize::MAX).unwrap(), Some(HEADER_BYTES as u64));
        let arrived = to.newest().unwrap();
        assert_eq!((arrived.last, arrived.hash), (LAST, from.offer.hash));
        assert_eq!(read(&to, &arrived), content(length));
        assert_eq!(held(&disk.crashed(|| false)), Some((LAST, content(length))));
        assert_eq!(disk.files().len(), 1);
        assert_eq!(send(&from, &to, usize::MAX).unwrap(), None, "it is there");
        let (_, older) = sender(at(2, 9), b"older");
        assert_eq!(send(&older.send(at(2, 9)).unwrap().unwrap(), &to, usize::MAX).unwrap(), None);
    }
}

#[test]
fn a_later_attempt_goes_on_where_the_earlier_stopped() {
    let (from, disk) = (outgoing(&content(LENGTH)), SimulatedDisk::default());
    let mut begun = Vec::new();
    while opened(&disk).newest().is_none() {
        // With the snapshots opened anew, as after a restart of the receiver.
        begun.push(send(&from, &opened(&disk), 1).unwrap().unwrap());
        assert!(begun.len() < 10);
    }
    let end = from.offer.bytes;
    let four_parts = (4 * MAX_PART_BYTES) as u64;
    assert_eq!(begun, [HEADER_BYTES as u64, HEADER_BYTES as u64 + four_parts, end]);
    assert_eq!((held(&disk), arriving(&disk)), (Some((LAST, content(LENGTH))), 0));
}

#[test]
fn what_was_begun_of_another_snapshot_is_thrown_away() {
    let other_bytes = sender(LAST, &content(LENGTH + 1)).1.send(LAST).unwrap().unwrap();
    let other_last = sender(at(3, 9), &content(LENGTH)).1.send(at(3, 9)).unwrap().unwrap();
    let disk = SimulatedDisk::default();
    for from in [outgoing(&content(LENGTH)), other_bytes, other_last, outgoing(&content(LENGTH))] {
        assert_eq!(send(&from, &opened(&disk), 1).unwrap(), Some(HEADER_BYTES as u64));
        assert_eq!(arriving(&disk), 1);
    }
    // The service has made a later one itself.
    write(&opened(&disk), at(3, 12), b"later").unwrap();
    assert_eq!(arriving(&disk), 1);
    let snapshots = opened(&disk);
    assert_eq!(arriving(&disk), 0);
    assert_eq!(send(&outgoing(&content(LENGTH)), &snapshots, 1).unwrap(), None);
}

#[test]
fn whatever_the_receivers_disk_does_it_arrives_or_nothing_has() {
    let from = outgoing(&content(LENGTH));
    let started = || {
        let disk = SimulatedDisk::default();
        write(&opened(&disk), at(2, 9), b"former").unwrap();
        // So that what is begun is read again as well.
        send(&from, &opened(&disk), 1).unwrap();
        disk
    };
    let attempt = |disk: &SimulatedDisk| {
        let Ok(snapshots) = Snapshots::within(disk.clone(), OWNER, None) else { return false };
        let sent = send(&from, &snapshots, usize::MAX);
        assert_eq!(sent.is_ok(), snapshots.newest().is_some_and(|newest| newest.last == LAST));
        sent.is_ok()
    };
    let clean = started();
    let begun = clean.calls();
    assert!(attempt(&clean));
    for fault in [Fault::Crash, Fault::Error, Fault::Short, Fault::NoRoom] {
        for call in begun..clean.calls() {
            let disk = started();
            disk.plan(call, fault);
            let has_arrived = attempt(&disk);
            for image in images(&disk, call + 1, 5) {
                let found = held(&image).unwrap();
                let is_former = found == (at(2, 9), b"former".to_vec());
                assert!(is_former && !has_arrived || found == (LAST, content(LENGTH)), "{fault:?} at {call}");
                assert!(attempt(&image), "{fault:?} at {call}");
                assert_eq!(held(&image), Some((LAST, content(LENGTH))));
                assert_eq!(arriving(&image), 0);
            }
        }
    }
}

#[test]
fn a_disk_without_room_is_told_from_a_broken_one_and_is_left_as_it_was() {
    let from = outgoing(&content(LENGTH));
    for (fault, lacks_room) in [(Fault::NoRoom, true), (Fault::Error, false)] {
        let disk = SimulatedDisk::default();
        let to = opened(&disk);
        // List, open, create, write the header, reserve.
        disk.plan(disk.calls() + 4, fault);
        let error = send(&from, &to, usize::MAX).unwrap_err();
        assert_eq!(error.is_lack_of_room(), lacks_room, "{error}");
        assert!(disk.files().is_empty());
    }
}

#[test]
fn a_disk_that_loses_what_has_arrived_shows_before_it_counts() {
    let (from, disk) = (outgoing(&content(LENGTH)), SimulatedDisk::default());
    let to = opened(&disk);
    disk.lie();
    let error = send(&from, &to, usize::MAX).unwrap_err();
    assert!(matches!(error, ArrivalError::Damaged(_)), "{error}");
    assert_eq!((to.newest(), disk.files().len()), (None, 0));
}

#[test]
fn a_part_of_which_a_bit_is_wrong_is_not_written() {
    let from = outgoing(&content(300));
    let bytes = from.read(HEADER_BYTES as u64).unwrap();
    for bit in 0..8 * bytes.len() {
        let disk = SimulatedDisk::default();
        let to = opened(&disk);
        let mut arrival = to.receive(from.offer, || {}).unwrap().unwrap();
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(arrival.add(HEADER_BYTES as u64, &damaged).is_err(), "bit {bit}");
        drop(arrival);
        assert_eq!(opened(&disk).newest(), None);
        assert_eq!(send(&from, &opened(&disk), usize::MAX).unwrap(), Some(HEADER_BYTES as u64));
        assert_eq!(held(&disk), Some((LAST, content(300))));
    }
}

/// As a disk leaves it that loses what it has confirmed, or as somebody changes it.
#[test]
fn what_was_begun_counts_up_to_its_first_damage() {
    let (from, disk) = (outgoing(&content(LENGTH)), SimulatedDisk::default());
    send(&from, &opened(&disk), 1).unwrap();
    let files = disk.files();
    let part = |number: usize| HEADER_BYTES + number * MAX_PART_BYTES;
    for (at, offset) in [(3, 0), (part(0), 0), (part(1) - 1, 0), (part(2) + 9, 2), (part(3) + 4, 3)] {
        let mut damaged = files.clone();
        let (name, mut bytes) = damaged.pop_first().unwrap();
        bytes[at] ^= 0x40;
        damaged.insert(name, bytes);
        let disk = SimulatedDisk::holding(&damaged);
        assert_eq!(send(&from, &opened(&disk), usize::MAX).unwrap(), Some(part(offset) as u64), "byte {at}");
        assert_eq!(held(&disk), Some((LAST, content(LENGTH))));
    }
}

#[test]
fn what_no_sender_should_say_is_refused_and_spoils_nothing() {
    let (from, disk) = (outgoing(&content(LENGTH)), SimulatedDisk::default());
    let to = opened(&disk);
    let shortest = (HEADER_BYTES + END_BYTES) as u64;
    for bytes in [0, 1, shortest - 1, shortest + 1, shortest + 8, i64::MAX as u64, u64::MAX] {
        let refused = to.receive(Offer { bytes, ..from.offer }, || {});
        assert!(matches!(refused, Err(ArrivalError::Nonsense(_))), "{bytes} bytes");
    }
    assert!(disk.files().is_empty());
    let begin = HEADER_BYTES as u64;
    let parts = from.read(begin).unwrap();
    let more = [&parts[..], &from.read(begin + parts.len() as u64).unwrap(), b"more"].concat();
    for (offset, bytes) in [
        (begin, &[][..]),
        (begin + 1, &parts[..]),
        (0, &parts),
        (u64::MAX, &parts),
        (begin, &parts[..parts.len() - 1]),
        (begin, &more),
    ] {
        let mut arrival = to.receive(from.offer, || {}).unwrap().unwrap();
        let refused = arrival.add(offset, bytes);
        assert!(matches!(refused, Err(ArrivalError::Nonsense(_))), "{refused:?}");
    }
    let arrival = to.receive(from.offer, || {}).unwrap().unwrap();
    assert!(matches!(arrival.finish(|| {}), Err(ArrivalError::Nonsense(_))));
    let mut longer = outgoing(&content(LENGTH));
    longer.offer.bytes += 1;
    assert!(matches!(send(&longer, &to, 9), Err(ArrivalError::Nonsense(_))));
    let other = Offer { hash: [7; 32], ..from.offer };
    let mut arrival = to.receive(other, || {}).unwrap().unwrap();
    arrival.add(begin, &parts).unwrap();
    let end = arrival.add(arrival.offset(), &from.read(arrival.offset()).unwrap());
    assert!(matches!(end, Err(ArrivalError::Damaged(_))), "{end:?}");
    drop(arrival);
    assert!(disk.files().is_empty(), "what is not what was offered has to begin anew");
    assert_eq!(send(&from, &to, usize::MAX).unwrap(), Some(begin));
}

#[test]
fn a_sender_notices_what_its_own_disk_has_damaged() {
    let (disk, snapshots) = sender(LAST, &content(300));
    let from = snapshots.send(LAST).unwrap().unwrap();
    let bytes = disk.files().remove(&file_name(LAST)).unwrap();
    let file = crate::storage::disk::Disk::open(&disk, &file_name(LAST)).unwrap();
    for bit in 8 * HEADER_BYTES..8 * bytes.len() {
        let byte = [bytes[bit / 8] ^ 1 << (bit % 8)];
        file.write_all_at(&byte, bit as u64 / 8).unwrap();
        let mut offset = HEADER_BYTES as u64;
        let error = loop {
            match from.read(offset) {
                Ok(parts) if parts.is_empty() => panic!("bit {bit} went unnoticed"),
                Ok(parts) => offset += parts.len() as u64,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, OutgoingError::Damaged(_)), "bit {bit}: {error}");
        file.write_all_at(&bytes[bit / 8..=bit / 8], bit as u64 / 8).unwrap();
    }
    assert_eq!(from.read(HEADER_BYTES as u64).unwrap(), bytes[HEADER_BYTES..]);
}

#[test]
fn a_file_is_sent_from_where_a_part_begins() {
    for length in [0, 5, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 5] {
        let from = outgoing(&content(length));
        let (mut offset, mut begins) = (HEADER_BYTES as u64, vec![from.offer.bytes]);
        while offset < from.offer.bytes {
            begins.push(offset);
            offset += (MAX_PART_BYTES as u64).min(from.offer.bytes - END_BYTES as u64 - offset);
            if begins.last() == Some(&offset) {
                break;
            }
        }
        for offset in (0..from.offer.bytes + 3).chain([u64::MAX]) {
            assert_eq!(from.may_begin_at(offset), begins.contains(&offset), "{offset} of {length}");
        }
    }
}

#[test]
fn what_is_removed_while_it_is_sent_is_sent_to_its_end() {
    let (_, snapshots) = sender(LAST, &content(LENGTH));
    let from = snapshots.send(LAST).unwrap().unwrap();
    assert!(snapshots.send(at(2, 9)).unwrap().is_none());
    let [_, _] = [at(4, 20), at(4, 21)].map(|last| write(&snapshots, last, b"later").unwrap());
    snapshots.remove_older(at(4, 21)).unwrap();
    assert!(snapshots.send(LAST).unwrap().is_none());
    let disk = SimulatedDisk::default();
    send(&from, &opened(&disk), usize::MAX).unwrap();
    assert_eq!(held(&disk), Some((LAST, content(LENGTH))));
}

/// The flush of what has arrived fails, and the process ends before it has removed the file: what the next one finds of
/// it is in the operating system's memory alone.
#[test]
fn what_a_failed_flush_left_in_memory_is_not_taken_for_durable() {
    let from = outgoing(&content(LENGTH));
    let clean = SimulatedDisk::default();
    send(&from, &opened(&clean), usize::MAX).unwrap();
    for call in clean.changing_calls() {
        let disk = SimulatedDisk::default();
        disk.plan(call, Fault::Error);
        disk.plan(call + 1, Fault::Crash);
        let _ = send(&from, &opened(&disk), usize::MAX);
        let next = disk.restarted();
        next.keep_cached();
        send(&from, &opened(&next), usize::MAX).unwrap();
        // A server opens its log first, which flushes the directory.
        crate::storage::disk::Disk::sync(&next).unwrap();
        assert_eq!(held(&next.crashed(|| false)), Some((LAST, content(LENGTH))), "an error at call {call}");
    }
}
