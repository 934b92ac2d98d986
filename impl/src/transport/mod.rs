//! How servers reach each other.

use std::time::Duration;

use bytes::Bytes;
use rafttree_model::{Envelope, ServerId, Slice};

use crate::storage::{ClusterId, Incarnation};

/// A reading of the sender's own monotonic clock in nanoseconds, echoed back by the receiver.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Stamp(pub u64);

/// What a transport needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub cluster: ClusterId,
    pub id: ServerId,
    pub incarnation: Incarnation,
    pub listen: String,
    pub peers: Vec<(ServerId, String)>,
    pub minimum_timeout: Duration,
    pub insecure: bool,
}

/// A message on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub envelope: Envelope<Slice<Bytes>>,
    pub sent: Stamp,
    pub echo: Option<Stamp>,
}
