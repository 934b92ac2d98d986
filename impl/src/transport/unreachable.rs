//! Why a peer is not reached, though nobody has refused it by a word.

use std::io;
use std::net::SocketAddr;

/// Why no connection with a peer came about, or a new one does not.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreachable {
    /// The name in the peer's address is unknown, or could not be looked up.
    #[error("{address} cannot be looked up: {problem}; check the name, and the name service of this machine")]
    NoSuchName {
        /// Host and port as they were configured.
        address: String,
        /// The system's error.
        problem: String,
    },
    /// The name service has not answered yet.
    #[error("the name service of this machine has not answered for {0} yet")]
    NoNameService(String),
    /// The machine is there, and refuses the connection.
    #[error("{0} refuses connections: the server there is down, or listens on another port")]
    NobodyListens(SocketAddr),
    /// Nothing comes back.
    #[error("{0} does not answer: its machine is down or cut off, or a firewall drops what is sent to it")]
    NoAnswer(SocketAddr),
    /// The connection came about, and nothing is said on it.
    #[error("{0} takes connections and says nothing: the server there is stopped or overloaded, or is another program")]
    Silent(SocketAddr),
    /// Anything else that the system reports.
    #[error("{address}: {problem}")]
    Failed {
        /// Where the attempt went.
        address: SocketAddr,
        /// The system's error.
        problem: String,
    },
}

impl Unreachable {
    /// The reason that the system gives for an attempt to reach this address.
    pub(super) fn from_error(address: SocketAddr, error: &io::Error) -> Unreachable {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Unreachable::NobodyListens(address),
            io::ErrorKind::TimedOut => Unreachable::NoAnswer(address),
            _ => Unreachable::Failed { address, problem: error.to_string() },
        }
    }
}
