//! What single steps do: equations over effects, one behaviour each. Server 1 is the one that is
//! watched.

mod commitment;
mod compaction;
mod elections;
mod faulty;
mod leadership;
mod replication;
mod rounds;
mod stickiness;
mod terms;
mod transfer;
