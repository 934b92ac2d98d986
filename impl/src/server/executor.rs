//! The runtime that a server's tasks run in.

use std::io;

use tokio::runtime::{self, EnterGuard, Handle, Runtime};
use tokio::task::JoinHandle;

/// The runtime of a server: its own, on its own thread, or one that servers share, which another thread drives. The end of
/// its own waits for no name that is being resolved: the system may take long, and nothing can interrupt it.
pub(crate) struct Executor {
    handle: Handle,
    own: Option<Runtime>,
}

impl Executor {
    /// A runtime of its own.
    pub(crate) fn own() -> io::Result<Executor> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Executor::of(runtime.handle().clone(), Some(runtime)))
    }

    /// A share of this runtime, or the one that it has of its own.
    pub(crate) fn of(handle: Handle, own: Option<Runtime>) -> Executor {
        Executor { handle, own }
    }

    /// Lets what needs a runtime be made.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Begins a task.
    pub(crate) fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.handle.spawn(task)
    }

    /// Waits for this, while tasks go on.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        match &self.own {
            Some(runtime) => runtime.block_on(future),
            None => self.handle.block_on(future),
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if let Some(runtime) = self.own.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_end_of_a_runtime_does_not_wait_for_what_blocks() {
        let executor = Executor::own().unwrap();
        let (go_on, blocked) = std::sync::mpsc::channel::<()>();
        let (ended, end) = std::sync::mpsc::channel();
        executor.handle.spawn_blocking(move || blocked.recv());
        thread::spawn(move || {
            drop(executor);
            let _ = ended.send(());
        });
        end.recv_timeout(Duration::from_secs(20)).unwrap();
        drop(go_on);
    }
}
