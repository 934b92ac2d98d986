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

    /// The command of these bytes.
    pub(crate) fn decode(mut bytes: Bytes) -> Result<Sent, CodecError> {
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

#[cfg(test)]
mod tests {
    use std::any::Any;

    use super::*;

    /// Keeps every command that it has applied; the answer is how many.
    #[derive(Default)]
    struct Journal(Vec<Vec<u8>>);

    impl Machine for Journal {
        fn apply(&mut self, command: &[u8]) -> Result<Vec<u8>, CodecError> {
            self.0.push(command.to_vec());
            Ok(vec![self.0.len() as u8])
        }

        fn snapshot(&self) -> Box<dyn Snapshot> {
            let all = self.0.concat();
            Box::new(move |to: &mut dyn Write| to.write_all(&all))
        }

        fn restore(&mut self, from: &mut dyn Read) -> io::Result<()> {
            let mut all = Vec::new();
            from.read_to_end(&mut all)?;
            self.0 = all.into_iter().map(|byte| vec![byte]).collect();
            Ok(())
        }

        fn as_any(&self) -> &dyn Any {
            self
        }
    }

    fn sessions() -> Sessions {
        Sessions::new(Box::<Journal>::default())
    }

    fn applied(sessions: &mut Sessions, index: u64, sent: &Sent) -> Applied {
        sessions.apply(index, sent.encode()).unwrap()
    }

    fn command(session: u64, number: u64, command: &'static [u8]) -> Sent {
        Sent::InSession { session, number, command: Bytes::from_static(command) }
    }

    fn journal(sessions: &Sessions) -> Vec<Vec<u8>> {
        sessions.machine().as_any().downcast_ref::<Journal>().unwrap().0.clone()
    }

    #[test]
    fn a_command_of_a_session_is_applied_once_and_answered_each_time() {
        let mut sessions = sessions();
        assert_eq!(applied(&mut sessions, 7, &Sent::Open), Applied::Opened(7));
        for index in 8..11 {
            assert_eq!(applied(&mut sessions, index, &command(7, 1, b"a")), Applied::Answer(vec![1]));
        }
        assert_eq!(applied(&mut sessions, 11, &command(7, 2, b"b")), Applied::Answer(vec![2]));
        assert_eq!(journal(&sessions), [b"a", b"b"]);
    }

    #[test]
    fn without_a_session_a_command_is_applied_as_often_as_it_is_proposed() {
        let mut sessions = sessions();
        let plain = Sent::Plain(Bytes::from_static(b"a"));
        assert_eq!(
            [1, 2].map(|index| applied(&mut sessions, index, &plain)),
            [[1], [2]].map(|it| Applied::Answer(it.to_vec()))
        );
    }

    #[test]
    fn what_comes_after_a_later_command_of_its_session_is_not_applied() {
        let mut sessions = sessions();
        applied(&mut sessions, 1, &Sent::Open);
        applied(&mut sessions, 2, &command(1, 2, b"b"));
        assert_eq!(applied(&mut sessions, 3, &command(1, 1, b"a")), Applied::Passed);
        assert_eq!(journal(&sessions), [b"b"]);
    }

    #[test]
    fn a_session_that_nobody_opened_applies_nothing() {
        let mut sessions = sessions();
        assert_eq!(applied(&mut sessions, 3, &command(1, 1, b"a")), Applied::Expired);
        assert!(journal(&sessions).is_empty());
    }

    #[test]
    fn of_too_many_sessions_the_one_that_was_used_the_longest_ago_is_forgotten() {
        let mut sessions = sessions();
        let most = MAX_SESSIONS as u64;
        (1..=most).for_each(|index| drop(applied(&mut sessions, index, &Sent::Open)));
        applied(&mut sessions, most + 1, &command(1, 1, b"a"));
        applied(&mut sessions, most + 2, &Sent::Open);
        assert_eq!(applied(&mut sessions, most + 3, &command(2, 1, b"b")), Applied::Expired);
        assert_eq!(applied(&mut sessions, most + 4, &command(1, 1, b"a")), Applied::Answer(vec![1]));
    }

    /// Also which one is the next to be forgotten.
    #[test]
    fn a_snapshot_brings_sessions_and_state_machine_back() {
        let mut one = sessions();
        applied(&mut one, 1, &Sent::Open);
        applied(&mut one, 2, &Sent::Open);
        applied(&mut one, 3, &command(1, 1, b"a"));
        let mut bytes = Vec::new();
        one.snapshot().write(&mut bytes).unwrap();
        let mut other = sessions();
        other.restore(&mut bytes.as_slice()).unwrap();
        assert_eq!((other.by_use.clone(), journal(&other)), (one.by_use.clone(), journal(&one)));
        assert_eq!(applied(&mut other, 4, &command(1, 1, b"a")), Applied::Answer(vec![1]));
        for cut in [0, 7, 9] {
            assert!(sessions().restore(&mut &bytes[..cut]).is_err(), "{cut} bytes");
        }
    }

    #[test]
    fn bytes_of_another_kind_are_no_command() {
        for bytes in [&[][..], &[3], &[2, 0, 0]] {
            assert!(sessions().apply(1, Bytes::copy_from_slice(bytes)).is_err(), "{bytes:?}");
        }
    }
}
