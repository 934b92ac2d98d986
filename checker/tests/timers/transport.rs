//! As much of the deployed server's time as its timers know.

use std::time::Duration;

/// A reading of a clock in nanoseconds.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Stamp(pub(crate) u64);

impl Stamp {
    pub(crate) fn after(self, time: Duration) -> Stamp {
        Stamp(self.0 + time.as_nanos() as u64)
    }

    /// Only the tests of the deployed timers ask for it.
    pub(crate) fn since(self, earlier: Stamp) -> Duration {
        Duration::from_nanos(self.0 - earlier.0)
    }
}
