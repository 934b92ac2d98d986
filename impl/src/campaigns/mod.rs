//! Campaigns: the code that keeps a data directory, attacked by machine. A seed is a history of what a server does to
//! its disk; a campaign runs it again and again, and each time something else goes wrong.
//!
//! The log, the slots, the snapshot files, the identity, the group and the pins are those of a server, over a disk in
//! memory that is simulated down to calls and sectors. `rafttree campaign` runs campaigns, small ones are tests. The
//! feature `simulate` compiles this module, and changes nothing of what a server does.
//!
//! # What is attacked
//!
//! - [`Crashes`](Campaign::Crashes): a crash at every call that writes, flushes, renames, removes or flushes the
//!   directory, and of what was not flushed every subset (of sectors, lengths and changes of the directory) up to 2^10,
//!   and samples beyond; then a second crash at every such call of the start that follows, and a third one.
//! - [`Errors`](Campaign::Errors): at every call, reads included, an error, a short write, a disk without room, or a
//!   flush that fails and forgets what it was to write; the process goes on, is started anew, or the power fails.
//! - [`Bits`](Campaign::Bits): every bit of every file of a directory, one at a time. Some of these directories have
//!   been through crashes, so that remains of batches are in them that never counted.
//! - [`Bytes`](Campaign::Bytes): no history, but every parser of bytes that come from outside: messages, greetings and
//!   their frames, what is said about snapshots, all files of a directory, commands, sessions, what the admin socket is
//!   asked, histories. Each is given encodings of all kinds that were changed: flipped bits, extreme lengths, cut,
//!   joined with others, ranges repeated, removed and drawn; mostly with checksums that are right again.
//!
//! # What is judged
//!
//! At every start, against an exact account of what was acknowledged: the log is what was acknowledged, with the one
//! batch that was in flight or without it, never less and never other bytes; so are term and vote. The newest snapshot
//! is the one that was acknowledged, or one that was being made, and reads as it was written; no log begins behind it.
//! The number of a batch is not used twice, and no sector of a batch is written over, be it of one that never counted.
//! What is written after the start outlives a loss of power. After an error of the log nothing is written any more.
//! Bytes are refused, or read as a value that written again reads as the same, and that holds memory in proportion to
//! them; nothing panics. With a flipped bit a start may refuse, or name the entries of one batch as faulty, which are then repaired; all else
//! is as it was.

mod scale;

mod report;

mod history;

mod promise;

mod server;

mod crashes;

mod errors;

mod bits;

mod mutation;

mod lines;

mod hexadecimal;

mod bytes;

mod target;

mod run;

pub use hexadecimal::hexadecimal;
pub use report::{Counts, Violation};
pub use run::{Campaign, Run};
pub use scale::Scale;
pub use target::Target;

#[cfg(test)]
mod tests;
