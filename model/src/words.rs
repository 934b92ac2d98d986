//! The words of a trace: numbers, names, messages and events as bytes, and back.
//!
//! What is read was written by somebody else. So whatever the bytes are, a value is read that could have been
//! written, or none; no number is so high that counting on from it ends.

use alloc::vec::Vec;

use crate::digest::{Digest, Digested};
use crate::message::{Envelope, Message, Slice};
use crate::step::Event;
use crate::types::{Entry, Index, Payload, Position, Round, ServerId, Term};

/// No server counts so far.
const MOST: u64 = 1 << 62;

/// Writes a number, seven bits to a byte.
pub(crate) fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while 0x7f < number {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes eight bytes, where a number is as long as any other.
pub(crate) fn put_word(word: u64, out: &mut Vec<u8>) {
    out.extend(word.to_le_bytes());
}

pub(crate) fn put_position(position: Position, out: &mut Vec<u8>) {
    put_number(position.term.number(), out);
    put_number(position.index.number(), out);
}

/// Entries that follow a position: of each by how much its term is later, whether it carries a command, and
/// the digest of that.
pub(crate) fn put_entries<P: Digested>(previous: Position, entries: &[Entry<P>], key: u64, out: &mut Vec<u8>) {
    put_number(entries.len() as u64, out);
    let mut term = previous.term.number();
    for Entry { position, payload } in entries {
        let later = position.term.number() - term;
        term += later;
        put_number(2 * later + u64::from(matches!(payload, Payload::Command(_))), out);
        if let Payload::Command(command) = payload {
            put_word(command.digest(key).0, out);
        }
    }
}

pub(crate) fn put_event<P: Digested>(event: &Event<P>, key: u64, out: &mut Vec<u8>) {
    out.push(match event {
        Event::ElectionTimeout => 0,
        Event::HeartbeatTimeout => 1,
        Event::MinimumTimeout => 2,
        Event::Receive(_) => 3,
        Event::Propose(_) => 4,
        Event::Snapshotted(_) => 5,
        Event::Transfer(_) => 6,
        Event::StepDown => 7,
    });
    match event {
        Event::Receive(envelope) => put_envelope(envelope, key, out),
        Event::Propose(command) => put_word(command.digest(key).0, out),
        Event::Snapshotted(index) => put_number(index.number(), out),
        Event::Transfer(to) => put_number(to.number().into(), out),
        Event::ElectionTimeout | Event::HeartbeatTimeout | Event::MinimumTimeout | Event::StepDown => {}
    }
}

fn put_envelope<P: Digested>(envelope: &Envelope<Slice<P>>, key: u64, out: &mut Vec<u8>) {
    let Envelope { from, to, term, message } = envelope;
    [from.number().into(), to.number().into(), term.number()].into_iter().for_each(|number| put_number(number, out));
    match message {
        Message::PreVoteRequest { last } => put_about(0, *last, out),
        Message::PreVoteReply { granted } => out.push(1 + u8::from(*granted)),
        Message::VoteRequest { last, transfer } => put_about(3 + u8::from(*transfer), *last, out),
        Message::VoteReply { granted } => out.push(5 + u8::from(*granted)),
        Message::AppendRequest { entries, commit, round } => {
            put_about(7, entries.previous(), out);
            put_numbers([commit.number(), round.number()], out);
            put_entries(entries.previous(), entries.entries(), key, out);
        }
        Message::AppendReply { matched, round } => {
            out.push(8);
            put_numbers([matched.number(), round.number()], out);
        }
        Message::RepairRequest { matched, round } => {
            out.push(9);
            put_numbers([matched.number(), round.number()], out);
        }
        Message::AppendRefusal { missing, hint, round } => {
            put_about(10, *hint, out);
            put_numbers([missing.number(), round.number()], out);
        }
        Message::InstallSnapshot { last, round } => {
            put_about(11, *last, out);
            put_number(round.number(), out);
        }
        Message::TimeoutNow => out.push(12),
        Message::Stale => out.push(13),
    }
}

fn put_about(kind: u8, position: Position, out: &mut Vec<u8>) {
    out.push(kind);
    put_position(position, out);
}

fn put_numbers(numbers: [u64; 2], out: &mut Vec<u8>) {
    numbers.into_iter().for_each(|number| put_number(number, out));
}

/// Bytes that are being read. Each of these takes a value off their front, if one is there.
pub(crate) struct Words<'a>(pub(crate) &'a [u8]);

