//! Raft whose deployed logic is the model-checked logic.

pub mod storage;
mod transport;

pub use rafttree_model::{Index, Position, RoleName, ServerId, Term};
pub use storage::{ClusterId, Identity, Incarnation, init};
