//! How to search.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

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
    /// Where to write down a search that is cut; only for a space that can checkpoint.
    pub checkpoint: Option<PathBuf>,
    /// How often to write it down on the way.
    pub checkpoint_every: Option<Duration>,
    /// Which code searches: what other code has found is not believed.
    pub code: &'static str,
}
