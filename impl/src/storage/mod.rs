//! What a server keeps on disk.

pub(crate) mod identity;

pub use identity::{ClusterId, Identity, Incarnation, InvalidId};
