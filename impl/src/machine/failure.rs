//! Why a state machine cannot go on.

use std::io;

use rafttree_model::Position;

use super::codec::CodecError;

/// Why a state machine cannot go on, and its server with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MachineFailure {
    /// The service's code has panicked.
    #[error("the state machine has panicked while it {doing}: {message}")]
    Panicked {
        /// What it did.
        doing: String,
        /// The panic's message.
        message: String,
    },
    /// An entry holds no command of this version.
    #[error(
        "entry {position} of the log holds no command that this version of the service knows ({source}): start the \
         version that proposed it, or a later one"
    )]
    Undecodable {
        /// The entry.
        position: Position,
        /// What is wrong with it.
        source: CodecError,
    },
    /// A snapshot was read back and not understood.
    #[error(
        "the snapshot that ends with entry {last} was not restored: {source}; if its bytes are sound, start the \
         version of the service that wrote it, or a later one"
    )]
    NotRestored {
        /// The last entry in the snapshot.
        last: Position,
        /// The state machine's error, or the disk's.
        source: io::Error,
    },
}
