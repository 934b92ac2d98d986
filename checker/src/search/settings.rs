//! How to search.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::search::watch::Limits;

/// How to search.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    /// At least one is used.
    pub(crate) threads: usize,
    /// Chooses the fingerprints: what one seed misses by a collision another will hardly miss.
    pub(crate) seed: u64,
    /// 128 bits instead of 64.
    pub(crate) wide_fingerprints: bool,
    pub(crate) limits: Limits,
    /// A signal: the search ends when it is set.
    pub(crate) stop: Arc<AtomicBool>,
    /// Where to write down a search that is cut; only for a space that can checkpoint.
    pub(crate) checkpoint: Option<PathBuf>,
    /// How often to write it down on the way.
    pub(crate) checkpoint_every: Option<Duration>,
    /// Which code searches: what other code has found is not believed.
    pub(crate) code: &'static str,
}
