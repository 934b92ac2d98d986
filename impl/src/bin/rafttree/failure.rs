//! Failures of a command, and their exit codes.

use std::io;
use std::process::ExitCode;

/// The failure of a command: what happened, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The operation failed.
    #[error("{0}")]
    Operation(String),
    /// The command line asks for what makes no sense.
    #[error("{0}\n\nFor more information, try '--help'.")]
    Usage(String),
    /// What was given to be read is not what it should be.
    #[error("{0}")]
    Illegible(String),
    /// The log is damaged, and what is lost is named.
    #[error("{0}")]
    Damaged(String),
    /// The log is damaged, and nobody can tell what is lost.
    #[error("{0}")]
    Lost(String),
    /// The server cannot go on.
    #[error("{0}")]
    Internal(String),
}

impl From<rafttree::admin::AskError> for Failure {
    fn from(error: rafttree::admin::AskError) -> Failure {
        Failure::Operation(error.to_string())
    }
}

impl Failure {
    pub(crate) fn operation(cause: impl ToString) -> Failure {
        Failure::Operation(cause.to_string())
    }

    /// Nobody reads what is written.
    pub(crate) fn unread(error: io::Error) -> Failure {
        Failure::Operation(format!("cannot write to the standard output: {error}"))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Operation(_) => 1,
            Failure::Usage(_) | Failure::Illegible(_) => 2,
            Failure::Damaged(_) => 65,
            Failure::Lost(_) => 66,
            Failure::Internal(_) => 70,
        })
    }
}
