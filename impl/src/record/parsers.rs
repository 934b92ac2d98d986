//! The parsers of a trace: of a part of its file, and of the body of each frame in it.
//!
//! A trace is read by whoever replays it, on another machine and later: what reads it there is `rafttree_model`.

use rafttree_model::chain::{Chain, MAGIC, Opened};
use rafttree_model::digest::Digest;
use rafttree_model::trace::{Call, Digests, Ending, Frame, Origin, Step};
use rafttree_model::{
    Durable, Entries, Entry, Envelope, Event, Faulty, Index, Log, MOST_SERVERS, Members, Message, Payload, Position,
    Round, ServerId, Slice, Term, Traced,
};

use crate::fuzz::{Draw, Format, Parser, of};

/// No term, index or round of a trace is so high.
const MAX_COUNT: u64 = 1 << 61;

/// All of them.
pub(crate) fn parsers() -> Vec<Box<dyn Parser>> {
    vec![of::<Bodies>(), of::<Parts>()]
}

/// Bodies of frames.
struct Bodies;

impl Format for Bodies {
    type Value = Frame;

    const NAME: &'static str = "steps of a trace";

    fn draw(draw: &mut Draw<'_>) -> Frame {
        match draw.below(8) {
            0 | 1 => Frame::Origin(origin(draw)),
            2 => Frame::Ending(ending(draw)),
            _ => Frame::Step(step(draw)),
        }
    }

    fn encode(value: &Frame) -> Vec<u8> {
        body(value)
    }

    /// The beginning of a part is one from which a server can be replayed.
    fn decode(bytes: &[u8]) -> Option<Frame> {
        let frame = Frame::read(bytes)?;
        if let Frame::Origin(origin) = &frame {
            let started = Traced::replaying(origin.clone());
            assert_eq!((started.node().durable(), started.entries()), (&origin.durable, &origin.entries), "as it was");
        }
        Some(frame)
    }

    fn held(value: &Frame) -> usize {
        held(value)
    }
}

/// Parts of a trace, each whole.
struct Parts;

impl Format for Parts {
    type Value = Vec<Frame>;

    const NAME: &'static str = "parts of a trace";

    fn draw(draw: &mut Draw<'_>) -> Vec<Frame> {
        let begun = [Frame::Origin(origin(draw))];
        let steps = draw.list(5, |draw| Frame::Step(step(draw)));
        let ended = draw.option(|draw| Frame::Ending(ending(draw)));
        begun.into_iter().chain(steps).chain(ended).collect()
    }

    fn encode(value: &Vec<Frame>) -> Vec<u8> {
        let (mut chain, mut out) = (Chain::default(), MAGIC.to_vec());
        value.iter().for_each(|frame| chain.seal(&body(frame), &mut out));
        out
    }

    fn decode(bytes: &[u8]) -> Option<Vec<Frame>> {
        let (mut chain, mut rest, mut frames) = (Chain::default(), bytes.strip_prefix(&MAGIC)?, Vec::new());
        while !rest.is_empty() {
            let Opened::Body(body) = chain.open(rest) else { return None };
            frames.push(Frame::read(body)?);
            rest = &rest[Chain::size(body.len())..];
        }
        Some(frames)
    }

    fn held(value: &Vec<Frame>) -> usize {
        value.iter().map(held).sum()
    }

    /// The checks of each frame that can be found.
    fn repair(bytes: &mut [u8]) {
        let (mut chain, mut at) = (Chain::default(), MAGIC.len());
        while let Some(length) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
            let length = u32::from_le_bytes(*length) as usize;
            let size = Chain::size(length);
            let Some(frame) = at.checked_add(size).and_then(|end| bytes.get_mut(at..end)) else { return };
            let mut right = Vec::new();
            chain.seal(&frame[HEAD_BYTES..HEAD_BYTES + length], &mut right);
            frame.copy_from_slice(&right);
            at += size;
        }
    }
}

/// Bytes of a frame before its body.
const HEAD_BYTES: usize = 8;

fn body(frame: &Frame) -> Vec<u8> {
    match frame {
        Frame::Origin(origin) => origin.body(),
        Frame::Step(step) => step.body(),
        Frame::Ending(ending) => ending.body().to_vec(),
    }
}

fn held(frame: &Frame) -> usize {
    let behind = match frame {
        Frame::Origin(origin) => origin.entries.len() * size_of::<Entry<Digest>>() + log_bytes(origin.durable.log()),
        Frame::Step(Step { call: Call::Propose(commands), .. }) => commands.capacity() * size_of::<Digest>(),
        Frame::Step(Step { call: Call::Step(Event::Receive(envelope)), .. }) => match &envelope.message {
            Message::AppendRequest { entries, .. } => size_of_val(entries.entries()),
            _ => 0,
        },
        _ => 0,
    };
    size_of::<Frame>() + behind
}

