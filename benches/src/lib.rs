//! What the protocol costs: groups of servers in one thread, whose messages are moved by hand.
//!
//! There is no network, no disk and no clock here, so what remains is the protocol: what a
//! library does between a message that arrives and those that leave. [`Rafttree`] drives the
//! deployed transition function; with the feature `peers`, `RaftRs` drives raft-rs 0.7 in the
//! same [`Round`]s. openraft, which is no state machine, cannot be driven so: it stands apart, below.
//!
//! # What is equal
//!
//! - Messages travel in waves: those of one wave are delivered in the order in which they were
//!   sent, and what they cause makes the next wave.
//! - Entries are kept in a vector in memory and cut off at the front now and then; terms and votes
//!   are stored beside them; there is no flush. Entries are copied out of that vector for each
//!   follower, the command's bytes being shared. A command is copied once, when it is proposed:
//!   into a list of bytes of its own for raft-rs, which wants one; for ours into a buffer that many
//!   share, as those are that a connection is read into.
//! - What the messages of one wave, or commands that are proposed at once, want from a server is
//!   gathered and then done in one go: in a `Ready` of raft-rs, in an `Effects` of ours. What a
//!   server of ours tells itself, which raft-rs keeps inside, is its first event in the next wave.
//! - Everything from the event to the end of the last wave is counted: the protocol, what the
//!   world does for it (storing, applying, drawing timeouts), and moving each message by value from
//!   the sender's list of messages to the receiver.
//! - Every server takes part in an election: the leader gives up, and the minimum timeout has
//!   passed at all the others, so that nobody refuses. Both draw random timeouts from ChaCha12: ours for
//!   a follower once its minimum timeout has passed, raft-rs whenever it becomes one.
//! - `Library::RaftRs` has PreVote and CheckQuorum, as ours always has, and tells followers of
//!   a commit with the next message, as ours does.
//!
//! # What is not
//!
//! - raft-rs is told of passed time by setting its counter, which costs nothing; ours takes an
//!   event for it, which is counted.
//! - raft-rs hands out committed entries as copies; ours says up to which index they are
//!   committed, and they are read where they lie.
//! - Flow control, snapshots, changes of membership and read-only queries are in raft-rs's path
//!   and not in ours. raft-rs formats its log lines only if somebody listens: here nobody does.
//! - `Library::RaftRsDefault` is raft-rs as it comes: no PreVote (one wave of questions fewer) and no
//!   CheckQuorum; each commit is told to the followers at once (one wave of messages more).
//!
//! # openraft
//!
//! `Openraft` is a group of servers of openraft 0.9, the last stable release, as they come, in one
//! tokio runtime of one thread. Of its rounds the election is measured: it is triggered at the next
//! server, and each one raises the term by one and makes that server the leader that all know.
//!
//! - Equal: one thread, stores in memory without a flush, the messages' values handed to the receiver,
//!   no timers, every server takes part, and the new leader's first entry is stored everywhere.
//! - Not equal: openraft is an async library, so its tasks, its channels, the runtime that runs them,
//!   and the metrics through which its leader is seen are counted. It has no PreVote and no
//!   CheckQuorum. It remembers where each new leader's entries begin, and cuts its log by snapshots:
//!   they are taken so often that its elections are cheapest.
//! - A server of openraft grants no vote before its lease on a leader has passed. The runtime's clock
//!   stands while there is work, and then jumps; so the leases pass between two elections, and nobody
//!   waits for them. A leader does not campaign: the triggered server is always a follower.

#![forbid(unsafe_code)]

mod cluster;
mod library;
#[cfg(any(feature = "peers", feature = "servers"))]
pub mod load;
#[cfg(feature = "peers")]
mod openraft;
#[cfg(feature = "peers")]
mod peer;
mod round;
pub mod situation;

pub use cluster::{Deployed, Rafttree, Stepper};
pub use library::Library;
#[cfg(feature = "peers")]
pub use openraft::{Openraft, Replicating, View};
#[cfg(feature = "peers")]
pub use peer::{RaftRs, Settings};
pub use round::{Round, settle, split_votes};

/// The sizes of the groups that are measured.
pub const SIZES: [usize; 4] = [3, 5, 7, 9];

/// Once so many applied entries lie in a log, they are removed.
const MOST_APPLIED: usize = 8192;

/// A group of servers, numbered from 0, whose messages are moved by hand.
pub trait Group {
    /// How many servers there are.
    fn servers(&self) -> usize;

    /// The leader gives up, and the minimum timeout passes at all the others.
    fn give_up(&mut self);

    /// The election timeout fires at this server.
    fn time_out(&mut self, server: usize);

    /// The heartbeat timeout fires at this server.
    fn heartbeat(&mut self, leader: usize);

    /// A client proposes a command to this server.
    fn propose(&mut self, leader: usize, command: &[u8]);

    /// The leader tells the others what is committed, unless it has done so by itself.
    fn announce_commit(&mut self, leader: usize);

    /// Delivers what has been sent so far; false if there was nothing.
    fn deliver(&mut self) -> bool;

    /// What has been sent so far gets lost.
    fn lose(&mut self);

    /// Whether every server takes this one for the leader.
    fn is_known_to_all(&self, leader: usize) -> bool;

    /// How many commands this server has applied.
    fn applied(&self, server: usize) -> u64;
}
