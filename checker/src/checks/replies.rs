//! What a server has to answer to whom, said once more and in another way than the transitions do.

use rafttree_model::{Envelope, Index, Message, Position, Range, Round};

use crate::checks::memory::is_disturbance;
use crate::checks::seen::{Seen, is_as_new};
use crate::world::{Letter, Server};

/// Whoever asks in the server's term, or in a later one, gets one answer, and that is true.
pub(super) fn is_answered(step: &Seen) -> bool {
    let Some(letter) = step.letter().filter(|letter| asks(letter)) else { return true };
    if letter.term < step.old.node.term() {
        return true;
    }
    let answer = answer(step, letter);
    let answer = answer.map(|message| Envelope { from: letter.to, to: letter.from, term: letter.term, message });
    step.sent().eq(&answer)
}

/// Whether this message wants an answer.
pub(super) fn asks(letter: &Letter) -> bool {
    use Message::{AppendRequest, InstallSnapshot, PreVoteRequest, VoteRequest};
    matches!(letter.message, PreVoteRequest { .. } | VoteRequest { .. } | AppendRequest { .. } | InstallSnapshot { .. })
}

fn answer(step: &Seen, letter: &Letter) -> Option<Message<Range>> {
    let server = step.old;
    let is_newer = server.node.term() < letter.term;
    match &letter.message {
        _ if is_disturbance(server, letter) => None,
        Message::PreVoteRequest { last } => Some(Message::PreVoteReply { granted: is_as_new(*last, server.last()) }),
        Message::VoteRequest { last, .. } => {
            let vote = server.node.vote().filter(|_| !is_newer);
            let is_free = vote.is_none_or(|granted| granted == letter.from);
            Some(Message::VoteReply { granted: is_free && is_as_new(*last, server.last()) })
        }
        // A term has one leader.
        Message::AppendRequest { .. } | Message::InstallSnapshot { .. } if server.leads() && !is_newer => None,
        Message::InstallSnapshot { last, round } => Some(agrees_up_to(step.new, last.index, *round)),
        Message::AppendRequest { entries, round, .. } => {
            let previous = entries.previous();
            if holds(server, previous) {
                return Some(agrees_up_to(step.new, entries.last().index, *round));
            }
            let hint = may_agree(server, previous).unwrap_or(server.node.log().base());
            Some(Message::AppendRefusal { missing: previous.index, hint, round: *round })
        }
        _ => None,
    }
}

/// An acknowledgement; or, where the server cannot read up to there, the request to send the rest again.
fn agrees_up_to(server: &Server, matched: Index, round: Round) -> Message<Range> {
    match server.entries.faulty().first() {
        Some(first) if first <= matched => Message::RepairRequest { matched: first.previous(), round },
        _ => Message::AppendReply { matched, round },
    }
}

pub(super) fn holds(server: &Server, position: Position) -> bool {
    server.position(position.index.number()) == Some(position)
}

/// The last entry at which the server's log may agree with one that holds this position; `None` if that
/// was compacted.
pub(super) fn may_agree(server: &Server, bound: Position) -> Option<Position> {
    let base = server.node.log().base();
    let is_within = |entry: &Position| entry.index <= bound.index && entry.term <= bound.term;
    let positions = server.entries.iter().map(|entry| entry.position).filter(|entry| base.index < entry.index);
    [base].into_iter().chain(positions).rfind(is_within)
}

/// §5.3: what a request brings is stored as it was sent: from the first entry that conflicts on the log
/// is replaced, what is missing is added, and the rest stays.
pub(super) fn is_stored(step: &Seen) -> bool {
    let Seen { old, new, .. } = *step;
    let Some(letter) = step.letter().filter(|letter| old.node.term() <= letter.term) else { return true };
    let Message::AppendRequest { entries, .. } = &letter.message else { return true };
    let is_refused = !holds(old, entries.previous()) || old.leads() && letter.term == old.node.term();
    if is_refused {
        return new.entries == old.entries;
    }
    let first = entries.previous().index.number() as usize;
    let held = old.entries.iter().skip(first).zip(entries.entries());
    let agreed = held.take_while(|(ours, theirs)| ours.position == theirs.position).count();
    let news = &entries.entries()[agreed..];
    let kept = if news.is_empty() { old.entries.len() } else { first + agreed };
    new.entries.starts_with(&old.entries[..kept]) && new.entries[kept..] == *news
}
