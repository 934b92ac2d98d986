//! Mutants of what readers are told, and of the answers that are counted for them.

use rafttree_model::{Effects, Event, Index, Message, Node, Output, step};

use crate::world::{Answer, Moment, Readers, Tag, attend};

/// Whoever asks who seems to lead reads what that has committed, after no round.
pub(crate) fn read_at_once(readers: &mut Readers, node: &Node, moment: Moment, applied: Index) -> Vec<Answer> {
    match moment {
        Moment::Asked if node.round().is_some() => readers.applied.wait(node.commit(), ()),
        _ => return attend(readers, node, moment, applied),
    }
    readers.answers(applied)
}

/// A round has a read index before the leader has committed an entry of its term.
pub(crate) fn read_of_earlier_terms(readers: &mut Readers, node: &Node, moment: Moment, applied: Index) -> Vec<Answer> {
    let Moment::Stepped(event, told) = moment else { return attend(readers, node, moment, applied) };
    let told: Vec<_> = told.iter().map(|&told| with_index(told, node.commit())).collect();
    attend(readers, node, Moment::Stepped(event, &told), applied)
}

/// The leadership is verified, and then what happens to be applied is read.
pub(crate) fn verify_then_read(readers: &mut Readers, node: &Node, moment: Moment, applied: Index) -> Vec<Answer> {
    let Moment::Stepped(event, told) = moment else { return attend(readers, node, moment, applied) };
    let told: Vec<_> = told.iter().copied().map(without_index).collect();
    attend(readers, node, Moment::Stepped(event, &told), applied)
}

/// Whoever says that the leadership is over has answered the round all the same.
pub(crate) fn read_when_deposed(readers: &mut Readers, node: &Node, moment: Moment, applied: Index) -> Vec<Answer> {
    if let Moment::Stepped(Event::Receive(letter), _) = moment
        && letter.message == Message::Stale
        && let Some(round) = readers.indices.under_way()
    {
        readers.indices.confirmed(round);
        readers.wait_for_applied();
    }
    attend(readers, node, moment, applied)
}

/// What is committed counts as applied, though a server that has restarted applies it anew.
pub(crate) fn read_before_applied(readers: &mut Readers, node: &Node, moment: Moment, _: Index) -> Vec<Answer> {
    attend(readers, node, moment, node.commit())
}

/// Only a leader that was in office tells readers that its leadership is over.
pub(crate) fn silent_end(readers: &mut Readers, node: &Node, moment: Moment, applied: Index) -> Vec<Answer> {
    let Moment::Stepped(_, told) = moment else { return attend(readers, node, moment, applied) };
    let end = |told: &Output| matches!(told, Output::Yielded(_));
    if node.round().is_some() || told.iter().any(end) { attend(readers, node, moment, applied) } else { Vec::new() }
}

/// A round that has no read index has this one.
fn with_index(told: Output, index: Index) -> Output {
    match told {
        Output::Round { round, read: None } => Output::Round { round, read: Some(index) },
        told => told,
    }
}

/// A round has a read index that nobody need wait for.
fn without_index(told: Output) -> Output {
    match told {
        Output::Round { round, .. } => Output::Round { round, read: Some(Index::ZERO) },
        told => told,
    }
}

/// Heartbeats and their answers do not say of which round they are, so that any answer is of the latest.
pub(crate) fn answers_of_any_round(node: &mut Node, mut event: Event<Tag>, effects: &mut Effects<Tag>) {
    if let Event::Receive(letter) = &mut event
        && let Message::AppendReply { round, .. } | Message::AppendRefusal { round, .. } = &mut letter.message
        && let Some(latest) = node.round()
    {
        *round = latest;
    }
    step(node, event, effects);
}
