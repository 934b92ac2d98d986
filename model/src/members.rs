//! Who belongs to the group, and what a majority of it is.

use core::fmt;
use tinyvec::ArrayVec;

use crate::types::ServerId;

/// The largest group: nine servers keep serving while four are down.
pub const MOST_SERVERS: usize = 9;

/// A map from servers to small values, kept sorted and in place: it never allocates.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ServerMap<T: Copy + Default> {
    slots: ArrayVec<[(ServerId, T); MOST_SERVERS]>,
}

/// A set of servers.
pub type ServerSet = ServerMap<()>;

impl<T: Copy + Default> Default for ServerMap<T> {
    fn default() -> Self {
        ServerMap { slots: ArrayVec::default() }
    }
}

impl<T: Copy + Default> ServerMap<T> {
    /// Sets the value of one server.
    pub fn insert(&mut self, id: ServerId, value: T) {
        if let Some(known) = self.get_mut(id) {
            *known = value;
        } else {
            let before = self.ids().filter(|&other| other < id).count();
            self.slots.insert(before, (id, value));
        }
    }

    /// The value of one server.
    pub fn get(&self, id: ServerId) -> Option<&T> {
        self.place(id).map(|place| &self.slots[place].1)
    }

    /// The value of one server, to be changed.
    pub fn get_mut(&mut self, id: ServerId) -> Option<&mut T> {
        self.place(id).map(|place| &mut self.slots[place].1)
    }

    /// Where the server stands among those of the map: known at once if no id before it is left
    /// out, and otherwise found by looking at each, which are few.
    #[inline(always)]
    fn place(&self, id: ServerId) -> Option<usize> {
        let stands = |place: &usize| self.slots.get(*place).is_some_and(|slot| slot.0 == id);
        let guess = id.distance(self.slots.first()?.0);
        Some(guess).filter(stands).or_else(|| self.slots.iter().position(|slot| slot.0 == id))
    }

    /// Whether the server is in the map.
    pub fn contains(&self, id: ServerId) -> bool {
        self.place(id).is_some()
    }

    /// How many servers are in the map.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether the map is empty.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The servers and their values, by rising id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ServerId, T)> + '_ {
        self.slots.iter().copied()
    }

    /// The servers, by rising id.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ServerId> + '_ {
        self.slots.iter().map(|slot| slot.0)
    }
}

impl<T: Copy + Default> FromIterator<(ServerId, T)> for ServerMap<T> {
    fn from_iter<I: IntoIterator<Item = (ServerId, T)>>(pairs: I) -> Self {
        let mut map = ServerMap::default();
        for (id, value) in pairs {
            map.insert(id, value);
        }
        map
    }
}

impl FromIterator<ServerId> for ServerSet {
    fn from_iter<I: IntoIterator<Item = ServerId>>(ids: I) -> Self {
        ids.into_iter().map(|id| (id, ())).collect()
    }
}

/// The servers whose majority decides.
///
/// Quorums are asked of this value and of nothing else, so that a later form of membership
/// changes what a quorum is in one place.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Members {
    voters: ServerSet,
}

/// Why a list of servers makes no group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InvalidMembers {
    /// No server was named.
    Empty,
    /// More than [`MOST_SERVERS`] were named.
    TooMany,
    /// This server was named twice.
    Repeated(ServerId),
}

impl Members {
    /// A group of these servers: one to nine of them, each named once.
    pub fn new(servers: impl IntoIterator<Item = ServerId>) -> Result<Members, InvalidMembers> {
        let mut voters = ServerSet::default();
        for id in servers {
            if voters.contains(id) {
                return Err(InvalidMembers::Repeated(id));
            }
            if voters.len() == MOST_SERVERS {
                return Err(InvalidMembers::TooMany);
            }
            voters.insert(id, ());
        }
        if voters.is_empty() { Err(InvalidMembers::Empty) } else { Ok(Members { voters }) }
    }

    /// Whether the server belongs to the group.
    pub fn contains(&self, id: ServerId) -> bool {
        self.voters.contains(id)
    }

    /// The servers, by rising id.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = ServerId> + '_ {
        self.voters.ids()
    }

    /// The servers, by rising id, as a list of its own.
    pub(crate) fn into_ids(self) -> impl Iterator<Item = ServerId> {
        (0..self.voters.len()).map(move |at| self.voters.slots[at].0)
    }

    /// §5.2: more than half of the servers.
    pub fn is_majority(&self, supporters: &ServerSet) -> bool {
        self.is_more_than_half(supporters.ids().filter(|&id| self.contains(id)).count())
    }

    /// §5.2: whether so many of the servers are more than half of them.
    pub fn is_more_than_half(&self, count: usize) -> bool {
        self.voters.len() < 2 * count
    }

    /// The greatest value that a majority has reached: at least so many servers hold it or more.
    pub fn reached_by_majority<V: Copy + Default + Ord>(&self, value_of: impl Fn(ServerId) -> V) -> V {
        let mut values: ArrayVec<[V; MOST_SERVERS]> = self.ids().map(value_of).collect();
        values.sort_unstable();
        values[(values.len() - 1) / 2]
    }
}

impl fmt::Display for InvalidMembers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidMembers::Empty => write!(out, "a group needs at least one server"),
            InvalidMembers::TooMany => write!(out, "a group has at most {MOST_SERVERS} servers"),
            InvalidMembers::Repeated(id) => write!(out, "server {id} is named twice"),
        }
    }
}

impl core::error::Error for InvalidMembers {}
