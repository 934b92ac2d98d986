//! Readings of a clock.

use std::time::Duration;

/// A reading of the sender's own monotonic clock in nanoseconds, echoed back by the receiver.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Stamp(pub(crate) u64);

impl Stamp {
    /// The reading after so much time.
    pub(crate) fn after(self, time: Duration) -> Stamp {
        Stamp(self.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How much time lies between an earlier reading and this one.
    pub(crate) fn since(self, earlier: Stamp) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
