//! A leader's authority: its lease, and majorities that confirm it.

use std::sync::Arc;

use rafttree_model::{Event, Index};

use super::leading::VerifyReply;
use super::state::Server;
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
        let verifications = &mut self.leading.verifications;
        let node = self.driver.node();
        let Some((latest, confirmed)) = node.round().zip(node.confirmed()) else { return };
        // Nothing is read, so every round will do.
        verifications.begun(latest, Some(Index::ZERO));
        verifications.confirmed(confirmed);
        while let Some((reply, _)) = verifications.next_confirmed() {
            // Whoever no longer waits for an answer needs none.
            let _ = reply.send(Ok(()));
        }
        if verifications.wants_round() {
            self.handle(Input::Event(Event::HeartbeatTimeout));
        }
    }

    /// Somebody asks a majority.
    pub(super) fn on_verify(&mut self, epoch: &Arc<Epoch>, reply: VerifyReply) {
        if !self.leading.holds(epoch) {
            // Whoever no longer waits for an answer needs none.
            let _ = reply.send(Err(epoch.check().err().unwrap_or(Lost::Deposed)));
            return;
        }
        self.leading.verifications.ask(self.driver.node().round(), reply);
    }
}
