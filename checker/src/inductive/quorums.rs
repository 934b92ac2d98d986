//! Quorums: for groups of every size, every set of servers and every order of what they hold.

use rafttree_model::{MOST_SERVERS, Members, ServerId, ServerSet};

/// How much was asked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub(crate) struct Asked {
    pub(crate) sets: u64,
    pub(crate) orders: u64,
}

/// Up to here every order of what servers hold is asked; beyond, those with few different values.
const ALL_ORDERS: usize = 7;
const FEW: u8 = 4;

/// Whether a majority is more than half, any two have a server in common, and what a majority has reached is
/// the greatest value that more than half have; what is wrong, if something is.
pub(crate) fn ask(most_servers: u8) -> (Asked, Option<String>) {
    let mut asked = Asked::default();
    for servers in 1..=usize::from(most_servers).min(MOST_SERVERS) {
        let ids: Vec<ServerId> = (1..=servers as u32).map(ServerId::new).collect();
        let members = Members::new(ids.iter().copied()).expect("one to nine servers");
        if let Some(wrong) = sets(&members, &ids, &mut asked).or_else(|| orders(&members, servers, &mut asked)) {
            return (asked, Some(wrong));
        }
    }
    (asked, None)
}

fn sets(members: &Members, ids: &[ServerId], asked: &mut Asked) -> Option<String> {
    let stranger = ServerId::new(ids.len() as u32 + 1);
    let mut majorities: Vec<u32> = Vec::new();
    for bits in 0..1u32 << ids.len() {
        asked.sets += 1;
        let chosen = || ids.iter().enumerate().filter(move |(at, _)| bits >> at & 1 != 0).map(|(_, id)| *id);
        let is_majority = ids.len() < 2 * bits.count_ones() as usize;
        // Strangers among them change nothing, as far as there is room for them.
        let room = chosen().count() < MOST_SERVERS;
        let alone: ServerSet = chosen().collect();
        let with_stranger: ServerSet = chosen().chain(room.then_some(stranger)).collect();
        if [alone, with_stranger].iter().any(|set| members.is_majority(set) != is_majority) {
            let said = if is_majority { "no majority" } else { "a majority" };
            return Some(format!("{} of {} servers are called {said}", bits.count_ones(), ids.len()));
        }
        if is_majority {
            majorities.push(bits);
        }
    }
    let apart = majorities.iter().any(|one| majorities.iter().any(|other| one & other == 0));
    apart.then(|| format!("two majorities of {} servers have no server in common", ids.len()))
}

fn orders(members: &Members, servers: usize, asked: &mut Asked) -> Option<String> {
    let most = if servers <= ALL_ORDERS { servers as u8 } else { FEW };
    let mut values = vec![0u8; servers];
    loop {
        // Every value up to the highest is used, so that each order is asked once.
        let highest = values.iter().copied().max().unwrap_or_default();
        if (0..highest).all(|value| values.contains(&value)) {
            asked.orders += 1;
            let reached = members.reached_by_majority(|id| values[id.number() as usize - 1]);
            let reach = |value: u8| values.iter().filter(|other| value <= **other).count();
            let is_most = servers < 2 * reach(reached) && 2 * reach(reached + 1) <= servers;
            if !is_most {
                return Some(format!("of {values:?} a majority is said to have reached {reached}"));
            }
        }
        let at = values.iter().position(|value| value + 1 < most)?;
        values[at] += 1;
        values[..at].fill(0);
    }
}
