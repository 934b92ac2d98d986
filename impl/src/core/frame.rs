//! A message between two servers.

use bytes::Bytes;
use rafttree_model::{Envelope, Slice};

/// A message on its way.
pub(crate) type Frame = Envelope<Slice<Bytes>>;
