//! The leadership that a server holds, and what was asked about it.

use std::sync::Arc;

use rafttree_model::ServerId;
use tokio::sync::{oneshot, watch};

use super::verify::Verifications;
use crate::api::error::Error;
use crate::api::reign::{Lost, Reign};
use crate::api::status::Work;
use crate::core::stamp::Stamp;

/// The present leadership, and what concerns it.
pub(super) struct Leading {
    // Dropped first: nobody may rely on a leadership that has no server.
    reign: CurrentReign,
    reigns: watch::Sender<Option<Arc<Reign>>>,
    pub(super) handover: Option<HandOver>,
    pub(super) work: Work,
    /// Until when somebody must have begun to work under the present reign.
    pub(super) unclaimed: Option<Stamp>,
    pub(super) verifications: Verifications,
}

/// A handover that waits for the work under the leadership to end.
pub(super) struct HandOver {
    pub(super) to: Option<ServerId>,
    pub(super) reply: Option<oneshot::Sender<Result<(), Error>>>,
    pub(super) until: Stamp,
}

/// A leadership that ends with the server, however that ends.
struct CurrentReign(Option<Arc<Reign>>);

impl Drop for CurrentReign {
    fn drop(&mut self) {
        self.end(Lost::Stopped);
    }
}

impl CurrentReign {
    fn end(&mut self, lost: Lost) {
        if let Some(reign) = self.0.take() {
            reign.end(lost);
        }
    }
}

impl Leading {
    /// No leadership, and nobody who would work under one.
    pub(super) fn new(reigns: watch::Sender<Option<Arc<Reign>>>) -> Leading {
        let (reign, verifications) = (CurrentReign(None), Verifications::default());
        Leading { reign, reigns, handover: None, work: Work::Nobody, unclaimed: None, verifications }
    }

    /// The leadership that the server holds now.
    pub(super) fn reign(&self) -> Option<&Arc<Reign>> {
        self.reign.0.as_ref()
    }

    /// Whether this is the leadership that the server holds now.
    pub(super) fn holds(&self, reign: &Arc<Reign>) -> bool {
        self.reign().is_some_and(|current| Arc::ptr_eq(current, reign))
    }

    /// Whether the server holds a leadership.
    pub(super) fn leads(&self) -> bool {
        self.reign().is_some()
    }

    /// A leadership begins, under which somebody must have begun to work by then.
    pub(super) fn begin(&mut self, reign: Arc<Reign>, unclaimed: Stamp) {
        self.unclaimed = Some(unclaimed);
        self.reign.0 = Some(reign.clone());
        self.reigns.send_replace(Some(reign));
    }

    /// The leadership is over, for all who rely on it or wait for something of it.
    pub(super) fn end(&mut self) {
        self.reign.end(Lost::Deposed);
        self.unclaimed = None;
        self.reigns.send_replace(None);
        tracing::info!("this server no longer leads");
        self.verifications.end(Lost::Deposed);
        if let Some(HandOver { reply: Some(reply), .. }) = self.handover.take() {
            let _ = reply.send(Ok(()));
        }
    }

    /// The server stops.
    pub(super) fn stop(&mut self) {
        self.reign.end(Lost::Stopped);
    }
}
