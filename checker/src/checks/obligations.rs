//! What a server has to do unasked: whom to ask and what to send, what to count, which timers to run,
//! what to tell its clients. Safety needs none of it; a server that leaves it out gets nowhere.

use rafttree_model::{
    Envelope, Event, Index, Message, Output, Payload, Position, Progress, Range, Role, Round, ServerId, Timers,
};

use crate::checks::faulty::can_read;
use crate::checks::memory;
use crate::checks::replies::{holds, may_agree};
use crate::checks::seen::Seen;
use crate::world::{Letter, Server, answer_to};

/// The requests of a step, and what the server tells itself, are those that its part calls for: no
/// more, no less.
pub(super) fn asks_whom_it_must(step: &Seen) -> bool {
    let asks = |sent: &&Envelope<Range>| {
        matches!(
            sent.message,
            Message::PreVoteRequest { .. }
                | Message::VoteRequest { .. }
                | Message::AppendRequest { .. }
                | Message::InstallSnapshot { .. }
        )
    };
    let own = step.sent().filter(|sent| sent.to == sent.from).map(|sent| sent.message);
    step.sent().filter(asks).eq(&requests(step)) && own.eq(told_itself(step))
}

/// What counts for the server itself once it is durable: its vote, and what it appends as a leader.
fn told_itself(step: &Seen) -> Option<Message<Range>> {
    let Seen { old, event, new, .. } = *step;
    match (event, new.node.role()) {
        (Event::ElectionTimeout, Role::PreCandidate { .. }) => Some(Message::PreVoteReply { granted: true }),
        (_, Role::Candidate { .. }) if old.node.term() < new.node.term() => Some(Message::VoteReply { granted: true }),
        (_, Role::Leader { .. }) if old.last() != new.last() => {
            Some(Message::AppendReply { matched: new.last().index, round: round_of(new) })
        }
        _ => None,
    }
}

