//! The same search by several processes, which may be on several hosts.
//!
//! Each state belongs to one worker, by its fingerprint, and each worker has the visited set and the
//! frontier of its own states. Workers expand some of their states, send what they find to whom it belongs,
//! and then agree: what was counted, what is broken, and whether to go on. So there are moments, a few a second,
//! at which nothing is under way, and all know the same. What carries letters between workers, and
//! knows when all have arrived, is timely dataflow; everything that is decided is decided here.
//!
//! - No process is asked to join by anybody who does not know the secret, and none joins that searches
//!   something else ([`handshake`]).
//! - A process that dies or falls silent ends the others ([`alive`]).

pub(crate) use run::Refused;
pub(crate) use settings::Hosts;

mod settings;

mod proof;

mod frames;

mod handshake;

mod join;

mod alive;

mod post;

mod shares;

mod pieces;

mod ground;

mod summary;

mod way;

mod tasks;

mod worker;

mod run;
