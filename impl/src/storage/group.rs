//! Which servers make the group: written down when a directory is first started, never changed.
//!
//! Majorities of unequal groups need not overlap, so two leaders of one term could be elected.

use rafttree_model::{Members, ServerId};

use super::disk::Disk;
use super::error::StorageError;
use super::note;

const GROUP_FILE: &str = "group";

/// The group that was written down, if there is one.
pub(super) fn read<D: Disk>(disk: &D) -> Result<Option<Members>, StorageError> {
    note::read(disk, GROUP_FILE, parse)
}

/// Writes the group down.
pub(super) fn write<D: Disk>(disk: &D, group: &Members) -> Result<(), StorageError> {
    let servers: Vec<String> = group.ids().map(|id| id.to_string()).collect();
    note::write(disk, GROUP_FILE, &format!("servers {}\n", servers.join(" ")))
}

fn parse(lines: &str) -> Option<Members> {
    let servers = lines.strip_prefix("servers ")?.trim_end().split(' ');
    let servers: Option<Vec<_>> = servers.map(|id| id.parse().ok().map(ServerId::new)).collect();
    Members::new(servers?).ok()
}
