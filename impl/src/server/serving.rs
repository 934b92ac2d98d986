//! Requests: what other servers forward, and what the state machine has done.

use rafttree_model::{Event, Position};

use super::state::Server;
use crate::api::error::Failure;
use crate::core::driver::Input;
use crate::core::frame::ServiceFrame;
use crate::machine::apply::Report;

/// How many snapshots the log waits with going while one is being sent: a peer that takes longer than it
/// takes to make so many is sent a later one.
const MAX_HELD_BACK: u32 = 4;

impl Server {
    /// Another server says something about requests.
    pub(super) fn on_service(&mut self, ServiceFrame { from, message, .. }: ServiceFrame) {
        self.requests.service.receive(self.driver.node(), from, message);
    }

    /// The thread that applies has something to say.
    pub(super) fn on_report(&mut self, report: Option<Report>) {
        match report {
            Some(Report::Answered(proposer, outcome)) => self.requests.service.answer(proposer, outcome),
            Some(Report::Snapshotted { last, previous }) => self.on_snapshotted(last, previous),
            Some(Report::SnapshotFailed(error)) => {
                tracing::warn!(%error, "no snapshot was made, so the log goes on growing");
                self.note_failed_snapshot(Some(error.to_string()));
                self.check_directory();
            }
            Some(Report::Failed(failure)) => self.fail(Failure::Machine(failure)),
            None => self.fail(Failure::Panicked),
        }
        self.serve_requests();
    }

    /// A snapshot that fails is done without, unless a flush of the directory has failed: that is the log's as well.
    pub(super) fn check_directory(&mut self) {
        if let Err(error) = (self.requests.check)() {
            self.fail(Failure::Storage(error));
        }
    }

    /// Why the latest attempt at a snapshot failed, if it has.
    fn note_failed_snapshot(&mut self, why: Option<String>) {
        if self.requests.failed_snapshot != why {
            self.requests.failed_snapshot = why;
            self.views.changed();
        }
    }

    /// Whether a peer that is there is being sent a snapshot: it will need the entries behind that one.
    fn is_sending_a_snapshot(&self) -> bool {
        let node = self.driver.node();
        self.network.peers.values().any(|peer| peer.connected && node.sends_snapshot_to(peer.id))
    }

    /// The log may go up to the snapshot before the newest: who gets that one finds the entries behind it.
    fn on_snapshotted(&mut self, last: Position, previous: Option<Position>) {
        tracing::info!(%last, "a snapshot is durable");
        self.requests.snapshot = Some(last);
        self.note_failed_snapshot(None);
        let is_held_back = self.is_sending_a_snapshot() && self.requests.held_back < MAX_HELD_BACK;
        self.requests.held_back = if is_held_back { self.requests.held_back + 1 } else { 0 };
        if let Some(previous) = previous.filter(|_| !is_held_back) {
            self.handle(Input::Event(Event::Snapshotted(previous.index)));
        }
    }
}
