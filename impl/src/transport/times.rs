//! The times of a connection: they follow the election timeout, so that a connection that something
//! between has forgotten is known to be dead, and called anew, before an election needs it.

use std::time::Duration;

/// TCP repeats what was lost after 200 ms or more, and acknowledges late by up to 40 ms where
/// nothing is sent back. A connection that is ended sooner would end for a single lost packet.
const MIN_SILENCE: Duration = Duration::from_millis(250);

/// However long elections take here, a peer is looked for at least this often.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(1);

/// A flush of some megabytes may take so long where others use the disk.
const MIN_DISK_PATIENCE: Duration = Duration::from_secs(10);

/// For how long what is waited for on a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// Time for which sent bytes may stay unacknowledged.
    pub(super) silence: Duration,
    /// Where nothing was sent for so long, something is, so that it can stay unacknowledged.
    pub(super) idle: Duration,
    /// One address may take so long to answer the first packet.
    pub(super) connect: Duration,
    /// The longest time between two calls.
    pub(super) delay: Duration,
    /// Time between two signs of life of who sends or takes a snapshot: its disk may be slow.
    pub(super) disk: Duration,
}

impl Times {
    /// The times for servers with this minimum election timeout.
    pub(super) fn of(minimum_timeout: Duration) -> Times {
        let half = minimum_timeout / 2;
        Times {
            silence: half.max(MIN_SILENCE),
            idle: half.max(MIN_SILENCE / 2),
            connect: (minimum_timeout / 8).clamp(MIN_SILENCE, MAX_RETRY_DELAY),
            delay: half.min(MAX_RETRY_DELAY),
            disk: minimum_timeout.max(MIN_DISK_PATIENCE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From when a connection is forgotten until it is called anew.
    #[test]
    fn a_dead_connection_is_known_before_a_timeout_or_half_a_second_has_passed() {
        for milliseconds in [10, 100, 150, 500, 1_000, 10_000, 3_600_000] {
            let timeout = Duration::from_millis(milliseconds);
            let Times { silence, idle, connect, delay, disk: _ } = Times::of(timeout);
            assert!(idle + silence <= timeout.max(Duration::from_millis(500)), "{timeout:?}");
            assert!(MIN_SILENCE <= silence && connect <= MAX_RETRY_DELAY && delay <= timeout, "{timeout:?}");
        }
    }

    /// A network that is away for a shorter time than that ends no connection.
    #[test]
    fn half_a_timeout_of_silence_is_borne() {
        assert_eq!(Times::of(Duration::from_secs(10)).silence, Duration::from_secs(5));
    }
}
