//! What all workers of a process have in common.

use std::path::PathBuf;
use std::time::Duration;

use crate::search::frontier::Room;
use crate::search::hosts::pieces::Manifest;
use crate::search::hosts::settings::Hosts;
use crate::search::settings::Search;
use crate::search::space::Space;
use crate::search::tasks::Tasks;
use crate::search::watch::Watch;

/// Workers agree so often, and an expansion later.
pub(super) const ROUND: Duration = Duration::from_millis(500);

/// The tasks that a space leaves, if it leaves any; asked when every state was visited.
pub(super) type TasksOf<S> = for<'a> fn(&'a S) -> Option<Box<dyn Tasks + 'a>>;

/// What all workers of a process have in common.
pub(super) struct Ground<S: Space> {
    pub(super) space: S,
    pub(super) search: Search,
    pub(super) hosts: Hosts,
    pub(super) tasks: TasksOf<S>,
    pub(super) watch: Watch,
    /// The checkpoint to go on from, and its directory.
    pub(super) resumed: Option<(PathBuf, Manifest)>,
}

impl<S: Space> Ground<S> {
    /// How much of its frontier a worker has in memory.
    pub(super) fn room(&self) -> Option<Room> {
        self.search.room(&self.space, self.search.threads.max(1))
    }
}
