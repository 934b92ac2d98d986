//! The server's state, and what its driver wants to be done.

use std::sync::Arc;

use rafttree_model::ServerId;
use tokio::sync::mpsc;

use super::disk::Disk;
use super::leading::Leading;
use super::network::Network;
use super::precise_timer::PreciseTimer;
use super::views::Views;
use crate::api::command::Command;
use crate::api::epoch::Epoch;
use crate::api::error::{Failure, Stopped};
use crate::api::fence::Fence;
use crate::api::node::Ends;
use crate::api::settings::Settings;
use crate::api::status::PeerStatus;
use crate::clock;
use crate::core::driver::{Action, Driver, Input};
use crate::core::stamp::Stamp;
use crate::storage::Directory;
use crate::transport::Refusal;

/// The parts of a server.
pub(super) struct Parts {
    pub(super) settings: Settings,
    pub(super) driver: Driver,
    pub(super) network: Network,
    pub(super) disk: Disk,
    pub(super) timer: PreciseTimer,
    pub(super) directory: Arc<Directory>,
}

/// Everything that one server consists of.
pub(super) struct Server {
    // Dropped first: nobody may rely on a leadership while connections close.
    pub(super) leading: Leading,
    pub(super) settings: Settings,
    pub(super) driver: Driver,
    pub(super) network: Network,
    pub(super) disk: Disk,
    pub(super) timer: PreciseTimer,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) views: Views,
    /// When a server that is to end waits no longer for another leader.
    pub(super) closing: Option<Stamp>,
    pub(super) outcome: Option<Stopped>,
    /// Locked until the server has ended.
    pub(super) directory: Arc<Directory>,
}

impl Server {
    /// A server that is about to serve.
    pub(super) fn new(parts: Parts, ends: Ends) -> Server {
        let Parts { settings, mut driver, network, disk, timer, directory } = parts;
        let Ends { commands, leader, epochs, changes } = ends;
        driver.handle(Input::Campaigns(false), clock::now());
        Server {
            leading: Leading::new(epochs),
            settings,
            views: Views::new(leader, changes, driver.node()),
            driver,
            network,
            disk,
            timer,
            commands,
            closing: None,
            outcome: None,
            directory,
        }
    }

    /// Lets the driver take an input, and does what it wants.
    pub(super) fn handle(&mut self, input: Input) {
        for action in self.driver.handle(input, clock::now()) {
            match action {
                Action::Send(frame) => self.network.transport.send(frame),
                Action::Write(records) => self.disk.write(records),
                Action::Leading(term) => self.begin_epoch(term.into()),
                Action::Yielded => self.end_epoch(),
                Action::KeepOut(peer) => self.network.transport.keep_out(peer),
                Action::LetIn(peer) => {
                    self.network.transport.let_in(peer);
                    self.note(peer, |peer| peer.refusal = None);
                }
                Action::Stalled => self.fail(Failure::DiskStalled(self.settings.policy.longest_flush)),
                Action::Refuse(peer) => self.network.transport.refuse(peer, Refusal::Implausible),
            }
        }
    }

    fn begin_epoch(&mut self, fence: Fence) {
        let now = clock::now();
        let epoch = Epoch::new(fence, self.driver.lease(now).unwrap_or_default());
        tracing::info!(%fence, "this server leads");
        self.leading.begin(epoch, now.after(self.settings.policy.minimum_timeout));
    }

    fn end_epoch(&mut self) {
        self.leading.end();
        if let Some(until) = &mut self.closing {
            // Never later than was said at first.
            *until = clock::now().after(3 * self.settings.policy.minimum_timeout).min(*until);
        }
    }

    /// The server has to stop, for the first such reason.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.outcome.get_or_insert(Err(Arc::new(failure)));
    }

    /// Something has changed that is known of a peer.
    pub(super) fn note(&mut self, peer: ServerId, change: impl FnOnce(&mut PeerStatus)) {
        if let Some(peer) = self.network.peers.get_mut(&peer) {
            change(peer);
            self.views.changed();
        }
    }
}
