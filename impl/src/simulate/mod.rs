//! Simulation: groups under every fault, in one thread and in virtual time. A seed is a run, the same each time and
//! on every machine.
//!
//! The driver, the requests, the state machine's tasks, the log and the snapshots are those of a server. Around them
//! everything is simulated: disks down to sectors and calls, the network, the clocks, and the clients. What is not in
//! it: the transport's bytes and handshakes (the network here knows peers by their disks, as the handshake does),
//! threads, and files beside log and snapshots.
//!
//! [`Simulation`] is for a service's own tests; `rafttree simulate` runs campaigns. The feature `simulate` compiles
//! this module, and changes nothing of what a server does.
//!
//! # What is judged
//!
//! At every step: one leader a term, no second vote in a term, fences that rise, no committed entry that changes, no
//! leader that lacks one, no two leases at a time. With every entry that is applied: the same machine, the same
//! answers and the service's invariant, wherever and whenever it is applied, each command once. With every answer:
//! it is the machine's, and it comes after whatever was seen before it was asked for; so it is with reads, on
//! whichever server. At every start: the disk holds what was said to be durable, the vote that was given among it,
//! and a snapshot that ends where the log begins; or names what it cannot read, or is refused. At the end: what a
//! client was told is not committed is not; and once all faults are over, a command is answered within three election
//! timeouts, and every server applies what is committed.
//!
//! # Which fault may do what
//!
//! | fault | what is promised |
//! | --- | --- |
//! | messages lost, repeated, late and out of order; cuts, one way or both; flapping; connections that end on one side or on both; a network that rejects what two sides say to each other | everything |
//! | crash and loss of power, of one or of all, at any call of a disk; pauses; late timers; clocks that drift by 4 % each | everything |
//! | slow and stalled disks; full disks; a call that fails, a write that writes half | everything; the server may stop |
//! | a bit that flips in the log or in a snapshot | everything, if a minority is hit: the server names the entry and fetches it, repairs the slot, or refuses to start |
//! | a wiped disk, initialised anew or not; directories that changed places | everything, if a minority is wiped: the server refuses to start, or its peers refuse it |
//! | a disk whose flushes do nothing, and a directory put back to an older copy | nothing from the start on at which something is missing, since votes may be given twice. Until then everything. Such runs are counted, and so are those in which harm came of it |

mod random;

mod digest;

mod faults;

mod mutant;

mod subject;

mod watched;

mod registers;

mod report;

mod directory;

mod server;

mod facts;

mod clients;

mod world;

mod network;

mod lives;

mod driving;

mod serving;

mod asking;

mod trouble;

mod run;

mod shrink;

mod kit;

pub(crate) use digest::Digest;
pub use kit::{Failure, Run, Simulation};
pub use mutant::Mutant;
pub use random::Random;
pub use registers::{Demand, Registers};
pub use report::Figures;

#[cfg(test)]
mod tests;
