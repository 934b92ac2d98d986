//! The usual ground: a data directory, and TCP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rafttree_model::Members;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::executor::Executor;
use super::ground::Ground;
use crate::admin::{self, Door};
use crate::api::error::Error;
use crate::api::node::WeakNode;
use crate::api::settings::Settings;
use crate::storage::disk::FileSystem;
use crate::storage::snapshot::Snapshots;
use crate::storage::{self, Directory, FileStorage, Identity, Incarnation, Pins, Storage, StorageError};
use crate::transport::{Carrier, Config, Incoming, Transport};

/// Time for the system to resolve the name that is listened on.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(15);

/// A data directory, and what its log is wrapped in.
pub(super) struct Host<W> {
    directory: Arc<Directory>,
    wrap: Option<W>,
}

impl<W> Host<W> {
    /// Opens the directory, and makes sure that it is the one that was meant.
    pub(super) fn open(settings: &Settings, wrap: W) -> Result<Host<W>, Error> {
        if settings.init {
            init_once(settings)?;
        }
        let directory = Directory::open(&settings.directory)?;
        let Identity { cluster, id } = directory.identity;
        directory.expect(Identity { cluster: settings.cluster.unwrap_or(cluster), id: settings.id.unwrap_or(id) })?;
        Ok(Host { directory: Arc::new(directory), wrap: Some(wrap) })
    }
}

impl<S: Storage, W: FnOnce(FileStorage) -> S + Send + 'static> Ground for Host<W> {
    type Disk = FileSystem;
    type Log = S;

    fn owner(&self) -> (Identity, Incarnation) {
        (self.directory.identity, self.directory.incarnation)
    }

    fn expect_group(&self, group: &Members) -> Result<(), StorageError> {
        self.directory.expect_group(group)
    }

    fn open_log(&mut self) -> Result<S, StorageError> {
        let log = FileStorage::within(self.directory.clone())?;
        Ok(self.wrap.take().expect("the log is opened once")(log))
    }

    fn open_snapshots(&mut self) -> Result<Snapshots, StorageError> {
        Snapshots::open(self.directory.clone())
    }

    fn reach_peers(
        &mut self,
        settings: &Settings,
        snapshots: &Arc<Snapshots>,
        incoming: mpsc::Sender<Incoming>,
        executor: &Executor,
    ) -> Result<Box<dyn Carrier>, Error> {
        let config = config(&self.directory, settings, snapshots.clone())?;
        let transport = executor.block_on(listen(config, incoming));
        let refused = |source| Error::Listen { address: settings.listen.clone(), source };
        Ok(Box::new(transport.map_err(refused)?))
    }

    fn settle(&mut self, group: &Members, node: WeakNode, executor: &Executor) -> Result<(), Error> {
        self.directory.keep_group(group)?;
        let door = {
            let _entered = executor.enter();
            let lacks_door = |source| Error::System { what: "socket for whoever asks after it", source };
            Door::open(&self.directory.path).map_err(lacks_door)?
        };
        executor.spawn(async move { door.serve(move |request| admin::answer(node.clone(), request)).await });
        Ok(())
    }
}

/// Initialises the directory, unless that was done before.
fn init_once(settings: &Settings) -> Result<(), Error> {
    let (Some(cluster), Some(id)) = (settings.cluster, settings.id) else { return Ok(()) };
    match storage::init(&settings.directory, Identity { cluster, id }) {
        Ok(_) | Err(StorageError::AlreadyInitialised { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn config(directory: &Arc<Directory>, settings: &Settings, snapshots: Arc<Snapshots>) -> Result<Config, StorageError> {
    Ok(Config {
        cluster: directory.identity.cluster,
        id: directory.identity.id,
        incarnation: directory.incarnation,
        listen: settings.listen.clone(),
        peers: settings.peers.clone(),
        minimum_timeout: settings.policy.minimum_timeout,
        insecure: settings.insecure,
        pins: Arc::new(Pins::open(directory.clone())?),
        snapshots,
    })
}

/// Listens, and starts to call every peer.
async fn listen(config: Config, incoming: mpsc::Sender<Incoming>) -> io::Result<Transport> {
    let silent = |_| {
        let message = format!(
            "its name was not resolved within {LISTEN_TIMEOUT:?}: look at this machine's name servers, or give an address"
        );
        io::Error::new(io::ErrorKind::TimedOut, message)
    };
    timeout(LISTEN_TIMEOUT, Transport::start(config, incoming)).await.map_err(silent)?
}
