//! Errors: what happened, where, and what to do.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rafttree_model::ServerId;

use crate::storage::StorageError;

/// Why a server did not start, or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
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
    /// A thread of the server ended; its message is on standard error.
    #[error("a thread of the server ended unexpectedly")]
    Panicked,
}

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
