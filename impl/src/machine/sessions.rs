//! Sessions: commands that are applied once, however often they are proposed (dissertation 6.3).
//!
//! A session is opened by an entry of the log, and is named by its index. Its commands are numbered; the
//! answer to the last one is kept, so that whoever proposes it again gets the same. All of it is part of
//! the replicated state: which session is forgotten when there are too many depends on the log alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use bytes::{Buf as _, BufMut as _, Bytes};
use serde::{Deserialize, Serialize};

use super::codec::{CodecError, decode, encode};
use super::erased::Machine;
use super::interface::Snapshot;

/// Sessions that are remembered. One more, and that which was used the longest ago is forgotten. It is
/// part of the replicated state: all servers of a group must have the same.
pub(crate) const MAX_SESSIONS: usize = 10_000;

/// A command as it stands in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Sent {
    /// A command without a session.
    Plain(Bytes),
    /// A session is opened.
    Open,
    /// A command of a session.
    InSession {
        /// The session.
        session: u64,
        /// The command's number in it; numbers rise from 1.
        number: u64,
        /// The command.
        command: Bytes,
    },
}

/// What has become of it, as whoever proposed it is told.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Applied {
    /// The state machine's answer.
    Answer(Vec<u8>),
    /// The session that was opened.
    Opened(u64),
    /// The session is not known, or no longer: nothing was applied.
    Expired,
    /// A later command of the session was applied before this one, which is not applied any more.
    Passed,
}

/// The sessions, and the state machine behind them.
pub(crate) struct Sessions {
    table: BTreeMap<u64, Session>,
    /// When each was last used, by the index of the entry: the first is the next to be forgotten.
    by_use: BTreeSet<(u64, u64)>,
    machine: Box<dyn Machine>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Session {
    used: u64,
    number: u64,
    answer: Vec<u8>,
}

impl Sent {
    /// Its bytes in the log.
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        match self {
            Sent::Plain(command) => {
                out.put_u8(0);
                out.put_slice(command);
            }
            Sent::Open => out.put_u8(1),
            Sent::InSession { session, number, command } => {
                out.put_u8(2);
                out.put_u64_le(*session);
                out.put_u64_le(*number);
                out.put_slice(command);
            }
        }
        out.into()
    }

    fn decode(mut bytes: Bytes) -> Result<Sent, CodecError> {
        let cut = |_| CodecError::new("it is cut short");
        Ok(match bytes.try_get_u8().map_err(cut)? {
            0 => Sent::Plain(bytes),
            1 => Sent::Open,
            2 => {
                let (session, number) = (bytes.try_get_u64_le().map_err(cut)?, bytes.try_get_u64_le().map_err(cut)?);
                Sent::InSession { session, number, command: bytes }
            }
            _ => return Err(CodecError::new("it is of a kind that only a later version knows")),
        })
    }
}

impl Sessions {
    /// No sessions yet, and this state machine.
    pub(crate) fn new(machine: Box<dyn Machine>) -> Sessions {
        Sessions { table: BTreeMap::new(), by_use: BTreeSet::new(), machine }
    }

    /// The service's state machine.
    pub(crate) fn machine(&self) -> &dyn Machine {
        &*self.machine
    }

    /// Applies the command of the entry at this index.
    pub(crate) fn apply(&mut self, index: u64, command: Bytes) -> Result<Applied, CodecError> {
        match Sent::decode(command)? {
            Sent::Plain(command) => self.machine.apply(&command).map(Applied::Answer),
            Sent::Open => Ok(self.open(index)),
            Sent::InSession { session, number, command } => self.apply_in(session, index, number, &command),
        }
    }

    fn open(&mut self, index: u64) -> Applied {
        if MAX_SESSIONS <= self.table.len()
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.table.remove(&oldest);
        }
        self.table.insert(index, Session { used: index, ..Session::default() });
        self.by_use.insert((index, index));
        Applied::Opened(index)
    }

    fn apply_in(&mut self, id: u64, used: u64, number: u64, command: &[u8]) -> Result<Applied, CodecError> {
        let Some(session) = self.table.get_mut(&id) else { return Ok(Applied::Expired) };
        self.by_use.remove(&(std::mem::replace(&mut session.used, used), id));
        self.by_use.insert((used, id));
        if number < session.number {
            return Ok(Applied::Passed);
        }
        if session.number < number {
            session.answer = self.machine.apply(command)?;
            session.number = number;
        }
        Ok(Applied::Answer(session.answer.clone()))
    }

    /// The sessions and the state machine as they are now.
    pub(crate) fn snapshot(&self) -> Box<dyn Snapshot> {
        let (table, machine) = (self.table.clone(), self.machine.snapshot());
        Box::new(move |to: &mut dyn Write| {
            let table = encode(&table).map_err(io::Error::other)?;
            to.write_all(&(table.len() as u64).to_le_bytes())?;
            to.write_all(&table)?;
            machine.write(to)
        })
    }

    /// Replaces both by what a snapshot has.
    pub(crate) fn restore(&mut self, mut from: &mut dyn Read) -> io::Result<()> {
        let wrong = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let mut length = [0; 8];
        from.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        let mut table = Vec::new();
        (&mut from).take(length).read_to_end(&mut table)?;
        if table.len() as u64 != length {
            return Err(wrong(CodecError::new("it is cut short")));
        }
        self.table = decode(&table).map_err(wrong)?;
        self.by_use = self.table.iter().map(|(&id, session)| (session.used, id)).collect();
        self.machine.restore(from)
    }
}
