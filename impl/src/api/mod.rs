//! The interface for services.

pub(crate) mod builder;
pub(crate) mod error;
pub(crate) mod fence;
pub(crate) mod leadership;
pub(crate) mod node;
pub(crate) mod status;

pub use builder::Builder;
pub use error::{Error, Failure, LeadError};
pub use fence::{Fence, FenceGuard, StaleFence};
pub use leadership::{Leadership, Lost, Then};
pub use node::Node;
pub use status::{Leader, LeadershipStatus, PeerStatus, Status, Warning, Work};
