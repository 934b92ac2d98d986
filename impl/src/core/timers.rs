//! Timers. When they fire is policy: the protocol is safe for any timing.
//!
//! Beyond what the paper says of timeouts there are four rules:
//!
//! - **Turns.** Where the leader's process has ended, its survivors campaign soon, in turn.
//! - **Unequal timeouts.** Servers should agree on T. Where they do not, the shorter one of leader
//!   and follower is what the follower waits for before it helps another server, and a leader
//!   speaks as often as the shortest timeout asks.
//! - **Giving way.** Who would vote for another puts its own campaign off for about as long as
//!   the other needs to ask for the vote, so that fewer campaigns meet. It does so once.
//! - **Listening.** A timer that fires late by more than a heartbeat interval says that this
//!   process, or the whole machine, stood still. What was not heard meanwhile says nothing about
//!   the others, so the server listens for another one or two heartbeat intervals before it takes
//!   anybody for lost. It does so a few times in a row: where all is always late, elections go on.
//! - **Backing off.** An election takes a flush, and another before it where something else is being
//!   written. Where these do not fit into a minimum timeout, each election that comes to nothing doubles
//!   the timeout of the next, within bounds: disks that are too slow to elect anybody would be filled
//!   with attempts. It ends when a leader has been there for a while.

use std::ops::Range;
use std::time::Duration;

use rafttree_model::{Event, Timers as Running};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::stamp::Stamp;

/// Survivors of a leader whose process ended campaign one after the other, so that they do not
/// split the vote. So long after the one before, at least; flushes take longer on some disks.
const TURN_INTERVAL: Duration = Duration::from_millis(4);

/// The first that campaigns waits until the others have noticed as well; they would refuse.
const NOTICE_DELAY: Duration = Duration::from_micros(500);

/// Disconnect detection: the time from when the end of the leader's process was noticed until the
/// first of the survivors campaigns, in order of their ids from the leader's on. Drawn from this
/// range, for servers with this minimum election timeout; the others follow in turns.
pub fn disconnect_election_delay(minimum_timeout: Duration) -> Range<Duration> {
    let notice = NOTICE_DELAY.min(minimum_timeout / 32);
    notice..2 * notice
}

/// The former name of [`disconnect_election_delay`].
#[doc(hidden)]
#[deprecated(note = "it is called `disconnect_election_delay` now")]
pub fn early_timeout(minimum_timeout: Duration) -> Range<Duration> {
    disconnect_election_delay(minimum_timeout)
}

/// A machine that stands still does so several times in a row, but nobody listens for ever.
const MAX_LATE_TIMERS: u32 = 4;

/// How often a leader speaks within a follower's timeout that is shorter than its own.
const HEARTBEATS_PER_TIMEOUT: u32 = 10;

/// A leader need not speak more often than timers everywhere can tell.
const MIN_HEARTBEAT_INTERVAL: Duration = Duration::from_millis(1);
/// The election timeout doubles so often, at most, while the disk is slow …
const MAX_DOUBLINGS: u32 = 6;

/// … and so long it gets, at most, unless it was longer to begin with.
const MAX_BACKOFF_TIMEOUT: Duration = Duration::from_secs(30);

/// Minimum timeouts for which a leader must have been there before elections count as succeeding.
const CALM_TIMEOUTS: u32 = 4;

/// The timers of one server.
#[derive(Debug)]
pub(crate) struct Timers {
    /// T.
    minimum_timeout: Duration,
    /// For how long nobody helps to replace the leader that was heard. Invariant: at most T.
    stickiness: Duration,
    heartbeat_interval: Duration,
    random: StdRng,
    running: Running,
    /// Not drawn while the minimum timeout runs, but an alarm may have set it.
    election: Option<Stamp>,
    minimum: Option<Stamp>,
    heartbeat: Option<Stamp>,
    /// Until when elections that are not decided are tried again soon.
    hastened_until: Stamp,
    /// Whether the election timeout was put off for the sake of another server.
    gave_way: bool,
    /// How many timers in a row were so late that the server stood still.
    late: u32,
    /// Until when it listens.
    listens: Stamp,
    /// The usual time of a write, rather more than less.
    flush: Duration,
    /// How long the last write took.
    last_flush: Duration,
    /// How many elections in a row came to nothing while the disk was slow.
    fruitless: u32,
    /// Since when one leader after the other has been heard, or this server has led.
    calm: Stamp,
}

