//! All that a server keeps in its data directory, on a simulated disk, opened in the order in which a server
//! opens it.

use std::collections::BTreeMap;

use bytes::Bytes;
use rafttree_model::{Members, Record, ServerId};

use super::disk::SimulatedDisk;
use super::former;
use crate::storage::disk::{Disk as _, DiskFile as _};
use crate::storage::error::{Attempt as _, StorageError};
use crate::storage::helper::Helper;
use crate::storage::identity::{Identity, Incarnation};
use crate::storage::interface::Recovered;
use crate::storage::layout::Layout;
use crate::storage::log::SegmentedLog;
use crate::storage::snapshot::Snapshots;
use crate::storage::{convert, directory, group, init, pins};

/// A directory that is open, and what was found in it.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) identity: Identity,
    pub(crate) owner: Incarnation,
    pub(crate) log: SegmentedLog<SimulatedDisk>,
    pub(crate) recovered: Recovered,
    pub(crate) snapshots: Snapshots<SimulatedDisk>,
    pub(crate) group: Option<Members>,
    pub(crate) pins: BTreeMap<ServerId, Incarnation>,
    disk: SimulatedDisk,
}

impl Whole {
    /// Makes the files of a new directory, unless it has an identity: then it may not be durable, and nothing is
    /// told of it before a start.
    pub(crate) fn init(
        disk: &SimulatedDisk,
        identity: Identity,
        owner: Incarnation,
        usual: Layout,
    ) -> Result<bool, StorageError> {
        match directory::read_identity(disk)? {
            Some(_) => Ok(false),
            None => init::fill(disk, identity, owner, usual).map(|()| true),
        }
    }

    /// Makes a directory with a log of format 1 that holds these batches.
    pub(crate) fn former(
        disk: &SimulatedDisk,
        identity: Identity,
        owner: Incarnation,
        batches: &[Vec<Record<Bytes>>],
    ) -> Result<(), StorageError> {
        directory::write_identity(disk, identity, owner)?;
        let path = disk.path(former::FILE);
        let file = disk.create(former::FILE).attempt("create", &path)?;
        file.write_all_at(&former::log(owner, batches), 0).attempt("write", &path)
    }

    /// Opens a directory.
    pub(crate) fn open(disk: &SimulatedDisk, usual: Layout) -> Result<Whole, StorageError> {
        let missing = || StorageError::NoIdentity { directory: "disk".into() };
        let (identity, owner) = directory::read_identity(disk)?.ok_or_else(missing)?;
        let group = group::read(disk)?;
        convert::convert(disk, owner, usual)?;
        let mut log = SegmentedLog::open(disk.clone(), owner, usual)?.with_helper(Helper::Itself(1));
        let recovered = log.load()?;
        let snapshots = Snapshots::within(disk.clone(), owner, None)?;
        let pins = pins::read(disk)?;
        Ok(Whole { identity, owner, log, recovered, snapshots, group, pins, disk: disk.clone() })
    }

    /// Writes down the group.
    pub(crate) fn keep_group(&mut self, members: &Members) -> Result<(), StorageError> {
        group::write(&self.disk, members)?;
        self.group = Some(*members);
        Ok(())
    }

    /// Writes down the incarnation of a peer.
    pub(crate) fn pin(&mut self, peer: ServerId, incarnation: Incarnation) -> Result<(), StorageError> {
        let mut pins = self.pins.clone();
        pins.entry(peer).or_insert(incarnation);
        pins::write(&self.disk, &pins)?;
        self.pins = pins;
        Ok(())
    }

    /// The disk that it is on.
    pub(crate) fn disk(&self) -> &SimulatedDisk {
        &self.disk
    }
}
