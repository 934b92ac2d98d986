//! Traces: what is recorded of a server is replayed to the same digests, and nothing else is taken for it.

use rafttree_model::chain::{Chain, Opened};
use rafttree_model::digest::{Digest, Digested, code};
use rafttree_model::replayed::Outcome;
use rafttree_model::trace::{Call, Digests, Ending, Frame, Origin, Step};
use rafttree_model::{
    Durable, Entries, Entry, Envelope, Event, Faulty, Index, Log, Members, Message, Next, Node, Payload, Position,
    Replica, Round, Rules, ServerId, Slice, Term, Traced,
};

use crate::support::{group, id};

type Command = Vec<u8>;

const KEY: u64 = 7;

fn at(term: u64, index: u64) -> Position {
    Position { term: Term::new(term), index: Index::new(index) }
}

fn origin(members: Members) -> Origin {
    let (durable, entries) = (Durable::default(), Entries::default());
    Origin { code: code(), group: 3, began: 1_000, id: id(1), members, durable, entries }
}

/// A server of which a trace is kept, run as a driver would.
struct Running(Traced<Command>);

impl Running {
    fn new(members: Members) -> Running {
        let node = Node::recover(id(1), members, Durable::default());
        let mut traced = Traced::new(Replica::new(node, Entries::default()));
        traced.record(KEY);
        Running(traced)
    }

    fn happens(&mut self, now: u64, event: Event<Command>) {
        self.0.set_now(now);
        self.0.step(event);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(next) = self.0.proceed() {
            match next {
                Next::Perform(_) => {}
                Next::Receive(envelope) => self.0.step(Event::Receive(envelope)),
                Next::Write => {
                    let records = self.0.write().count();
                    if records == 0 {
                        self.0.flushed();
                    }
                }
            }
        }
    }

    fn is_flushed(&mut self, now: u64) {
        self.0.set_now(now);
        self.0.flushed();
        self.settle();
    }

    fn steps(&mut self) -> Vec<Step> {
        bodies(&self.0.take_recorded()).iter().map(|body| step(body)).collect()
    }
}

fn bodies(mut recorded: &[u8]) -> Vec<Vec<u8>> {
    let mut bodies = vec![];
    while let Some((length, rest)) = recorded.split_first_chunk() {
        let (body, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        bodies.push(body.to_vec());
        recorded = rest;
    }
    bodies
}

fn step(body: &[u8]) -> Step {
    match Frame::read(body) {
        Some(Frame::Step(step)) => step,
        other => panic!("{other:?}"),
    }
}

/// A group of one elects itself and commits three commands, of which two were proposed together.
fn alone() -> Vec<Step> {
    let mut server = Running::new(group(1));
    server.happens(10, Event::ElectionTimeout);
    server.is_flushed(20);
    server.is_flushed(30);
    server.happens(40, Event::Propose(b"one".to_vec()));
    server.0.set_now(41);
    server.0.propose(vec![b"two".to_vec(), b"three".to_vec()]);
    server.settle();
    server.is_flushed(50);
    server.is_flushed(60);
    server.happens(70, Event::Snapshotted(Index::new(2)));
    assert_eq!(server.0.node().commit(), Index::new(4));
    server.steps()
}

/// A follower hears two leaders, of which the second one replaces an entry of the first.
fn followed() -> Vec<Step> {
    let mut server = Running::new(group(3));
    let append = |from, term, previous, entries: Vec<Entry<Command>>| {
        let entries = Slice::new(previous, entries).expect("they follow one another");
        let message = Message::AppendRequest { entries, commit: Index::ZERO, round: Round::new(1) };
        Event::Receive(Envelope { from: id(from), to: id(1), term: Term::new(term), message })
    };
    let entry =
        |term, index, what: &[u8]| Entry { position: at(term, index), payload: Payload::Command(what.to_vec()) };
    let blank = Entry { position: at(1, 1), payload: Payload::Blank };
    server.happens(5, append(2, 1, Position::default(), vec![blank, entry(1, 2, b"a")]));
    server.happens(6, Event::HeartbeatTimeout);
    server.is_flushed(9);
    server.happens(12, append(3, 3, at(1, 1), vec![entry(3, 2, b"b")]));
    server.is_flushed(13);
    server.happens(14, Event::StepDown);
    server.happens(15, append(3, 3, at(3, 2), vec![entry(3, 3, b"c")]));
    server.is_flushed(16);
    assert_eq!(server.0.node().log().last(), at(3, 3));
    server.steps()
}

fn replayed(origin: Origin, steps: &[Step]) -> Result<Node, usize> {
    let mut server = Traced::replaying(origin);
    let mut outcome = Outcome::default();
    for (place, step) in steps.iter().enumerate() {
        if server.replay(step.call.clone(), &mut outcome) != Some(step.digests) {
            return Err(place);
        }
    }
    Ok(server.node().clone())
}

#[test]
fn what_is_recorded_is_replayed_to_the_same_digests() {
    let node = replayed(origin(group(1)), &alone()).expect("the same code does the same");
    assert_eq!((node.commit(), node.log().base()), (Index::new(4), at(1, 2)));
    let node = replayed(origin(group(3)), &followed()).expect("the same code does the same");
    assert_eq!(node.log().last(), at(3, 3));
}

/// Every call is one step, at its time; what follows from others is not written out.
#[test]
fn a_trace_holds_each_call_with_its_time() {
    let kinds: Vec<(u64, &str)> = alone().iter().map(|step| (step.after, name(&step.call))).collect();
    // What it asks itself waits for no record; then come the term with the vote, and the first entry.
    let question = [(10, "step"), (0, "write"), (0, "flushed"), (0, "own"), (0, "write")];
    let election = [(10, "flushed"), (0, "own"), (0, "write"), (10, "flushed"), (0, "own")];
    assert_eq!(kinds[..10], [question, election].concat(), "{kinds:?}");
    assert!(kinds.contains(&(1, "propose")), "{kinds:?}");
}

fn name(call: &Call) -> &'static str {
    match call {
        Call::Step(_) => "step",
        Call::Own => "own",
        Call::Propose(_) => "propose",
        Call::Write => "write",
        Call::Flushed => "flushed",
    }
}

