//! The state that all connections of a server share, and their news for it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rafttree_model::{Position, ServerId};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::time::sleep;

use super::bulk::{Order, Receiving, SnapshotFailure};
use super::handshake::Local;
use super::queue::Queue;
use super::refusal::Refusal;
use super::seldom::Seldom;
use super::times::Times;
use super::unreachable::Unreachable;
use crate::core::frame::{Frame, ServiceFrame};
use crate::core::links::Place;
use crate::storage::snapshot::Snapshots;
use crate::storage::{ClusterId, Incarnation, Pins};

/// Time for a handshake, from the first packet.
pub(super) const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(2);

/// A connection that has stood for so long ends a refusal. A handshake alone does not: who is refused
/// for what it says after it calls, is welcome, and says it again.
pub(super) const STABLE_CONNECTION_TIME: Duration = Duration::from_secs(10);

/// Threads that send and take snapshots at a time, each with one chunk in memory.
pub(super) const MAX_THREADS: u32 = 64;

/// The transport's settings: this server, where it listens, and where its peers are.
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
    /// The snapshots that are sent, and that arrive.
    pub(crate) snapshots: Arc<Snapshots>,
}

/// News of the transport for its server.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Incoming {
    /// A message for us, from the peer that the handshake named.
    Frame(Frame),
    /// The same about requests.
    Service(ServiceFrame),
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
    /// A refusal is over: a connection with the peer has stood for a while.
    AtPeace { with: ServerId },
    /// A snapshot up to `last` was sent by `from`: it is whole, durable, and was read back.
    SnapshotArrived { from: ServerId, last: Position },
    /// A snapshot was not sent to the peer, or not taken from it. It is not repeated while nothing
    /// changes. Which one is not known of those that the peer sends.
    SnapshotFailed { with: ServerId, last: Option<Position>, why: SnapshotFailure },
}

/// A caller as the rest of the transport sees it.
#[derive(Default)]
pub(super) struct Peer {
    pub(super) queue: Queue,
    /// The snapshot that it is to be sent.
    pub(super) order: Order,
    /// Told when the peer's own connection begins or ends: it can be called, or may have died.
    pub(super) is_there: Notify,
}

/// The state that all connections share.
pub(super) struct Hub {
    pub(super) local: Local,
    pub(super) times: Times,
    pub(super) peers: BTreeMap<ServerId, Peer>,
    /// Held for the newest connection of each peer; what is dropped here ends its connection, and
    /// what is sent says why.
    pub(super) inbound: Mutex<BTreeMap<ServerId, oneshot::Sender<Refusal>>>,
    /// The last report of each peer, and of callers that are no peers.
    pub(super) reported: Mutex<BTreeMap<Option<ServerId>, (ServerId, Refusal)>>,
    /// Of strangers who were refused, of those who had to make room, and of connections that could not
    /// be taken in.
    pub(super) refused_strangers: Seldom,
    pub(super) dismissed_strangers: Seldom,
    pub(super) failed_accepts: Seldom,
    /// Of peers that sent what nobody should.
    pub(super) malformed_frames: Seldom,
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) receiving: Receiving,
    pub(super) threads: Arc<Semaphore>,
    snapshot_reports: Mutex<BTreeMap<ServerId, (Option<Position>, SnapshotFailure)>>,
    pub(super) incoming: mpsc::Sender<Incoming>,
}

impl Hub {
    pub(super) fn new(config: &Config, protocols: RangeInclusive<u32>, incoming: mpsc::Sender<Incoming>) -> Hub {
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
            snapshots: config.snapshots.clone(),
            receiving: Receiving::default(),
            threads: Arc::new(Semaphore::new(MAX_THREADS as usize)),
            snapshot_reports: Mutex::default(),
            incoming,
        }
    }

    /// Tells the server. If it is gone, this transport is about to be dropped as well.
    pub(super) async fn tell(&self, incoming: Incoming) {
        let _ = self.incoming.send(incoming).await;
    }

    /// Tells the server of a refusal, once: whoever is refused calls again and again.
    pub(super) async fn report(&self, peer: ServerId, reason: Refusal) {
        let about = self.peers.contains_key(&peer).then_some(peer);
        let report = (peer, reason.clone());
        let before = self.reported.lock().unwrap_or_else(PoisonError::into_inner).insert(about, report.clone());
        if before != Some(report) {
            self.tell(Incoming::Refused { peer, reason }).await;
        }
    }

    /// Tells the server that a snapshot is not sent or taken, once: it is asked for again and again.
    pub(super) async fn report_snapshot(&self, with: ServerId, last: Option<Position>, why: SnapshotFailure) {
        let report = (last, why.clone());
        let before = self.snapshot_reports.lock().unwrap_or_else(PoisonError::into_inner).insert(with, report.clone());
        if before != Some(report) {
            self.tell(Incoming::SnapshotFailed { with, last, why }).await;
        }
    }

    /// A snapshot was sent to the peer, or taken from it: a later failure is news.
    pub(super) fn forget_snapshot_report(&self, with: ServerId) {
        self.snapshot_reports.lock().unwrap_or_else(PoisonError::into_inner).remove(&with);
    }

    /// Says that somebody unknown was refused. A peer that is refused so hears it as well.
    pub(super) fn report_stranger(&self, address: io::Result<SocketAddr>, reason: &Refusal) {
        if let Some(times) = self.refused_strangers.count(Instant::now()) {
            let address = address.map_or_else(|_| "an unknown address".to_owned(), |address| address.to_string());
            tracing::warn!(address, times, %reason, "somebody who called was refused");
        }
    }

    /// Waits until a connection with the peer has stood for a while: a later refusal is news.
    pub(super) async fn keep_peace(&self, with: ServerId) -> Infallible {
        sleep(STABLE_CONNECTION_TIME).await;
        if self.reported.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&Some(with)) {
            self.tell(Incoming::AtPeace { with }).await;
            self.reported.lock().unwrap_or_else(PoisonError::into_inner).remove(&Some(with));
        }
        pending().await
    }

    /// Ends the peer's former connection, and says when the new one is replaced in turn. Who calls
    /// can be called, so that is not put off any longer.
    pub(super) fn replace_inbound(&self, peer: ServerId) -> oneshot::Receiver<Refusal> {
        let (newest, replaced) = oneshot::channel();
        self.inbound.lock().unwrap_or_else(PoisonError::into_inner).insert(peer, newest);
        self.look_for(peer);
        replaced
    }

    /// Calls the peer now, if no connection to it stands.
    pub(super) fn look_for(&self, peer: ServerId) {
        if let Some(peer) = self.peers.get(&peer) {
            peer.is_there.notify_one();
        }
    }
}
