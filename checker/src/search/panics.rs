//! Panics as findings: what one said, and where, is kept for the report instead of printed.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

thread_local! {
    /// What the latest panic of this thread said.
    static LATEST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From here on a panic prints nothing: that would only stand between the lines.
pub(crate) fn keep() {
    std::panic::set_hook(Box::new(|panic| LATEST.set(Some(words(panic)))));
}

/// What this comes to, or what it panicked with.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let message = message(&*payload);
        // One that was handed on from another thread was not noted here.
        let latest = LATEST.with_borrow(Clone::clone).filter(|latest| latest.starts_with(message));
        latest.unwrap_or_else(|| message.to_owned())
    })
}

/// What the latest panic of this thread said, if nobody has asked since; none, where they print.
pub(crate) fn latest() -> Option<String> {
    LATEST.take()
}

fn words(panic: &PanicHookInfo) -> String {
    let place = panic.location().map_or(String::new(), |place| format!(" ({place})"));
    format!("{}{place}", message(panic.payload()))
}

fn message(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("no more is known")
}
