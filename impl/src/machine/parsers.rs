//! The parsers of what stands in entries of the log, in answers, and in a snapshot.

use std::any::Any;
use std::io::{self, Read, Write};

use bytes::Bytes;

use super::codec::{CodecError, decode, encode};
use super::erased::Machine;
use super::interface::Snapshot;
use super::sessions::{Applied, Sent, Sessions};
use crate::fuzz::{Draw, Format, Parser, of};

/// All of them.
pub(crate) fn parsers() -> Vec<Box<dyn Parser>> {
    vec![of::<Commands>(), of::<Answers>(), of::<Tables>()]
}

/// Commands as they stand in the log.
struct Commands;

impl Format for Commands {
    type Value = Sent;

    const NAME: &'static str = "commands";

    fn draw(draw: &mut Draw<'_>) -> Sent {
        sent(draw)
    }

    fn encode(value: &Sent) -> Vec<u8> {
        value.encode().into()
    }

    fn decode(bytes: &[u8]) -> Option<Sent> {
        Sent::decode(Bytes::copy_from_slice(bytes)).ok()
    }

    fn held(value: &Sent) -> usize {
        match value {
            Sent::Plain(command) | Sent::InSession { command, .. } => command.len(),
            Sent::Open => 0,
        }
    }
}

fn sent(draw: &mut Draw<'_>) -> Sent {
    match draw.below(4) {
        0 => Sent::Plain(draw.bytes(40).into()),
        1 => Sent::Open,
        _ => {
            let (session, number) = (draw.number(), draw.number());
            Sent::InSession { session, number, command: draw.bytes(40).into() }
        }
    }
}

/// What has become of a command, as servers tell each other.
struct Answers;

impl Format for Answers {
    type Value = Applied;

    const NAME: &'static str = "answers";

    fn draw(draw: &mut Draw<'_>) -> Applied {
        match draw.below(4) {
            0 => Applied::Opened(draw.number()),
            1 => Applied::Expired,
            2 => Applied::Passed,
            _ => Applied::Answer(draw.bytes(40)),
        }
    }

    fn encode(value: &Applied) -> Vec<u8> {
        encode(value).expect("it has nothing that cannot be encoded")
    }

    fn decode(bytes: &[u8]) -> Option<Applied> {
        decode(bytes).ok()
    }

    fn held(value: &Applied) -> usize {
        match value {
            Applied::Answer(answer) => answer.capacity(),
            _ => 0,
        }
    }
}

/// Sessions and a state machine, as a snapshot has them.
struct Tables;

impl Format for Tables {
    /// The snapshot that is made of them.
    type Value = Vec<u8>;

    const NAME: &'static str = "sessions";

    fn draw(draw: &mut Draw<'_>) -> Vec<u8> {
        let mut sessions = empty();
        for index in 1..1 + draw.below(8) {
            let command = match draw.below(3) {
                0 => Sent::Open,
                1 => Sent::Plain(draw.bytes(10).into()),
                _ => {
                    let (session, number) = (1 + draw.below(index), draw.below(4));
                    Sent::InSession { session, number, command: draw.bytes(10).into() }
                }
            };
            sessions.apply(index, command.encode()).expect("it is a command");
        }
        written(&sessions)
    }

    fn encode(value: &Vec<u8>) -> Vec<u8> {
        value.clone()
    }

    fn decode(mut bytes: &[u8]) -> Option<Vec<u8>> {
        let mut sessions = empty();
        sessions.restore(&mut bytes).ok()?;
        Some(written(&sessions))
    }

    fn held(value: &Vec<u8>) -> usize {
        value.len()
    }
}

fn empty() -> Sessions {
    Sessions::new(Box::<Last>::default())
}

fn written(sessions: &Sessions) -> Vec<u8> {
    let mut out = Vec::new();
    sessions.snapshot().write(&mut out).expect("memory takes all of it");
    out
}

/// A state machine that keeps the last command.
#[derive(Default)]
struct Last(Vec<u8>);

impl Machine for Last {
    fn apply(&mut self, command: &[u8]) -> Result<Vec<u8>, CodecError> {
        Ok(std::mem::replace(&mut self.0, command.to_vec()))
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        let last = self.0.clone();
        Box::new(move |to: &mut dyn Write| to.write_all(&last))
    }

    fn restore(&mut self, from: &mut dyn Read) -> io::Result<()> {
        self.0.clear();
        from.read_to_end(&mut self.0).map(drop)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