impl Words<'_> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number as it is written, in no more bytes than it needs.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits || byte == 0 && shift != 0 {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn word(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*word))
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        self.byte().filter(|byte| *byte <= 1).map(|byte| byte == 1)
    }

    fn count(&mut self) -> Option<u64> {
        self.number().filter(|number| *number < MOST)
    }

    pub(crate) fn server(&mut self) -> Option<ServerId> {
        self.number()?.try_into().ok().map(ServerId::new)
    }

    pub(crate) fn term(&mut self) -> Option<Term> {
        self.count().map(Term::new)
    }

    pub(crate) fn index(&mut self) -> Option<Index> {
        self.count().map(Index::new)
    }

    fn round(&mut self) -> Option<Round> {
        self.count().map(Round::new)
    }

    pub(crate) fn position(&mut self) -> Option<Position> {
        Some(Position { term: self.term()?, index: self.index()? })
    }

    /// The entries that follow a position.
    pub(crate) fn entries(&mut self, previous: Position) -> Option<Vec<Entry<Digest>>> {
        let count = self.count()?;
        let (mut entries, mut position) = (Vec::new(), previous);
        for _ in 0..count {
            let word = self.count()?;
            let term = Some(position.term.number() + word / 2).filter(|term| *term < MOST)?;
            position = Position { term: Term::new(term), index: position.index.next() };
            let payload = if word % 2 == 0 { Payload::Blank } else { Payload::Command(Digest(self.word()?)) };
            entries.push(Entry { position, payload });
        }
        Some(entries)
    }

    pub(crate) fn event(&mut self) -> Option<Event<Digest>> {
        Some(match self.byte()? {
            0 => Event::ElectionTimeout,
            1 => Event::HeartbeatTimeout,
            2 => Event::MinimumTimeout,
            3 => Event::Receive(self.envelope()?),
            4 => Event::Propose(Digest(self.word()?)),
            5 => Event::Snapshotted(self.index()?),
            6 => Event::Transfer(self.server()?),
            7 => Event::StepDown,
            _ => return None,
        })
    }

    fn envelope(&mut self) -> Option<Envelope<Slice<Digest>>> {
        let (from, to, term) = (self.server()?, self.server()?, self.term()?);
        Some(Envelope { from, to, term, message: self.message()? })
    }

    fn message(&mut self) -> Option<Message<Slice<Digest>>> {
        Some(match self.byte()? {
            0 => Message::PreVoteRequest { last: self.position()? },
            kind @ (1 | 2) => Message::PreVoteReply { granted: kind == 2 },
            kind @ (3 | 4) => Message::VoteRequest { last: self.position()?, transfer: kind == 4 },
            kind @ (5 | 6) => Message::VoteReply { granted: kind == 6 },
            7 => {
                let (previous, commit, round) = (self.position()?, self.index()?, self.round()?);
                Message::AppendRequest { entries: Slice::new(previous, self.entries(previous)?)?, commit, round }
            }
            8 => Message::AppendReply { matched: self.index()?, round: self.round()? },
            9 => Message::RepairRequest { matched: self.index()?, round: self.round()? },
            10 => {
                let hint = self.position()?;
                Message::AppendRefusal { missing: self.index()?, hint, round: self.round()? }
            }
            11 => Message::InstallSnapshot { last: self.position()?, round: self.round()? },
            12 => Message::TimeoutNow,
            13 => Message::Stale,
            _ => return None,
        })
    }
}
