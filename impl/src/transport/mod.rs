//! How servers reach each other: TCP, one connection for each direction between two servers.
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

mod caller;
mod frame;
mod greeting;
mod handshake;
mod listener;
mod names;
mod proof;
mod queue;
mod refusal;
mod seldom;
mod strangers;
mod times;
mod unreachable;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rafttree_model::{Envelope, ServerId, Slice};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::core::links::Place;
use crate::storage::{ClusterId, Incarnation, Pins};
use caller::Peer;
use handshake::Local;
use names::Names;
use seldom::Seldom;
use times::Times;

pub use refusal::Refusal;
pub use unreachable::Unreachable;

/// For so long a handshake may take, from the first packet.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(2);

/// A connection that has stood for so long ends a refusal. A handshake alone does not: who is refused
/// for what it says after it calls, is welcome, and says it again.
const PEACE: Duration = Duration::from_secs(10);

/// A reading of the sender's own monotonic clock in nanoseconds, echoed back by the receiver.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Stamp(pub(crate) u64);

/// Who this server is, where it listens and where its peers are.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) cluster: ClusterId,
    pub(crate) id: ServerId,
    pub(crate) incarnation: Incarnation,
    /// Host and port; port 0 lets the system choose one.
    pub(crate) listen: String,
    /// The other servers of the group, each with its host and port.
    pub(crate) peers: Vec<(ServerId, String)>,
    pub(crate) minimum_timeout: Duration,
    /// Whether servers on other machines may connect, though nothing is encrypted.
    pub(crate) insecure: bool,
    /// The incarnations that the peers are known by.
    pub(crate) pins: Arc<Pins>,
}

/// A message on its way, with readings of the clocks at both ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Frame {
    pub(crate) envelope: Envelope<Slice<Bytes>>,
    /// When it was sent, by the sender's clock.
    pub(crate) sent: Stamp,
    /// When the message that this one answers was sent, by the receiver's clock.
    pub(crate) echo: Option<Stamp>,
}

/// What the transport tells its server.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Incoming {
    /// A message for us, from the peer that the handshake named.
    Frame(Frame),
    /// The connection on which `from` sends to us is ready; its minimum election timeout is this.
    Accepted { from: ServerId, minimum_timeout: Duration },
    /// The connection on which `from` sends to us ended.
    Closed { from: ServerId },
    /// Our own connection to `to` ended.
    Disconnected { to: ServerId },
    /// Our own connection to `to` is ready; its minimum election timeout is this.
    Connected { to: ServerId, minimum_timeout: Duration },
    /// Where this peer was reached before, a new connection was refused. It is told again when
    /// another connection with the peer has ended.
    NobodyListens { at: ServerId, place: Place },
    /// The peer was not reached. It is not repeated while nothing changes.
    Unreachable { peer: ServerId, why: Unreachable },
    /// One of the two sides refused the other. It is not repeated while nothing changes.
    Refused { peer: ServerId, reason: Refusal },
    /// What was refused is over: a connection with the peer has stood for a while.
    AtPeace { with: ServerId },
}

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
            let hub = hub.clone();
            tasks.spawn(async move { caller::keep_calling(&hub, peer, Names::new(&address)).await });
        }
        Ok(Transport { hub, local_address, tasks })
    }

    /// Where this server listens.
    pub(crate) fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Sends a frame to the peer it names, if that can be reached. Never waits: if too much is
    /// waiting for the peer already, the oldest goes.
    pub(crate) fn send(&self, frame: Frame) {
        match self.hub.peers.get(&frame.envelope.to) {
            Some(peer) => peer.queue.push(frame),
            None => tracing::error!(to = %frame.envelope.to, "no such peer"),
        }
    }

    /// Hears no more of this peer, and tells it why: it has lost entries.
    pub(crate) fn keep_out(&self, peer: ServerId) {
        self.hub.local.kept_out.lock().unwrap_or_else(PoisonError::into_inner).insert(peer);
        self.refuse(peer, Refusal::LostEntries(peer));
    }

    /// Hears this peer again.
    pub(crate) fn let_in(&self, peer: ServerId) {
        self.hub.local.kept_out.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer);
        self.hub.reported.lock().unwrap_or_else(PoisonError::into_inner).remove(&Some(peer));
    }

    /// Ends the connection on which the peer sends, tells it why, and reports that.
    pub(crate) fn refuse(&self, peer: ServerId, reason: Refusal) {
        if let Some(newest) = self.hub.inbound.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer) {
            // A connection that has ended needs no reason.
            let _ = newest.send(reason);
        }
    }

    /// Closes everything now, so that the port is free for the next to listen there.
    pub(crate) async fn close(mut self) {
        self.tasks.shutdown().await;
    }
}

