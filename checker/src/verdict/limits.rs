//! How much a search may take, and how it is done.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

#[cfg(feature = "hosts")]
use crate::search::hosts::Hosts;
use crate::search::{self, Search};

/// How to search, and what ends a search early.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) threads: usize,
    pub(crate) time: Option<Duration>,
    /// Resident memory of the whole process, in bytes.
    pub(crate) memory: u64,
    pub(crate) states: Option<u64>,
    /// Of states that wait, in bytes: the rest waits in a file.
    pub(crate) frontier_memory: u64,
    /// Where that file is, if not where the checkpoint is, or else where the system has temporary files.
    pub(crate) frontier_directory: Option<PathBuf>,
    /// Chooses the fingerprints.
    pub(crate) seed: u64,
    /// Fingerprints of 128 bits instead of 64.
    pub(crate) wide: bool,
    /// Where to write down what was searched, so that another search can go on.
    pub(crate) checkpoint: Option<PathBuf>,
    /// The checkpoint to go on from.
    pub(crate) resume: Option<PathBuf>,
    /// Set by a signal.
    pub(crate) stop: Arc<AtomicBool>,
    /// Other processes to search with.
    #[cfg(feature = "hosts")]
    pub(crate) hosts: Option<Hosts>,
}

/// A digest of all that a search is made of: the sources of the model and of the checker, what they
/// link, and what compiled them.
pub(crate) const CODE: &str = env!("RAFTTREE_CODE");

/// How often a long search writes its checkpoint on the way.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(600);

impl Limits {
    /// A search that keeps to them.
    pub(crate) fn search(&self) -> Search {
        let limits = search::Limits { time: self.time, memory: Some(self.memory), states: self.states };
        Search {
            threads: self.threads,
            seed: self.seed,
            wide_fingerprints: self.wide,
            limits,
            frontier_memory: Some(self.frontier_memory),
            frontier_directory: self.frontier_directory.clone().or_else(|| self.checkpoint_directory()),
            stop: Arc::clone(&self.stop),
            checkpoint: self.checkpoint.clone(),
            checkpoint_every: self.checkpoint.as_ref().map(|_| CHECKPOINT_EVERY),
            code: CODE,
        }
    }
    /// The checkpoint of one process is a file, and that of several a directory.
    fn checkpoint_directory(&self) -> Option<PathBuf> {
        #[cfg(feature = "hosts")]
        if self.hosts.is_some() {
            return self.checkpoint.clone();
        }
        let parent = self.checkpoint.as_ref()?.parent()?;
        Some(if parent.as_os_str().is_empty() { ".".into() } else { parent.to_owned() })
    }
}
