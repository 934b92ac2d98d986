//! The thread that the servers of a group share.

use std::{io, thread};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::server::executor::Executor;

/// A thread on which all servers of a group take turns, so that what one tells another wakes none. It ends when this is
/// dropped, and whatever runs on it with it.
pub(super) struct Stage {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl Stage {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Stage> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (handle, (end, ended)) = (runtime.handle().clone(), oneshot::channel());
        let body = move || {
            // It is only ever dropped.
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        };
        thread::Builder::new().name("rafttree-group".into()).spawn(body)?;
        Ok(Stage { handle, _end: end })
    }

    /// A share of it.
    pub(super) fn executor(&self) -> Executor {
        Executor::of(self.handle.clone(), None)
    }
}
