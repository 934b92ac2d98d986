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
        let now = clock::now();
        self.leading.verifications.confirm(self.driver.confirmed(now));
        if self.leading.verifications.begin_round(now) {
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
        self.leading.verifications.add(clock::now(), reply);
    }
}
