//! How to search.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::search::frontier::{BLOCK, Room};
use crate::search::space::Space;
use crate::search::watch::Limits;

/// How to search.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// At least one is used.
    pub threads: usize,
    /// Chooses the fingerprints: what one seed misses by a collision another will hardly miss.
    pub seed: u64,
    /// 128 bits instead of 64.
    pub wide_fingerprints: bool,
    /// What ends it early.
    pub limits: Limits,
    /// A signal: the search ends when it is set.
    pub stop: Arc<AtomicBool>,
    /// Bytes of states that wait to be expanded and may do so in memory: the rest waits in a file. Without a bound, and
    /// in a space that cannot checkpoint, all of them wait in memory.
    pub frontier_memory: Option<u64>,
    /// Where that file is; without it, where the system has temporary files.
    pub frontier_directory: Option<PathBuf>,
    /// Where to write down a search that is cut; only for a space that can checkpoint.
    pub checkpoint: Option<PathBuf>,
    /// How often to write it down on the way.
    pub checkpoint_every: Option<Duration>,
    /// Which code searches: what other code has found is not believed.
    pub code: &'static str,
}

impl Search {
    /// How much of the frontier stays in memory, where it is one of so many that have an equal share.
    pub(super) fn room<S: Space>(&self, space: &S, shares: usize) -> Option<Room> {
        let bytes = self.frontier_memory.filter(|_| space.identity().is_some())?;
        let block = (BLOCK * size_of::<S::State>()).max(1);
        let blocks = usize::try_from(bytes).unwrap_or(usize::MAX) / shares / block;
        Some(Room { blocks, directory: self.frontier_directory.clone().unwrap_or_else(std::env::temp_dir) })
    }
}
