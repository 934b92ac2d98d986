//! The ground that a server stands on: where its data is, and how it reaches its peers. All else is the same
//! whatever that is.

use std::io;
use std::sync::Arc;

use rafttree_model::Members;
use tokio::sync::mpsc;

use super::disk::Disk as LogDisk;
use super::executor::Executor;
use crate::api::error::Error;
use crate::api::node::WeakNode;
use crate::api::settings::Settings;
use crate::storage::disk::Disk;
use crate::storage::snapshot::Snapshots;
use crate::storage::{Identity, Incarnation, Storage, StorageError};
use crate::transport::{Carrier, Incoming};

/// The ground that a server stands on, which is its own until this value is dropped.
pub(crate) trait Ground: Send + 'static {
    /// The disk that the snapshots are on.
    type Disk: Disk + Sync;
    /// The log.
    type Log: Storage;

    /// Whose it is.
    fn owner(&self) -> (Identity, Incarnation);

    /// Refuses another group than the one that it was started with first.
    fn expect_group(&self, group: &Members) -> Result<(), StorageError>;

    /// The runtime for the server's tasks.
    fn executor(&self) -> io::Result<Executor> {
        Executor::own()
    }

    /// Opens the log; called once.
    fn open_log(&mut self) -> Result<Self::Log, StorageError>;

    /// Begins to write the log: on a thread of its own, since nobody knows how long a flush takes.
    fn start_disk(log: Self::Log) -> io::Result<LogDisk> {
        LogDisk::start(log)
    }

    /// Opens the snapshots; called once.
    fn open_snapshots(&mut self) -> Result<Snapshots<Self::Disk>, StorageError>;

    /// The way to the peers; what comes from them is told there.
    fn reach_peers(
        &mut self,
        settings: &Settings,
        snapshots: &Arc<Snapshots<Self::Disk>>,
        incoming: mpsc::Sender<Incoming>,
        executor: &Executor,
    ) -> Result<Box<dyn Carrier>, Error>;

    /// The server will run: writes the group down, if no start did so before, and lets others ask after the
    /// server once that can be done.
    fn settle(&mut self, group: &Members, node: WeakNode, executor: &Executor) -> Result<(), Error>;
}