/// What all connections share.
struct Hub {
    local: Local,
    times: Times,
    peers: BTreeMap<ServerId, Peer>,
    /// Held for the newest connection of each peer; what is dropped here ends its connection, and
    /// what is sent says why.
    inbound: Mutex<BTreeMap<ServerId, oneshot::Sender<Refusal>>>,
    /// What was last reported of each peer, and of whoever is no peer.
    reported: Mutex<BTreeMap<Option<ServerId>, (ServerId, Refusal)>>,
    /// Of strangers who were refused, of those who had to make room, and of connections that could not
    /// be taken in.
    refused_strangers: Seldom,
    dismissed_strangers: Seldom,
    failed_accepts: Seldom,
    /// Of peers that sent what nobody should.
    malformed_frames: Seldom,
    incoming: mpsc::Sender<Incoming>,
}

impl Hub {
    fn new(config: &Config, protocols: RangeInclusive<u32>, incoming: mpsc::Sender<Incoming>) -> Hub {
        let local = Local {
            protocols,
            cluster: config.cluster,
            id: config.id,
            incarnation: config.incarnation,
            minimum_timeout: config.minimum_timeout,
            peers: config.peers.iter().map(|(peer, _)| *peer).collect(),
            pins: config.pins.clone(),
            kept_out: Mutex::default(),
        };
        Hub {
            local,
            times: Times::of(config.minimum_timeout),
            peers: config.peers.iter().map(|(peer, _)| (*peer, Peer::default())).collect(),
            inbound: Mutex::default(),
            reported: Mutex::default(),
            refused_strangers: Seldom::default(),
            dismissed_strangers: Seldom::default(),
            failed_accepts: Seldom::default(),
            malformed_frames: Seldom::default(),
            incoming,
        }
    }

    /// Tells the server. If it is gone, this transport is about to be dropped as well.
    async fn tell(&self, incoming: Incoming) {
        let _ = self.incoming.send(incoming).await;
    }

    /// Tells the server of a refusal, once: whoever is refused calls again and again.
    async fn report(&self, peer: ServerId, reason: Refusal) {
        let about = self.peers.contains_key(&peer).then_some(peer);
        let report = (peer, reason.clone());
        let before = self.reported.lock().unwrap_or_else(PoisonError::into_inner).insert(about, report.clone());
        if before != Some(report) {
            self.tell(Incoming::Refused { peer, reason }).await;
        }
    }

    /// Says that somebody unknown was refused. A peer that is refused so hears it as well.
    fn report_stranger(&self, address: io::Result<SocketAddr>, reason: &Refusal) {
        if let Some(times) = self.refused_strangers.count(Instant::now()) {
            let address = address.map_or_else(|_| "an unknown address".to_owned(), |address| address.to_string());
            tracing::warn!(address, times, %reason, "somebody who called was refused");
        }
    }

    /// Waits until a connection with the peer has stood for a while: a later refusal is news.
    async fn keep_peace(&self, with: ServerId) -> Infallible {
        sleep(PEACE).await;
        if self.reported.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&Some(with)) {
            self.tell(Incoming::AtPeace { with }).await;
            self.reported.lock().unwrap_or_else(PoisonError::into_inner).remove(&Some(with));
        }
        pending().await
    }

    /// Ends the peer's former connection, and says when the new one is replaced in turn. Who calls
    /// can be called, so that is not put off any longer.
    fn replace_inbound(&self, peer: ServerId) -> oneshot::Receiver<Refusal> {
        let (newest, replaced) = oneshot::channel();
        self.inbound.lock().unwrap_or_else(PoisonError::into_inner).insert(peer, newest);
        self.look_for(peer);
        replaced
    }

    /// Calls the peer now, if no connection to it stands.
    fn look_for(&self, peer: ServerId) {
        if let Some(peer) = self.peers.get(&peer) {
            peer.is_there.notify_one();
        }
    }
}
