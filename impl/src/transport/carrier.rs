//! The way to the peers as a server uses it: connections, or what takes their place where a whole group runs in
//! one process.

use std::net::SocketAddr;
use std::pin::Pin;

use rafttree_model::{Position, ServerId};

use super::refusal::Refusal;
use crate::core::frame::Packet;

/// The way to all peers. What comes from them is told as `Incoming`.
pub(crate) trait Carrier: Send + Sync {
    /// Where this server listens.
    fn local_address(&self) -> SocketAddr;

    /// Sends a packet to the peer it names, if that can be reached. Never waits: if too much is
    /// waiting for the peer already, the oldest goes.
    fn send(&self, packet: Packet);

    /// Sends the peer the snapshot up to this entry. Never waits. If an older one is being sent, that ends; if it
    /// is this one, nothing changes. Of what is not sent to its end nothing is tried again: whoever still needs it
    /// is to ask again.
    fn send_snapshot(&self, to: ServerId, last: Position);

    /// Hears no more of this peer, and tells it why: it has lost entries.
    fn keep_out(&self, peer: ServerId);

    /// Hears this peer again.
    fn let_in(&self, peer: ServerId);

    /// Ends the connection on which the peer sends, tells it why, and reports that.
    fn refuse(&self, peer: ServerId, reason: Refusal);

    /// Closes everything now, so that the next server can take its place.
    fn close(self: Box<Self>) -> Closed;
}

/// The end of a way to the peers.
pub(crate) type Closed = Pin<Box<dyn Future<Output = ()> + Send>>;
