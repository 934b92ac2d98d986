//! The simulated disk does what its front page says.

use std::collections::BTreeSet;

use super::content::Content;
use super::sectors::Sectors;
use super::{Fault, SimulatedDisk};
use crate::simulate::Random;
use crate::storage::disk::{Disk as _, DiskFile as _};

fn written() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    let file = disk.create("file").unwrap();
    file.write_all_at(&[1; 1024], 0).unwrap();
    file.sync_all().unwrap();
    disk.sync().unwrap();
    disk
}

#[test]
fn what_was_flushed_is_kept_and_what_was_not_is_kept_by_sectors() {
    let disk = written();
    disk.open("file").unwrap().write_all_at(&[2; 700], 100).unwrap();
    assert_eq!(disk.undecided(), 2);
    let kept = |first, second| {
        let mut keeps = [first, second].into_iter();
        disk.crashed(|| keeps.next().unwrap()).files().remove("file").unwrap()
    };
    assert_eq!(kept(false, false), [1; 1024]);
    assert_eq!(
        (&kept(true, false)[..], &kept(false, true)[..]),
        (&[&[1; 100][..], &[2; 412], &[1; 512]].concat()[..], &[&[1; 512][..], &[2; 288], &[1; 224]].concat()[..],)
    );
}

#[test]
fn names_are_durable_once_the_directory_is_flushed() {
    let disk = written();
    disk.rename("file", "other").unwrap();
    assert_eq!(disk.undecided(), 1);
    assert!(disk.crashed(|| false).files().contains_key("file"));
    assert!(disk.crashed(|| true).files().contains_key("other"));
    disk.sync().unwrap();
    assert!(disk.crashed(|| false).files().contains_key("other"));
    let unnamed = SimulatedDisk::default();
    unnamed.create("file").unwrap().sync_all().unwrap();
    assert!(unnamed.crashed(|| false).files().is_empty());
}

#[test]
fn without_power_nothing_is_done_and_what_was_flushed_is_kept() {
    let disk = written();
    let file = disk.open("file").unwrap();
    file.write_all_at(&[2; 512], 0).unwrap();
    file.sync_data().unwrap();
    file.write_all_at(&[3; 512], 512).unwrap();
    disk.create("unnamed").unwrap().sync_all().unwrap();
    let kept = disk.lose_power();
    file.sync_data().unwrap_err();
    disk.sync().unwrap_err();
    let kept = kept.files();
    assert_eq!((kept.len(), &kept["file"][..]), (1, &[[2; 512], [1; 512]].concat()[..]));
}

#[test]
fn calls_fail_as_planned() {
    let disk = written();
    let calls = disk.calls();
    disk.plan(calls + 1, Fault::Short);
    disk.plan(calls + 2, Fault::Error);
    disk.plan(calls + 4, Fault::Crash);
    let file = disk.open("file").unwrap();
    assert_eq!(file.write_at(&[3; 10], 0).unwrap(), 5);
    file.sync_data().unwrap_err();
    assert_eq!(disk.undecided(), 0, "it is forgotten");
    assert_eq!((disk.files()["file"][0], disk.crashed(|| true).files()["file"][0]), (3, 1));
    assert_eq!(file.len().unwrap(), 1024);
    disk.sync().unwrap_err();
    file.len().unwrap_err();
}

#[test]
fn flushes_can_lie() {
    let disk = written();
    disk.lie();
    let file = disk.open("file").unwrap();
    file.write_all_at(&[4; 1], 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(disk.crashed(|| false).files()["file"][0], 1);
}

#[test]
fn a_full_disk_takes_what_was_reserved_and_nothing_new() {
    let disk = written();
    disk.set_full(true);
    let file = disk.open("file").unwrap();
    file.write_all_at(&[5; 1024], 0).unwrap();
    for refused in [file.write_all_at(&[5; 1], 1024), file.reserve(1025)] {
        assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }
    disk.set_full(false);
    file.write_all_at(&[5; 1], 1024).unwrap();
}

#[test]
fn a_bit_that_has_flipped_stays_so() {
    let disk = written();
    disk.flip("file", 7, 3);
    assert_eq!(disk.files()["file"][7], 1 ^ 8);
    assert_eq!(disk.crashed(|| false).files()["file"][7], 1 ^ 8);
}

#[test]
fn a_flush_of_the_directory_that_fails_forgets_and_none_after_it_is_believed() {
    let disk = written();
    disk.create("forgotten").unwrap();
    disk.rename("file", "renamed").unwrap();
    disk.fail_next_sync();
    disk.clone().sync().unwrap_err();
    let calls = disk.calls();
    disk.sync().unwrap_err();
    assert_eq!((disk.calls(), disk.syncs().check().is_err()), (calls, true), "it is not tried again");
    disk.create("later").unwrap();
    disk.remove("renamed").unwrap();
    disk.try_sync().unwrap();
    let names = |disk: &SimulatedDisk| disk.files().into_keys().collect::<Vec<_>>();
    assert_eq!(names(&disk.crashed(|| false)), ["file", "later"], "the system has said nothing of the others");
    assert_eq!(names(&disk.crashed(|| true)), ["forgotten", "later"], "what was said since counts");
    let restarted = disk.restarted();
    restarted.sync().unwrap();
    assert_eq!(names(&restarted.crashed(|| false)), ["forgotten", "later"], "the next process begins anew");
}

/// What is kept in pages and ranges is what an array and a set of sectors would keep.
#[test]
fn bytes_and_sectors_are_those_that_were_written() {
    let mut random = Random::stream(3, 1);
    let (mut content, mut copy) = (Content::default(), Content::default());
    let (mut bytes, mut copied) = (Vec::new(), Vec::new());
    let (mut sectors, mut dirty) = (Sectors::default(), BTreeSet::new());
    for number in 0..2000 {
        let (start, length) = (random.below(20_000) as usize, random.below(9_000) as usize);
        let written = vec![if random.chance(40) { 0 } else { number as u8 }; length];
        content.write(&written, start);
        bytes.resize(bytes.len().max(start + length), 0);
        bytes[start..start + length].copy_from_slice(&written);
        let range = start / 512..(start + length).div_ceil(512).min(start / 512 + 3);
        sectors.add(range.clone());
        dirty.extend(range);
        assert_eq!(content.to_vec(), bytes, "{number}");
        assert_eq!(sectors.clone().into_ranges().flatten().collect::<BTreeSet<_>>(), dirty, "{number}");
        if random.chance(10) {
            (copy, copied) = (content.clone(), bytes.clone());
        }
        let range = start / 2..(start + length / 2).min(bytes.len());
        let agree = copied.get(range.clone()) == Some(&bytes[range.clone()]);
        assert_eq!(copy.agrees(&content, range.clone()), agree, "{number}");
        copy.take_over(&content, range.clone());
        copied.resize(copied.len().max(range.end), 0);
        copied[range.clone()].copy_from_slice(&bytes[range]);
        assert_eq!(copy.to_vec(), copied, "{number}");
        if random.chance(20) {
            (sectors, dirty) = Default::default();
        }
    }
}

#[test]
fn a_file_without_a_name_takes_no_room_once_nobody_has_it_open() {
    let disk = written();
    let file = disk.open("file").unwrap();
    disk.remove("file").unwrap();
    disk.sync().unwrap();
    assert_eq!((file.len().unwrap(), disk.held_bytes()), (1024, 1024));
    drop(file);
    disk.sync().unwrap();
    assert_eq!(disk.held_bytes(), 0);
}
