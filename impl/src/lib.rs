//! Raft whose deployed logic is the model-checked logic: leader election with fences, for
//! services on tokio.
//!
//! A server of this crate calls [`rafttree_model::step()`], the transition function that the
//! project's checker explores exhaustively, and performs what comes out: it writes records, sends
//! messages, restarts timers. It takes no decision of the protocol itself.
//!
//! # An election
//!
//! ```no_run
//! use rafttree::{Lost, Node, Then};
//!
//! # struct Queue;
//! # impl Queue { async fn next(&self) -> Job { Job } }
//! # struct Job;
//! # impl Job { async fn run(self, fence: rafttree::Fence) {} }
//! # async fn example(queue: Queue) -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::builder("data/n1").listen("127.0.0.1:7001")
//!     .peer(2, "127.0.0.1:7002").peer(3, "127.0.0.1:7003").start().await?;
//! node.lead(async |leadership| {                              // runs once for each leadership
//!     let fence = leadership.fence();                         // goes to the protected resource
//!     loop {
//!         let job = tokio::select! {
//!             job = queue.next() => job,
//!             _ = leadership.lost() => break,                 // over, or to be transferred
//!         };
//!         leadership.check()?;                                // no I/O: the clock and the lease
//!         leadership.bound(job.run(fence)).await?;            // dropped where leadership is lost
//!     }
//!     Ok::<_, Lost>(Then::Resign)
//! }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! The directory is initialised once, by [`init`] or by the command `rafttree init`: a server
//! that lost its disk has forgotten its votes and must not come back as if nothing had happened.
//! To spawn [`lead`](Node::lead) as a task, give it an `async move` closure.
//!
//! # How sure a leader can be
//!
//! | | what it says | cost | what it assumes |
//! | --- | --- | --- | --- |
//! | [`Node::leader`] | the latest leader that this server heard of: a hint | none | nothing, and promises nothing |
//! | [`Leadership::check`] | no other server can have been elected by now (the lease) | none: the clock and the lease | clocks, restarts, and of networks what [`ElectOnDisconnect`] says |
//! | [`Leadership::verify`] | this server was the leader at some moment after the call (a ReadIndex round) | a round to a majority, which callers share | nothing of clocks |
//! | [`Leadership::fence`] | which of two leaderships is the later one (a fencing token) | the protected resource keeps the greatest that it has seen | nothing |
//!
//! # What it promises, and what not
//!
//! - Never two leaders of one term; fences only rise: through crashes, power loss, lost, late and
//!   repeated messages, whatever the clocks do. All servers must be given the same group at
//!   their first start. It is written down then, a later start with another one is refused, and
//!   servers of unequal groups refuse each other. The first list is believed, though: a server
//!   that was first started without its peers is a group of one, and leads.
//! - [`check`](Leadership::check) is as good as its assumptions about clocks and networks;
//!   the protected resource should check the [`Fence`].
//! - Servers are taken to crash, not to lie. The cluster's id is a secret that makes a member, and
//!   never goes over the wire. Nothing is encrypted yet, and whoever can change or relay traffic can
//!   speak for a server, so servers listen on loopback only, unless they are told otherwise.
//! - Not covered yet: a replicated state machine (nothing can be proposed), changes of membership,
//!   compaction of the log (an election costs each server 8 KiB of disk), repair of damaged entries
//!   from the leader (the server refuses to start and names them). Unix only; timers are finer than a millisecond on
//!   Linux alone.

pub mod storage;

mod core;

mod transport;

mod machine;

mod clock;

mod api;

mod server;

#[cfg(test)]
mod simulate;

pub use api::{Builder, Error, Failure, Fence, FenceGuard, LeadError, Leadership, Lost, Node, StaleFence, Then};
pub use api::{Leader, LeadershipStatus, PeerStatus, Status, Warning, Work};
pub use api::{ProposeError, ReadError, Replica, ReplicaBuilder, Session};
pub use machine::apply::SnapshotError;
pub use machine::{CodecError, MachineFailure, Serialized, Snapshot, StateMachine};
pub use rafttree_model as model;
pub use rafttree_model::{Index, Position, Progress, RoleName, ServerId, Status as ProtocolStatus, Term};
pub use storage::{ClusterId, Identity, Incarnation, StorageError, init};
pub use transport::{Refusal, Unreachable};

pub use self::core::links::ElectOnDisconnect;
pub use self::core::timers::disconnect_election_delay;

#[allow(deprecated, reason = "the former names stay for a release")]
#[doc(hidden)]
pub use self::core::timers::early_timeout;

/// The examples of the README are compiled as those of the documentation are. A test of the workspace
/// holds that of its first page to be the same.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
