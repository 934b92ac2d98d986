//! How servers reach each other: TCP, one connection for each direction between two servers, and
//! another one while a snapshot is sent.
//!
//! A server calls each of its peers and sends to it on that connection alone. When both
//! connections with a peer have ended, and the peer's machine refuses a new one, its process has
//! ended. Idle connections are kept alive, so that one that something between has forgotten is
//! called anew before it is needed.
//!
//! Members are taken to be honest: they may crash, restart and come back late, but do not lie. The
//! cluster's id is what makes a member: it is never sent, and who does not show that it knows the id
//! learns nothing. Nothing is encrypted yet, and whoever can change what passes between two servers
//! can speak for them, so servers listen on loopback only unless they are told otherwise.
//! A peer's incarnation is written down when both sides have accepted each other, so a disk that was
//! wiped or exchanged is noticed by whoever knew the former one. An exact copy of a directory is not.

mod unreachable;

mod refusal;

mod carrier;

mod wire;

mod connection;

mod proof;

mod greeting;

mod strangers;

mod handshake;

mod times;

mod seldom;

mod queue;

mod names;

pub(crate) mod bulk;

mod hub;

mod caller;

mod snapshots;

mod listener;

#[cfg(any(test, feature = "simulate"))]
pub(crate) mod parsers;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, PoisonError};

use rafttree_model::{Position, ServerId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::core::frame::Packet;
use hub::Hub;
use names::Names;

pub(crate) use carrier::{Carrier, Closed};
pub(crate) use hub::{Config, Incoming};
pub use refusal::Refusal;
pub use unreachable::Unreachable;

/// The connections to all peers. Dropping it closes them, a little later.
pub(crate) struct Transport {
    hub: Arc<Hub>,
    local_address: SocketAddr,
    tasks: JoinSet<()>,
}

impl Transport {
    /// Listens, and starts to call every peer.
    pub(crate) async fn start(config: Config, incoming: mpsc::Sender<Incoming>) -> io::Result<Transport> {
        Transport::start_with(config, handshake::PROTOCOLS, incoming).await
    }

    async fn start_with(
        config: Config,
        protocols: RangeInclusive<u32>,
        incoming: mpsc::Sender<Incoming>,
    ) -> io::Result<Transport> {
        let listener = listener::bind(&config.listen, config.insecure).await?;
        let local_address = listener.local_addr()?;
        let hub = Arc::new(Hub::new(&config, protocols, incoming));
        let mut tasks = JoinSet::new();
        tasks.spawn(listener::accept(listener, hub.clone()));
        for (peer, address) in config.peers {
            let (names, bulk_names) = (Names::new(&address), Names::new(&address));
            let (here, there) = (hub.clone(), hub.clone());
            tasks.spawn(async move { caller::keep_calling(&here, peer, names).await });
            tasks.spawn(async move { snapshots::keep_sending(&there, peer, bulk_names).await });
        }
        Ok(Transport { hub, local_address, tasks })
    }
}

impl Carrier for Transport {
    fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    fn send(&self, packet: Packet) {
        let (_, to) = packet.ends();
        match self.hub.peers.get(&to) {
            Some(peer) => peer.queue.push(packet),
            None => tracing::error!(%to, "no such peer"),
        }
    }

    /// On a connection of its own.
    fn send_snapshot(&self, to: ServerId, last: Position) {
        match self.hub.peers.get(&to) {
            Some(peer) => peer.order.ask(last),
            None => tracing::error!(%to, "no such peer"),
        }
    }

    fn keep_out(&self, peer: ServerId) {
        self.hub.local.kept_out.lock().unwrap_or_else(PoisonError::into_inner).insert(peer);
        self.refuse(peer, Refusal::LostEntries(peer));
    }

    fn let_in(&self, peer: ServerId) {
        self.hub.local.kept_out.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer);
        self.hub.reported.lock().unwrap_or_else(PoisonError::into_inner).remove(&Some(peer));
    }

    fn refuse(&self, peer: ServerId, reason: Refusal) {
        if let Some(newest) = self.hub.inbound.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer) {
            // A connection that has ended needs no reason.
            let _ = newest.send(reason);
        }
    }

    /// The port is free then.
    fn close(mut self: Box<Self>) -> Closed {
        Box::pin(async move {
            self.tasks.shutdown().await;
            snapshots::end(&self.hub).await;
        })
    }
}
