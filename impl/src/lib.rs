//! Raft whose deployed logic is the model-checked logic, for services on tokio: a replicated state machine,
//! and leader election with fences.
//!
//! A server of this crate calls [`rafttree_model::step()`], the transition function that the
//! project's checker explores exhaustively, and performs what comes out: it writes records, sends
//! messages, restarts timers. It takes no decision of the protocol itself.
//!
//! # A replicated state machine
//!
//! ```no_run
//! use std::collections::BTreeMap;
//! use std::io::{self, Read};
//!
//! use rafttree::{Node, Serialized, Snapshot, StateMachine};
//!
//! /// A replicated map: what a service writes is its state, its commands, and three methods.
//! #[derive(Default)]
//! struct Map(BTreeMap<String, String>);
//!
//! impl StateMachine for Map {
//!     type Command = (String, String);
//!     type Answer = Option<String>;
//!
//!     fn apply(&mut self, (key, value): (String, String)) -> Option<String> {
//!         self.0.insert(key, value)                     // deterministic, and cannot fail
//!     }
//!
//!     fn snapshot(&self) -> Box<dyn Snapshot> {
//!         Box::new(Serialized(self.0.clone()))          // cheap here; written on another thread
//!     }
//!
//!     fn restore(from: &mut dyn Read) -> io::Result<Map> {
//!         Serialized::read(from).map(Map)
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let id: u32 = std::env::args().nth(1).ok_or("which server is this: 1, 2 or 3?")?.parse()?;
//!     let address = |id: u32| format!("127.0.0.1:{}", 7000 + id);
//!     let mut node = Node::builder(format!("data/{id}")).listen(address(id));
//!     for peer in (1..=3).filter(|&peer| peer != id) {
//!         node = node.peer(peer, address(peer));
//!     }
//!     let replica = node.machine(Map::default()).start().await?;
//!     // On any server, whoever leads. It is on the disks of a majority, and applied, when this returns.
//!     replica.propose((format!("server {id}"), "was here".into())).await?;
//!     // Linearizable, on any server: it sees whatever was answered before it was asked for.
//!     let map = replica.read(|map| map.0.clone()).await?;
//!     println!("{map:?}");
//!     replica.closed().await?;                          // it serves until it is ended
//!     Ok(())
//! }
//! ```
//!
//! Each of three servers is a process: `cargo run 1`, `cargo run 2`, `cargo run 3`, once each directory was made by
//! `rafttree init` (the feature `cli`), as the README shows from nothing. The crate tokio is needed with `macros` and
//! `rt`. For tests there are groups in one process: `rafttree::testing`, with the feature `simulate`.
//!
//! Log, transport, snapshots, forwarding to the leader and linearizable reads are built in. What a call
//! answers, and what may be done then:
//!
//! | answer | what it means | what to do |
//! | --- | --- | --- |
//! | `Ok` of [`propose`](Replica::propose) | the command is committed, durable on a majority, and applied once | |
//! | [`NotCommitted`](ProposeError::NotCommitted) | it was not applied, and never will be | propose it again |
//! | [`Unknown`](ProposeError::Unknown) | it was applied once, or will be, or never: the leader failed meanwhile | read what is there; propose it again only if twice does no harm |
//! | `Ok` of [`Session::propose`](Session::propose) | applied exactly once, however many attempts it took | |
//! | [`SessionExpired`](ProposeError::SessionExpired) | the group has forgotten the session | as for `Unknown`, and open another |
//! | `Ok` of [`read`](Replica::read) | it has seen all that was answered before the call, to whomever | |
//! | [`Unavailable`](ReadError::Unavailable) | no majority was reached in time | try again, or [`read_stale`](Replica::read_stale) |
//!
//! [`StateMachine`] says what a service has to keep to. Snapshots are made by themselves
//! ([`snapshot_after`](ReplicaBuilder::snapshot_after)), so log and memory stay bounded.
//!
//! # An election
//!
//! A leader for work that is not in the log; a server with a state machine may have both.
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
//! - A command that was answered is on the disks of a majority: it survives the end of any server, and of
//!   all at a time.
//! - Not covered yet: changes of membership. Unix only; timers are finer than a millisecond on Linux alone.

#[cfg(any(test, feature = "simulate"))]
mod fuzz;

pub mod linearizability;

pub mod storage;

mod core;

mod record;

mod transport;

mod machine;

mod clock;

mod api;

pub mod admin;

mod server;

#[cfg(any(test, feature = "simulate"))]
pub mod simulate;

#[cfg(any(test, feature = "simulate"))]
pub mod campaigns;

#[cfg(any(test, feature = "simulate"))]
pub mod testing;

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
