//! When timers fire. That is policy: the protocol is safe for any timing.

use std::time::Duration;

use rafttree_model::{Event, Timers as Running};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::transport::Stamp;

/// Survivors of a leader whose connection closed campaign within this time, at random moments
/// that rarely coincide.
const LONGEST_ALARM: Duration = Duration::from_millis(8);

/// Where the end of the leader's connection counts as an early timeout, that timeout is drawn from
/// zero up to this, for servers with this minimum election timeout.
pub fn early_timeout_range(minimum_timeout: Duration) -> Duration {
    LONGEST_ALARM.min(minimum_timeout / 2)
}

/// The timers of one server.
#[derive(Debug)]
pub(crate) struct Timers {
    minimum_timeout: Duration,
    heartbeat_interval: Duration,
    random: StdRng,
    running: Running,
    election: Option<Stamp>,
    minimum: Option<Stamp>,
    heartbeat: Option<Stamp>,
    /// Until when elections that are not decided are tried again soon.
    alarmed: Stamp,
    /// How long writes have taken of late, rather more than less.
    flush: Duration,
}

impl Timers {
    /// The timers of a server that starts as a follower.
    pub(crate) fn new(minimum_timeout: Duration, heartbeat_interval: Duration, seed: u64, now: Stamp) -> Timers {
        let random = StdRng::seed_from_u64(seed);
        let (election, minimum, heartbeat, alarmed) = (None, None, None, Stamp(0));
        let running = Running::Follower;
        let mut timers = Timers {
            minimum_timeout,
            heartbeat_interval,
            random,
            running,
            election,
            minimum,
            heartbeat,
            alarmed,
            flush: Duration::ZERO,
        };
        timers.restart(running, now);
        timers
    }

    /// Starts these timers anew, and stops the others.
    pub(crate) fn restart(&mut self, running: Running, now: Stamp) {
        let (election, minimum, heartbeat) = match running {
            Running::Follower => (true, true, false),
            Running::Candidate => (true, false, true),
            Running::Leader => (false, true, true),
        };
        self.running = running;
        self.election = election.then(|| now.after(self.election_timeout()));
        self.minimum = minimum.then(|| now.after(self.minimum_timeout));
        self.heartbeat = heartbeat.then(|| now.after(self.heartbeat_interval));
        if running == Running::Candidate && now < self.alarmed {
            // An election takes two writes, one after the other.
            let round = self.longest_alarm() + 4 * self.flush;
            self.hasten(round, 3 * round, now);
        }
    }

    /// §5.2: drawn anew each time, from \[T, 2T).
    fn election_timeout(&mut self) -> Duration {
        self.random.random_range(self.minimum_timeout..2 * self.minimum_timeout)
    }

    /// Lets the election timeout fire soon, and again for a while if the election is not decided.
    pub(crate) fn alarm(&mut self, now: Stamp) {
        self.alarmed = now.after(self.minimum_timeout);
        self.hasten(Duration::ZERO, self.longest_alarm(), now);
    }

    /// A write has taken so long.
    pub(crate) fn note_flush(&mut self, duration: Duration) {
        self.flush = duration.max(self.flush - self.flush / 8);
    }

    fn longest_alarm(&self) -> Duration {
        early_timeout_range(self.minimum_timeout)
    }

    /// Lets the election timeout fire after a random time between these, if not earlier.
    fn hasten(&mut self, least: Duration, most: Duration, now: Stamp) {
        let alarm = now.after(self.random.random_range(least..most));
        self.election = self.election.map(|election| election.min(alarm));
    }

    /// When the next timer fires.
    pub(crate) fn next(&self) -> Option<Stamp> {
        [self.election, self.minimum, self.heartbeat].into_iter().flatten().min()
    }

    /// What has happened by now, the earliest first; `None` once nothing is left.
    pub(crate) fn fire<P>(&mut self, now: Stamp) -> Option<Event<P>> {
        let due = self.next().filter(|&due| due <= now)?;
        // The minimum timeout comes before an election timeout of the same moment.
        if self.minimum == Some(due) {
            let again = self.running == Running::Leader;
            self.minimum = again.then(|| now.after(self.minimum_timeout));
            return Some(Event::MinimumTimeout);
        }
        if self.heartbeat == Some(due) {
            self.heartbeat = Some(now.after(self.heartbeat_interval));
            return Some(Event::HeartbeatTimeout);
        }
        self.election = None;
        Some(Event::ElectionTimeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_millis(100);
    const HEARTBEAT: Duration = Duration::from_millis(10);
    const START: Stamp = Stamp(5_000);

    fn timers(seed: u64) -> Timers {
        Timers::new(T, HEARTBEAT, seed, START)
    }

    #[test]
    fn election_timeouts_are_drawn_anew_from_t_to_2t() {
        let mut timers = timers(1);
        let drawn: Vec<Duration> = (0..1000)
            .map(|_| {
                timers.restart(Running::Follower, START);
                timers.election.unwrap().since(START)
            })
            .collect();
        assert!(drawn.iter().all(|drawn| (T..2 * T).contains(drawn)));
        let mean = drawn.iter().sum::<Duration>() / 1000;
        assert!((mean.as_millis() as i64 - 150).abs() < 10, "{mean:?}");
        assert!(drawn.iter().min().unwrap() < &(T + T / 20) && &(2 * T - T / 20) < drawn.iter().max().unwrap());
    }

    #[test]
    fn a_follower_hears_of_each_timeout_once_and_the_minimum_first() {
        let mut timers = timers(2);
        assert_eq!(timers.fire::<()>(START.after(T - Duration::from_nanos(1))), None);
        let late = START.after(10 * T);
        assert_eq!(timers.fire::<()>(late), Some(Event::MinimumTimeout));
        assert_eq!(timers.fire::<()>(late), Some(Event::ElectionTimeout));
        assert_eq!(timers.fire::<()>(late), None);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_leader_hears_of_its_timeouts_again_and_again_and_never_of_an_election() {
        let mut timers = timers(3);
        timers.restart(Running::Leader, START);
        let (mut heartbeats, mut minimums) = (0, 0);
        for millisecond in 1..=1000 {
            while let Some(event) = timers.fire::<()>(START.after(Duration::from_millis(millisecond))) {
                match event {
                    Event::HeartbeatTimeout => heartbeats += 1,
                    Event::MinimumTimeout => minimums += 1,
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!((heartbeats, minimums), (100, 10));
    }

    #[test]
    fn an_alarm_only_ever_hastens_an_election() {
        for seed in 0..100 {
            let mut timers = timers(seed);
            timers.alarm(START);
            assert!(timers.election.unwrap() < START.after(LONGEST_ALARM));
            let late = START.after(5 * T);
            timers.restart(Running::Follower, START);
            let drawn = timers.election;
            timers.alarm(late);
            assert_eq!(timers.election, drawn);
        }
        let mut timers = timers(4);
        timers.alarm(START);
        timers.restart(Running::Candidate, START);
        let again = START.after(LONGEST_ALARM)..START.after(3 * LONGEST_ALARM);
        assert!(again.contains(&timers.election.unwrap()));
        timers.restart(Running::Candidate, START.after(T));
        assert!(START.after(2 * T) <= timers.election.unwrap());
        timers.restart(Running::Leader, START);
        timers.alarm(START);
        assert_eq!(timers.election, None);
    }
}
