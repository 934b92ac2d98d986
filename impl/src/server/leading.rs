//! The leadership that a server holds, and what was asked about it.

use std::sync::Arc;

use rafttree_model::{ReadIndices, ServerId};
use tokio::sync::{oneshot, watch};

use crate::api::epoch::{Epoch, Lost};
use crate::api::error::Error;
use crate::api::status::Work;
use crate::core::stamp::Stamp;

/// The present leadership, and what concerns it.
pub(super) struct Leading {
    // Dropped first: nobody may rely on a leadership that has no server.
    epoch: CurrentEpoch,
    epochs: watch::Sender<Option<Arc<Epoch>>>,
    pub(super) transfer: Option<Transfer>,
    pub(super) work: Work,
    /// Until when somebody must have begun to work under the present epoch.
    pub(super) unclaimed: Option<Stamp>,
    /// The callers that wait for a majority to confirm the leadership.
    pub(super) verifications: ReadIndices<VerifyReply>,
}

/// The answer to a caller: a majority has confirmed the leadership, or it is over.
pub(super) type VerifyReply = oneshot::Sender<Result<(), Lost>>;

/// A transfer that waits for the work under the leadership to end.
pub(super) struct Transfer {
    pub(super) to: Option<ServerId>,
    pub(super) reply: Option<oneshot::Sender<Result<(), Error>>>,
    pub(super) until: Stamp,
}

/// A leadership that ends with the server, however that ends.
struct CurrentEpoch(Option<Arc<Epoch>>);

impl Drop for CurrentEpoch {
    fn drop(&mut self) {
        self.end(Lost::Stopped);
    }
}

impl CurrentEpoch {
    fn end(&mut self, lost: Lost) {
        if let Some(epoch) = self.0.take() {
            epoch.end(lost);
        }
    }
}

impl Leading {
    /// No leadership, and nobody who would work under one.
    pub(super) fn new(epochs: watch::Sender<Option<Arc<Epoch>>>) -> Leading {
        let (epoch, verifications) = (CurrentEpoch(None), ReadIndices::default());
        Leading { epoch, epochs, transfer: None, work: Work::Nobody, unclaimed: None, verifications }
    }

    /// The leadership that the server holds now.
    pub(super) fn epoch(&self) -> Option<&Arc<Epoch>> {
        self.epoch.0.as_ref()
    }

    /// Whether this is the leadership that the server holds now.
    pub(super) fn holds(&self, epoch: &Arc<Epoch>) -> bool {
        self.epoch().is_some_and(|current| Arc::ptr_eq(current, epoch))
    }

    /// Whether the server holds a leadership.
    pub(super) fn leads(&self) -> bool {
        self.epoch().is_some()
    }

    /// A leadership begins, under which somebody must have begun to work by then, if it is not of use all
    /// the same.
    pub(super) fn begin(&mut self, epoch: Arc<Epoch>, unclaimed: Option<Stamp>) {
        self.unclaimed = unclaimed;
        self.epoch.0 = Some(epoch.clone());
        self.epochs.send_replace(Some(epoch));
    }

    /// The leadership is over, for all who rely on it or wait for something of it.
    pub(super) fn end(&mut self) {
        self.epoch.end(Lost::Deposed);
        self.unclaimed = None;
        self.epochs.send_replace(None);
        tracing::info!("this server no longer leads");
        self.verifications.end();
        while let Some(reply) = self.verifications.next_ended() {
            // Whoever no longer waits for an answer needs none.
            let _ = reply.send(Err(Lost::Deposed));
        }
        if let Some(Transfer { reply: Some(reply), .. }) = self.transfer.take() {
            let _ = reply.send(Ok(()));
        }
    }

    /// The server stops.
    pub(super) fn stop(&mut self) {
        self.epoch.end(Lost::Stopped);
    }
}
