//! The network as its server sees it: the transport, and what is known of the peers.

use std::collections::BTreeMap;

use rafttree_model::ServerId;
use tokio::sync::mpsc;

use crate::api::status::PeerStatus;
use crate::transport::{Incoming, Transport};

/// The transport, what arrives from it, and the peers.
pub(super) struct Network {
    pub(super) transport: Transport,
    pub(super) incoming: mpsc::Receiver<Incoming>,
    pub(super) peers: BTreeMap<ServerId, PeerStatus>,
}

impl Network {
    /// The connections to these peers, of which nothing was heard yet.
    pub(super) fn new(
        transport: Transport,
        incoming: mpsc::Receiver<Incoming>,
        peers: &[(ServerId, String)],
    ) -> Network {
        let peers = peers.iter().map(|(id, address)| (*id, PeerStatus::new(*id, address))).collect();
        Network { transport, incoming, peers }
    }
}
