//! A leader's authority: its lease, and majorities that confirm it.

use std::sync::Arc;

use rafttree_model::Event;

use super::state::Server;
use super::verify::Reply;
use crate::api::epoch::{Epoch, Lost};
use crate::clock;
use crate::core::driver::Input;

impl Server {
    /// Moves the lease's end to where the latest answers put it.
    pub(super) fn renew_lease(&mut self) {
        let Some(epoch) = self.leading.epoch().cloned() else { return };
        epoch.extend(self.driver.lease(clock::now()).unwrap_or_default());
        if epoch.has_lapsed() {
            // Somebody saw the lease run out, so this leadership is over for good.
            self.handle(Input::Event(Event::StepDown));
        }
    }

    /// Tells who was waiting for it that a majority has answered, and asks it for the others.
    pub(super) fn verify(&mut self) {
        if self.leading.verifications.is_empty() {
            return;
        }
        let Some((latest, confirmed)) = self.driver.node().round().zip(self.driver.node().confirmed()) else { return };
        self.leading.verifications.confirm(confirmed);
        if self.leading.verifications.begin_round(latest.next()) {
            self.handle(Input::Event(Event::HeartbeatTimeout));
        }
    }

    /// Somebody asks a majority.
    pub(super) fn on_verify(&mut self, epoch: &Arc<Epoch>, reply: Reply) {
        if !self.leading.holds(epoch) {
            // Whoever no longer waits for an answer needs none.
            let _ = reply.send(Err(epoch.check().err().unwrap_or(Lost::Deposed)));
            return;
        }
        // What is sent from now on counts for it, but for what is of the round that has begun already.
        let next = self.driver.node().round().unwrap_or_default().next();
        self.leading.verifications.add(next, reply);
    }
}
