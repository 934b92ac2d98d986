//! Linearizable reads: whoever is served sees what was committed, and nobody waits for nothing.

use std::sync::Arc;

use rafttree_model::{Index, Node, Output, ServerId};

use crate::properties::{Property, PropertySet};
use crate::world::{Answer, Ground, Moment, Readers, Waiting, World};

/// Somebody asks this server for a read.
pub(crate) fn judged_question(world: &mut World, ground: Ground, id: ServerId) -> PropertySet {
    let committed = Index::new(world.history.committed.len() as u64);
    let reads = Arc::make_mut(&mut world.reads);
    reads.waiting = Some(Waiting { server: id, committed, applied: Index::ZERO });
    judged_answers(world, ground, id, Moment::Asked)
}

/// A server tells its readers what they may know, and that is judged.
pub(crate) fn judged_answers(world: &mut World, ground: Ground, id: ServerId, moment: Moment) -> PropertySet {
    let server = Arc::clone(&world.servers[id.number() as usize - 1]);
    let reads = Arc::make_mut(&mut world.reads);
    let mut readers = reads.kept.remove(&id).unwrap_or_default();
    let applied = reads.waiting_at(id).map_or(Index::ZERO, |waiting| waiting.applied);
    let (mut sees_all, mut in_time) = (true, true);
    for answer in (ground.attend)(&mut readers, &server.node, moment, applied) {
        let told = reads.waiting.take_if(|waiting| waiting.server == id);
        sees_all &= told.is_some_and(|reader| answer == Answer::Elsewhere || reader.committed <= reader.applied);
        reads.ended = told.map(|reader| (answer, reader)).or(reads.ended);
    }
    if let Some(waiting) = reads.waiting_at(id) {
        in_time &= waits_for_something(&readers, waiting, &server.node, moment);
    }
    reads.kept.insert(id, readers);
    let mut broken = PropertySet::default();
    broken.insert_unless(sees_all, Property::LinearizableRead);
    broken.insert_unless(in_time, Property::ReadsInTime);
    broken
}

/// Whether the reader waits for a round of a leader, or for the state machine, and one that is not over yet.
fn waits_for_something(readers: &Readers, reader: Waiting, node: &Node, moment: Moment) -> bool {
    let knows_all = node.log().term_at(node.commit()) == Some(node.term());
    let is_begun = |told: &Output| matches!(told, Output::Round { read: Some(_), .. });
    let is_office = |told: &Output| matches!(told, Output::Leading(_));
    let for_round = || match moment {
        // A round begins for it if that is of use, and the next one that is counts for it.
        Moment::Asked => readers.indices.wants_round() == knows_all,
        Moment::Stepped(_, told) if told.iter().any(is_begun) => readers.indices.under_way().is_some(),
        // Who came too early is served as soon as that is possible.
        Moment::Stepped(_, told) if told.iter().any(is_office) => readers.indices.wants_round(),
        _ => true,
    };
    let is_confirmed = |round| node.confirmed().is_some_and(|confirmed| round <= confirmed);
    match readers.applied.iter().next() {
        Some((read, ())) => reader.applied < *read,
        None => {
            let waits = readers.indices.iter().len() == 1 && node.round().is_some();
            let under_way = readers.indices.under_way();
            // Readers share rounds: none is wanted while one is under way, for whom it may be.
            let is_shared = under_way.is_none() || !readers.indices.wants_round();
            waits && for_round() && is_shared && !under_way.is_some_and(is_confirmed)
        }
    }
}
