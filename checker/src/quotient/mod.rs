//! The quotient: runs of any length in finitely many states.
//!
//! The protocol only compares terms and indices and counts them up by one; it looks at no absolute
//! term or index, at no name and at no payload. So states that differ in these alone are one: the
//! terms are counted from the lowest that a server is in, the terms of older entries keep their
//! order alone, what every server knows to be committed is dropped as compaction drops it, and
//! servers are ordered by what can be said of them. That each of these maps turns a step of the
//! deployed code into a step is shown in `model/tests/relabelling`, for arbitrary states.
//!
//! On top of that a state is left with what matters. Four things make it small, and each is shown to
//! lose nothing and to make nothing up: by [`simulation`] on the deployed step, for every server
//! that is reached, with everything that it may have in memory, on every message there can be; and
//! by `cross_check`, which explores the concrete system beside this one.
//!
//! - **What can be forgotten and heard again at any time is not kept.** A message is delivered and
//!   stays. So a follower hears its leader again whenever it likes, and may be taken to hear
//!   nobody; a candidate counts its votes, and a leader its acknowledgements, when they decide
//!   something; a pre-candidate is a follower that has asked. (`simulation::variants` lists what a
//!   server may have in memory; that it can have nothing else is part of what is tried.)
//! - **What could have been said counts as said.** A voter that is still in its term can be asked
//!   again, and so can a follower: a crash that cut off the answer only delays it.
//! - **What nobody can react to any more is forgotten**: what was said in a term that all others
//!   have left, and who was voted for in a term that nobody can win any more. Terms on disks are
//!   what decides it, and that they never fall is checked. Refusals, late answers and what is said
//!   in older terms are never delivered here: that they change nothing is tried in `simulation`.
//! - **A step that nobody has seen is flushed or cut off at once.** Its outputs wait for the flush;
//!   until then it could as well not have happened. What a leader appends may be seen before the
//!   flush, so how much of its log is on its disk is kept. So may a candidate's requests: whoever may
//!   campaign may have asked and been cut off, so its requests of the next term are offered, and what
//!   it may have asked with before its log changed, and the votes for that, are kept.
//!
//! Where servers make snapshots, a server also keeps how much of its log it has compacted: after a crash
//! it knows that much to be committed. The entries stay beside it, as what its snapshot was made of.
//!
//! Where disks are damaged, a server also keeps which of its entries cannot be read, and the last entry that every
//! server knows to be committed is kept: damage to it stands for damage to any before it.
//!
//! What is *more* than can happen, so that what holds there holds in fact: a campaign may begin
//! wherever a majority has reached the term, whatever its logs; a leader that transfers its leadership goes on;
//! a leader may send a snapshot of whatever it knows to be committed, also to who has it.
//! Nothing is assumed that is to be shown: there is room for several votes, leaders and entries
//! where there should be one.

mod sets;

mod server;

mod state;

mod canonical;

mod packed;

mod world;

mod inputs;

pub(crate) mod link;

mod local;

mod settings;

mod offers;

mod successors;

mod words;

mod simulation;

mod concretise;

mod space;

pub(crate) mod cross_check;

#[cfg(test)]
mod tests;

pub(crate) use inputs::Stimulus;
pub(crate) use packed::Packed;
pub(crate) use server::{LONGEST, MOST_SEATS};
pub(crate) use settings::Quotient;
pub(crate) use state::{Reach, State};
pub(crate) use successors::{CUT_OFF, KINDS, Move, Worker};
