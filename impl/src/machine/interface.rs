//! What a service writes: the state machine that is replicated.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::{decode, encode};

/// A deterministic state machine, of which each server of a group has a copy (§2 of the Raft paper).
///
/// Every server applies the same commands in the same order, so that all copies are equal. Nothing but
/// the command and the state may matter: no clock, no randomness, no order of a hash map, no
/// environment. What such things decide is decided by whoever proposes, and is part of the command.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::io::{self, Read};
///
/// use rafttree::{Serialized, Snapshot, StateMachine};
///
/// #[derive(Default)]
/// struct Counters(BTreeMap<String, u64>);
///
/// impl StateMachine for Counters {
///     type Command = String;
///     type Answer = u64;
///
///     fn apply(&mut self, name: String) -> u64 {
///         let count = self.0.entry(name).or_default();
///         *count += 1;
///         *count
///     }
///
///     fn snapshot(&self) -> Box<dyn Snapshot> {
///         Box::new(Serialized(self.0.clone()))
///     }
///
///     fn restore(from: &mut dyn Read) -> io::Result<Counters> {
///         Serialized::read(from).map(Counters)
///     }
/// }
/// ```
///
/// # Commands in the log
///
/// Commands and answers are encoded with [postcard](https://docs.rs/postcard), whose format is specified
/// and stable. It names no fields, so a version of the service that reads what an earlier one wrote may
/// add variants at the end of an enum, and nothing else: anything more is a new variant. All servers of
/// a group must know a command before the first of them proposes it. A server that cannot decode an
/// entry stops, and says which.
pub trait StateMachine: Sized + Send + 'static {
    /// A change of the state, as it stands in the log: at most 1 MiB, encoded.
    type Command: Serialize + DeserializeOwned + Send;

    /// What whoever proposed a command is told. An answer of more than 1 MiB, encoded, does not travel
    /// from the leader to another server: there the command's end is unknown.
    type Answer: Serialize + DeserializeOwned + Send;

    /// Applies a command. What can go wrong with it is an answer, too: this cannot fail, and a panic
    /// stops the server.
    fn apply(&mut self, command: Self::Command) -> Self::Answer;

    /// The state as it is now, to be written elsewhere while the next commands are applied: so it should be
    /// cheap to take (a clone, a persistent map, a reference count).
    fn snapshot(&self) -> Box<dyn Snapshot>;

    /// A state machine as a snapshot has it.
    ///
    /// # Errors
    ///
    /// Where the bytes are none that `snapshot` wrote. They are as they were written, or the server would
    /// have noticed: an error stops it.
    fn restore(from: &mut dyn Read) -> io::Result<Self>;
}

/// A state that was taken, and is to be written. A closure that takes the writer is one, and
/// [`Serialized`] makes one of what has serde's `Serialize`.
pub trait Snapshot: Send {
    /// Writes it, on a thread of its own.
    ///
    /// # Errors
    ///
    /// Those of the writer. The snapshot is given up then, and the server goes on without.
    fn write(self: Box<Self>, to: &mut dyn Write) -> io::Result<()>;
}

impl<F: FnOnce(&mut dyn Write) -> io::Result<()> + Send> Snapshot for F {
    fn write(self: Box<Self>, to: &mut dyn Write) -> io::Result<()> {
        self(to)
    }
}

/// A snapshot of what has serde's `Serialize`, in the format of the log. It is encoded and decoded in
/// memory, as a whole.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Serialized<T>(pub T);

impl<T: Serialize + Send> Snapshot for Serialized<T> {
    fn write(self: Box<Self>, to: &mut dyn Write) -> io::Result<()> {
        to.write_all(&encode(&self.0).map_err(io::Error::other)?)
    }
}

impl<T: DeserializeOwned> Serialized<T> {
    /// What was written so.
    ///
    /// # Errors
    ///
    /// Those of the reader, and `InvalidData` where the bytes are another type's.
    pub fn read(from: &mut dyn Read) -> io::Result<T> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes)?;
        decode(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}
