//! Settings of a server, checked.

use std::path::PathBuf;
use std::time::Duration;

use rafttree_model::ServerId;

use crate::core::driver::Policy;
use crate::storage::ClusterId;

/// Settings of a server, checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) directory: PathBuf,
    pub(crate) id: Option<ServerId>,
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) init: bool,
    pub(crate) listen: String,
    pub(crate) peers: Vec<(ServerId, String)>,
    pub(crate) policy: Policy,
    pub(crate) transfer_timeout: Duration,
    pub(crate) insecure: bool,
    /// How many bytes of the log make a snapshot.
    pub(crate) snapshot_after: u64,
    /// Whether a service's state machine is replicated: then the server campaigns without being asked to.
    pub(crate) has_machine: bool,
    /// Where a trace is kept, if one is.
    pub(crate) trace: Option<PathBuf>,
}
