//! A message between two servers.

use bytes::Bytes;
use rafttree_model::{Envelope, Slice};

use super::stamp::Stamp;

/// A message on its way, with readings of the clocks at both ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Frame {
    pub(crate) envelope: Envelope<Slice<Bytes>>,
    /// When it was sent, by the sender's clock.
    pub(crate) sent: Stamp,
    /// When the message that this one answers was sent, by the receiver's clock.
    pub(crate) echo: Option<Stamp>,
}
