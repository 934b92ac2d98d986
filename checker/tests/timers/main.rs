//! The timers of simulated servers fire as the deployed ones do.
//!
//! Neither crate depends on the other, and neither shows its timers, so this test takes the sources of
//! both as its own modules. It reads the workspace, so it is no part of the packed crate.

#[path = "../../../impl/src/core/timers.rs"]
#[allow(dead_code, unreachable_pub, missing_docs)]
mod deployed;
#[path = "../../src/timing/timers.rs"]
#[allow(dead_code)]
mod simulated;
#[path = "../../../impl/src/core/stamp.rs"]
mod stamp;

use std::time::Duration;

use rafttree_model::{Event, Timers as Running};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use deployed::Timers;
use simulated::{Moment, SimulatedTimers, Spans};
use stamp::Stamp;

const T: Duration = Duration::from_millis(100);
const HEARTBEAT: Duration = Duration::from_millis(10);
const SPANS: Spans = Spans { minimum: 100_000_000, heartbeat: 10_000_000 };

/// Both, with the same random numbers.
struct Pair {
    deployed: Timers,
    simulated: SimulatedTimers,
    /// The random numbers that the deployed timers draw.
    random: StdRng,
    /// The election timeout that they draw next.
    timeout: Duration,
    now: Moment,
}

impl Pair {
    fn new(seed: u64) -> Pair {
        let deployed = Timers::new(T, HEARTBEAT, seed, Stamp(0));
        let (simulated, random) = (SimulatedTimers::default(), StdRng::seed_from_u64(seed));
        let mut pair = Pair { deployed, simulated, random, timeout: T, now: 0 };
        pair.draw();
        pair.restart_simulated(Running::Follower);
        pair
    }

    fn restart(&mut self, running: Running) {
        self.deployed.restart(running, Stamp(self.now));
        self.restart_simulated(running);
    }

    fn restart_simulated(&mut self, running: Running) {
        let timeout = self.timeout.as_nanos() as Moment;
        self.simulated.restart(running, self.now, SPANS, || Some(timeout));
        // Where a minimum timeout runs as well, the deployed timers draw this timeout once that has fired.
        if running == Running::Candidate {
            self.draw();
        }
    }

    /// The deployed timers have drawn a timeout: the next one is another.
    fn draw(&mut self) {
        self.timeout = T + self.random.random_range(Duration::ZERO..T);
    }

    /// When the next timer fires; both say the same.
    fn next(&self) -> Option<Moment> {
        let next = self.simulated.next();
        assert_eq!(next, self.deployed.next().map(|stamp| stamp.0), "at {}", self.now);
        next
    }

    /// The next timer fires, in both the same one.
    fn fire(&mut self) -> Option<Event<()>> {
        self.now = self.next()?;
        let event = self.simulated.fire(self.now, SPANS);
        assert_eq!(self.deployed.fire(Stamp(self.now)).as_ref(), Some(&event), "at {}", self.now);
        if event == Event::MinimumTimeout && self.simulated.election.is_some() {
            self.draw();
        }
        Some(event)
    }
}

/// What a test does next, at random: mostly it lets timers fire, now and then it restarts them before.
fn proceed(pair: &mut Pair, random: &mut StdRng) -> Option<Event<()>> {
    let next = pair.next();
    if next.is_some() && random.random_bool(0.7) {
        return pair.fire();
    }
    pair.now = random.random_range(pair.now..=next.unwrap_or(pair.now + SPANS.minimum));
    pair.restart([Running::Follower, Running::Candidate, Running::Leader][random.random_range(0..3)]);
    None
}

#[test]
fn both_fire_the_same_at_the_same_moments() {
    let mut fired = [0; 3];
    for seed in 0..200 {
        let (mut pair, mut random) = (Pair::new(seed), StdRng::seed_from_u64(!seed));
        for _ in 0..500 {
            match proceed(&mut pair, &mut random) {
                Some(Event::MinimumTimeout) => fired[0] += 1,
                Some(Event::HeartbeatTimeout) => fired[1] += 1,
                Some(Event::ElectionTimeout) => fired[2] += 1,
                _ => {}
            }
        }
    }
    assert!(fired.iter().all(|&count| 1_000 < count), "minimum, heartbeat, election: {fired:?}");
}

#[test]
fn a_leader_that_is_left_alone_has_both_its_timers_again_and_again() {
    let mut pair = Pair::new(1);
    pair.restart(Running::Leader);
    let events: Vec<_> = (0..22).map_while(|_| pair.fire()).collect();
    let minimums = events.iter().filter(|&event| *event == Event::MinimumTimeout).count();
    assert_eq!((events.len(), minimums, pair.now), (22, 2, 200_000_000));
}
