//! Disconnection as a sign that a peer's process has ended.
//!
//! When a process ends, its kernel ends its connections and refuses new ones. But a connection also
//! ends when a firewall or an address translation forgets it, when a cable is pulled for long
//! enough, or when somebody forges its end, and then the peer may live, lead, and hold a lease. So
//! the end of a connection alone says nothing here. A peer counts as dead only where no connection
//! stands in either direction and its own machine has just refused a new one at the address where
//! it was reached before.
//!
//! What is left of the assumption: whoever refuses in the name of that address is the peer's
//! machine. A firewall that *rejects* (instead of dropping) what two servers say to each other, in
//! the middle of their connections, breaks it; so does a proxy. [`ElectOnDisconnect`] says who has
//! to be believed.

use rafttree_model::{ServerId, ServerMap};

/// When the followers of a leader that was disconnected campaign at once, instead of waiting for
/// their election timeouts.
///
/// It decides what [`check`](crate::Leadership::check) assumes of networks. All servers of a group
/// should have the same.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ElectOnDisconnect {
    /// When no connection with the leader stands and its address refuses a new one. The lease
    /// assumes that who refuses there is the leader's machine: no firewall, address translation or
    /// proxy does so in its name.
    #[default]
    Refused,
    /// The same, where the leader runs on this very machine: its kernel refuses, and no network is
    /// asked. The lease assumes nothing of networks.
    SameMachine,
    /// Never: followers wait for their election timeouts. The lease assumes nothing of connections.
    Never,
}

/// Where somebody refused a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// On this machine.
    Here,
    /// On another one.
    Elsewhere,
}

impl ElectOnDisconnect {
    /// Whether a refusal from there shows that the process has ended.
    pub(crate) fn believes(self, place: Place) -> bool {
        match self {
            ElectOnDisconnect::Refused => true,
            ElectOnDisconnect::SameMachine => place == Place::Here,
            ElectOnDisconnect::Never => false,
        }
    }
}

/// The connections that stand between this server and its peers.
#[derive(Debug, Default)]
pub(crate) struct Links {
    peers: ServerMap<Link>,
}

/// The two connections with one peer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Link {
    /// The one on which the peer sends to us.
    inbound: bool,
    /// The one on which we send to the peer.
    outbound: bool,
}

impl Links {
    /// The connection on which the peer sends stands, or no longer.
    pub(crate) fn set_inbound(&mut self, peer: ServerId, inbound: bool) {
        let link = self.link(peer);
        self.peers.insert(peer, Link { inbound, ..link });
    }

    /// The connection on which we send to the peer stands, or no longer.
    pub(crate) fn set_outbound(&mut self, peer: ServerId, outbound: bool) {
        let link = self.link(peer);
        self.peers.insert(peer, Link { outbound, ..link });
    }

    /// Whether no connection with the peer stands.
    pub(crate) fn is_cut(&self, peer: ServerId) -> bool {
        self.link(peer) == Link::default()
    }

    fn link(&self, peer: ServerId) -> Link {
        self.peers.get(peer).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_cut_off_when_neither_direction_stands() {
        let peer = ServerId::new(2);
        for (inbound, outbound) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut links = Links::default();
            links.set_inbound(peer, true);
            links.set_outbound(peer, true);
            links.set_inbound(peer, inbound);
            links.set_outbound(peer, outbound);
            assert_eq!(links.is_cut(peer), !inbound && !outbound);
        }
    }

    #[test]
    fn only_a_refusal_on_this_machine_asks_no_network() {
        use ElectOnDisconnect::{Never, Refused, SameMachine};
        let believed = |when: ElectOnDisconnect| [Place::Here, Place::Elsewhere].map(|place| when.believes(place));
        assert_eq!([Refused, SameMachine, Never].map(believed), [[true, true], [true, false], [false, false]]);
    }
}
