//! The requests that are open, and the thread that applies.

use std::time::Duration;

use rafttree_model::Position;
use tokio::sync::mpsc;

use crate::clock;
use crate::core::service::Service;
use crate::machine::apply::{Apply, Report, Task};
use crate::storage::StorageError;

/// The requests that are open, and the thread that applies.
pub(super) struct Requests {
    pub(super) service: Service,
    pub(super) apply: Apply,
    pub(super) reports: mpsc::UnboundedReceiver<Report>,
    /// The last entries of the snapshots that are whole, the newest first.
    pub(super) held: Box<dyn Fn() -> Vec<Position> + Send + Sync>,
    /// Fails once a flush of the directory that they are in has failed.
    pub(super) check: Box<dyn Fn() -> Result<(), StorageError> + Send + Sync>,
    /// How many snapshots the log has not gone after, since one is being sent.
    pub(super) held_back: u32,
    /// The newest snapshot, if a follower needs one that is not here.
    pub(super) missing: Option<Position>,
    /// The last entry in the newest snapshot.
    pub(super) snapshot: Option<Position>,
    /// Why the latest attempt at one failed.
    pub(super) failed_snapshot: Option<String>,
}

impl Requests {
    /// Lets the state machine's thread do this, after what it was told before.
    pub(super) fn tell_machine(&mut self, task: Task) {
        self.apply.tell(task, clock::now());
    }

    /// Lets the thread end, and waits for that, but not for ever. Whether it has ended.
    pub(super) async fn close(self, patience: Duration) -> bool {
        // Whoever waits for what became of a command learns that nobody knows.
        drop(self.service);
        self.apply.close(self.reports, patience).await
    }
}
