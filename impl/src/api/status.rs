//! The status of a server, and its warnings.

use std::net::SocketAddr;
use std::time::Duration;
use std::{fmt, io};

use rafttree_model::{Faulty, Index, Position, Progress, ServerId, Term};

use super::fence::Fence;
use crate::record::Trouble;
use crate::storage::{ClusterId, Incarnation};
use crate::transport::{Refusal, Unreachable};

/// The leader as this server knows it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Leader {
    /// The leader; `None` if it is not known. A server names itself only while it holds a
    /// [`Leadership`](crate::Leadership).
    pub leader: Option<ServerId>,
    /// The latest term this server has seen.
    pub term: Term,
}

/// The status of a server, and of its group as far as the server knows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// The group.
    pub cluster: ClusterId,
    /// Which life of its disk this server is.
    pub incarnation: Incarnation,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its election timeout T.
    pub election_timeout: Duration,
    /// Role, term, vote, log and commit index.
    pub protocol: rafttree_model::Status,
    /// The leadership that this server holds.
    pub leadership: Option<LeadershipStatus>,
    /// The last entry that the state machine has applied.
    pub applied: Index,
    /// The last entry in the newest snapshot that is durable.
    pub snapshot: Option<Position>,
    /// Why the latest attempt at a snapshot failed, until one succeeds: as long as that is so the log goes on growing.
    pub failed_snapshot: Option<String>,
    /// The last entry that the log no longer holds, as a snapshot includes it; `0@0` if it holds all.
    pub compacted: Position,
    /// The service's part; without a state machine the server campaigns only while it waits to lead.
    pub work: Work,
    /// Whether the server campaigns when it hears no leader.
    pub campaigns: bool,
    /// The leader that the server heard last, since it started, and how long ago. Within an election timeout
    /// it helps nobody to replace that one.
    pub heard: Option<(ServerId, Duration)>,
    /// The other servers, by rising id.
    pub peers: Vec<PeerStatus>,
    /// The usual time of a write to the disk, rather more than less: a single slow one
    /// counts for a while. Nothing before the first.
    pub flush: Option<Duration>,
    /// The warnings that hold now.
    pub warnings: Vec<Warning>,
}

/// A problem to be seen to before it costs the server, or its group, more than it does now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// The disk is full, and the log cannot grow.
    #[error(
        "the disk is full: {left} bytes are left for the log in what it takes already (an election takes 8192), and \
         the server stops once they are used up; free some space on the file system of its data directory"
    )]
    DiskFull {
        /// Bytes that are left in the log.
        left: u64,
    },
    /// The disk has lost what entries of the log carry.
    #[error(
        "the disk has damaged the entries {first} to {last} of the log: this server votes, does not lead, and fetches them \
         from its leader; until then the group can do without fewer servers, and a group of one cannot go on; \
         `rafttree log verify` says where the damage is, and a disk that has damaged one entry may damage others"
    )]
    FaultyEntries {
        /// The first of them.
        first: Index,
        /// The last of them.
        last: Index,
    },
    /// Flushes take as long as an election timeout, so that no leader's promise would be in time.
    #[error(
        "the disk takes {} ms for a flush, and the election timeout is {} ms: this server cannot lead, and as long as \
         a majority is so slow no leader can be elected; use a faster disk, or an election timeout of at least {} ms",
        flush.as_millis(), election_timeout.as_millis(), 4 * flush.as_millis()
    )]
    SlowDisk {
        /// The usual time of a flush.
        flush: Duration,
        /// This server's election timeout.
        election_timeout: Duration,
    },
    /// The servers of a group should agree on their election timeout.
    #[error(
        "the election timeout of server {peer} is {} ms, and that of this server {} ms: give all servers the same; until \
         then the shorter one decides between the two, and how soon a leader is replaced depends on who campaigns",
        theirs.as_millis(), ours.as_millis()
    )]
    UnequalTimeouts {
        /// The other server.
        peer: ServerId,
        /// Its election timeout.
        theirs: Duration,
        /// This server's election timeout.
        ours: Duration,
    },
    /// The trace was to be written faster than it could be.
    #[error(
        "the trace has ended: its disk is slower than what happens to this server, which goes on; put the trace on a \
         faster disk and restart the server to have one again"
    )]
    TraceOverrun,
    /// The trace could not be written.
    #[error(
        "the trace has ended, as it could not be written ({kind}); the server goes on: free some space or put the trace \
         elsewhere, and restart the server to have one again"
    )]
    TraceFailed {
        /// What went wrong.
        kind: io::ErrorKind,
    },
}

