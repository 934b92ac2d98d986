//! Errors: what happened, where, and what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rafttree_model::ServerId;

use crate::machine::{CodecError, MachineFailure};
use crate::storage::StorageError;

/// Why a server did not start, or did not do what it was asked.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting makes no sense.
    #[error("{setting}: {problem}")]
    Configuration {
        /// The setting.
        setting: &'static str,
        /// The problem with it, and what would be right.
        problem: String,
    },
    /// The data directory was refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The address to listen on was refused.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why it was refused.
        source: io::Error,
    },
    /// The trace that was asked for cannot be kept.
    #[error("cannot keep a trace in {}: {source}", file.display())]
    Trace {
        /// The file.
        file: PathBuf,
        /// Why it was refused.
        source: io::Error,
    },
    /// The operating system did not give what a server needs.
    #[error("cannot start the server's {what}: {source}")]
    System {
        /// The resource that was missing.
        what: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// The server was shut down.
    #[error("the server was shut down")]
    ShutDown,
    /// The server stopped because of a failure. It does nothing any more; restart it.
    #[error("the server stopped: {0}")]
    Failed(#[source] Arc<Failure>),
    /// Only a leader can do this.
    #[error("this server does not lead; ask the leader")]
    NotLeading,
    /// The server is no other member of the group.
    #[error("server {0} is not one of this server's peers: name another server of its group")]
    NotAPeer(ServerId),
    /// Leadership is transferred only to a server that was heard of late.
    #[error("server {0} has not answered for an election timeout; transfer leadership to another one")]
    PeerSilent(ServerId),
    /// Leadership is transferred only to a server that holds the leader's whole log.
    #[error("server {0} has not caught up with the leader's log; try again a little later, or to another one")]
    PeerBehind(ServerId),
    /// Leadership is not transferred to a server whose disk is broken.
    #[error(
        "server {0} has lost entries that it had acknowledged, so it cannot lead: its directory was put back to \
         an older copy, or its disk lost writes; transfer leadership to another one"
    )]
    PeerUnsound(ServerId),
    /// The work that runs under the leadership did not end; it goes on, and so does the
    /// leadership until it ends.
    #[error("the work under the leadership has not ended within {0:?}: let it watch `lost()`; leadership ends with it")]
    StillAtWork(Duration),
    /// Leadership was given up, but the chosen server did not become leader.
    #[error("server {target} did not take over in time{}", match leader { Some(id) => format!("; server {id} leads"), None => String::new() })]
    NotTakenOver {
        /// The server that should lead.
        target: ServerId,
        /// The server that leads.
        leader: Option<ServerId>,
    },
    /// Leadership is being transferred already.
    #[error("leadership is being transferred already")]
    Transferring,
    /// One closure at a time waits for leadership.
    #[error("another call of `lead` on this server has not ended")]
    LeadInUse,
}

impl Error {
    /// The former name of [`Error::Transferring`].
    #[doc(hidden)]
    #[deprecated(note = "it is called `Transferring` now")]
    #[allow(non_upper_case_globals, reason = "it stands for a variant")]
    pub const HandingOver: Error = Error::Transferring;
}

/// The reason for which a server stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The disk reported an error, so nothing more may be promised.
    #[error(transparent)]
    Storage(StorageError),
    /// The disk did not finish a write in time: while the server ran, or when it was to end. The
    /// server has ended all the same, but the directory stays locked until the disk has finished.
    #[error("the disk has not finished a write for {0:?}: look at the disk; the directory stays locked until it has")]
    DiskStalled(Duration),
    /// The system's timer failed, so the server would not notice that time passes.
    #[error("the server's timer failed: {0}")]
    Timer(#[source] io::Error),
    /// The state machine cannot go on.
    #[error(transparent)]
    Machine(MachineFailure),
    /// The service's code did not return when the server was to end. The server has ended all the same.
    #[error("the state machine has not returned for {0:?} after the server was to end: look at its `apply`")]
    MachineHangs(Duration),
    /// A thread of the server ended; its message is on standard error.
    #[error("a thread of the server ended unexpectedly")]
    Panicked,
}

