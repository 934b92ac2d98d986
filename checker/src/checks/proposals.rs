//! Proposals: whoever proposed a command is told the truth of it, once, and in time.

use std::sync::Arc;

use rafttree_model::{End, Entry, Output, ServerId};

use crate::properties::{Property, PropertySet};
use crate::world::{Ground, Server, Tag, World};

/// A server tells its clients what a step has brought, and that is judged. It is told at once, not after the
/// flush: what is true then stays true, and what a crash would keep from being told is told as well.
pub(crate) fn judged_ends(world: &mut World, ground: Ground, id: ServerId, told: &[Output]) -> PropertySet {
    let accepted: Vec<_> = told.iter().filter_map(|output| accepted(world.server(id), output)).collect();
    if world.clients.is_empty() && accepted.is_empty() {
        return PropertySet::default();
    }
    let server = Arc::clone(&world.servers[id.number() as usize - 1]);
    let clients = Arc::make_mut(&mut world.clients);
    clients.waiting.extend(accepted.into_iter().map(|entry| (id, entry)));
    for (position, _, end) in clients.told_by(ground.tell, &server.node, told) {
        let entry = clients.take(id, position);
        if !entry.is_some_and(|entry| is_true(&server, &world.history.committed, entry, end)) {
            clients.untrue.push((id, position, end));
        }
        clients.given_up.extend(entry.filter(|_| end == End::NotCommitted));
    }
    clients.normalise();
    let mut broken = PropertySet::default();
    let holds = clients.untrue.is_empty() && are_all_told(world, &server) && stays_given_up(world);
    broken.insert_unless(holds, Property::ProposalEnds);
    broken
}

fn accepted(server: &Server, output: &Output) -> Option<Entry<Tag>> {
    let Output::Accepted(position) = *output else { return None };
    server.entries.iter().find(|entry| entry.position == position).copied()
}

/// Whether that is so as far as anybody knows; what is told not to be committed must never be.
fn is_true(server: &Server, committed: &[(Entry<Tag>, rafttree_model::Term)], entry: Entry<Tag>, end: End) -> bool {
    match end {
        End::Committed => committed.iter().any(|(committed, _)| *committed == entry),
        End::NotCommitted => true,
        End::Unknown => entry.position.index < server.node.log().base().index,
    }
}

/// Whether nobody waits at this server for what it knows: an entry that is committed there and is at least as
/// up-to-date as the proposal (§5.4.1) decides it.
fn are_all_told(world: &World, server: &Server) -> bool {
    let committed = server.node.log().position_at(server.node.commit());
    let is_due = |entry: &Entry<Tag>| committed.is_some_and(|committed| entry.position <= committed);
    !world.clients.waiting.iter().any(|(id, entry)| *id == server.node.id() && is_due(entry))
}

fn stays_given_up(world: &World) -> bool {
    let is_committed = |entry: &Entry<Tag>| world.history.committed.iter().any(|(committed, _)| committed == entry);
    !world.clients.given_up.iter().any(is_committed)
}