impl Timers {
    /// The timers of a server that starts as a follower.
    pub(crate) fn new(minimum_timeout: Duration, heartbeat_interval: Duration, seed: u64, now: Stamp) -> Timers {
        let random = StdRng::seed_from_u64(seed);
        let (election, minimum, heartbeat) = (None, None, None);
        let (hastened_until, listens) = (Stamp(0), Stamp(0));
        let running = Running::Follower;
        let mut timers = Timers {
            minimum_timeout,
            stickiness: minimum_timeout,
            heartbeat_interval,
            random,
            running,
            election,
            minimum,
            heartbeat,
            hastened_until,
            gave_way: false,
            late: 0,
            listens,
            flush: Duration::ZERO,
            last_flush: Duration::ZERO,
            fruitless: 0,
            calm: now,
        };
        timers.restart(running, now);
        timers
    }

    /// The leader that is followed has this minimum timeout; `None` if it is not known.
    pub(crate) fn follow(&mut self, leader: Option<Duration>) {
        self.stickiness = leader.map_or(self.minimum_timeout, |timeout| timeout.min(self.minimum_timeout));
    }

    /// A leader speaks so often that a follower with this minimum timeout does not miss it.
    pub(crate) fn suit(&mut self, follower: Duration) {
        if follower < self.minimum_timeout {
            let interval = (follower / HEARTBEATS_PER_TIMEOUT).max(MIN_HEARTBEAT_INTERVAL);
            self.heartbeat_interval = self.heartbeat_interval.min(interval);
        }
    }

    /// Starts these timers anew, and stops the others. Followers hear a leader far more often than
    /// they campaign, so what is beyond their minimum timeout is drawn when that has fired.
    pub(crate) fn restart(&mut self, running: Running, now: Stamp) {
        // Who is heard before its minimum timeout, and who goes on to lead, had a leader meanwhile.
        if self.running == running && self.minimum.is_some() {
            self.note_calm(now);
        } else {
            self.calm = now;
        }
        self.running = running;
        (self.gave_way, self.late) = (false, 0);
        self.election = None;
        self.minimum = running.minimum().then(|| now.after(self.stickiness));
        self.heartbeat = running.heartbeat().then(|| now.after(self.heartbeat_interval));
        if running == Running::Candidate {
            self.draw(now.after(self.minimum_timeout));
            if now < self.hastened_until {
                let round = self.turn(1);
                self.hasten(round..3 * round, now);
            }
        }
    }

    /// §5.2: the election timeout is drawn anew each time, from \[T, 2T): this is when T has passed.
    /// Where elections come to nothing for want of a fast disk, it is drawn from as much more.
    fn draw(&mut self, minimum: Stamp) {
        let timeout = self.patience();
        let more = timeout - self.minimum_timeout;
        self.hasten(more..more + timeout, minimum);
    }

    /// The least election timeout by now.
    fn patience(&self) -> Duration {
        let longest = MAX_BACKOFF_TIMEOUT.max(self.minimum_timeout);
        (self.minimum_timeout * (1 << self.fruitless.min(MAX_DOUBLINGS))).min(longest)
    }

    /// Whether an election's flushes do not fit into a minimum timeout, if they all take so long.
    fn is_slow(&self, flush: Duration) -> bool {
        self.minimum_timeout < 2 * flush
    }

    fn note_calm(&mut self, now: Stamp) {
        if self.calm.after(CALM_TIMEOUTS * self.minimum_timeout) <= now {
            self.fruitless = 0;
        }
    }

    /// Lets the election timeout fire soon, when it is this server's turn among so many that may
    /// campaign; and again for a while if the election is not decided.
    pub(crate) fn hasten_in_turn(&mut self, turn: u32, turns: u32, now: Stamp) {
        self.hastened_until = now.after(self.minimum_timeout);
        let wait = turn * self.turn(turns);
        let Range { start, end } = disconnect_election_delay(self.minimum_timeout);
        self.hasten(wait + start..wait + end, now);
    }

    /// A write has taken so long.
    pub(crate) fn note_flush(&mut self, duration: Duration) {
        self.flush = duration.max(self.flush - self.flush / 8);
        self.last_flush = duration;
        if !self.is_slow(duration) {
            self.fruitless = 0;
        }
    }

