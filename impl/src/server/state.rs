//! The server's state, and what its driver wants to be done.

use std::sync::Arc;

use rafttree_model::{Event, Message, Position, ServerId};
use tokio::sync::mpsc;

use super::disk::Disk;
use super::leading::Leading;
use super::network::Network;
use super::precise_timer::PreciseTimer;
use super::requests::Requests;
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
use crate::core::frame::ServiceFrame;
use crate::core::request::ServiceMessage;
use crate::core::service::Work;
use crate::core::stamp::Stamp;
use crate::machine::apply::Task;
use crate::record::Recorder;
use crate::storage::{Identity, Incarnation};
use crate::transport::Refusal;

/// The parts of a server.
pub(super) struct Parts {
    pub(super) settings: Settings,
    pub(super) driver: Driver,
    pub(super) network: Network,
    pub(super) disk: Disk,
    pub(super) requests: Requests,
    pub(super) timer: PreciseTimer,
    pub(super) owner: (Identity, Incarnation),
    pub(super) recorder: Recorder,
}

/// Everything that one server consists of.
pub(super) struct Server {
    // Dropped first: nobody may rely on a leadership while connections close.
    pub(super) leading: Leading,
    pub(super) settings: Settings,
    pub(super) driver: Driver,
    pub(super) network: Network,
    pub(super) disk: Disk,
    pub(super) requests: Requests,
    pub(super) timer: PreciseTimer,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) views: Views,
    /// When a server that is to end waits no longer for another leader.
    pub(super) closing: Option<Stamp>,
    pub(super) outcome: Option<Stopped>,
    pub(super) owner: (Identity, Incarnation),
    pub(super) recorder: Recorder,
}

impl Server {
    /// A server that is about to serve.
    pub(super) fn new(parts: Parts, ends: Ends) -> Server {
        let Parts { settings, mut driver, network, disk, requests, timer, owner, recorder } = parts;
        let Ends { commands, leader, epochs, changes } = ends;
        driver.handle(Input::Campaigns(settings.has_machine), clock::now());
        Server {
            leading: Leading::new(epochs),
            settings,
            views: Views::new(leader, changes, driver.node()),
            driver,
            network,
            disk,
            requests,
            timer,
            commands,
            closing: None,
            outcome: None,
            owner,
            recorder,
        }
    }

    /// Lets the driver take an input, and does what it wants, for requests as well.
    pub(super) fn handle(&mut self, input: Input) {
        self.drive(input);
        self.serve_requests();
    }

    /// Lets the driver take an input, and does what it wants.
    pub(super) fn drive(&mut self, input: Input) {
        let now = clock::now();
        let actions = self.driver.handle(input, now);
        if self.recorder.take_from(&mut self.driver, now) {
            self.views.changed();
        }
        for action in actions {
            match action {
                Action::Send(frame) => {
                    if let Message::InstallSnapshot { last, .. } = frame.message {
                        self.send_snapshot(frame.to, last);
                    }
                    self.network.carrier.send(frame.into());
                }
                Action::Write(records) => self.disk.write(records),
                Action::Leading(term) => self.begin_epoch(term.into()),
                Action::Yielded => self.end_epoch(),
                Action::KeepOut(peer) => self.network.carrier.keep_out(peer),
                Action::LetIn(peer) => {
                    self.network.carrier.let_in(peer);
                    self.note(peer, |peer| peer.refusal = None);
                }
                Action::Compacted(base) => self.requests.tell_machine(Task::RemoveOlder(base)),
                Action::Stalled => self.fail(Failure::DiskStalled(self.settings.policy.longest_flush)),
                Action::Refuse(peer) => self.network.carrier.refuse(peer, Refusal::Implausible),
            }
        }
    }

    /// Goes on with requests as far as that is possible now.
    pub(super) fn serve_requests(&mut self) {
        if let Some(newest) = self.requests.missing.take() {
            self.drive(Input::Event(Event::Snapshotted(newest.index)));
        }
        let mut has_begun_round = false;
        loop {
            for output in self.driver.take_told() {
                self.requests.service.hear(&self.driver, output);
            }
            self.requests.service.settle(self.driver.node());
            if let Some(work) = self.requests.service.next_work() {
                self.do_work(work);
            } else if self.requests.service.wants_round() && !has_begun_round {
                has_begun_round = true;
                self.drive(Input::Event(Event::HeartbeatTimeout));
            } else {
                return;
            }
        }
    }

    /// Sends the snapshot, unless it is on its way. Where the log begins elsewhere than a snapshot ends (a
    /// file may be damaged), it may go as far as the newest that there is, and that one is sent the next time.
    fn send_snapshot(&mut self, to: ServerId, last: Position) {
        let held = (self.requests.held)();
        if held.contains(&last) {
            self.network.carrier.send_snapshot(to, last);
        } else {
            self.requests.missing = held.first().copied();
        }
    }

    fn do_work(&mut self, work: Work) {
        match work {
            Work::Propose(commands) => self.drive(Input::Propose(commands)),
            Work::Send(to, message) => self.send_service(to, message),
            Work::Apply(committed) => self.requests.tell_machine(Task::Apply(committed)),
            Work::Restore(last) => {
                self.requests.snapshot = Some(last);
                self.requests.tell_machine(Task::Restore(last));
            }
            Work::Read(job) => self.requests.tell_machine(Task::Read(job)),
        }
    }

    fn send_service(&self, to: ServerId, message: ServiceMessage) {
        let from = self.driver.node().id();
        self.network.carrier.send(ServiceFrame { from, to, message }.into());
    }

    fn begin_epoch(&mut self, fence: Fence) {
        let now = clock::now();
        let epoch = Epoch::new(fence, self.driver.lease(now).unwrap_or_default());
        tracing::info!(%fence, "this server leads");
        // Where there is a state machine a leadership is of use though nobody waits for it.
        let unclaimed = (!self.settings.has_machine).then(|| now.after(self.settings.policy.minimum_timeout));
        self.leading.begin(epoch, unclaimed);
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
