//! The parsers of what arrives on a connection.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message as _;
use rafttree_model::{Entry, Envelope, Index, Message, Payload, Position, Round, ServerId, Slice, Term};

use super::connection::{Framing, MAX_FRAME_BYTES};
use super::greeting::{Challenge, Greeting, Hello, Kind, Open, Sealed, WireGreeting};
use super::proof::{Nonce, Proof, Proofs, Step};
use super::refusal::Refusal;
use super::wire::WireFrame;
use crate::core::frame::{Packet, ServiceFrame};
use crate::core::request::{Outcome, ServiceMessage};
use crate::fuzz::{Draw, Format, Parser, of};
use crate::storage::{ClusterId, Incarnation};

/// All of them.
pub(crate) fn parsers() -> Vec<Box<dyn Parser>> {
    let own = [of::<Frames>(), of::<GreetingFrames>(), of::<Messages>(), of::<Greetings>(), of::<Hellos>()];
    own.into_iter().chain([of::<Handshakes>(), super::bulk::parsers::words()]).collect()
}

/// What a connection carries: whole frames, and the beginning of one more.
#[derive(Debug, PartialEq)]
struct Carried {
    frames: Vec<Bytes>,
    rest: Vec<u8>,
}

impl Carried {
    fn draw(draw: &mut Draw<'_>) -> Carried {
        Carried { frames: draw.list(4, |draw| draw.bytes(60).into()), rest: Vec::new() }
    }

    fn encode(&self, framing: Framing) -> Vec<u8> {
        let mut out = BytesMut::new();
        self.frames.iter().for_each(|frame| framing.put(&mut out, |out| out.put_slice(frame)));
        out.put_slice(&self.rest);
        out.into()
    }

    fn decode(framing: Framing, bytes: &[u8]) -> Option<Carried> {
        let (mut received, mut frames) = (BytesMut::from(bytes), Vec::new());
        while let Some(frame) = framing.take(&mut received).ok()? {
            frames.push(frame);
        }
        Some(Carried { frames, rest: received.into() })
    }

    /// The frame that is not whole makes its reader wait for as many bytes as its header says, once that is there.
    fn held(&self, framing: Framing) -> usize {
        let header = self.rest.get(..framing.header()).and_then(|header| header.first_chunk());
        let waits = header.map_or(0, |length| u32::from_be_bytes(*length) as usize);
        self.frames.iter().map(Bytes::len).sum::<usize>() + waits
    }
}

/// Frames after a handshake.
struct Frames;

impl Format for Frames {
    type Value = Carried;

    const NAME: &'static str = "frames";

    const SPARE_BYTES: usize = MAX_FRAME_BYTES;

    const FACTOR: usize = 1;

    fn draw(draw: &mut Draw<'_>) -> Carried {
        Carried::draw(draw)
    }

    fn encode(value: &Carried) -> Vec<u8> {
        value.encode(Framing::Checked)
    }

    fn decode(bytes: &[u8]) -> Option<Carried> {
        Carried::decode(Framing::Checked, bytes)
    }

    fn held(value: &Carried) -> usize {
        value.held(Framing::Checked)
    }

    fn repair(mut bytes: &mut [u8]) {
        while let Some((header, behind)) = bytes.split_at_mut_checked(12) {
            let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
            let message = behind.get(..length).unwrap_or_default();
            header[4..8].copy_from_slice(&crc32fast::hash(message).to_be_bytes());
            let checksum = crc32fast::hash(&header[..8]).to_be_bytes();
            header[8..].copy_from_slice(&checksum);
            bytes = behind.get_mut(length..).unwrap_or_default();
        }
    }
}

/// Frames before the other side is known.
struct GreetingFrames;

impl Format for GreetingFrames {
    type Value = Carried;

    const NAME: &'static str = "greeting frames";

    const FACTOR: usize = 1;

    fn draw(draw: &mut Draw<'_>) -> Carried {
        Carried::draw(draw)
    }

    fn encode(value: &Carried) -> Vec<u8> {
        value.encode(Framing::Greeting)
    }

    fn decode(bytes: &[u8]) -> Option<Carried> {
        Carried::decode(Framing::Greeting, bytes)
    }

    fn held(value: &Carried) -> usize {
        value.held(Framing::Greeting)
    }
}

/// Messages of the protocol, and of services.
struct Messages;

impl Format for Messages {
    type Value = Packet;

