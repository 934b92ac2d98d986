//! Which servers hear each other while a recovery goes on.

use std::fmt;

use rafttree_model::{Node, ServerId};

use crate::scope::Premise;

/// A set of working links, each for both directions: bit `b - 1` of row `a - 1` is the link of `a`
/// and `b`. A server is linked to itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Links {
    rows: [u8; 8],
    servers: u8,
}

impl Links {
    /// Every server hears every other.
    pub(crate) fn complete(servers: u8) -> Links {
        Links::numbered(servers, u32::MAX)
    }

    /// The link sets of a group by number, one bit for each pair of servers.
    pub(crate) fn numbered(servers: u8, number: u32) -> Links {
        let mut rows: [u8; 8] = std::array::from_fn(|at| 1 << at);
        let pairs = (0..servers).flat_map(|one| (0..one).map(move |other| (one, other)));
        for (bit, (one, other)) in pairs.enumerate().filter(|(bit, _)| number >> bit & 1 != 0) {
            debug_assert!(bit < 32);
            rows[usize::from(one)] |= 1 << other;
            rows[usize::from(other)] |= 1 << one;
        }
        Links { rows, servers }
    }

    /// Every link set of a group with a hub; the first is the complete one.
    pub(crate) fn with_hub(servers: u8) -> Vec<Links> {
        let pairs = u32::from(servers) * u32::from(servers - 1) / 2;
        let every = (0..1u32 << pairs).rev().map(|number| Links::numbered(servers, number));
        every.filter(|links| (1..=servers).any(|id| links.is_hub(ServerId::new(id.into())))).collect()
    }

    pub(crate) fn join(self, one: ServerId, other: ServerId) -> bool {
        self.rows[one.number() as usize - 1] >> (other.number() - 1) & 1 != 0
    }

    /// Whether a server is linked to a majority, itself counted.
    fn is_hub(self, id: ServerId) -> bool {
        self.is_majority(self.rows[id.number() as usize - 1])
    }

    fn is_majority(self, set: u8) -> bool {
        u32::from(self.servers) < 2 * set.count_ones()
    }

    /// Whether the servers of some majority are linked each to each.
    fn has_clique(self) -> bool {
        let rows = &self.rows[..usize::from(self.servers)];
        (1..=u8::MAX >> (8 - self.servers)).any(|set| {
            let all_linked = |(at, row): (usize, &u8)| set >> at & 1 == 0 || set & !row == 0;
            self.is_majority(set) && rows.iter().enumerate().all(all_linked)
        })
    }
}

impl Premise {
    /// Whether these links, of which there is a hub, are good enough for these servers.
    pub(crate) fn holds(self, links: Links, nodes: &[&Node]) -> bool {
        let newest = || nodes.iter().map(|node| node.log().last()).max();
        let is_newest_hub = |node: &Node| links.is_hub(node.id()) && Some(node.log().last()) == newest();
        self == Premise::Hub || links.has_clique() || nodes.iter().copied().any(is_newest_hub)
    }
}

/// The linked pairs, as in `1-2 2-3`.
impl fmt::Display for Links {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = || (1..=u32::from(self.servers)).map(ServerId::new);
        let pairs = ids().flat_map(|one| ids().map(move |other| (one, other)));
        let linked = pairs.filter(|(one, other)| one < other && self.join(*one, *other));
        let words: Vec<_> = linked.map(|(one, other)| format!("{one}-{other}")).collect();
        write!(out, "{}", words.join(" "))
    }
}
