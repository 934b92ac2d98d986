//! Traces of servers that run: what happens to each, with digests of what comes of it.
//!
//! A trace is a file of parts, one for each start of the server. A part begins with [`MAGIC`](crate::chain::MAGIC); then come
//! frames: first the server as it starts ([`Origin`]), then a [`Step`] for each call of its
//! [`Replica`](crate::replica::Replica), and at an orderly end an [`Ending`].
//!
//! ```text
//! frame   length of the body (4 bytes), check of the length (4), body, check of the body (4): see `Chain`
//! ```

use alloc::vec::Vec;

use crate::digest::{Digest, Digested, code};
use crate::durable::Durable;
use crate::entries::Entries;
use crate::faulty::Faulty;
use crate::log::Log;
use crate::members::Members;
use crate::step::Event;
use crate::types::{Entry, Index, Payload, ServerId};
use crate::words::{Words, put_entries, put_event, put_number, put_position, put_word};

/// A server as it starts: the beginning of a part.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    /// Digest of the code of the protocol ([`code`]).
    pub code: u64,
    /// Digest of the group's name.
    pub group: u64,
    /// Nanoseconds since the beginning of 1970, by the server's clock: times in the part count from here.
    pub began: u64,
    /// The server.
    pub id: ServerId,
    /// Its group.
    pub members: Members,
    /// What its disk holds.
    pub durable: Durable,
    /// Its log's entries.
    pub entries: Entries<Digest>,
}

/// One call of a server's replica.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Call {
    /// This event happens.
    Step(Event<Digest>),
    /// The server's next message to itself is its next event.
    Own,
    /// These commands are proposed together.
    Propose(Vec<Digest>),
    /// A write of the records since the last one begins.
    Write,
    /// The write has ended.
    Flushed,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Digests {
    /// Digest of what it asks for: records, and outputs until the next call.
    pub effects: u64,
    /// Digest of the server's state after it.
    pub state: u64,
}

/// One call, when it happened, and what came of it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Step {
    /// Nanoseconds since the step before, or since the beginning of the part.
    pub after: u64,
    /// What was called.
    pub call: Call,
    /// What came of it.
    pub digests: Digests,
}

/// Why a part ends, where it does not break off.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Ending {
    /// The server has ended.
    Stopped,
    /// What was to be written came faster than it could be written. The server went on.
    Overrun,
    /// The file could not be written. The server went on.
    Failed,
}

/// The content of a frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Frame {
    /// The beginning of a part.
    Origin(Origin),
    /// A call.
    Step(Step),
    /// The end.
    Ending(Ending),
}

const ORIGIN: u8 = 0;
const ENDING: u8 = 1;
pub(crate) const STEP: u8 = 2;
pub(crate) const OWN: u8 = 3;
pub(crate) const PROPOSE: u8 = 4;
pub(crate) const WRITE: u8 = 5;
pub(crate) const FLUSHED: u8 = 6;

impl Origin {
    /// The body of its frame.
    pub fn body(&self) -> Vec<u8> {
        let mut out = alloc::vec![ORIGIN];
        [self.code, self.group, self.began].into_iter().for_each(|word| put_word(word, &mut out));
        put_number(self.id.number().into(), &mut out);
        put_number(self.members.ids().len() as u64, &mut out);
        self.members.ids().for_each(|id| put_number(id.number().into(), &mut out));
        put_number(self.durable.term().number(), &mut out);
        out.push(self.durable.vote().is_some().into());
        self.durable.vote().into_iter().for_each(|vote| put_number(vote.number().into(), &mut out));
        put_position(self.entries.base(), &mut out);
        put_entries(self.entries.base(), &self.entries, 0, &mut out);
        let faulty = self.durable.faulty();
        out.push((!faulty.is_none()).into());
        faulty.first().into_iter().chain(faulty.last()).for_each(|index| put_number(index.number(), &mut out));
        out
    }

