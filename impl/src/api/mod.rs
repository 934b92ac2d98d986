//! The interface for services.

pub(crate) mod error;

pub(crate) mod fence;

pub(crate) mod status;

pub(crate) mod epoch;

pub(crate) mod command;

pub(crate) mod settings;

pub(crate) mod builder;

pub(crate) mod leadership;

pub(crate) mod node;

pub(crate) mod replica;

pub use builder::{Builder, ReplicaBuilder};
pub use epoch::Lost;
pub use error::{Error, Failure, LeadError, ProposeError, ReadError};
pub use fence::{Fence, FenceGuard, StaleFence};
pub use leadership::{Leadership, Then};
pub use node::Node;
pub use replica::{Replica, Session};
pub use status::{Leader, LeadershipStatus, PeerStatus, Status, Warning, Work};
