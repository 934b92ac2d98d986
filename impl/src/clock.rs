//! The clock that timers and leases run on.

use rustix::time::ClockId;

use crate::core::stamp::Stamp;

/// Time goes on while the machine sleeps: a leader that was suspended must not believe that its
/// lease still runs.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// The clock's reading: it never goes back, and a restarted process reads the same clock.
pub(crate) fn now() -> Stamp {
    let time = rustix::time::clock_gettime(CLOCK);
    Stamp(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_clock_never_goes_back() {
        let first = now();
        let second = now();
        assert!(first <= second);
        assert_eq!(first.after(Duration::from_millis(2)).since(first), Duration::from_millis(2));
        assert_eq!(first.since(first.after(Duration::from_millis(2))), Duration::ZERO);
    }
}
