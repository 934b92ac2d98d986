//! Which processes search together.

use std::path::PathBuf;
use std::time::Duration;

/// Which processes search together, and which of them this one is.
#[derive(Clone)]
pub(crate) struct Hosts {
    /// Host and port of each, in the order that all of them know.
    pub(crate) addresses: Vec<String>,
    /// Which of them this is, from 0.
    pub(crate) process: usize,
    /// Where this one listens, if that is not its address.
    pub(crate) listen: Option<String>,
    /// What only those who may join know; none, where all are on this machine.
    pub(crate) secret: Option<Vec<u8>>,
    /// The directory of a checkpoint to go on from.
    pub(crate) resume: Option<PathBuf>,
    /// For how long those that have not joined are waited for.
    pub(crate) join: Duration,
    /// After how long without a word from another it is taken for dead.
    pub(crate) silence: Duration,
}

impl Hosts {
    /// Whether this is the one that tells what was found.
    pub(crate) fn is_first(&self) -> bool {
        self.process == 0
    }

    /// What one of them is called in a message.
    pub(super) fn name(&self, process: usize) -> String {
        format!("process {process} ({})", self.addresses[process])
    }
}

/// Without what is secret.
impl std::fmt::Debug for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} of {}", self.process, self.addresses.join(", "))
    }
}