/// A server that lacks a step, or takes two in another order, is not the recorded one.
#[test]
fn a_step_that_is_left_out_or_moved_is_noticed() {
    for (group, steps) in [(group(1), alone()), (group(3), followed())] {
        let does_nothing = |step: &Step| {
            [Event::HeartbeatTimeout, Event::StepDown].into_iter().any(|event| step.call == Call::Step(event))
        };
        for place in 0..steps.len() - 1 {
            let mut without = steps.clone();
            let step = without.remove(place);
            let is_noticed = replayed(origin(group), &without).is_err();
            assert!(is_noticed || does_nothing(&step), "{place}: {step:?}");
        }
        for place in 0..steps.len() - 1 {
            let mut moved = steps.clone();
            moved.swap(place, place + 1);
            let is_same = moved[place].call == moved[place + 1].call;
            let is_harmless = is_same || moved[place..place + 2].iter().any(does_nothing);
            assert!(is_harmless || replayed(origin(group), &moved).is_err(), "{place}: {moved:?}");
        }
    }
}

/// Votes for whoever asks.
struct MayVote;

impl Rules for MayVote {
    fn may_vote(_: Option<ServerId>, _: ServerId) -> bool {
        true
    }
}

/// By its digests, since it does what the rules of the paper forbid.
#[test]
fn a_mutant_is_told_from_the_deployed_code_at_its_step() {
    let request = |from| {
        let message = Message::VoteRequest { last: Position::default(), transfer: true };
        Event::Receive(Envelope { from: id(from), to: id(1), term: Term::new(1), message })
    };
    for (is_mutant, expected) in [(false, None), (true, Some(3))] {
        let mut server = Running::new(group(3));
        for from in [2, 3] {
            match is_mutant {
                false => server.0.step(request(from)),
                true => server.0.step_by::<MayVote>(request(from)),
            }
            server.settle();
            if server.0.waiting().is_some() {
                server.is_flushed(1);
            }
        }
        assert_eq!(replayed(origin(group(3)), &server.steps()).err(), expected, "{is_mutant}");
    }
}

/// The digest of a command depends on the group, and all servers of a group have the same.
#[test]
fn payloads_are_digested_under_the_key_of_their_group() {
    assert_eq!(b"a".digest(1), b"a".to_vec().digest(1));
    assert_ne!(b"a".digest(1), b"a".digest(2));
    assert_ne!(b"a".digest(1), b"a\0".digest(1));
    assert_ne!(b"".digest(1), b"\0".digest(1));
    assert_eq!(Digest(9).digest(1), Digest(9));
}

