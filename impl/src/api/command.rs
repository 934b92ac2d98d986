//! Questions and requests, on their way from a handle to its server.

use std::sync::Arc;

use bytes::Bytes;
use rafttree_model::ServerId;
use tokio::sync::oneshot;

use super::epoch::{Epoch, Lost};
use super::error::Error;
use super::status::{Status, Work};
use crate::core::request::{Job, Reply};
use crate::machine::apply::SnapshotReply;

/// A question or request of a handle to its server.
#[derive(Debug)]
pub(crate) enum Command {
    /// The server's status.
    Status(oneshot::Sender<Status>),
    /// Leadership is to go to this peer, or to whoever is fit.
    Transfer { to: Option<ServerId>, reply: oneshot::Sender<Result<(), Error>> },
    /// A majority is to confirm the epoch.
    Verify { epoch: Arc<Epoch>, reply: oneshot::Sender<Result<(), Lost>> },
    /// A command is proposed.
    Propose { command: Bytes, reply: Reply },
    /// The state machine is looked at, once it has applied all that was committed before.
    Read(Job),
    /// The state machine is looked at as it is.
    ReadStale(Job),
    /// A snapshot is to be made.
    Snapshot(SnapshotReply),
    /// Nobody works under this epoch any more.
    Released(Arc<Epoch>),
    /// The service waits for a leadership, works under one, or does neither from now on.
    Work(Work),
    /// The server is to transfer its leadership, and to end.
    ShutDown,
    /// The server is to end at once.
    Halt,
}