/// Why a command was not answered.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// It was not committed, and never will be: it may be proposed again.
    #[error(
        "the command was not committed, and will not be, so it may be proposed again{}",
        match leader { Some(id) => format!(" (server {id} leads)"), None => " (no leader is known)".to_owned() }
    )]
    NotCommitted {
        /// The leader, if one is known by now.
        leader: Option<ServerId>,
    },
    /// It may have been committed and applied, or may be yet.
    #[error(
        "it is not known whether the command is applied: the leader failed or could not be reached; propose it \
         again only if it may be applied twice, or in a session"
    )]
    Unknown,
    /// Commands have a limit, since an entry travels in one message.
    #[error("the command has {bytes} bytes, more than the {most} that fit into an entry of the log")]
    TooLong {
        /// Its bytes, encoded.
        bytes: usize,
        /// How many there may be.
        most: usize,
    },
    /// The command has no encoding.
    #[error("the command cannot be encoded: {0}")]
    NotEncoded(#[source] CodecError),
    /// The command is applied, and the answer is of another version of the service.
    #[error("the command is applied, and its answer cannot be decoded: {0}; do all servers run the same version?")]
    AnswerNotDecoded(#[source] CodecError),
    /// The group has forgotten the session: open another.
    #[error("the session was not used for long and is forgotten: open another one")]
    SessionExpired,
    /// The server has stopped, and did not take the command.
    #[error(transparent)]
    Server(#[from] Error),
}

/// Why the state machine was not read. Nothing has changed, so it may be tried again.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No leader was known and confirmed by a majority in time.
    #[error(
        "no leader was confirmed in time{}; try again, or read what may be stale",
        match leader { Some(id) => format!(" (server {id} is the last that was heard of)"), None => String::new() }
    )]
    Unavailable {
        /// The leader as this server knows it.
        leader: Option<ServerId>,
    },
    /// The closure has panicked; its message is on standard error.
    #[error("the closure that reads has panicked")]
    Panicked,
    /// The server has stopped.
    #[error(transparent)]
    Server(#[from] Error),
}

/// The words of the error also where it is printed for debugging: a `main` that returns an error prints that, and
/// what to do is in the words.
macro_rules! in_words {
    ($($error:ty),*) => {
        $(impl fmt::Debug for $error {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        })*
    };
}

in_words!(Error, ProposeError, ReadError);

/// The end of a server: shut down, or failed.
pub(crate) type Stopped = Result<(), Arc<Failure>>;

/// Why [`lead`](crate::Node::lead) ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeadError<E> {
    /// The server stopped, or is in use by another call.
    #[error(transparent)]
    Server(Error),
    /// The work failed although this server was leading. Leadership was resigned. It is no
    /// [`source`](std::error::Error::source), since it need not be an error: a `Box<dyn Error>` is none.
    #[error("{0}")]
    Work(E),
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_main_that_returns_an_error_says_what_to_do() {
        let error = Error::Storage(StorageError::NoIdentity { directory: "data/1".into() });
        let returned: Box<dyn std::error::Error> = Box::new(ProposeError::Server(error));
        let printed = format!("Error: {returned:?}");
        assert!(printed.starts_with("Error: data/1 has no identity: if this server is new"), "{printed}");
    }

    #[test]
    fn causes_are_sources_down_to_what_the_system_said() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let path = "log".into();
        let failure = Failure::Storage(StorageError::Io { action: "write", path, source: full() });
        let error = LeadError::<String>::Server(Error::Failed(Arc::new(failure)));
        let failure = error.source().unwrap();
        assert_eq!(failure.to_string(), format!("cannot write log: {}", full()));
        assert_eq!(failure.source().unwrap().to_string(), full().to_string());
        assert_eq!(Failure::Timer(full()).source().unwrap().to_string(), full().to_string());
    }
}
