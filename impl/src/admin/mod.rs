//! The door to a running server for those who can reach its data directory: what the command `rafttree`
//! asks of a server, and what a service's own tools may ask.
//!
//! Every server opens a Unix socket in its directory, for its own user alone. A line of JSON asks, and a
//! line of JSON answers; [`ask`] does both.

mod status;

mod door;

pub use door::{Answer, AskError, Request, ask, status};
pub(crate) use door::{Door, answer};
pub use status::{Heard, PeerStatus, ServerStatus};
