//! Messages as they are delivered, and what a command in them is.

use rafttree_model::{Envelope, ServerId, Slice};

/// A command's payload: who proposed it, so that two entries of one index and term can be told
/// apart when a broken rule makes them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Tag(pub(crate) ServerId);

/// A message, with its entries.
pub(crate) type Letter = Envelope<Slice<Tag>>;
