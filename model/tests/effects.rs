//! What steps ask of the world, collected.

use std::collections::BTreeMap;

use rafttree_model::{
    Effects, Envelope, Event, Index, Message, Node, Output, Position, Range, Record, Round, ServerId, Term, step,
};

use crate::support::{
    Command, FIRST, all_terms, at, command, disk, group, id, leader_in_office, matched, on, receive, send, slice,
    terms_of,
};

fn collected(events: impl IntoIterator<Item = Event<Command>>) -> Effects<Command> {
    let mut node = leader_in_office(3, 2, &[1]);
    let mut effects = Effects::new();
    events.into_iter().for_each(|event| step(&mut node, event, &mut effects));
    effects
}

#[test]
fn several_steps_may_share_one_flush() {
    let effects = collected(["x", "y"].map(Event::Propose));
    assert_eq!(effects.records(), [command(3, 2, "x"), command(4, 2, "y")].map(Record::Append));
    let accepted: Vec<_> =
        effects.after_sync().iter().cloned().filter(|output| matches!(output, Output::Accepted(_))).collect();
    assert_eq!(accepted, [at(3, 2), at(4, 2)].map(Output::Accepted));
}

#[test]
fn what_may_leave_early_leaves_once_and_the_rest_stays() {
    let mut effects = collected([Event::Propose("x")]);
    assert_eq!(effects.early().len(), 2);
    effects.early_done();
    assert_eq!(effects.early().len(), 0);
    assert_eq!(effects.records().len(), 1);
    assert_eq!(effects.after_sync().len(), 2);
    effects.done();
    assert!(effects.is_empty());
}

#[test]
fn effects_are_empty_when_nothing_of_any_kind_is_left() {
    assert!(collected([]).is_empty());
    assert!(!collected([Event::HeartbeatTimeout]).is_empty(), "something to do at once");
    let mut effects = collected([Event::Transfer(id(2))]);
    effects.early_done();
    assert!(!effects.is_empty(), "something to do");
}

#[test]
fn commands_proposed_at_once_travel_in_one_message_to_each_follower_and_are_acknowledged_once() {
    let effects = collected(["x", "y", "z"].map(Event::Propose));
    let entries = Range { previous: at(2, 2), last: at(5, 2) };
    let request = |to| send(to, 2, Message::AppendRequest { entries, commit: Index::new(2), round: FIRST });
    assert_eq!(effects.early(), [request(2), request(3)]);
    let own = send(1, 2, Message::AppendReply { matched: Index::new(5), round: FIRST });
    let [x, y, z] = [3, 4, 5].map(|index| Output::Accepted(at(index, 2)));
    assert_eq!(effects.after_sync(), [own, x, y, z]);
}

#[test]
fn what_several_steps_say_in_one_value_is_what_they_say_in_their_own() {
    for events in all_sequences(4) {
        let together = Said::by(&events, false);
        let apart = Said::by(&events, true);
        assert_eq!(together.node, apart.node, "{events:?}");
        assert_eq!(together.records, apart.records, "{events:?}");
        assert_eq!(together.acknowledged(), apart.acknowledged(), "{events:?}");
        assert_eq!(together.rest(), apart.rest(), "{events:?}: the order of all that is not shortened");
        for follower in [2, 3] {
            together.assert_same_to(id(follower), &apart, &events);
        }
    }
}

/// Everything that a leader of three may be told by its followers and clients, so many times.
fn all_sequences(longest: usize) -> Vec<Vec<Event<Command>>> {
    let refusal = Message::AppendRefusal { missing: Index::new(2), hint: at(1, 1), round: FIRST };
    let alphabet = [
        Event::Propose("x"),
        Event::HeartbeatTimeout,
        Event::Transfer(id(2)),
        Event::StepDown,
        receive(1, 2, matched(3)),
        receive(2, 2, matched(3)),
        receive(3, 2, matched(1)),
        receive(3, 2, refusal),
        receive(3, 1, Message::PreVoteRequest { last: at(1, 1) }),
    ];
    let mut layer = vec![vec![]];
    for _ in 0..longest {
        let longer = |events: &Vec<Event<Command>>| {
            alphabet.each_ref().map(|event| [events, std::slice::from_ref(event)].concat())
        };
        layer = layer.iter().flat_map(longer).collect();
    }
    layer
}

/// What a leader says in the course of some events.
struct Said {
    node: Node,
    records: Vec<Record<Command>>,
    outputs: Vec<Output>,
}