    /// The usual time of a write, rather more than less; nothing if there was none.
    pub(crate) fn usual_flush(&self) -> Option<Duration> {
        Some(self.flush).filter(|flush| !flush.is_zero())
    }

    /// How long an election may take before the next one tries, if so many have their turn within
    /// half of the minimum timeout. It takes a write, and another before it where one is under way.
    fn turn(&self, turns: u32) -> Duration {
        (TURN_INTERVAL + 4 * self.flush).min(self.minimum_timeout / 2 / turns.max(1))
    }

    /// Lets the election timeout, where one runs, fire after a random time between these, if not
    /// earlier.
    fn hasten(&mut self, range: Range<Duration>, from: Stamp) {
        if self.running.election() {
            let drawn = from.after(self.random.random_range(range));
            self.election = Some(self.election.map_or(drawn, |election| election.min(drawn)));
        }
    }

    /// This server would vote for another, which is about to ask for that, after a write if one is under way.
    pub(crate) fn give_way(&mut self, now: Stamp) {
        if !self.gave_way {
            self.gave_way = true;
            self.put_off(now.after((NOTICE_DELAY + 2 * self.flush).min(self.minimum_timeout / 4)));
        }
    }

    /// Lets the timeouts that run fire at this time, if not later.
    fn put_off(&mut self, until: Stamp) {
        let later = |timeout: Stamp| timeout.max(until);
        (self.election, self.minimum) = (self.election.map(later), self.minimum.map(later));
    }

    /// Until when a server that stood still takes nobody for lost.
    pub(crate) fn listens(&self) -> Stamp {
        self.listens
    }

    /// A timer fires now that was due then: if it is so late that this server stood still, it listens.
    fn listen_if_late(&mut self, due: Stamp, now: Stamp) {
        let interval = self.heartbeat_interval;
        self.late = if due.after(interval) < now { self.late + 1 } else { 0 };
        if (1..=MAX_LATE_TIMERS).contains(&self.late) {
            self.listens = now.after(self.random.random_range(interval..2 * interval));
            self.put_off(self.listens);
        }
    }

    /// When the next timer fires.
    pub(crate) fn next(&self) -> Option<Stamp> {
        [self.election, self.minimum, self.heartbeat].into_iter().flatten().min()
    }

