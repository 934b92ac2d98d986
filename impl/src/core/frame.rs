//! Messages between two servers: the protocol's, and what serves the requests of services.

use bytes::Bytes;
use rafttree_model::{Envelope, ServerId, Slice};

use super::request::ServiceMessage;

/// A message of the protocol on its way.
pub(crate) type Frame = Envelope<Slice<Bytes>>;

/// A message about requests on its way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServiceFrame {
    pub(crate) from: ServerId,
    pub(crate) to: ServerId,
    pub(crate) message: ServiceMessage,
}

/// Either of the two.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Packet {
    Protocol(Frame),
    Service(ServiceFrame),
}

impl Packet {
    /// The sender and the receiver that it names.
    pub(crate) fn ends(&self) -> (ServerId, ServerId) {
        match self {
            Packet::Protocol(frame) => (frame.from, frame.to),
            Packet::Service(frame) => (frame.from, frame.to),
        }
    }
}

impl From<Frame> for Packet {
    fn from(frame: Frame) -> Packet {
        Packet::Protocol(frame)
    }
}

impl From<ServiceFrame> for Packet {
    fn from(frame: ServiceFrame) -> Packet {
        Packet::Service(frame)
    }
}
