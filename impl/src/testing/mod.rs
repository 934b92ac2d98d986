//! Groups in one process, for tests: of a state machine and what calls it, and of work under a leadership.
//!
//! Servers in a [`Group`] are those that are deployed: the protocol, its driver and timers, the log and its recovery,
//! snapshots, the thread that applies, sessions, reads and elections. Three things take the place of the machine's: a
//! disk in memory, which is written at once and of which a crash keeps what was flushed and nothing else; a network in
//! memory, on which nothing is late or lost unless a server is [cut off](Group::cut_off); and one thread on which all
//! servers of a group take turns. No port is taken, no file is written, and time is real.
//!
//! What is not in it: the thread on which a server waits for its disk, the transport's bytes and handshakes, data
//! directories with their locks and identities, and faults of disks; all of these but the first two have a place in the
//! simulation, which also tries thousands of runs in the time that one takes here (`rafttree::simulate`).
//!
//! The feature `simulate` compiles this module, and changes nothing of what a server does: name it where your tests
//! depend on this crate.

mod switchboard;

mod transfer;

mod stage;

mod seat;

mod group;

pub use group::{Group, GroupBuilder};

#[cfg(test)]
mod tests;
