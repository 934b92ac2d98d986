//! Questions and requests, on their way from a handle to its server.

use std::sync::Arc;

use rafttree_model::ServerId;
use tokio::sync::oneshot;

use super::error::Error;
use super::reign::{Lost, Reign};
use super::status::{Status, Work};

/// What a handle asks of the server.
#[derive(Debug)]
pub(crate) enum Command {
    /// What does the server know?
    Status(oneshot::Sender<Status>),
    /// Leadership is to go to this peer, or to whoever is fit.
    HandOver { to: Option<ServerId>, reply: oneshot::Sender<Result<(), Error>> },
    /// A majority is to confirm the reign.
    Verify { reign: Arc<Reign>, reply: oneshot::Sender<Result<(), Lost>> },
    /// Nobody works under this reign any more.
    Released(Arc<Reign>),
    /// The service waits for a leadership, works under one, or does neither from now on.
    Work(Work),
    /// The server is to hand over, and to end.
    ShutDown,
}
