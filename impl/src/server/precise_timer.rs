//! Wakes the server when its clock reads a certain time.
//!
//! The timers of tokio fire on whole milliseconds, one or two late; election timeouts drawn from a
//! few milliseconds would coincide. Linux has timers of the very clock that the server reads, and
//! they fire as exactly as the machine can; elsewhere it is those of tokio.

#[cfg(not(target_os = "linux"))]
pub(crate) use coarse::PreciseTimer;
#[cfg(target_os = "linux")]
pub(crate) use exact::PreciseTimer;

#[cfg(target_os = "linux")]
mod exact {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use crate::clock;
    use crate::core::stamp::Stamp;

    const NO_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

    /// One timer of the system.
    pub(crate) struct PreciseTimer {
        timer: AsyncFd<OwnedFd>,
        /// For when it is set.
        set: Option<Stamp>,
    }

    impl PreciseTimer {
        /// A timer that is not set; the runtime must have been entered.
        pub(crate) fn new() -> io::Result<PreciseTimer> {
            // The clock of `clock::now`.
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
            #[allow(deprecated, reason = "it asks that a descriptor stays open and the same: one that is owned does")]
            let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
            Ok(PreciseTimer { timer, set: None })
        }

        /// Returns once the clock reads `due`. Nothing is lost if the future is dropped.
        pub(crate) async fn wait_until(&mut self, due: Stamp) -> io::Result<()> {
            while clock::now() < due {
                self.set(due)?;
                // What has fired may have been set for an earlier time, so the clock has the last
                // word. The timer need not be read: whenever it fires, that is told anew.
                self.timer.readable().await?.clear_ready();
            }
            Ok(())
        }

        /// Setting a timer is a call of the system. Deadlines are put off all the time, with each message and each
        /// write, and come seldom; so a timer that is to fire earlier stays, and is set anew when it does.
        fn set(&mut self, due: Stamp) -> io::Result<()> {
            if self.set.is_some_and(|set| set <= due && clock::now() < set) {
                return Ok(());
            }
            let (seconds, nanoseconds) = (due.0 / 1_000_000_000, due.0 % 1_000_000_000);
            let value = Timespec {
                tv_sec: seconds.try_into().unwrap_or(i64::MAX),
                tv_nsec: nanoseconds.try_into().expect("it is below a billion"),
            };
            let setting = Itimerspec { it_interval: NO_INTERVAL, it_value: value };
            timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &setting)?;
            self.set = Some(due);
            Ok(())
        }
    }
}

/// Compiled for its tests on Linux as well.
#[cfg(any(not(target_os = "linux"), test))]
mod coarse {
    use std::io;

    use crate::clock;
    use crate::core::stamp::Stamp;

    /// The timers of tokio.
    pub(crate) struct PreciseTimer;

    impl PreciseTimer {
        /// A timer; the runtime must have been entered.
        pub(crate) fn new() -> io::Result<PreciseTimer> {
            Ok(PreciseTimer)
        }

        /// Returns once the clock reads `due`. Nothing is lost if the future is dropped.
        pub(crate) async fn wait_until(&mut self, due: Stamp) -> io::Result<()> {
            while clock::now() < due {
                tokio::time::sleep(due.since(clock::now())).await;
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;
    use crate::core::stamp::Stamp;

    fn in_microseconds(microseconds: u64) -> Stamp {
        clock::now().after(Duration::from_micros(microseconds))
    }

    #[tokio::test]
    async fn it_never_fires_early() {
        let mut timer = PreciseTimer::new().unwrap();
        for microseconds in (0..100).map(|number| 300 + 37 * number) {
            let due = in_microseconds(microseconds);
            timer.wait_until(due).await.unwrap();
            assert!(due <= clock::now(), "it fires early");
        }
    }

    #[tokio::test]
    async fn timers_of_tokio_do_as_well_but_later() {
        let due = in_microseconds(3_000);
        coarse::PreciseTimer::new().unwrap().wait_until(due).await.unwrap();
        assert!(due <= clock::now());
    }

    #[tokio::test]
    async fn the_last_time_counts_whether_it_is_earlier_or_later() {
        let mut timer = PreciseTimer::new().unwrap();
        let far = in_microseconds(3_600_000_000);
        for microseconds in [2_000, 20_000, 1_000] {
            let nothing = tokio::time::timeout(Duration::from_millis(1), timer.wait_until(far)).await;
            assert!(nothing.is_err(), "it fires an hour early");
            // Set and given up: the timer still fires then, while the next time is waited for.
            tokio::select! {
                biased;
                _ = timer.wait_until(in_microseconds(500)) => {}
                () = std::future::ready(()) => {}
            }
            let due = in_microseconds(microseconds);
            timer.wait_until(due).await.unwrap();
            assert!(due <= clock::now() && clock::now() < far);
        }
    }

    #[tokio::test]
    async fn what_is_past_needs_no_timer() {
        PreciseTimer::new().unwrap().wait_until(Stamp(1)).await.unwrap();
    }
}