    fn read(words: &mut Words<'_>) -> Option<Origin> {
        let (code, group, began) = (words.word()?, words.word()?, words.word()?);
        let id = words.server()?;
        let count = words.number().filter(|count| *count < 256)?;
        let ids: Vec<ServerId> = (0..count).map(|_| words.server()).collect::<Option<_>>()?;
        let is_listed = |members: &Members| members.contains(id) && ids.iter().copied().eq(members.ids());
        let members = Members::new(ids.iter().copied()).ok().filter(is_listed)?;
        let term = words.term()?;
        let vote = if words.flag()? { Some(words.server()?) } else { None };
        let base = words.position()?;
        let held = words.entries(base)?;
        let mut log = Log::starting_at(base);
        held.iter().for_each(|entry| log.push(entry.position));
        let faulty = if words.flag()? { faulty(&log, words.index()?, words.index()?)? } else { Faulty::NONE };
        let durable = Durable::assume(term, vote, log).damaged(faulty);
        let entries = Entries::after(base, held).damaged(faulty);
        Some(Origin { code, group, began, id, members, durable, entries })
    }

    /// Whether it was written by the same code of the protocol.
    pub fn is_of_this_code(&self) -> bool {
        self.code == code()
    }

    /// The entries as a trace has them.
    pub fn digested<P: Digested>(entries: &Entries<P>, key: u64) -> Entries<Digest> {
        let digested = |entry: &Entry<P>| Entry { position: entry.position, payload: entry.payload.digested(key) };
        let held = entries.iter().map(digested);
        Entries::after(entries.base(), held.collect()).damaged(entries.faulty())
    }
}

impl<P: Digested> Payload<P> {
    /// The payload as a trace has it.
    pub(crate) fn digested(&self, key: u64) -> Payload<Digest> {
        match self {
            Payload::Blank => Payload::Blank,
            Payload::Command(command) => Payload::Command(command.digest(key)),
        }
    }
}

/// The entries from first to last, if the log holds them.
fn faulty(log: &Log, first: Index, last: Index) -> Option<Faulty> {
    let is_held = log.base().index < first && first <= last && last <= log.last().index;
    is_held.then(|| Faulty::between(first, last))
}

impl Frame {
    /// Reads the body of a frame; `None` if no server writes it.
    pub fn read(body: &[u8]) -> Option<Frame> {
        let mut words = Words(body);
        let frame = match words.byte()? {
            ORIGIN => Frame::Origin(Origin::read(&mut words)?),
            ENDING => Frame::Ending(Ending::read(words.byte()?)?),
            kind => {
                let after = words.number()?;
                let call = Call::read(kind, &mut words)?;
                let digests = Digests { effects: words.word()?, state: words.word()? };
                Frame::Step(Step { after, call, digests })
            }
        };
        words.0.is_empty().then_some(frame)
    }
}

impl Step {
    /// The body of its frame.
    pub fn body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_head(self.call.kind(), self.after, &mut out);
        match &self.call {
            Call::Step(event) => put_event(event, 0, &mut out),
            Call::Propose(commands) => put_commands(commands, 0, &mut out),
            Call::Own | Call::Write | Call::Flushed => {}
        }
        put_digests(self.digests, &mut out);
        out
    }
}

/// The beginning of a step's body. What follows is what the call was given.
pub(crate) fn put_head(kind: u8, after: u64, out: &mut Vec<u8>) {
    out.push(kind);
    put_number(after, out);
}

pub(crate) fn put_commands<P: Digested>(commands: &[P], key: u64, out: &mut Vec<u8>) {
    put_number(commands.len() as u64, out);
    commands.iter().for_each(|command| put_word(command.digest(key).0, out));
}

/// The end of a step's body.
pub(crate) fn put_digests(Digests { effects, state }: Digests, out: &mut Vec<u8>) {
    put_word(effects, out);
    put_word(state, out);
}

impl Call {
    fn kind(&self) -> u8 {
        match self {
            Call::Step(_) => STEP,
            Call::Own => OWN,
            Call::Propose(_) => PROPOSE,
            Call::Write => WRITE,
            Call::Flushed => FLUSHED,
        }
    }

    fn read(kind: u8, words: &mut Words<'_>) -> Option<Call> {
        Some(match kind {
            STEP => Call::Step(words.event()?),
            OWN => Call::Own,
            PROPOSE => {
                let count = words.number()?;
                Call::Propose((0..count).map(|_| words.word().map(Digest)).collect::<Option<_>>()?)
            }
            WRITE => Call::Write,
            FLUSHED => Call::Flushed,
            _ => return None,
        })
    }
}

impl Ending {
    /// The body of its frame.
    pub fn body(self) -> [u8; 2] {
        [ENDING, self as u8]
    }

    fn read(byte: u8) -> Option<Ending> {
        [Ending::Stopped, Ending::Overrun, Ending::Failed].into_iter().find(|ending| *ending as u8 == byte)
    }
}
