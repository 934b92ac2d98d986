//! Raft whose deployed logic is the model-checked logic.

mod builder;
mod clock;
mod driver;
mod error;
mod fence;
mod leadership;
mod lease;
mod node;
mod server;
mod start;
mod status;
pub mod storage;
mod timers;
mod transport;

pub use builder::Builder;
pub use error::{Error, Failure, LeadError};
pub use fence::{Fence, FenceGuard, StaleFence};
pub use leadership::{Leadership, Lost, Then};
pub use node::Node;
pub use rafttree_model::{Index, Position, RoleName, ServerId, Status as ProtocolStatus, Term};
pub use status::{Leader, LeadershipStatus, PeerStatus, Status};
pub use storage::{ClusterId, Identity, Incarnation, StorageError, init};
pub use transport::Refusal;