/// A log keeps each term with the entry that begins it.
fn log_bytes(log: &Log) -> usize {
    log.positions().map(|position| position.term).collect::<std::collections::BTreeSet<_>>().len()
        * size_of::<Position>()
}

fn origin(draw: &mut Draw<'_>) -> Origin {
    let numbers = draw.list(MOST_SERVERS as u64, Draw::short_number);
    let id = ServerId::new(draw.short_number());
    let others = numbers.into_iter().map(ServerId::new).filter(|other| *other != id);
    let members = Members::new(others.chain([id])).or(Members::new([id])).expect("one server is a group");
    let base = position(draw);
    let held = entries(draw, base);
    let mut log = Log::starting_at(base);
    held.iter().for_each(|entry| log.push(entry.position));
    let faulty = faulty(draw, &held);
    let vote = draw.option(|draw| ServerId::new(draw.short_number()));
    Origin {
        code: draw.number(),
        group: draw.number(),
        began: draw.number(),
        id,
        members,
        durable: Durable::assume(Term::new(count(draw)), vote, log).damaged(faulty),
        entries: Entries::after(base, held).damaged(faulty),
    }
}

/// Some of these entries.
fn faulty(draw: &mut Draw<'_>, held: &[Entry<Digest>]) -> Faulty {
    match held {
        [first, .., last] if draw.coin() => Faulty::between(first.position.index, last.position.index),
        _ => Faulty::NONE,
    }
}

fn step(draw: &mut Draw<'_>) -> Step {
    let call = match draw.below(8) {
        0 => Call::Own,
        1 => Call::Propose(draw.list(6, |draw| Digest(draw.number()))),
        2 => Call::Write,
        3 => Call::Flushed,
        _ => Call::Step(event(draw)),
    };
    Step { after: draw.number(), call, digests: Digests { effects: draw.number(), state: draw.number() } }
}

fn event(draw: &mut Draw<'_>) -> Event<Digest> {
    match draw.below(12) {
        0 => Event::ElectionTimeout,
        1 => Event::HeartbeatTimeout,
        2 => Event::MinimumTimeout,
        3 => Event::Propose(Digest(draw.number())),
        4 => Event::Snapshotted(Index::new(count(draw))),
        5 => Event::Transfer(ServerId::new(draw.short_number())),
        6 => Event::StepDown,
        _ => Event::Receive(Envelope {
            from: ServerId::new(draw.short_number()),
            to: ServerId::new(draw.short_number()),
            term: Term::new(count(draw)),
            message: message(draw),
        }),
    }
}

fn message(draw: &mut Draw<'_>) -> Message<Slice<Digest>> {
    let (round, index) = (Round::new(count(draw)), Index::new(count(draw)));
    match draw.below(12) {
        0 => Message::PreVoteRequest { last: position(draw) },
        1 => Message::PreVoteReply { granted: draw.coin() },
        2 => Message::VoteRequest { last: position(draw), transfer: draw.coin() },
        3 => Message::VoteReply { granted: draw.coin() },
        4 | 5 => {
            let previous = position(draw);
            let entries = Slice::new(previous, entries(draw, previous)).expect("they follow each other");
            Message::AppendRequest { entries, commit: index, round }
        }
        6 => Message::AppendReply { matched: index, round },
        7 => Message::RepairRequest { matched: index, round },
        8 => Message::AppendRefusal { missing: index, hint: position(draw), round },
        9 => Message::InstallSnapshot { last: position(draw), round },
        10 => Message::TimeoutNow,
        _ => Message::Stale,
    }
}

fn ending(draw: &mut Draw<'_>) -> Ending {
    [Ending::Stopped, Ending::Overrun, Ending::Failed][draw.below(3) as usize]
}

/// Entries that follow this one.
fn entries(draw: &mut Draw<'_>, previous: Position) -> Vec<Entry<Digest>> {
    let mut at = previous;
    draw.list(5, |draw| {
        at = Position { term: Term::new(at.term.number() + draw.below(2)), index: at.index.next() };
        let payload = draw.option(|draw| Payload::Command(Digest(draw.number()))).unwrap_or(Payload::Blank);
        Entry { position: at, payload }
    })
}

fn position(draw: &mut Draw<'_>) -> Position {
    Position { term: Term::new(count(draw)), index: Index::new(count(draw)) }
}

fn count(draw: &mut Draw<'_>) -> u64 {
    draw.number() % MAX_COUNT
}
