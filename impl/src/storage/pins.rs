//! Which incarnation each peer is known by: written down when the two first met, never changed.
//!
//! A peer whose disk is another one has forgotten what it promised. That shows only to those who
//! remember the former one, whoever was down when it was exchanged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rafttree_model::ServerId;

use super::directory::Directory;
use super::disk::Disk;
use super::error::StorageError;
use super::identity::Incarnation;
use super::note;

const PINS_FILE: &str = "pins";

/// The incarnations of the peers' disks, as a data directory knows them.
#[derive(Debug)]
pub(crate) struct Pins {
    /// Locked until the last write has ended, whoever waits for it.
    directory: Arc<Directory>,
    /// The pins that are on the disk.
    kept: Mutex<BTreeMap<ServerId, Incarnation>>,
    /// Held by the one that writes.
    writing: Mutex<()>,
}

impl Pins {
    /// Reads what is known.
    pub(crate) fn open(directory: Arc<Directory>) -> Result<Pins, StorageError> {
        let kept = read(&directory.disk())?;
        Ok(Pins { directory, kept: Mutex::new(kept), writing: Mutex::default() })
    }

    /// The incarnation that this peer is known by, durably.
    pub(crate) fn of(&self, peer: ServerId) -> Option<Incarnation> {
        self.kept().get(&peer).copied()
    }

    /// Writes down the incarnation of a peer that has none yet, and says by which it is known now.
    /// Returns when that is durable, so it may take as long as the disk.
    pub(crate) fn keep(&self, peer: ServerId, seen: Incarnation) -> Result<Incarnation, StorageError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.of(peer) {
            return Ok(known);
        }
        let mut pins = self.kept().clone();
        pins.insert(peer, seen);
        write(&self.directory.disk(), &pins)?;
        *self.kept() = pins;
        Ok(seen)
    }

    #[cfg(test)]
    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<ServerId, Incarnation>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pins that are on this disk.
pub(super) fn read<D: Disk>(disk: &D) -> Result<BTreeMap<ServerId, Incarnation>, StorageError> {
    Ok(note::read(disk, PINS_FILE, parse)?.unwrap_or_default())
}

/// Puts these pins in place of those that are there.
pub(super) fn write<D: Disk>(disk: &D, pins: &BTreeMap<ServerId, Incarnation>) -> Result<(), StorageError> {
    note::write(disk, PINS_FILE, &render(pins))
}

fn render(pins: &BTreeMap<ServerId, Incarnation>) -> String {
    pins.iter().map(|(peer, incarnation)| format!("server {peer} incarnation {incarnation}\n")).collect()
}

fn parse(lines: &str) -> Option<BTreeMap<ServerId, Incarnation>> {
    let pin = |line: &str| {
        let (peer, incarnation) = line.strip_prefix("server ")?.split_once(" incarnation ")?;
        Some((ServerId::new(peer.parse().ok()?), incarnation.parse().ok()?))
    };
    lines.lines().map(pin).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::storage::{ClusterId, Identity, init};

    const TWO: ServerId = ServerId::new(2);
    const THREE: ServerId = ServerId::new(3);
    const FIRST: Incarnation = Incarnation::from_bytes([1; 16]);
    const OTHER: Incarnation = Incarnation::from_bytes([2; 16]);

    fn directory(root: &tempfile::TempDir) -> Arc<Directory> {
        let _ = init(root.path(), Identity { cluster: ClusterId::random(), id: ServerId::new(1) });
        Arc::new(Directory::open(root.path()).unwrap())
    }

    #[test]
    fn what_was_seen_first_is_known_for_ever() {
        let root = tempfile::tempdir().unwrap();
        let pins = Pins::open(directory(&root)).unwrap();
        assert_eq!(pins.of(TWO), None);
        assert_eq!(pins.keep(TWO, FIRST).unwrap(), FIRST);
        assert_eq!(pins.keep(TWO, OTHER).unwrap(), FIRST);
        assert_eq!(pins.keep(THREE, OTHER).unwrap(), OTHER);
        drop(pins);
        let pins = Pins::open(directory(&root)).unwrap();
        assert_eq!((pins.of(TWO), pins.of(THREE)), (Some(FIRST), Some(OTHER)));
        assert_eq!(pins.keep(TWO, OTHER).unwrap(), FIRST);
        let text = fs::read_to_string(root.path().join(PINS_FILE)).unwrap();
        assert!(text.contains(&format!("server 2 incarnation {FIRST}\n")), "people can read it: {text}");
    }

    #[test]
    fn what_could_not_be_written_down_is_not_known() {
        let root = tempfile::tempdir().unwrap();
        let pins = Pins::open(directory(&root)).unwrap();
        let obstacle = root.path().join("pins.new");
        fs::create_dir(&obstacle).unwrap();
        let failed = pins.keep(TWO, FIRST).unwrap_err().to_string();
        assert!(failed.contains("pins.new"), "{failed}");
        assert_eq!(pins.of(TWO), None);
        fs::remove_dir(&obstacle).unwrap();
        assert_eq!(pins.keep(TWO, OTHER).unwrap(), OTHER, "there is no trace of it");
    }

    #[test]
    fn damaged_pins_are_refused() {
        let root = tempfile::tempdir().unwrap();
        Pins::open(directory(&root)).unwrap().keep(TWO, FIRST).unwrap();
        let path = root.path().join(PINS_FILE);
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, whole.replacen("server 2", "server 3", 1)).unwrap();
        assert!(matches!(Pins::open(directory(&root)), Err(StorageError::Foreign { .. })));
    }
}
