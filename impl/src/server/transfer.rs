//! Giving leadership away: only after the work under it has ended.

use std::sync::Arc;

use rafttree_model::{Event, ServerId};
use tokio::sync::oneshot;

use super::leading::Transfer;
use super::state::Server;
use crate::api::epoch::Epoch;
use crate::api::error::Error;
use crate::api::status::Leader;
use crate::clock;
use crate::core::driver::Input;

impl Server {
    /// The closure has returned, so leadership may go.
    pub(super) fn on_released(&mut self, epoch: &Arc<Epoch>) {
        if self.leading.holds(epoch) {
            self.transfer();
        }
    }

    pub(super) fn on_transfer(&mut self, to: Option<ServerId>, reply: oneshot::Sender<Result<(), Error>>) {
        if let Err(error) = self.may_transfer(to) {
            // Whoever no longer waits for an answer needs none.
            let _ = reply.send(Err(error));
            return;
        }
        self.prepare_transfer(to, Some(reply));
    }

    fn may_transfer(&self, to: Option<ServerId>) -> Result<(), Error> {
        if let Some(target) = to.filter(|target| !self.network.peers.contains_key(target)) {
            return Err(Error::NotAPeer(target));
        }
        if !self.leading.leads() {
            return Err(Error::NotLeading);
        }
        if self.leading.transfer.is_some() {
            return Err(Error::Transferring);
        }
        to.map_or(Ok(()), |target| self.may_take_over(target))
    }

    fn may_take_over(&self, target: ServerId) -> Result<(), Error> {
        if self.driver.is_unsound(target) {
            return Err(Error::PeerUnsound(target));
        }
        if !self.is_fit(target) {
            return Err(Error::PeerSilent(target));
        }
        if !self.driver.node().may_transfer_to(target) {
            return Err(Error::PeerBehind(target));
        }
        Ok(())
    }

    /// Whether the peer has answered within an election timeout.
    fn is_fit(&self, peer: ServerId) -> bool {
        let now = clock::now();
        let answered = self.driver.contact(peer, now);
        answered.is_some_and(|answered| now < answered.after(self.settings.policy.minimum_timeout))
    }

    /// Lets the work under the leadership end first.
    fn prepare_transfer(&mut self, to: Option<ServerId>, reply: Option<oneshot::Sender<Result<(), Error>>>) {
        let until = clock::now().after(self.settings.transfer_timeout);
        self.leading.transfer = Some(Transfer { to, reply, until });
        let at_work = self.leading.epoch().is_some_and(|epoch| epoch.ask());
        if !at_work {
            self.transfer();
        }
    }

    /// Gives leadership to whom it was promised, or to the peer that is fittest by now.
    fn transfer(&mut self) {
        let chosen = self.leading.transfer.as_ref().and_then(|transfer| transfer.to);
        let able = chosen.filter(|&target| self.may_take_over(target).is_ok());
        let fittest = self.driver.successor(clock::now()).filter(|&peer| self.is_fit(peer));
        match able.or(fittest) {
            Some(target) => self.handle(Input::Event(Event::Transfer(target))),
            None => self.give_up(),
        }
    }

    /// Nobody is there to take over.
    fn give_up(&mut self) {
        self.handle(Input::Event(Event::StepDown));
        self.closing = self.closing.map(|_| clock::now());
    }

    /// Leadership outlives the patience of whoever asked for the transfer, unless the server is
    /// to end.
    pub(super) fn on_work_that_does_not_end(&mut self) {
        if self.closing.is_some() {
            return self.transfer();
        }
        let Some(Transfer { reply: Some(reply), .. }) = self.leading.transfer.take() else { return };
        // Whoever no longer waits for an answer needs none.
        let _ = reply.send(Err(Error::StillAtWork(self.settings.transfer_timeout)));
    }

    pub(super) fn on_shut_down(&mut self) {
        if !self.leading.leads() {
            self.outcome.get_or_insert(Ok(()));
        } else if self.closing.is_none() {
            let patience = self.settings.transfer_timeout + 3 * self.settings.policy.minimum_timeout;
            self.closing = Some(clock::now().after(patience));
            self.handle(Input::Campaigns(false));
            let earlier = self.leading.transfer.take();
            let (to, reply) = earlier.map_or((None, None), |transfer| (transfer.to, transfer.reply));
            self.prepare_transfer(to, reply);
        }
    }

    /// A server that is to end does so once it holds no leadership and another server leads, or
    /// has had its time to.
    pub(super) fn close_if_possible(&mut self, view: Leader) {
        let Some(until) = self.closing else { return };
        let is_followed = !self.leading.leads() && view.leader.is_some();
        if is_followed || until <= clock::now() {
            self.outcome.get_or_insert(Ok(()));
        }
    }
}