impl Said {
    /// The early outputs come first, as those of all steps share one flush.
    fn by(events: &[Event<Command>], apart: bool) -> Said {
        let mut node = leader_in_office(3, 2, &[1]);
        let (mut records, mut early, mut late) = (Vec::new(), Vec::new(), Vec::new());
        let mut effects = Effects::new();
        for (number, event) in events.iter().enumerate() {
            step(&mut node, event.clone(), &mut effects);
            if apart || number + 1 == events.len() {
                records.extend_from_slice(effects.records());
                early.extend_from_slice(effects.early());
                late.extend_from_slice(effects.after_sync());
                effects.done();
            }
        }
        early.append(&mut late);
        Said { node, records, outputs: early }
    }

    /// All but AppendEntries and what the leader acknowledges to itself.
    fn rest(&self) -> Vec<&Output> {
        let is_shortened = |output: &Output| match output {
            Output::Send(Envelope { message: Message::AppendRequest { .. }, .. }) => true,
            Output::Send(envelope) => is_own_acknowledgement(envelope),
            _ => false,
        };
        self.outputs.iter().filter(|output| !is_shortened(output)).collect()
    }

    /// The last thing that the leader acknowledges to itself in each term, which covers the others.
    fn acknowledged(&self) -> BTreeMap<Term, Index> {
        let own = self.outputs.iter().filter_map(|output| match output {
            Output::Send(Envelope { to, term, message: Message::AppendReply { matched, .. }, .. }) if *to == id(1) => {
                Some((*term, *matched))
            }
            _ => None,
        });
        own.collect()
    }

    /// AppendEntries to this follower.
    fn requests(&self, follower: ServerId) -> Vec<Envelope<Range>> {
        let request = |output: &Output| match output {
            Output::Send(envelope) if envelope.to == follower => Some(*envelope),
            _ => None,
        };
        let messages = self.outputs.iter().filter_map(request);
        messages.filter(|envelope| matches!(envelope.message, Message::AppendRequest { .. })).collect()
    }

    /// Delivers AppendEntries to every follower that the leader could have.
    fn assert_same_to(&self, follower: ServerId, apart: &Said, events: &[Event<Command>]) {
        let leader = terms_of(self.node.log());
        let (requests, each) = (self.requests(follower), apart.requests(follower));
        assert!(requests.len() <= each.len(), "{events:?}");
        for log in all_terms(leader.len().min(4), 2).iter().filter(|log| match_as_logs_do(log, &leader)) {
            let start = Node::recover(follower, group(3), disk(2, log));
            let (one, other) = (Heard::of(&start, &requests, &leader), Heard::of(&start, &each, &leader));
            assert_eq!(one, other, "{events:?}, follower {follower} with {log:?}");
        }
    }
}

fn is_own_acknowledgement(envelope: &Envelope<Range>) -> bool {
    envelope.to == id(1) && matches!(envelope.message, Message::AppendReply { .. })
}

/// §5.3, Log Matching; and of its own term nobody holds what the leader lacks.
fn match_as_logs_do(log: &[u64], leader: &[u64]) -> bool {
    let agreed = log.iter().zip(leader).take_while(|(one, other)| one == other).count();
    log[agreed..].iter().all(|&term| term != 2)
}

/// A follower that has heard some messages.
#[derive(Debug, Eq, PartialEq)]
struct Heard {
    node: Node,
    acknowledged: Option<Index>,
    refused: Option<(Index, Position)>,
    /// The latest round that it has answered.
    answered: Round,
}

impl Heard {
    fn of(start: &Node, requests: &[Envelope<Range>], leader: &[u64]) -> Heard {
        let mut heard = Heard { node: start.clone(), acknowledged: None, refused: None, answered: Round::ZERO };
        for request in requests {
            let filled = request.with_entries(|range| {
                let (from, to) = (range.previous.index.number() as usize, range.last.index.number() as usize);
                Some(slice(range.previous, &leader[from..to]))
            });
            let filled = filled.expect("the leader holds what it sends");
            for answer in on(&mut heard.node, Event::Receive(filled)).messages() {
                match answer.message {
                    Message::AppendReply { matched, round } => {
                        heard.acknowledged = heard.acknowledged.max(Some(matched));
                        heard.answered = heard.answered.max(round);
                    }
                    Message::AppendRefusal { missing, hint, round } => {
                        heard.refused = heard.refused.or(Some((missing, hint)));
                        heard.answered = heard.answered.max(round);
                    }
                    other => panic!("{other:?} answers no AppendEntries"),
                }
            }
        }
        heard
    }
}
