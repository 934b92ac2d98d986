//! Rate-limited reports: events that strangers can cause are reported once a second at most.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// When something was last said, and how often it happened since.
#[derive(Default)]
pub(super) struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// How often it has happened since it was last said, this time included, if it may be said again.
    pub(super) fn count(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, count) = &mut *said;
        *count += 1;
        if last.is_some_and(|last| now.saturating_duration_since(last) < REPORT_INTERVAL) {
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_happens_often_is_said_once_a_second_with_its_count() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        let said = (0..=2500).map(|millisecond| seldom.count(start + Duration::from_millis(millisecond)));
        let said: Vec<_> = said.flatten().collect();
        assert_eq!(said, [1, 1000, 1000]);
    }
}
