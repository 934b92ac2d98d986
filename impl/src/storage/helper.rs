//! Who does what no batch should wait for: makes the next segment, and removes those that are compacted.

use std::io;
use std::panic;
use std::thread::{self, JoinHandle};

/// Who does it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Helper {
    /// The log itself: so many steps of the next segment after each batch, and each removal at once.
    Itself(usize),
    /// A thread for each.
    Thread,
}

/// A thread that is waited for.
#[derive(Debug)]
pub(super) struct Running<T>(Option<JoinHandle<T>>);

impl<T: Send + 'static> Running<T> {
    /// Starts it.
    pub(super) fn start(body: impl FnOnce() -> T + Send + 'static) -> io::Result<Running<T>> {
        let span = tracing::Span::current();
        let body = move || span.in_scope(body);
        thread::Builder::new().name("rafttree-segments".into()).spawn(body).map(|thread| Running(Some(thread)))
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for its end.
    pub(super) fn wait(mut self) -> T {
        let thread = self.0.take().expect("it is taken only here and when this is dropped");
        thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
    }
}

impl<T> Drop for Running<T> {
    /// Whoever opens the directory next must find nobody at work in it.
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}
