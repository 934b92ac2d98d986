//! What a server does that cannot read all of its log (FAST'18), and how it gets back what it has lost.

use rafttree_model::{Faulty, Index, Message, Record};

use crate::checks::replies::holds;
use crate::checks::seen::Seen;
use crate::properties::{Property, PropertySet};
use crate::world::{Letter, Server};

/// What a step breaks that has to do with faulty entries.
pub(super) fn broken_by_step(step: &Seen) -> PropertySet {
    let mut broken = PropertySet::default();
    let (old, new) = (step.old, step.new);
    if old.entries.faulty().is_none() && new.entries.faulty().is_none() {
        return broken;
    }
    broken.insert_unless(new.is_passive() || new.entries.faulty().is_none(), Property::LeadsLegible);
    broken.insert_unless(can_read(new, new.node.commit()), Property::CommitsLegible);
    let left = left(step);
    let is_kept = [new.entries.faulty(), new.node.faulty()] == [left; 2];
    broken.insert_unless(is_kept && step.stepped.records.iter().all(|it| repairs(old, it)), Property::RepairedSame);
    broken
}

impl Server {
    fn is_passive(&self) -> bool {
        matches!(self.node.role(), rafttree_model::Role::Follower { .. })
    }
}

/// Whether a server can read its log up to here.
pub(super) fn can_read(server: &Server, index: Index) -> bool {
    server.entries.faulty().first().is_none_or(|first| index < first)
}

/// A faulty entry is repaired by itself: what it carried, under the same name.
fn repairs(old: &Server, record: &Record<crate::world::Tag>) -> bool {
    let Record::Repair(entry) = record else { return true };
    let index = entry.position.index;
    let lost = index.number().checked_sub(1).and_then(|at| old.entries.get(at as usize));
    old.entries.faulty().contains(index) && lost == Some(entry)
}

/// What is faulty after a step: what was, but for what has arrived from the first on, and for what is no
/// longer in the log.
fn left(step: &Seen) -> Faulty {
    let old = step.old;
    let (Some(first), Some(last)) = (old.entries.faulty().first(), old.entries.faulty().last()) else {
        return Faulty::NONE;
    };
    let (first, last) = match taken(step).map(|letter| &letter.message) {
        Some(Message::InstallSnapshot { last: end, .. }) if holds(old, *end) => (first.max(end.index.next()), last),
        Some(Message::InstallSnapshot { .. }) => return Faulty::NONE,
        Some(Message::AppendRequest { entries, .. }) if holds(old, entries.previous()) => {
            let before = entries.previous().index;
            let held = |entry: &&rafttree_model::Entry<_>| holds(old, entry.position);
            let agreed = entries.entries().iter().take_while(held).last().map_or(before, |entry| entry.position.index);
            let is_cut = agreed < entries.last().index && agreed < old.last().index;
            let repaired = if before < first { first.max(agreed.next()) } else { first };
            (repaired, if is_cut { last.min(agreed) } else { last })
        }
        _ => (first, last),
    };
    if first <= last { Faulty::between(first, last) } else { Faulty::NONE }
}

/// The message of a leader that the server takes notice of, if one has arrived.
fn taken<'a>(step: &Seen<'a>) -> Option<&'a Letter> {
    let (old, rafttree_model::Event::Receive(letter)) = (step.old, step.event) else { return None };
    let is_new = old.node.term() < letter.term || old.node.term() == letter.term && !old.leads();
    is_new.then_some(letter)
}