    const NAME: &'static str = "messages";

    fn draw(draw: &mut Draw<'_>) -> Packet {
        let [from, to] = [(); 2].map(|()| server(draw));
        if draw.below(3) == 0 {
            return Packet::Service(ServiceFrame { from, to, message: service_message(draw) });
        }
        let term = Term::new(draw.countable());
        Packet::Protocol(Envelope { from, to, term, message: message(draw) })
    }

    fn encode(value: &Packet) -> Vec<u8> {
        WireFrame::from(value.clone()).encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Packet> {
        WireFrame::decode(bytes).ok()?.try_into().ok()
    }

    fn held(value: &Packet) -> usize {
        match value {
            Packet::Protocol(Envelope { message: Message::AppendRequest { entries, .. }, .. }) => {
                let entries = entries.clone().into_entries();
                let commands = entries.iter().map(|entry| match &entry.payload {
                    Payload::Command(command) => command.len(),
                    Payload::Blank => 0,
                });
                commands.sum::<usize>() + entries.capacity() * size_of::<Entry<Bytes>>()
            }
            _ => size_of::<Packet>(),
        }
    }
}

fn message(draw: &mut Draw<'_>) -> Message<Slice<Bytes>> {
    let round = Round::new(draw.countable());
    match draw.below(11) {
        0 => Message::PreVoteRequest { last: position(draw) },
        1 => Message::PreVoteReply { granted: draw.coin() },
        2 => Message::VoteRequest { last: position(draw), transfer: draw.coin() },
        3 => Message::VoteReply { granted: draw.coin() },
        4 | 5 => Message::AppendRequest { entries: slice(draw), commit: Index::new(draw.countable()), round },
        6 => Message::AppendReply { matched: Index::new(draw.countable()), round },
        7 => Message::RepairRequest { matched: Index::new(draw.countable()), round },
        8 => Message::AppendRefusal { missing: Index::new(draw.countable()), hint: position(draw), round },
        9 => Message::InstallSnapshot { last: position(draw), round },
        _ if draw.coin() => Message::TimeoutNow,
        _ => Message::Stale,
    }
}

fn slice(draw: &mut Draw<'_>) -> Slice<Bytes> {
    let previous = position(draw);
    let mut at = previous;
    let entries = draw.list(5, |draw| {
        at = Position { term: Term::new(at.term.number() + draw.below(2)), index: at.index.next() };
        let payload = draw.option(|draw| Payload::Command(draw.bytes(40).into())).unwrap_or(Payload::Blank);
        Entry { position: at, payload }
    });
    Slice::new(previous, entries).expect("they follow each other, and their terms do not fall")
}

fn service_message(draw: &mut Draw<'_>) -> ServiceMessage {
    let request = draw.number();
    match draw.below(4) {
        0 => ServiceMessage::Propose { request, command: draw.bytes(40).into() },
        1 => {
            let outcome = match draw.below(3) {
                0 => Outcome::Answer(draw.bytes(40).into()),
                1 => Outcome::NotCommitted,
                _ => Outcome::Unknown,
            };
            ServiceMessage::Proposed { request, outcome }
        }
        2 => ServiceMessage::AskReadIndex { request },
        _ => ServiceMessage::ReadIndex { request, index: draw.option(|draw| Index::new(draw.countable())) },
    }
}

fn position(draw: &mut Draw<'_>) -> Position {
    Position { term: Term::new(draw.countable()), index: Index::new(draw.countable()) }
}

fn server(draw: &mut Draw<'_>) -> ServerId {
    ServerId::new(draw.short_number())
}

/// The steps of a handshake, refusals among them.
struct Greetings;

impl Format for Greetings {
    type Value = Greeting;

    const NAME: &'static str = "greetings";

    fn draw(draw: &mut Draw<'_>) -> Greeting {
        let protocols = draw.short_number()..=draw.short_number();
        match draw.below(6) {
            0 => Greeting::Open(Open { protocols, nonce: draw.option(|draw| Nonce(draw.array())) }),
            1 => Greeting::Challenge(Challenge { protocols, nonce: Nonce(draw.array()), proof: Proof(draw.array()) }),
            2 => Greeting::Hello(Sealed { hello: draw.bytes(60).into(), proof: Proof(draw.array()) }),
            3 => Greeting::Accepted,
            _ => Greeting::Refused(refusal(draw)),
        }
    }

