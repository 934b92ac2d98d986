//! Steps that share effects, as they share a flush, ask for what they would ask for one by one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rafttree_model::{Effects, Envelope, Event, Message, Output, Range, Record, Role, Round, ServerId, Slice};

use crate::world::{Server, StepBy, Tag};

/// What several steps asked for: records, what may leave early, and what waits.
type Asked = (Vec<Record<Tag>>, Vec<Output>, Vec<Output>);

/// Whether a server that takes several steps before a flush asks for the same in one value as in a
/// value for each step, said in fewer messages.
pub(super) fn asks_the_same_at_once(step_by: StepBy, server: &Server) -> bool {
    let events = events(server);
    let each = AssertUnwindSafe(|| {
        let (mut node, mut asked) = (server.node.clone(), Asked::default());
        for event in &events {
            let mut effects = Effects::new();
            step_by(&mut node, event.clone(), &mut effects);
            take(&effects, &mut asked);
        }
        (node, asked)
    });
    let together = AssertUnwindSafe(|| {
        let (mut node, mut asked) = (server.node.clone(), Asked::default());
        let mut effects = Effects::new();
        events.iter().for_each(|event| step_by(&mut node, event.clone(), &mut effects));
        take(&effects, &mut asked);
        (node, asked)
    });
    let (Ok((one, each)), Ok((other, together))) = (catch_unwind(each), catch_unwind(together)) else { return false };
    let (records, early, outputs) = each;
    one == other && together == (records, fewer(early), fewer(outputs))
}

/// For a leader commands, what makes it send again, and heartbeats; for a follower heartbeats that it
/// answers in different ways.
fn events(server: &Server) -> Vec<Event<Tag>> {
    let (id, term) = (server.node.id(), server.node.term());
    let Some(peer) = server.peer() else { return Vec::new() };
    if let &Role::Follower { leader: Some(leader), .. } = server.node.role() {
        let log = server.node.log();
        let heartbeat = |previous| {
            let entries = Slice::new(previous, Vec::new()).expect("no entries follow any position");
            let message = Message::AppendRequest { entries, commit: server.node.commit(), round: Round::ZERO };
            Event::Receive(Envelope { from: leader, to: id, term, message })
        };
        return [log.last(), log.base(), log.last()].map(heartbeat).to_vec();
    }
    let Role::Leader { .. } = server.node.role() else { return Vec::new() };
    let answer = |from: ServerId, message| Event::Receive(Envelope { from, to: id, term, message });
    let refusal = || {
        answer(
            peer,
            Message::AppendRefusal { missing: server.last().index, hint: server.entries.base(), round: Round::ZERO },
        )
    };
    let command = || Event::Propose(Tag(ServerId::new(0)));
    // Up to the second of the commands: so the commit index moves between two messages.
    let matched = server.last().index.next().next();
    let acknowledged =
        server.node.members().ids().map(|from| answer(from, Message::AppendReply { matched, round: Round::ZERO }));
    let before = [command(), command(), Event::HeartbeatTimeout, refusal(), command(), Event::HeartbeatTimeout];
    let after = [command(), Event::HeartbeatTimeout, command()];
    before.into_iter().chain(acknowledged).chain(after).collect()
}

fn take(effects: &Effects<Tag>, asked: &mut Asked) {
    asked.0.extend_from_slice(effects.records());
    asked.1.extend_from_slice(effects.early());
    asked.2.extend_from_slice(effects.after_sync());
}

/// The same in fewer messages: entries that follow those of the last message to their receiver
/// travel with them, and of what a server acknowledges to itself the last is left.
fn fewer(outputs: Vec<Output>) -> Vec<Output> {
    let mut fewer: Vec<Output> = Vec::new();
    for output in outputs {
        let last = fewer.iter().rposition(|before| to(before).is_some() && to(before) == to(&output));
        let joined = last.and_then(|at| joined(&fewer[at], &output).map(|joined| (at, joined)));
        match joined {
            Some((at, joined)) => fewer[at] = joined,
            None => fewer.push(output),
        }
    }
    fewer
}

/// What two messages to one receiver become, in the place of the first.
fn joined(first: &Output, second: &Output) -> Option<Output> {
    let (Output::Send(first), Output::Send(second)) = (first, second) else { return None };
    let of_one_term = first.term == second.term;
    match (first.message, second.message) {
        (Message::AppendRequest { entries, .. }, Message::AppendRequest { entries: more, commit, round })
            if of_one_term && entries.last == more.previous =>
        {
            let entries = Range { previous: entries.previous, last: more.last };
            Some(Output::Send(Envelope { message: Message::AppendRequest { entries, commit, round }, ..*first }))
        }
        (Message::AppendReply { .. }, Message::AppendReply { .. }) if of_one_term && second.to == second.from => {
            Some(Output::Send(*second))
        }
        _ => None,
    }
}

fn to(output: &Output) -> Option<ServerId> {
    if let Output::Send(envelope) = output { Some(envelope.to) } else { None }
}
