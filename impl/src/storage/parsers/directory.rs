//! The small files of a directory, and the names of its files.

use std::collections::BTreeMap;

use rafttree_model::{Members, ServerId};

use crate::fuzz::{Draw, Format};

use crate::storage::error::StorageError;
use crate::storage::identity::{ClusterId, Identity, Incarnation};
use crate::storage::simulate::SimulatedDisk;
use crate::storage::{directory, group, layout, pins};

/// The file of this name, as `write` leaves it.
fn written(name: &str, write: impl FnOnce(&SimulatedDisk) -> Result<(), StorageError>) -> Vec<u8> {
    let disk = SimulatedDisk::default();
    write(&disk).expect("nothing fails on this disk");
    disk.files().remove(name).unwrap_or_default()
}

/// A disk with this file alone.
pub(super) fn holding(name: &str, bytes: &[u8]) -> SimulatedDisk {
    SimulatedDisk::holding(&BTreeMap::from([(name.to_owned(), bytes.to_vec())]))
}

/// Makes the checksum in the last line right.
fn repair_note(bytes: &mut [u8]) {
    const WORD: &[u8] = b"checksum ";
    let Some(at) = bytes.windows(WORD.len()).rposition(|window| window == WORD) else { return };
    let (text, last) = bytes.split_at_mut(at);
    let checksum = format!("{:08x}", crc32fast::hash(text));
    if let Some(digits) = last.get_mut(WORD.len()..WORD.len() + checksum.len()) {
        digits.copy_from_slice(checksum.as_bytes());
    }
}

/// Who a directory belongs to.
pub(super) struct Identities;

impl Format for Identities {
    type Value = (Identity, Incarnation);

    const NAME: &'static str = "identities";

    fn draw(draw: &mut Draw<'_>) -> (Identity, Incarnation) {
        let (cluster, id) = (ClusterId::from_bytes(draw.array()), ServerId::new(1 + draw.short_number() / 2));
        (Identity { cluster, id }, Incarnation::from_bytes(draw.array()))
    }

    fn encode((identity, incarnation): &(Identity, Incarnation)) -> Vec<u8> {
        written("identity", |disk| directory::write_identity(disk, *identity, *incarnation))
    }

    fn decode(bytes: &[u8]) -> Option<(Identity, Incarnation)> {
        directory::read_identity(&holding("identity", bytes)).ok()?
    }

    fn held(_: &(Identity, Incarnation)) -> usize {
        size_of::<(Identity, Incarnation)>()
    }

    fn repair(bytes: &mut [u8]) {
        repair_note(bytes);
    }
}

/// The servers of a group.
pub(super) struct Groups;

impl Format for Groups {
    type Value = Members;

    const NAME: &'static str = "groups";

    fn draw(draw: &mut Draw<'_>) -> Members {
        let first = 1 + draw.below(1000) as u32;
        let count = 1 + draw.below(5) as u32;
        Members::new((first..first + count).map(ServerId::new)).expect("they are few, and each is another one")
    }

    fn encode(value: &Members) -> Vec<u8> {
        written("group", |disk| group::write(disk, value))
    }

    fn decode(bytes: &[u8]) -> Option<Members> {
        group::read(&holding("group", bytes)).ok()?
    }

    fn held(_: &Members) -> usize {
        size_of::<Members>()
    }

    fn repair(bytes: &mut [u8]) {
        repair_note(bytes);
    }
}

/// The incarnations that peers are known by.
pub(super) struct AllPins;

impl Format for AllPins {
    type Value = BTreeMap<ServerId, Incarnation>;

    const NAME: &'static str = "pins";

    fn draw(draw: &mut Draw<'_>) -> BTreeMap<ServerId, Incarnation> {
        let pin = |draw: &mut Draw<'_>| (ServerId::new(draw.short_number()), Incarnation::from_bytes(draw.array()));
        draw.list(5, pin).into_iter().collect()
    }

    fn encode(value: &BTreeMap<ServerId, Incarnation>) -> Vec<u8> {
        written("pins", |disk| pins::write(disk, value))
    }

    fn decode(bytes: &[u8]) -> Option<BTreeMap<ServerId, Incarnation>> {
        pins::read(&holding("pins", bytes)).ok()
    }

    fn held(value: &BTreeMap<ServerId, Incarnation>) -> usize {
        value.len() * size_of::<(ServerId, Incarnation)>()
    }

    fn repair(bytes: &mut [u8]) {
        repair_note(bytes);
    }
}

/// The names of segments.
pub(super) struct FileNames;

impl Format for FileNames {
    type Value = u64;

    const NAME: &'static str = "names of segments";

    fn draw(draw: &mut Draw<'_>) -> u64 {
        draw.number()
    }

    fn encode(value: &u64) -> Vec<u8> {
        layout::file_name(*value).into()
    }

    fn decode(bytes: &[u8]) -> Option<u64> {
        layout::segment_number(str::from_utf8(bytes).ok()?)
    }

    fn held(_: &u64) -> usize {
        0
    }
}
