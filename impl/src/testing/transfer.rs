//! Snapshots on their way from one disk in memory to another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rafttree_model::{Position, ServerId};

use super::switchboard::{Life, Switchboard};
use crate::storage::simulate::SimulatedDisk;
use crate::storage::snapshot::Snapshots;
use crate::transport::Incoming;
use crate::transport::bulk::SnapshotFailure;

/// The snapshots that one server sends: one at a time to each peer.
#[derive(Clone)]
pub(super) struct Transfers {
    switchboard: Switchboard,
    from: Life,
    snapshots: Arc<Snapshots<SimulatedDisk>>,
    under_way: Arc<Mutex<BTreeMap<ServerId, Position>>>,
}

impl Transfers {
    /// Those of this server.
    pub(super) fn new(switchboard: Switchboard, from: Life, snapshots: Arc<Snapshots<SimulatedDisk>>) -> Transfers {
        Transfers { switchboard, from, snapshots, under_way: Arc::default() }
    }

    /// Sends a snapshot, on a thread of its own, unless that or a newer one is on its way.
    pub(super) fn begin(&self, to: ServerId, last: Position) {
        let before = self.under_way().get(&to).copied();
        if Some(last) <= before {
            return;
        }
        self.under_way().insert(to, last);
        let (transfers, span) = (self.clone(), tracing::Span::current());
        let body = move || span.in_scope(|| transfers.send(to, last));
        if let Err(error) = thread::Builder::new().name("rafttree-bulk".into()).spawn(body) {
            tracing::warn!(%error, "no thread to send a snapshot");
            self.under_way().remove(&to);
        }
    }

    fn send(&self, to: ServerId, last: Position) {
        let sent = self.copy(to, last);
        if self.is_wanted(to, last) {
            self.under_way().remove(&to);
        }
        let from = self.from.id;
        match sent {
            Ok(true) => self.switchboard.deliver(self.from, to, Incoming::SnapshotArrived { from, last }),
            Ok(false) => {}
            Err(why) => {
                tracing::warn!(%to, %last, %why, "a snapshot was not sent");
                self.switchboard.deliver(self.from, to, Incoming::SnapshotFailed { with: from, last: None, why });
            }
        }
    }

    /// Whether all of it has arrived; not if it was there already, or another one is wanted, or the way has ended.
    fn copy(&self, to: ServerId, last: Position) -> Result<bool, SnapshotFailure> {
        let Some((receiver, theirs)) = self.switchboard.reached(self.from, to) else { return Ok(false) };
        let opened = self.snapshots.send(last).map_err(|error| SnapshotFailure::Unreadable(error.to_string()))?;
        let outgoing = opened.ok_or(SnapshotFailure::NotHeld)?;
        let Some(mut arrival) = theirs.receive(outgoing.offer, || {})? else { return Ok(false) };
        loop {
            let reached = self.switchboard.reached(self.from, to).map(|(life, _)| life);
            if reached != Some(receiver) || !self.is_wanted(to, last) {
                return Ok(false);
            }
            let offset = arrival.offset();
            let parts = outgoing.read(offset)?;
            if parts.is_empty() {
                break;
            }
            arrival.add(offset, &parts)?;
        }
        arrival.finish(|| {})?;
        Ok(true)
    }

    fn is_wanted(&self, to: ServerId, last: Position) -> bool {
        self.under_way().get(&to) == Some(&last)
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeMap<ServerId, Position>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