impl Warning {
    /// The warning that a server gives which cannot read these entries of its log.
    pub(crate) fn of_faulty(faulty: Faulty) -> Option<Warning> {
        Some(Warning::FaultyEntries { first: faulty.first()?, last: faulty.last()? })
    }

    /// Whether somebody who was told of the other needs not be told of this one: figures that change
    /// all the time are no news.
    pub fn is_same_as(&self, other: &Warning) -> bool {
        match (self, other) {
            (Warning::UnequalTimeouts { .. }, Warning::UnequalTimeouts { .. }) => self == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

/// The part that the service plays by now. A server that would have nobody to work when
/// it leads leaves the leadership to others: it does not campaign.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Work {
    /// Nobody waits in [`lead`](crate::Node::lead): it was not called, has returned, or its closure
    /// has panicked.
    #[default]
    Nobody,
    /// [`lead`](crate::Node::lead) waits for a leadership.
    Waiting,
    /// A closure of [`lead`](crate::Node::lead) runs. If that began under a leadership that has
    /// ended since, the next one must wait until it returns.
    Running,
}

impl fmt::Display for Work {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Work::Nobody => "nobody waits in `lead`",
            Work::Waiting => "waits to lead",
            Work::Running => "runs",
        })
    }
}

/// A leadership that a server holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LeadershipStatus {
    /// Its fence.
    pub fence: Fence,
    /// For how much longer no other server can be elected, if nobody answers any more.
    pub lease: Duration,
    /// Whether a closure of [`lead`](crate::Node::lead) runs under it.
    pub at_work: bool,
}

/// The status of a peer, as far as a server knows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerStatus {
    /// The peer.
    pub id: ServerId,
    /// Its address, as it was configured.
    pub address: String,
    /// Whether this server's own connection to it is up.
    pub connected: bool,
    /// Why one of the two refused the other last, until a connection of the two has stood for ten
    /// seconds.
    pub refusal: Option<Refusal>,
    /// Why the peer was not reached last, if they are not connected.
    pub unreachable: Option<Unreachable>,
    /// The peer's election timeout T, once one of the two has called the other. Servers of a group
    /// should have the same.
    pub election_timeout: Option<Duration>,
    /// On a leader: how long ago the last message was sent that the peer has answered.
    pub answered: Option<Duration>,
    /// On a leader: what the peer is known to hold, and the next entry to be sent to it.
    pub progress: Option<Progress>,
    /// On a leader: whether the peer lacks entries that the log no longer holds, and is sent a snapshot.
    pub needs_snapshot: bool,
}

impl PeerStatus {
    /// A peer of which nothing was heard yet.
    pub(crate) fn new(id: ServerId, address: &str) -> PeerStatus {
        let address = address.to_owned();
        PeerStatus {
            id,
            address,
            connected: false,
            refusal: None,
            unreachable: None,
            election_timeout: None,
            answered: None,
            progress: None,
            needs_snapshot: false,
        }
    }
}

impl From<Trouble> for Warning {
    fn from(trouble: Trouble) -> Warning {
        match trouble {
            Trouble::Overrun => Warning::TraceOverrun,
            Trouble::Failed(kind) => Warning::TraceFailed { kind },
        }
    }
}