/// Frames of every kind, with every message and call.
fn frames() -> Vec<Frame> {
    let last = at(2, 1 << 40);
    let (index, round) = (Index::new(300), Round::new(4));
    let held = vec![
        Entry { position: at(2, 8), payload: Payload::Blank },
        Entry { position: at(9, 9), payload: Payload::Command(Digest(u64::MAX)) },
    ];
    let slice = |entries: &[Entry<Digest>]| Slice::new(at(2, 7), entries.to_vec()).expect("they follow one another");
    let messages = [
        Message::PreVoteRequest { last },
        Message::PreVoteReply { granted: true },
        Message::PreVoteReply { granted: false },
        Message::VoteRequest { last, transfer: false },
        Message::VoteRequest { last, transfer: true },
        Message::VoteReply { granted: true },
        Message::VoteReply { granted: false },
        Message::AppendRequest { entries: slice(&held), commit: index, round },
        Message::AppendRequest { entries: slice(&[]), commit: index, round },
        Message::AppendReply { matched: index, round },
        Message::RepairRequest { matched: index, round },
        Message::AppendRefusal { missing: index, hint: last, round },
        Message::InstallSnapshot { last, round },
        Message::TimeoutNow,
        Message::Stale,
    ];
    let receive = |message| Event::Receive(Envelope { from: id(2), to: id(70_000), term: Term::new(128), message });
    let events = messages.into_iter().map(receive).chain([
        Event::ElectionTimeout,
        Event::HeartbeatTimeout,
        Event::MinimumTimeout,
        Event::Propose(Digest(5)),
        Event::Snapshotted(index),
        Event::Transfer(id(3)),
        Event::StepDown,
    ]);
    let others =
        [Call::Own, Call::Propose(vec![Digest(1), Digest(2)]), Call::Propose(vec![]), Call::Write, Call::Flushed];
    let digests = Digests { effects: 1 << 63, state: 2 };
    let steps = events.map(Call::Step).chain(others).map(|call| Frame::Step(Step { after: 130, call, digests }));
    let mut log = Log::starting_at(at(2, 7));
    held.iter().for_each(|entry| log.push(entry.position));
    let faulty = Faulty::between(Index::new(9), Index::new(9));
    let recovered = Origin {
        durable: Durable::assume(Term::new(11), Some(id(2)), log).damaged(faulty),
        entries: Entries::after(at(2, 7), held).damaged(faulty),
        ..origin(group(3))
    };
    let origins = [origin(group(9)), recovered].map(Frame::Origin);
    let endings = [Ending::Stopped, Ending::Overrun, Ending::Failed].map(Frame::Ending);
    origins.into_iter().chain(steps).chain(endings).collect()
}

fn body(frame: &Frame) -> Vec<u8> {
    match frame {
        Frame::Origin(origin) => origin.body(),
        Frame::Step(step) => step.body(),
        Frame::Ending(ending) => ending.body().to_vec(),
    }
}

#[test]
fn every_frame_reads_as_it_was_written() {
    for frame in frames() {
        assert_eq!(Frame::read(&body(&frame)), Some(frame));
    }
}

/// Whatever a body is changed to, nothing panics, and what is read can be written again.
#[test]
fn a_body_that_was_changed_is_refused_or_is_another_one() {
    for frame in frames() {
        let body_of = body(&frame);
        for place in 0..body_of.len() {
            assert_eq!(Frame::read(&body_of[..place]), None, "{frame:?} up to {place}");
            for value in 0..=255 {
                let mut changed = body_of.clone();
                changed[place] = value;
                if let Some(read) = Frame::read(&changed) {
                    assert_eq!(body(&read), changed, "{frame:?}, {value} at {place}");
                }
            }
        }
    }
}

fn sealed(bodies: &[Vec<u8>]) -> Vec<u8> {
    let (mut chain, mut out) = (Chain::default(), vec![]);
    bodies.iter().for_each(|body| chain.seal(body, &mut out));
    out
}

/// The bodies up to where the frames are no longer whole or right.
fn opened(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut chain, mut bodies) = (Chain::default(), vec![]);
    while let Opened::Body(body) = chain.open(bytes) {
        bodies.push(body.to_vec());
        bytes = &bytes[Chain::size(body.len())..];
    }
    bodies
}

#[test]
fn every_byte_that_was_changed_is_found_in_its_frame() {
    let bodies: Vec<Vec<u8>> = frames().iter().skip(2).take(6).map(body).collect();
    let bytes = sealed(&bodies);
    assert_eq!(opened(&bytes), bodies);
    let ends: Vec<usize> = (0..=bodies.len()).map(|count| sealed(&bodies[..count]).len()).collect();
    for place in 0..bytes.len() {
        let whole = ends.iter().filter(|end| **end <= place).count() - 1;
        for flip in 1..=255 {
            let mut changed = bytes.clone();
            changed[place] ^= flip;
            assert_eq!(opened(&changed), bodies[..whole], "{flip} at {place}");
        }
        assert_eq!(opened(&bytes[..place]), bodies[..whole], "cut at {place}");
    }
}

#[test]
fn frames_that_have_changed_places_or_are_missing_are_found() {
    let bodies: Vec<Vec<u8>> = frames().iter().map(body).collect();
    let frame = |place: usize| sealed(&bodies[..=place])[sealed(&bodies[..place]).len()..].to_vec();
    let frames: Vec<Vec<u8>> = (0..bodies.len()).map(frame).collect();
    for place in 0..frames.len() - 1 {
        let mut moved = frames.clone();
        moved.swap(place, place + 1);
        assert_eq!(opened(&moved.concat()), bodies[..place], "{place} has moved");
        let without = [&frames[..place], &frames[place + 1..]].concat();
        assert_eq!(opened(&without.concat()), bodies[..place], "{place} is missing");
    }
}
