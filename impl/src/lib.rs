//! Raft whose deployed logic is the model-checked logic.

mod clock;
mod driver;
mod lease;
pub mod storage;
mod timers;
mod transport;

pub use rafttree_model::{Index, Position, RoleName, ServerId, Term};
pub use storage::{ClusterId, Identity, Incarnation, init};
