//! What has to hold of a state, beyond what its fields say, for indices to be counted from what
//! every server holds. The floor is an entry that every server holds and knows to be committed.

use rafttree_model::{Event, Message, Position, Role, Slice};

use super::arbitrary::Case;
use crate::support::Command;

pub(super) type Assumption = (&'static str, fn(&Case) -> bool);

/// For a log without what it holds up to the floor to be as good as the whole log.
pub(super) const COMPACTION: &[Assumption] = &[
    ("entries are sent from the floor on", sends_from_the_floor_on),
    ("nobody has lost the floor or what is before it", has_lost_nothing_up_to_the_floor),
    ("entries that arrive, hints and snapshots begin at the floor or later", compares_from_the_floor_on),
    ("snapshots are made of more than the floor", snapshots_go_beyond_the_floor),
    ("what stands at the floor or later is of the floor's term or later", compares_no_earlier_term),
];

/// For the floor to become index 1, and all that is below it 0.
pub(super) const FIRST_IS_ONE: &[Assumption] = &[
    ("entries are sent from the floor on", sends_from_the_floor_on),
    ("nobody lacks what is below the floor", lacks_nothing_below_the_floor),
];

/// For the floor to become index 0, which also means that nothing is known of a follower.
pub(super) const FIRST_IS_ZERO: &[Assumption] = &[
    ("entries are sent from the floor on", sends_from_the_floor_on),
    ("nobody has lost the floor or what is before it", has_lost_nothing_up_to_the_floor),
    ("entries that arrive, hints and snapshots begin at the floor or later", compares_from_the_floor_on),
    ("no candidate's log ends below the floor", no_candidate_ends_below_the_floor),
    ("what stands at the floor or later is of the floor's term or later", compares_no_earlier_term),
    ("nobody lacks the floor", lacks_nothing_up_to_the_floor),
    ("a leader has an entry after the floor", leads_beyond_the_floor),
];

pub(super) fn all_hold(assumptions: &[Assumption], case: &Case) -> bool {
    assumptions.iter().all(|(_, holds)| holds(case))
}

fn message(case: &Case) -> Option<&Message<Slice<Command>>> {
    if let Event::Receive(envelope) = &case.event { Some(&envelope.message) } else { None }
}

/// Whether the entries that arrive, if any, stay consecutive when all that is below the floor is
/// one index.
pub(super) fn entries_stay_consecutive(case: &Case) -> bool {
    let Some(Message::AppendRequest { entries, .. }) = message(case) else { return true };
    entries.entries().is_empty() || case.floor <= entries.previous().index
}

/// What is compared with the entries of the log, one by one.
fn compared(case: &Case) -> Option<Position> {
    match message(case)? {
        Message::AppendRequest { entries, .. } => Some(entries.previous()),
        Message::AppendRefusal { hint, .. } => Some(*hint),
        Message::InstallSnapshot { last, .. } => Some(*last),
        _ => None,
    }
}

fn sends_from_the_floor_on(case: &Case) -> bool {
    let Role::Leader { progress, .. } = case.node.role() else { return true };
    progress.iter().all(|(_, progress)| case.floor < progress.next)
}

pub(super) fn compares_from_the_floor_on(case: &Case) -> bool {
    compared(case).is_none_or(|position| case.floor <= position.index)
}

/// No log that holds the floor has such an entry.
fn compares_no_earlier_term(case: &Case) -> bool {
    let floor = case.node.log().position_at(case.floor).expect("the log holds the floor or begins there");
    compared(case).is_none_or(|position| position.index < floor.index || floor.term <= position.term)
}

fn snapshots_go_beyond_the_floor(case: &Case) -> bool {
    !matches!(case.event, Event::Snapshotted(index) if index <= case.floor)
}

fn lacks_nothing_below_the_floor(case: &Case) -> bool {
    !matches!(message(case), Some(Message::AppendRefusal { missing, .. }) if *missing < case.floor)
}

fn lacks_nothing_up_to_the_floor(case: &Case) -> bool {
    !matches!(message(case), Some(Message::AppendRefusal { missing, .. }) if *missing <= case.floor)
}

/// Who asks for a repair can read, and knows to be committed, what comes before.
fn has_lost_nothing_up_to_the_floor(case: &Case) -> bool {
    !matches!(message(case), Some(Message::RepairRequest { matched, .. }) if *matched < case.floor)
}

fn no_candidate_ends_below_the_floor(case: &Case) -> bool {
    let (Some(Message::PreVoteRequest { last }) | Some(Message::VoteRequest { last, .. })) = message(case) else {
        return true;
    };
    case.floor <= last.index
}

fn leads_beyond_the_floor(case: &Case) -> bool {
    !matches!(case.node.role(), Role::Leader { .. }) || case.floor < case.node.log().last().index
}
