//! The ground of a server of a group in one process: a disk in memory, and a plug of the switchboard.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rafttree_model::{Members, Position, ServerId};
use tokio::sync::mpsc;

use super::stage::Stage;
use super::switchboard::{Life, Plug, Switchboard};
use super::transfer::Transfers;
use crate::api::error::Error;
use crate::api::node::WeakNode;
use crate::api::settings::Settings;
use crate::core::frame::Packet;
use crate::server::disk::Disk;
use crate::server::executor::Executor;
use crate::server::ground::Ground;
use crate::storage::layout::Layout;
use crate::storage::log::SegmentedLog;
use crate::storage::simulate::SimulatedDisk;
use crate::storage::snapshot::Snapshots;
use crate::storage::writer::{Scribe, Writer};
use crate::storage::{Identity, Incarnation, StorageError};
use crate::transport::{Carrier, Closed, Incoming, Refusal};

/// Segments of about 1 MiB: memory is filled with zeros for each.
const SEGMENT: Layout = Layout { blocks: 240 };

/// The ground of one life of a server.
pub(super) struct Seat {
    pub(super) identity: Identity,
    pub(super) incarnation: Incarnation,
    pub(super) disk: SimulatedDisk,
    pub(super) switchboard: Switchboard,
    /// Kept until the server has ended.
    pub(super) stage: Arc<Stage>,
}

/// A server's end of the switchboard.
struct Extension {
    switchboard: Switchboard,
    life: Life,
    transfers: Transfers,
    /// Open until the server has ended, whether or not it is plugged in.
    _inbox: mpsc::UnboundedSender<Incoming>,
}

/// Makes an empty log on a new disk.
pub(super) fn format(disk: &SimulatedDisk, owner: Incarnation) -> Result<(), StorageError> {
    SegmentedLog::create(disk, owner, SEGMENT)
}

impl Ground for Seat {
    type Disk = SimulatedDisk;
    type Log = SegmentedLog<SimulatedDisk>;

    fn owner(&self) -> (Identity, Incarnation) {
        (self.identity, self.incarnation)
    }

    /// A group in one process is the same as long as it lives.
    fn expect_group(&self, _: &Members) -> Result<(), StorageError> {
        Ok(())
    }

    fn executor(&self) -> io::Result<Executor> {
        Ok(self.stage.executor())
    }

    fn open_log(&mut self) -> Result<Self::Log, StorageError> {
        SegmentedLog::open(self.disk.clone(), self.incarnation, SEGMENT)
    }

    fn start_disk(log: Self::Log) -> io::Result<Disk> {
        // Nothing takes time on it, so nobody need write apart.
        let (mut scribe, flushed) = Scribe::new(log);
        let writer = Writer::by(move |records| _ = scribe.write(&records));
        Ok(Disk::of((writer, flushed)))
    }

    fn open_snapshots(&mut self) -> Result<Snapshots<SimulatedDisk>, StorageError> {
        Snapshots::within(self.disk.clone(), self.incarnation, None)
    }

    fn reach_peers(
        &mut self,
        settings: &Settings,
        snapshots: &Arc<Snapshots<SimulatedDisk>>,
        incoming: mpsc::Sender<Incoming>,
        executor: &Executor,
    ) -> Result<Box<dyn Carrier>, Error> {
        let (inbox, mut arrived) = mpsc::unbounded_channel();
        executor.spawn(async move {
            while let Some(news) = arrived.recv().await {
                // A server that has ended needs no news.
                let _ = incoming.send(news).await;
            }
        });
        let (switchboard, minimum_timeout) = (self.switchboard.clone(), settings.policy.minimum_timeout);
        let plug = Plug { minimum_timeout, inbox: inbox.clone(), snapshots: snapshots.clone() };
        let life = switchboard.plug_in(self.identity.id, plug);
        let transfers = Transfers::new(switchboard.clone(), life, snapshots.clone());
        Ok(Box::new(Extension { switchboard, life, transfers, _inbox: inbox }))
    }

    fn settle(&mut self, _: &Members, _: WeakNode, _: &Executor) -> Result<(), Error> {
        Ok(())
    }
}

impl Carrier for Extension {
    /// Nobody listens there.
    fn local_address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    }

    fn send(&self, packet: Packet) {
        let (_, to) = packet.ends();
        let incoming = match packet {
            Packet::Protocol(frame) => Incoming::Frame(frame),
            Packet::Service(frame) => Incoming::Service(frame),
        };
        self.switchboard.deliver(self.life, to, incoming);
    }

    fn send_snapshot(&self, to: ServerId, last: Position) {
        self.transfers.begin(to, last);
    }

    fn keep_out(&self, peer: ServerId) {
        self.refuse(peer, Refusal::LostEntries(peer));
        self.switchboard.want(self.life, peer, false);
    }

    fn let_in(&self, peer: ServerId) {
        self.switchboard.want(self.life, peer, true);
    }

    fn refuse(&self, peer: ServerId, reason: Refusal) {
        self.switchboard.refuse(self.life, peer, &reason);
    }

    fn close(self: Box<Self>) -> Closed {
        self.switchboard.unplug(self.life);
        Box::pin(std::future::ready(()))
    }
}