    /// The timers that have fired by now, the earliest first; `None` once none is left.
    pub(crate) fn fire<P>(&mut self, now: Stamp) -> Option<Event<P>> {
        self.listen_if_late(self.next().filter(|&due| due <= now)?, now);
        let due = self.next().filter(|&due| due <= now)?;
        // The minimum timeout comes before an election timeout of the same moment.
        if self.minimum == Some(due) {
            let again = self.running == Running::Leader;
            if again {
                self.note_calm(now);
            }
            self.minimum = again.then(|| now.after(self.minimum_timeout));
            self.draw(due.after(self.minimum_timeout - self.stickiness));
            return Some(Event::MinimumTimeout);
        }
        if self.heartbeat == Some(due) {
            self.heartbeat = Some(now.after(self.heartbeat_interval));
            return Some(Event::HeartbeatTimeout);
        }
        self.election = None;
        self.fruitless = if self.is_slow(self.last_flush) { self.fruitless.saturating_add(1) } else { 0 };
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

    /// When the next timer fires, and what it says then.
    fn fire_next(timers: &mut Timers) -> (Stamp, Event<()>) {
        let due = timers.next().unwrap();
        (due, timers.fire(due).unwrap())
    }

    #[test]
    fn election_timeouts_are_drawn_anew_from_t_to_2t() {
        for running in [Running::Follower, Running::Candidate] {
            let mut timers = timers(1);
            let mut draw = || {
                timers.restart(running, START);
                loop {
                    if let (due, Event::ElectionTimeout) = fire_next(&mut timers) {
                        return due.since(START);
                    }
                }
            };
            let drawn: Vec<Duration> = (0..1000).map(|_| draw()).collect();
            assert!(drawn.iter().all(|drawn| (T..2 * T).contains(drawn)));
            let mean = drawn.iter().sum::<Duration>() / 1000;
            assert!((mean.as_millis() as i64 - 150).abs() < 10, "{mean:?}");
            assert!(drawn.iter().min().unwrap() < &(T + T / 20) && &(2 * T - T / 20) < drawn.iter().max().unwrap());
        }
    }

    /// However late it hears of the first, as long as that does not count as standing still.
    #[test]
    fn a_follower_hears_of_each_timeout_once_and_the_minimum_first() {
        for late in [Duration::ZERO, HEARTBEAT] {
            let (mut timers, mut twin) = (timers(2), timers(2));
            assert_eq!(timers.fire::<()>(START.after(T - Duration::from_nanos(1))), None);
            assert_eq!(timers.fire::<()>(START.after(T + late)), Some(Event::MinimumTimeout));
            assert_eq!(fire_next(&mut twin), (START.after(T), Event::MinimumTimeout));
            let (due, event) = fire_next(&mut timers);
            assert_eq!(((due, event), due.since(START) < 2 * T), (fire_next(&mut twin), true));
            assert_eq!(timers.next(), None);
        }
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
            timers.hasten_in_turn(0, 2, START);
            assert!(timers.election.unwrap() < START.after(2 * NOTICE_DELAY));
            timers.restart(Running::Candidate, START);
            let drawn = timers.election;
            timers.hasten_in_turn(0, 2, START.after(2 * T));
            assert_eq!(timers.election, drawn);
            timers.restart(Running::Follower, START);
            timers.hasten_in_turn(1, 2, START.after(T - NOTICE_DELAY));
            assert_eq!(fire_next(&mut timers), (START.after(T), Event::MinimumTimeout));
            assert!(timers.election.unwrap() < START.after(T + 2 * TURN_INTERVAL), "the draw replaced the alarm");
        }
        let mut timers = timers(4);
        timers.hasten_in_turn(0, 2, START);
        timers.restart(Running::Candidate, START);
        let again = START.after(TURN_INTERVAL)..START.after(3 * TURN_INTERVAL);
        assert!(again.contains(&timers.election.unwrap()));
        timers.restart(Running::Candidate, START.after(T));
        assert!(START.after(2 * T) <= timers.election.unwrap());
        timers.restart(Running::Leader, START);
        timers.hasten_in_turn(0, 2, START);
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
                timers.hasten_in_turn(turn, turns, START);
                let alarm = timers.election.unwrap();
                assert!(ends < alarm && alarm < START.after(timeout), "turn {turn} of {turns}, {timeout:?}");
                ends = START.after(turn * timers.turn(turns) + 2 * NOTICE_DELAY.min(timeout / 32));
            }
        }
    }

    #[test]
    fn a_server_that_would_vote_for_another_gives_way_once() {
        let flush = Duration::from_millis(1);
        let after = |timers: &Timers| timers.election.unwrap().since(START);
        let way = NOTICE_DELAY + 2 * flush;
        for seed in 0..100 {
            let mut timers = timers(seed);
            timers.note_flush(flush);
            fire_next(&mut timers);
            let drawn = after(&timers);
            timers.give_way(START.after(T));
            assert_eq!(after(&timers), drawn.max(T + way));
            timers.give_way(START.after(drawn));
            assert_eq!(after(&timers), drawn.max(T + way));
            timers.restart(Running::Candidate, START);
            timers.give_way(START.after(2 * T));
            assert_eq!(after(&timers), 2 * T + way);
        }
        let mut timers = timers(1);
        timers.note_flush(10 * T);
        timers.restart(Running::Candidate, START);
        timers.give_way(START.after(2 * T));
        assert!(after(&timers) <= 2 * T + T / 4, "a slow disk stops elections");
    }

    /// The range that election timeouts are drawn from, in minimum timeouts.
    fn assert_drawn_from(timers: &mut Timers, least: u32, now: Stamp) -> Stamp {
        timers.restart(Running::Candidate, now);
        let (due, event) = fire_next_election(timers);
        assert_eq!(event, Event::ElectionTimeout);
        let drawn = due.since(now);
        assert!((least * T..2 * least * T).contains(&drawn), "{drawn:?} for {least}");
        due
    }

    /// The next timeout of a candidate but for those to ask again.
    fn fire_next_election(timers: &mut Timers) -> (Stamp, Event<()>) {
        timers.heartbeat = None;
        fire_next(timers)
    }

    #[test]
    fn elections_that_come_to_nothing_on_a_slow_disk_back_off_until_a_leader_stays() {
        let mut timers = timers(1);
        timers.note_flush(T);
        let mut now = START;
        for least in [1, 2, 4, 8, 16, 32, 64, 64, 64] {
            now = assert_drawn_from(&mut timers, least, now);
        }
        // A leader that is heard for a moment changes nothing, nor does a vote now and then.
        for _ in 0..3 {
            timers.restart(Running::Follower, now);
            now = now.after(T / 2);
            timers.restart(Running::Follower, now);
            now = now.after(2 * T);
            assert_eq!(timers.fire::<()>(now), None, "it listens first");
            timers.fire::<()>(timers.next().unwrap());
        }
        now = assert_drawn_from(&mut timers, 64, now);
        for _ in 0..=CALM_TIMEOUTS * 10 {
            timers.restart(Running::Follower, now);
            now = now.after(T / 10);
        }
        now = assert_drawn_from(&mut timers, 1, now);
        now = assert_drawn_from(&mut timers, 2, now);
        // Or this server leads for as long.
        timers.restart(Running::Leader, now);
        for _ in 0..CALM_TIMEOUTS * 10 {
            now = now.after(T / 10);
            while timers.fire::<()>(now).is_some() {}
        }
        assert_drawn_from(&mut timers, 1, now);
    }

    #[test]
    fn elections_that_come_to_nothing_on_a_fast_disk_do_not_back_off() {
        let mut timers = timers(1);
        timers.note_flush(T / 2);
        let mut now = START;
        for _ in 0..20 {
            now = assert_drawn_from(&mut timers, 1, now);
        }
        let mut slow = Timers::new(Duration::from_secs(20), HEARTBEAT, 1, START);
        slow.note_flush(Duration::from_secs(20));
        slow.fruitless = u32::MAX;
        assert_eq!(slow.patience(), MAX_BACKOFF_TIMEOUT);
        slow.minimum_timeout = 2 * MAX_BACKOFF_TIMEOUT;
        assert_eq!(slow.patience(), 2 * MAX_BACKOFF_TIMEOUT);
    }

    #[test]
    fn who_stood_still_listens_before_it_takes_the_leader_for_lost() {
        let mut timers = timers(1);
        let woke = START.after(5 * T);
        assert_eq!(timers.fire::<()>(woke), None);
        let listened = timers.next().unwrap();
        assert!((HEARTBEAT..2 * HEARTBEAT).contains(&listened.since(woke)) && listened == timers.listens());
        // Heard again: as if nothing had been.
        timers.restart(Running::Follower, woke);
        assert_eq!(fire_next(&mut timers), (woke.after(T), Event::MinimumTimeout));
        // And once more, in the middle of its election timeout.
        assert_eq!(timers.fire::<()>(woke.after(3 * T)), None);
        let (due, event) = fire_next(&mut timers);
        assert_eq!(event, Event::ElectionTimeout);
        assert!((HEARTBEAT..2 * HEARTBEAT).contains(&due.since(woke.after(3 * T))));
    }

    #[test]
    fn who_is_always_late_campaigns_all_the_same() {
        let mut timers = timers(1);
        let mut fire_late = || {
            let due = timers.next().unwrap();
            timers.fire::<()>(due.after(2 * HEARTBEAT))
        };
        assert!((0..MAX_LATE_TIMERS).all(|_| fire_late().is_none()));
        assert_eq!(fire_late(), Some(Event::MinimumTimeout));
        assert_eq!(fire_late(), Some(Event::ElectionTimeout));
    }

    #[test]
    fn a_leader_that_stood_still_speaks_at_once_and_listens_before_it_counts() {
        let mut timers = timers(1);
        timers.restart(Running::Leader, START);
        let woke = START.after(2 * T);
        assert_eq!(timers.fire::<()>(woke), Some(Event::HeartbeatTimeout));
        assert_eq!(timers.fire::<()>(woke), None);
        assert!(woke.after(HEARTBEAT) <= timers.listens());
        assert_eq!(fire_next(&mut timers), (woke.after(HEARTBEAT), Event::HeartbeatTimeout));
        assert_eq!(fire_next(&mut timers), (timers.listens(), Event::MinimumTimeout));
    }
}
