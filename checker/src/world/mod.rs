//! One state of everything: servers, disks, messages, and what has really reached a server.

pub(crate) mod observed;
pub(crate) mod server;
pub(crate) mod state;
