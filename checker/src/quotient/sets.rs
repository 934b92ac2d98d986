//! Sets of servers, and an index for each.

/// Servers of a set, one bit each: server 1 is the lowest bit.
pub(crate) type Mask = u8;

/// Three bits for each server.
pub(crate) type Indices = u32;

/// The servers of a set.
pub(crate) fn members_of(mask: Mask) -> impl Iterator<Item = u8> {
    (1..=8).filter(move |id| mask & (1 << (id - 1)) != 0)
}

/// The index of a server.
pub(crate) fn index_of(indices: Indices, id: u8) -> u8 {
    (indices >> (3 * (id - 1))) as u8 & 7
}
