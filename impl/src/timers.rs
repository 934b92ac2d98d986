//! When timers fire. That is policy: the protocol is safe for any timing.

use std::ops::Range;
use std::time::Duration;

use rafttree_model::{Event, Timers as Running};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::transport::Stamp;

/// Survivors of a leader whose connection closed campaign one after the other, so that they do not
/// split the vote. So long after the one before, at least; flushes take longer on some disks.
const TURN: Duration = Duration::from_millis(4);

/// Whoever campaigns first waits until the others have noticed as well; they would refuse.
const NOTICE: Duration = Duration::from_micros(500);

/// Where the end of the leader's connection counts as an early timeout: after how much time the
/// first of the survivors, in order of their ids from the leader's on, campaigns. Drawn from this
/// range, for servers with this minimum election timeout; the others follow in turns.
pub fn early_timeout(minimum_timeout: Duration) -> Range<Duration> {
    let notice = NOTICE.min(minimum_timeout / 32);
    notice..2 * notice
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
        self.running = running;
        self.election = running.election().then(|| now.after(self.election_timeout()));
        self.minimum = running.minimum().then(|| now.after(self.minimum_timeout));
        self.heartbeat = running.heartbeat().then(|| now.after(self.heartbeat_interval));
        if running == Running::Candidate && now < self.alarmed {
            let round = self.turn(1);
            self.hasten(round..3 * round, now);
        }
    }

    /// §5.2: drawn anew each time, from \[T, 2T).
    fn election_timeout(&mut self) -> Duration {
        self.random.random_range(self.minimum_timeout..2 * self.minimum_timeout)
    }

    /// Lets the election timeout fire soon, when it is this server's turn among so many that may
    /// campaign; and again for a while if the election is not decided.
    pub(crate) fn alarm(&mut self, turn: u32, turns: u32, now: Stamp) {
        self.alarmed = now.after(self.minimum_timeout);
        let wait = turn * self.turn(turns);
        let Range { start, end } = early_timeout(self.minimum_timeout);
        self.hasten(wait + start..wait + end, now);
    }

    /// A write has taken so long.
    pub(crate) fn note_flush(&mut self, duration: Duration) {
        self.flush = duration.max(self.flush - self.flush / 8);
    }

    /// How long an election may take before the next one tries, if so many have their turn within
    /// half of the minimum timeout. It takes two writes, one after the other.
    fn turn(&self, turns: u32) -> Duration {
        (TURN + 4 * self.flush).min(self.minimum_timeout / 2 / turns.max(1))
    }

    /// Lets the election timeout fire after a random time between these, if not earlier.
    fn hasten(&mut self, range: Range<Duration>, now: Stamp) {
        let alarm = now.after(self.random.random_range(range));
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
            timers.alarm(0, 2, START);
            assert!(timers.election.unwrap() < START.after(2 * NOTICE));
            let late = START.after(5 * T);
            timers.restart(Running::Follower, START);
            let drawn = timers.election;
            timers.alarm(0, 2, late);
            assert_eq!(timers.election, drawn);
        }
        let mut timers = timers(4);
        timers.alarm(0, 2, START);
        timers.restart(Running::Candidate, START);
        let again = START.after(TURN)..START.after(3 * TURN);
        assert!(again.contains(&timers.election.unwrap()));
        timers.restart(Running::Candidate, START.after(T));
        assert!(START.after(2 * T) <= timers.election.unwrap());
        timers.restart(Running::Leader, START);
        timers.alarm(0, 2, START);
        assert_eq!(timers.election, None);
    }

    /// However short the timeouts, slow the disk and large the group.
    #[test]
    fn turns_never_overlap_and_all_have_theirs_before_their_timeouts() {
        for (timeout, flush, turns) in [(10, 0, 8), (10, 30, 4), (100, 0, 2), (1000, 9, 4)] {
            let timeout = Duration::from_millis(timeout);
            let mut ends = START;
            for turn in 0..turns {
                let mut timers = Timers::new(timeout, HEARTBEAT, turn.into(), START);
                timers.note_flush(Duration::from_millis(flush));
                timers.alarm(turn, turns, START);
                let alarm = timers.election.unwrap();
                assert!(ends < alarm && alarm < START.after(timeout), "turn {turn} of {turns}, {timeout:?}");
                ends = START.after(turn * timers.turn(turns) + 2 * NOTICE.min(timeout / 32));
            }
        }
    }
}
