//! Requests of a service to its group: commands that are proposed, and reads; and what servers tell each
//! other of them.

use std::any::Any;
use std::fmt;

use bytes::Bytes;
use rafttree_model::{Index, ServerId};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// The longest command that is taken, and the longest answer that travels to another server: an entry
/// must fit into one message.
pub(crate) const MAX_COMMAND_BYTES: usize = 1 << 20;

/// What became of a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// It is committed and applied, and this is the state machine's answer.
    Answer(Bytes),
    /// It is not committed, and never will be.
    NotCommitted,
    /// It may have been committed or not, or may be yet.
    Unknown,
}

/// The way back to whoever proposed a command at this server. What is dropped unanswered has an unknown
/// end.
pub(crate) struct Reply {
    pub(crate) sender: oneshot::Sender<Outcome>,
    /// The share of what may be open at a time, free again once this is answered.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// Who waits for what becomes of a command.
#[derive(Debug)]
pub(crate) enum Proposer {
    /// A caller of this server.
    Here(Reply),
    /// Another server, which has forwarded it under this number.
    Peer(ServerId, u64),
}

/// A look at the state machine. What is dropped was not served.
pub(crate) struct Job(pub(crate) Look);

/// Takes the service's state machine, by its own type.
pub(crate) type Look = Box<dyn FnOnce(&dyn Any) + Send>;

/// Who waits for a read index.
#[derive(Debug)]
pub(crate) enum Reader {
    /// A caller of this server.
    Here(Job),
    /// Another server, which has asked under this number.
    Peer(ServerId, u64),
}

/// What servers tell each other of requests. None of it is the protocol's: each may get lost.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ServiceMessage {
    /// A command that is to be proposed by the receiver, if it leads.
    Propose {
        /// The sender's number for it.
        request: u64,
        /// The command.
        command: Bytes,
    },
    /// What became of a command that was forwarded.
    Proposed {
        /// The number under which it was forwarded.
        request: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// The read index is asked of the receiver, if it leads (dissertation 6.4).
    AskReadIndex {
        /// The sender's number for it.
        request: u64,
    },
    /// The read index that was asked for; `None` if the sender does not lead, or no longer.
    ReadIndex {
        /// The number under which it was asked for.
        request: u64,
        /// Once this entry is applied, the read may be served.
        index: Option<Index>,
    },
}

impl Reply {
    /// Answers. Whoever no longer waits for an answer needs none.
    pub(crate) fn send(self, outcome: Outcome) {
        let _ = self.sender.send(outcome);
        drop(self.permit);
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Reply")
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Job")
    }
}
