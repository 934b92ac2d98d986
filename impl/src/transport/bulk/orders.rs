//! Which snapshot is to be sent to a peer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rafttree_model::Position;
use tokio::sync::Notify;

/// The newest snapshot that is wanted, until it was sent or that has failed.
#[derive(Default)]
pub(in crate::transport) struct Order {
    wanted: Mutex<Option<Position>>,
    changed: Notify,
}

impl Order {
    /// Asks for a snapshot. It takes the place of an older one.
    pub(in crate::transport) fn ask(&self, last: Position) {
        let mut wanted = self.wanted();
        if *wanted < Some(last) {
            *wanted = Some(last);
            self.changed.notify_one();
        }
    }

    /// The snapshot that is wanted, once there is one.
    pub(in crate::transport) async fn next(&self) -> Position {
        loop {
            if let Some(last) = *self.wanted() {
                return last;
            }
            self.changed.notified().await;
        }
    }

    /// Returns once another one is wanted than this.
    pub(in crate::transport) async fn replaced(&self, last: Position) {
        while *self.wanted() == Some(last) {
            self.changed.notified().await;
        }
    }

    /// An attempt at this one is over: who still needs it asks again.
    pub(in crate::transport) fn done(&self, last: Position) {
        self.wanted().take_if(|wanted| *wanted == last);
    }

    fn wanted(&self) -> MutexGuard<'_, Option<Position>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