/// The requests that are called for, by rising id of their receivers.
fn requests(step: &Seen) -> Vec<Envelope<Range>> {
    let Seen { old, event, new, .. } = *step;
    let id = new.node.id();
    let to = |to: ServerId, message| Envelope { from: id, to, term: new.node.term(), message };
    let others = || new.node.members().ids().filter(move |&other| other != id);
    let last = new.last();
    let (commit, round) = (new.node.commit(), round_of(new));
    let append = |other, next: Index| {
        if needs_snapshot(new, next) {
            let last = new.node.log().base();
            let entries = Range { previous: last, last };
            let install = to(other, Message::InstallSnapshot { last, round });
            return vec![install, to(other, Message::AppendRequest { entries, commit, round })];
        }
        let previous = new.position(next.previous().number()).unwrap_or(last);
        vec![to(other, Message::AppendRequest { entries: Range { previous, last }, commit, round })]
    };
    let raised = old.node.term() < new.node.term();
    let next_of = |other| progress_of(old, other).map_or(last.index.next(), |progress| progress.next);
    match (event, new.node.role()) {
        (Event::ElectionTimeout, Role::PreCandidate { .. }) => {
            others().map(|other| to(other, Message::PreVoteRequest { last })).collect()
        }
        (_, &Role::Candidate { transfer, .. }) if raised => {
            others().map(|other| to(other, Message::VoteRequest { last, transfer })).collect()
        }
        (Event::HeartbeatTimeout, Role::PreCandidate { votes }) => {
            let open = others().filter(|&other| !votes.contains(other));
            open.map(|other| to(other, Message::PreVoteRequest { last })).collect()
        }
        (Event::HeartbeatTimeout, &Role::Candidate { votes, transfer }) => {
            let open = others().filter(|&other| !votes.contains(other));
            open.map(|other| to(other, Message::VoteRequest { last, transfer })).collect()
        }
        (_, Role::Leader { .. }) if !old.leads() => others().flat_map(|other| append(other, last.index)).collect(),
        (Event::HeartbeatTimeout, Role::Leader { .. }) => {
            others().flat_map(|other| append(other, next_of(other))).collect()
        }
        (Event::Propose(_), Role::Leader { transfer: None, .. }) => {
            others().filter(|&other| next_of(other) == last.index).flat_map(|other| append(other, last.index)).collect()
        }
        (&Event::Transfer(target), Role::Leader { .. }) if others().any(|other| other == target) => {
            append(target, next_of(target))
        }
        (Event::Receive(_), Role::Leader { .. }) => {
            resumed(step).map(|(other, next)| append(other, next)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// Whether what comes before this entry was compacted.
fn needs_snapshot(leader: &Server, next: Index) -> bool {
    next <= leader.node.log().base().index
}

/// Whom a leader sends more, and from where on, now that it was answered.
fn resumed(step: &Seen) -> Option<(ServerId, Index)> {
    let letter = step.letter()?;
    let Progress { matched: known, next, answered } = progress_of(step.old, letter.from)?;
    let last = step.new.last().index;
    if letter.from == letter.to || !is_heard(step) {
        return None;
    }
    match letter.message {
        // What a follower has lost is sent again, once a round.
        Message::RepairRequest { matched, round } if answered < round => Some((letter.from, matched.next())),
        Message::AppendReply { matched, .. } | Message::RepairRequest { matched, .. } => {
            let next = next.max(matched.next());
            (next <= last).then_some((letter.from, next))
        }
        // Neither of what is known to be held, nor of what is being sent again already.
        Message::AppendRefusal { missing, hint, .. } if known < missing && missing < next => {
            let agreed = may_agree(step.old, hint).map(|position| position.index.next());
            Some((letter.from, agreed.unwrap_or(step.old.node.log().base().index).max(known.next())))
        }
        _ => None,
    }
}

/// An acknowledgement counts for what it says and nothing else does, and what may be committed is
/// committed.
pub(super) fn counts_at_once(step: &Seen) -> bool {
    let Seen { old, new, .. } = *step;
    if !matched_is_acknowledged(step) {
        return false;
    }
    let Some(letter) = step.letter().filter(|letter| old.node.term() <= letter.term) else { return true };
    let was = old.node.commit();
    match &letter.message {
        Message::AppendReply { .. } | Message::RepairRequest { .. } if is_heard(step) => {
            new.node.commit() == was.max(may_be_committed(new))
        }
        Message::AppendRequest { entries, commit, .. } if !old.leads() && holds(old, entries.previous()) => {
            let known = entries.last().index.min(*commit);
            let legible = new.entries.faulty().first().map_or(known, |first| known.min(first.previous()));
            new.node.commit() == was.max(legible)
        }
        Message::InstallSnapshot { last, .. } if step.snapshot().is_some() => new.node.commit() == was.max(last.index),
        _ => true,
    }
}

/// Whether a leader believes of each server what that has acknowledged in this term.
fn matched_is_acknowledged(step: &Seen) -> bool {
    let Seen { old, new, .. } = *step;
    let told = |id: ServerId| match step.letter() {
        Some(letter) if letter.from == id && is_heard(step) => match letter.message {
            Message::AppendReply { matched, .. } | Message::RepairRequest { matched, .. } => matched,
            _ => Index::ZERO,
        },
        _ => Index::ZERO,
    };
    new.node.members().ids().all(|id| {
        let known = progress_of(old, id).map_or(Index::ZERO, |progress| progress.matched);
        progress_of(new, id).is_none_or(|progress| progress.matched == known.max(told(id)))
    })
}

/// Whether what a leader sends next begins behind what it has just sent, or where a refusal says.
pub(super) fn sends_on_from_there(step: &Seen) -> bool {
    let Seen { new, .. } = *step;
    new.node.members().ids().all(|id| progress_of(new, id).is_none_or(|progress| progress.next == next(step, id)))
}

/// The next entry that a leader has to send to this server.
fn next(step: &Seen, id: ServerId) -> Index {
    let Seen { old, event, new, .. } = *step;
    let itself = id == new.node.id();
    let end = new.last().index.next();
    let Some(before) = progress_of(old, id) else { return if itself { new.last().index } else { end } };
    let end = if needs_snapshot(new, before.next) { before.next } else { end };
    match event {
        Event::HeartbeatTimeout if !itself => end,
        Event::Transfer(target) if *target == id && !itself => end,
        Event::Propose(_) if !itself && old.last() != new.last() && before.next == new.last().index => end,
        Event::Receive(letter) if letter.from == id => match (resumed(step), &letter.message) {
            (Some((_, next)), Message::AppendRefusal { .. }) => next,
            (Some((_, next)), Message::RepairRequest { matched, .. }) if needs_snapshot(new, next) => {
                before.next.max(matched.next())
            }
            (Some((_, next)), _) if needs_snapshot(new, next) => next,
            (Some(_), _) => new.last().index.next(),
            (None, Message::AppendReply { matched, .. } | Message::RepairRequest { matched, .. }) if is_heard(step) => {
                before.next.max(matched.next())
            }
            (None, _) => before.next,
        },
        _ => before.next,
    }
}

/// Whether its leader takes in what a follower answers.
fn is_heard(step: &Seen) -> bool {
    answer_to(&step.old.node, step.event).is_some()
}

fn round_of(leader: &Server) -> Round {
    leader.node.round().unwrap_or_default()
}

/// The last entry of the leader's term that a majority has acknowledged.
pub(crate) fn may_be_committed(leader: &Server) -> Index {
    let members = leader.node.members();
    let is_held = |index: Index| {
        let holders = members.ids().filter(|&id| progress_of(leader, id).is_some_and(|it| index <= it.matched));
        members.ids().len() < 2 * holders.count()
    };
    let own = leader.entries.iter().map(|entry| entry.position).filter(|entry| entry.term == leader.node.term());
    own.map(|entry| entry.index).rfind(|&index| is_held(index)).unwrap_or(Index::ZERO)
}

fn progress_of(server: &Server, id: ServerId) -> Option<Progress> {
    let Role::Leader { progress, .. } = server.node.role() else { return None };
    progress.get(id).copied()
}

/// The target of a transfer is told to campaign as soon as it has acknowledged the whole log, and
/// nobody is told anything of the kind otherwise.
pub(super) fn transfer_is_sent(step: &Seen) -> bool {
    let Seen { event, new, .. } = *step;
    let told = step.sent().filter(|sent| sent.message == Message::TimeoutNow).map(|sent| sent.to);
    let Some(target) = new.observed.target.filter(|_| new.leads()) else { return told.count() == 0 };
    let is_asked = matches!(event, Event::Transfer(to) if *to == target);
    let is_reply = |letter: &Letter| matches!(letter.message, Message::AppendReply { .. });
    let is_acknowledged = is_heard(step) && step.letter().is_some_and(is_reply);
    let holds_all = progress_of(new, target).is_some_and(|progress| progress.matched == new.last().index);
    let due = holds_all && (is_asked || is_acknowledged);
    told.eq(due.then_some(target))
}

/// Timers are restarted when the part changes, a campaign or a transfer begins, a leader was heard or
/// a vote given, at nothing else; and those that then run belong to the part.
pub(super) fn timers_are_of_its_role(step: &Seen) -> bool {
    let Seen { old, event, new, stepped } = *step;
    let of_role = |server: &Server| match server.node.role() {
        Role::Follower { .. } => Timers::Follower,
        Role::PreCandidate { .. } | Role::Candidate { .. } => Timers::Candidate,
        Role::Leader { .. } => Timers::Leader,
    };
    let mut restarts = stepped.told().filter_map(|told| match told {
        Output::Restart(timers) => Some(*timers),
        _ => None,
    });
    let has_other_part = of_role(old) != of_role(new);
    let campaigns = matches!(new.node.role(), Role::Candidate { .. }) && old.node.term() < new.node.term();
    let asks = *event == Event::ElectionTimeout && !old.leads() && old.entries.faulty().is_none();
    let transfers = matches!(event, Event::Transfer(target) if new.leads() && *target != new.node.id());
    let hears_leader = step.letter().is_some_and(|letter| {
        let speaks = matches!(letter.message, Message::AppendRequest { .. } | Message::InstallSnapshot { .. });
        speaks && old.node.term() <= letter.term && !new.leads()
    });
    let votes = step.sent().any(|sent| sent.to != sent.from && sent.message == Message::VoteReply { granted: true });
    let must = has_other_part || campaigns || asks || transfers || hears_leader || votes;
    if must { restarts.next_back() == Some(of_role(new)) } else { restarts.count() == 0 }
}

/// Clients and watchers are told what happened, all of it and nothing else.
pub(super) fn clients_are_told(step: &Seen) -> bool {
    let Seen { old, event, new, stepped } = *step;
    let mut due = Vec::new();
    match (serves(old), serves(new)) {
        (true, false) => due.push(Output::Yielded(old.node.term())),
        (false, true) => due.push(Output::Leading(new.node.term())),
        _ => {}
    }
    let lacks = |last: &Position| old.position(last.index.number()) != Some(*last) || !can_read(old, last.index);
    let lacked = step.snapshot().filter(lacks);
    if let Some(last) = lacked {
        due.push(Output::Restored(last));
    } else if old.node.commit() < new.node.commit() {
        due.push(Output::Committed(new.node.commit()));
    }
    if let Event::Propose(_) = event {
        let takes = matches!(old.node.role(), Role::Leader { transfer: None, .. });
        due.push(if takes { Output::Accepted(new.last()) } else { Output::Refused });
    }
    let is_for_clients = |told: &&Output| {
        use Output::{Accepted, Committed, Leading, Refused, Restored, Yielded};
        matches!(told, Accepted(_) | Refused | Committed(_) | Restored(_) | Leading(_) | Yielded(_))
    };
    let mut told: Vec<_> = stepped.told().filter(is_for_clients).cloned().collect();
    told.sort_unstable();
    due.sort_unstable();
    told == due && status_is_true(new) && takes_what_is_proposed(step)
}

/// Whether clients are served: the server leads, is not transferring its leadership, and has committed an entry
/// of its term.
fn serves(server: &Server) -> bool {
    let leads = matches!(server.node.role(), Role::Leader { transfer: None, .. });
    let committed = server.position(server.node.commit().number());
    leads && committed.is_some_and(|committed| committed.term == server.node.term())
}

/// A leader appends the command that was proposed, or, when it begins, none; and nothing else.
fn takes_what_is_proposed(step: &Seen) -> bool {
    let Seen { old, event, new, .. } = *step;
    if !new.leads() {
        return true;
    }
    let Some(appended) = new.entries.get(old.entries.len()..) else { return true };
    let payload = match event {
        Event::Propose(command) => Payload::Command(*command),
        _ => Payload::Blank,
    };
    appended.len() <= 1 && appended.iter().all(|entry| entry.payload == payload)
}

/// What promises something, or names what is not on the disk yet, waits for the flush; entries of a
/// leader, requests for votes with a log that is on the disk, and what timers and the end of a leadership are
/// about, do not.
pub(super) fn all_is_in_time(step: &Seen) -> bool {
    let Seen { old, stepped, .. } = *step;
    let is_early = |sent: &Envelope<Range>| match sent.message {
        Message::AppendRequest { .. } | Message::InstallSnapshot { .. } => true,
        Message::VoteRequest { .. } => old.unsynced.is_empty(),
        _ => false,
    };
    let told_early = |told: &Output| match told {
        Output::Restart(_)
        | Output::Round { .. }
        | Output::Heard { .. }
        | Output::Confirmed(_)
        | Output::Leading(_)
        | Output::Yielded(_) => true,
        Output::Send(_) | Output::Accepted(_) | Output::Refused | Output::Committed(_) | Output::Restored(_) => false,
    };
    stepped.early.iter().all(is_early)
        && !stepped.outputs.iter().any(is_early)
        && stepped.told_early.iter().all(told_early)
        && !stepped.told_late.iter().any(told_early)
}

fn status_is_true(server: &Server) -> bool {
    let (status, node) = (server.node.status(), &server.node);
    let transfer = if let Role::Leader { transfer, .. } = node.role() { *transfer } else { None };
    (status.id, status.role, status.transfer) == (node.id(), node.role().name(), transfer)
        && (status.term, status.vote, status.leader) == (node.term(), node.vote(), memory::leader(server))
        && (node.leader(), node.is_sticky()) == (memory::leader(server), memory::is_sticky(server))
        && (status.last, status.commit) == (server.last(), node.commit())
}
