//! The network as its server sees it: the way to the peers, and what is known of the peers.

use std::collections::BTreeMap;

use rafttree_model::ServerId;
use tokio::sync::mpsc;

use crate::api::status::PeerStatus;
use crate::transport::{Carrier, Incoming};

/// The way to the peers, what arrives from it, and the peers.
pub(super) struct Network {
    pub(super) carrier: Box<dyn Carrier>,
    pub(super) incoming: mpsc::Receiver<Incoming>,
    pub(super) peers: BTreeMap<ServerId, PeerStatus>,
}

impl Network {
    /// The way to these peers, of which nothing was heard yet.
    pub(super) fn new(
        carrier: Box<dyn Carrier>,
        incoming: mpsc::Receiver<Incoming>,
        peers: &[(ServerId, String)],
    ) -> Network {
        let peers = peers.iter().map(|(id, address)| (*id, PeerStatus::new(*id, address))).collect();
        Network { carrier, incoming, peers }
    }
}