    /// Of a refusal each side has its own view.
    fn encode(value: &Greeting) -> Vec<u8> {
        let said = match value.clone() {
            Greeting::Refused(reason) => Greeting::Refused(reason.mirrored()),
            said => said,
        };
        WireGreeting::from(said).encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Greeting> {
        Some(WireGreeting::decode(bytes).ok()?.into()).filter(|greeting| *greeting != Greeting::Foreign)
    }

    fn held(value: &Greeting) -> usize {
        let servers = match value {
            Greeting::Refused(Refusal::Group { theirs, ours }) => theirs.capacity() + ours.capacity(),
            _ => 0,
        };
        size_of::<Greeting>() + servers * size_of::<ServerId>()
    }
}

fn refusal(draw: &mut Draw<'_>) -> Refusal {
    let [from, to] = [(); 2].map(|()| server(draw));
    match draw.below(14) {
        0 => Refusal::NotRaftTree,
        1 => Refusal::Protocol {
            theirs: draw.short_number()..=draw.short_number(),
            ours: draw.short_number()..=draw.short_number(),
        },
        2 => Refusal::Cluster,
        3 => Refusal::WrongServer { expected: from, found: to },
        4 => Refusal::Group { theirs: draw.list(6, server), ours: draw.list(6, server) },
        5 => Refusal::UnknownPeer(from),
        6 => Refusal::Incarnation { seen: Incarnation::from_bytes(draw.array()) },
        7 => Refusal::LostEntries(to),
        8 => Refusal::NotKept,
        9 => Refusal::Kind,
        10 => Refusal::Itself,
        11 => Refusal::Malformed,
        12 => Refusal::Implausible,
        _ => Refusal::Other,
    }
}

/// What a server says of itself.
struct Hellos;

impl Format for Hellos {
    type Value = Hello;

    const NAME: &'static str = "hellos";

    fn draw(draw: &mut Draw<'_>) -> Hello {
        let kind = match draw.below(3) {
            0 => Kind::Control,
            1 => Kind::Bulk,
            _ => Kind::Other(2 + draw.below(1000) as u32),
        };
        Hello {
            from: server(draw),
            incarnation: Incarnation::from_bytes(draw.array()),
            to: server(draw),
            minimum_timeout: Duration::from_nanos(draw.number()),
            group: draw.list(8, server),
            kind,
        }
    }

    fn encode(value: &Hello) -> Vec<u8> {
        value.to_bytes().into()
    }

    fn decode(bytes: &[u8]) -> Option<Hello> {
        Hello::from_bytes(Bytes::copy_from_slice(bytes))
    }

    fn held(value: &Hello) -> usize {
        size_of::<Hello>() + value.group.capacity() * size_of::<ServerId>()
    }
}

/// A hello with its proof, as the other side takes it.
struct Handshakes;

impl Handshakes {
    fn proofs() -> Proofs {
        let begun = [(&(5..=5), Nonce([1; 32])), (&(5..=5), Nonce([2; 32]))];
        Proofs::new(ClusterId::from_bytes([7; 16]), begun)
    }
}

impl Format for Handshakes {
    type Value = Hello;

    const NAME: &'static str = "proven hellos";

    fn draw(draw: &mut Draw<'_>) -> Hello {
        Hellos::draw(draw)
    }

    fn encode(value: &Hello) -> Vec<u8> {
        WireGreeting::from(value.sealed(&Handshakes::proofs(), Step::CallersHello)).encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Hello> {
        match WireGreeting::decode(bytes).ok()?.into() {
            Greeting::Hello(Sealed { hello, proof })
                if Handshakes::proofs().verify(Step::CallersHello, &hello, &proof) =>
            {
                Hello::from_bytes(hello)
            }
            _ => None,
        }
    }

    fn held(value: &Hello) -> usize {
        Hellos::held(value)
    }

    /// The proof of what is there now.
    fn repair(bytes: &mut [u8]) {
        let Ok(Greeting::Hello(Sealed { hello, proof })) = WireGreeting::decode(&*bytes).map(Greeting::from) else {
            return;
        };
        let Some(at) = bytes.windows(proof.0.len()).rposition(|window| window == proof.0) else { return };
        let Proof(right) = Handshakes::proofs().prove(Step::CallersHello, &hello);
        bytes[at..at + right.len()].copy_from_slice(&right);
    }
}
