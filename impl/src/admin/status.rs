//! The status of a running server, as it is told through its door.

use std::time::Duration;

use rafttree_model::{Index, Position, Progress, ServerId};
use serde::{Deserialize, Serialize};

use crate::api::status::Status;

/// The status of a running server. What a version does not know is left out of its answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ServerStatus {
    /// Role, term, vote, log and commit index.
    pub server: rafttree_model::Status,
    /// The cluster's id: a secret, which whoever may read the directory knows.
    pub cluster: String,
    /// Where it listens.
    pub address: String,
    /// Its process.
    pub pid: u32,
    /// Its election timeout T.
    #[serde(default)]
    pub election_timeout_milliseconds: f64,
    /// The rest of the lease, during which nobody else leads; nothing if it does not lead.
    pub lease_milliseconds: Option<f64>,
    /// The service's part.
    pub work: String,
    /// Whether it campaigns when it hears no leader.
    #[serde(default)]
    pub campaigns: bool,
    /// The leader that it heard last, and how long ago.
    #[serde(default)]
    pub heard: Option<Heard>,
    /// The last entry that the state machine has applied.
    #[serde(default)]
    pub applied: Index,
    /// The last entry in the newest snapshot.
    #[serde(default)]
    pub snapshot: Option<Position>,
    /// Why the latest attempt at a snapshot failed, until one succeeds.
    #[serde(default)]
    pub failed_snapshot: Option<String>,
    /// The last entry that the log no longer holds.
    #[serde(default)]
    pub compacted: Position,
    /// The other servers.
    pub peers: Vec<PeerStatus>,
    /// The usual time of a write to the disk.
    #[serde(default)]
    pub flush_milliseconds: Option<f64>,
    /// The warnings that hold now.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A leader that was heard.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Heard {
    /// The leader.
    pub leader: ServerId,
    /// How long ago.
    pub milliseconds: f64,
}

/// The status of a peer, as a server knows it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PeerStatus {
    /// The peer.
    pub id: ServerId,
    /// Its address, as it was configured.
    pub address: String,
    /// Whether the server's own connection to it is up.
    pub connected: bool,
    /// Why the two do not talk, if one of them has said so.
    pub refused: Option<String>,
    /// Why it is not reached, if they are not connected.
    #[serde(default)]
    pub unreachable: Option<String>,
    /// Its election timeout.
    #[serde(default)]
    pub election_timeout_milliseconds: Option<f64>,
    /// On a leader: how long ago the last message was sent that the peer has answered.
    pub answered_milliseconds: Option<f64>,
    /// On a leader: the last entry that the peer is known to hold.
    #[serde(default)]
    pub matched: Option<Index>,
    /// On a leader: the next entry to be sent to it.
    #[serde(default)]
    pub next: Option<Index>,
    /// On a leader: whether the peer is sent a snapshot, since the log no longer holds what it lacks.
    #[serde(default)]
    pub needs_snapshot: bool,
}

impl From<Status> for ServerStatus {
    fn from(status: Status) -> ServerStatus {
        let peers = status.peers.into_iter().map(|peer| PeerStatus {
            id: peer.id,
            address: peer.address,
            connected: peer.connected,
            refused: peer.refusal.map(|refusal| refusal.to_string()),
            unreachable: peer.unreachable.map(|unreachable| unreachable.to_string()),
            election_timeout_milliseconds: peer.election_timeout.map(milliseconds),
            answered_milliseconds: peer.answered.map(milliseconds),
            matched: peer.progress.map(|Progress { matched, .. }| matched),
            next: peer.progress.map(|Progress { next, .. }| next),
            needs_snapshot: peer.needs_snapshot,
        });
        ServerStatus {
            server: status.protocol,
            cluster: status.cluster.to_string(),
            address: status.address.to_string(),
            pid: std::process::id(),
            election_timeout_milliseconds: milliseconds(status.election_timeout),
            work: status.work.to_string(),
            campaigns: status.campaigns,
            heard: status.heard.map(|(leader, ago)| Heard { leader, milliseconds: milliseconds(ago) }),
            applied: status.applied,
            snapshot: status.snapshot,
            failed_snapshot: status.failed_snapshot,
            compacted: status.compacted,
            lease_milliseconds: status.leadership.map(|leadership| milliseconds(leadership.lease)),
            peers: peers.collect(),
            flush_milliseconds: status.flush.map(milliseconds),
            warnings: status.warnings.iter().map(ToString::to_string).collect(),
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
