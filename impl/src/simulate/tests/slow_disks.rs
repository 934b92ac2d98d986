//! Three servers whose disks are slow, in simulated time.

use std::collections::BTreeMap;
use std::time::Duration;

use rafttree_model::{Members, ServerId};

use crate::core::driver::{Action, Driver, Input, Policy};
use crate::core::links::ElectOnDisconnect;
use crate::core::stamp::Stamp;
use crate::storage::Recovered;

const T: Duration = Duration::from_millis(150);
const POLICY: Policy = Policy {
    minimum_timeout: T,
    heartbeat_interval: Duration::from_millis(15),
    elect_on_disconnect: ElectOnDisconnect::Refused,
    longest_flush: Duration::from_secs(10),
};
const LATENCY: Duration = Duration::from_micros(200);

struct Group {
    now: Stamp,
    drivers: BTreeMap<ServerId, Driver>,
    /// How long each server's disk takes for a flush.
    flushes: BTreeMap<ServerId, Duration>,
    /// Messages on their way, by when they arrive and a number.
    agenda: BTreeMap<(Stamp, u64), (ServerId, Input)>,
    sent: u64,
    writes: u64,
}

impl Group {
    /// A group that knows no leader yet; the servers' disks take so many milliseconds.
    fn new(flushes: [u64; 3]) -> Group {
        let now = Stamp(0).after(Duration::from_secs(1));
        let ids = [1, 2, 3].map(ServerId::new);
        let members = Members::new(ids).unwrap();
        let driver = |id: ServerId| {
            let mut driver = Driver::new(id, members, Recovered::default(), POLICY, id.number().into(), now);
            ids.into_iter().filter(|&peer| peer != id).for_each(|peer| {
                driver.handle(Input::Connected(peer, T), now);
            });
            driver
        };
        Group {
            now,
            drivers: ids.into_iter().map(|id| (id, driver(id))).collect(),
            flushes: ids.into_iter().zip(flushes.map(Duration::from_millis)).collect(),
            agenda: BTreeMap::new(),
            sent: 0,
            writes: 0,
        }
    }

    fn later(&mut self, delay: Duration, to: ServerId, input: Input) {
        self.sent += 1;
        self.agenda.insert((self.now.after(delay), self.sent), (to, input));
    }

    fn run(&mut self, time: Duration) {
        let end = self.now.after(time);
        loop {
            let timer =
                self.drivers.iter().filter_map(|(&id, driver)| Some((driver.next_deadline(self.now)?, id))).min();
            let planned = self.agenda.first_key_value().map(|(&(at, _), _)| at);
            let (at, id, input) = match timer {
                Some((at, id)) if planned.is_none_or(|planned| at < planned) => (at, id, Input::Deadline),
                _ => {
                    let ((at, _), (id, input)) = self.agenda.pop_first().unwrap();
                    (at, id, input)
                }
            };
            self.now = at.max(self.now);
            self.input(id, input);
            if end <= self.now {
                return;
            }
        }
    }

    fn input(&mut self, id: ServerId, input: Input) {
        for action in self.drivers.get_mut(&id).unwrap().handle(input, self.now) {
            match action {
                Action::Send(frame) => self.later(LATENCY, frame.to, Input::Frame(frame)),
                Action::Write(_) => {
                    self.writes += 1;
                    self.later(self.flushes[&id], id, Input::Flushed);
                }
                _ => {}
            }
        }
    }

    /// How many servers lead with a lease.
    fn leaders(&self) -> usize {
        self.drivers.values().filter(|driver| driver.lease(self.now).is_some_and(|lease| self.now < lease)).count()
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// As many as ten elections a minute would cost in a group with fast disks.
const MAX_WRITES: u64 = 3600;

#[test]
fn disks_that_are_too_slow_to_elect_anybody_are_not_filled_with_attempts() {
    let mut group = Group::new([200; 3]);
    group.run(HOUR);
    assert!(group.writes < MAX_WRITES, "{} writes", group.writes);
    assert_eq!(group.leaders(), 0);
    // Once the disks are as fast as they should be, the next attempt succeeds.
    group.flushes.values_mut().for_each(|flush| *flush = Duration::from_millis(1));
    group.run(2 * 64 * T + 4 * T);
    assert_eq!(group.leaders(), 1);
    let writes = group.writes;
    group.run(HOUR);
    assert_eq!((group.leaders(), group.writes), (1, writes));
}

#[test]
fn a_slow_disk_in_a_minority_delays_nobody_for_long() {
    let mut group = Group::new([1, 1, 400]);
    group.run(20 * T);
    assert_eq!(group.leaders(), 1);
    let writes = group.writes;
    group.run(HOUR);
    assert_eq!((group.leaders(), group.writes), (1, writes));
}

#[test]
fn disks_that_are_just_fast_enough_elect_a_leader() {
    for flush in [1, 40, 74, 90, 110] {
        let mut group = Group::new([flush; 3]);
        group.run(2 * 64 * T);
        assert_eq!(group.leaders(), 1, "{flush} ms");
    }
}
