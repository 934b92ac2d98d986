//! Many elections, drawn at random in continuous time.
//!
//! Trials are drawn in blocks, each with a seed of its own: results depend on the seed and on the
//! number of trials, and not on the number of threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use rafttree_model::{MOST_SERVERS, ServerId};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::timing::group::{Draws, FIRST_TERM, Group};
use crate::timing::sample::{Ended, Sample};
use crate::timing::setting::{Latency, MILLISECOND, Nanos, Range, Setting, Start};
use crate::timing::timers::{Moment, Spans};

/// Trials that share one seed.
const BLOCK_TRIALS: usize = 1000;

/// How many elections are drawn, and from which seed: the same one gives the same elections.
#[derive(Clone, Copy)]
pub(crate) struct Trials<'a> {
    pub(crate) count: usize,
    pub(crate) seed: u64,
    /// Told of elections that were drawn, from any thread.
    pub(crate) progress: &'a (dyn Fn(usize) + Sync),
}

impl Trials<'_> {
    /// Elections that nobody is told of.
    #[cfg(test)]
    pub(crate) fn new(count: usize, seed: u64) -> Self {
        Trials { count, seed, progress: &|_| {} }
    }

    /// As many elections divided by this.
    pub(crate) fn part(self, divisor: usize) -> Self {
        Trials { count: self.count / divisor, ..self }
    }
}

/// So many elections.
pub(crate) fn simulate(setting: &Setting, trials: &Trials) -> Sample {
    simulate_for(setting, trials, longest(setting))
}

/// The same, but an election that lasts longer than this counts as one that does not end.
pub(crate) fn simulate_for(setting: &Setting, trials: &Trials, longest: Nanos) -> Sample {
    Sample::new(ended(setting, trials, longest), trials.count)
}

fn ended(setting: &Setting, trials: &Trials, longest: Nanos) -> Vec<Ended> {
    let blocks = trials.count.div_ceil(BLOCK_TRIALS);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let block = next.fetch_add(1, Ordering::Relaxed);
            if blocks <= block {
                return done;
            }
            let count = BLOCK_TRIALS.min(trials.count - block * BLOCK_TRIALS);
            done.push((block, self::block(setting, count, trials.seed, block as u64, longest)));
            (trials.progress)(count);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(blocks);
    let mut done: Vec<(usize, Vec<Ended>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a trial does not panic")).collect()
    });
    done.sort_unstable_by_key(|block| block.0);
    done.into_iter().flat_map(|block| block.1).collect()
}

fn block(setting: &Setting, count: usize, seed: u64, block: u64, longest: Nanos) -> Vec<Ended> {
    let spans = Spans { minimum: setting.timeout.least, heartbeat: setting.heartbeat };
    let group = Group::new(setting, spans, setting.flush);
    let random = SmallRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(block));
    let (timeout, latency) = (setting.timeout, &setting.latency);
    let mut drawn = Drawn { random, timeout, latency, links: [[0; MOST_SERVERS]; MOST_SERVERS] };
    (0..count).filter_map(|_| drawn.elect(group.clone(), setting, longest)).collect()
}

/// What is drawn.
struct Drawn<'a> {
    random: SmallRng,
    timeout: Range,
    latency: &'a Latency,
    /// When the last message of each link arrives: none overtakes another.
    links: [[Moment; MOST_SERVERS]; MOST_SERVERS],
}

impl Draws for Drawn<'_> {
    fn election_timeout(&mut self) -> Option<Moment> {
        let Range { least, most } = self.timeout;
        Some(if least < most { self.random.random_range(least..most) } else { least })
    }

    fn arrival(&mut self, from: ServerId, to: ServerId, now: Moment) -> Moment {
        let link = &mut self.links[from.number() as usize - 1][to.number() as usize - 1];
        *link = (*link).max(now + self.latency.draw(&mut self.random));
        *link
    }
}

impl Drawn<'_> {
    /// One election; `None` if it does not end.
    fn elect(&mut self, mut group: Group, setting: &Setting, longest: Nanos) -> Option<Ended> {
        self.links = [[0; MOST_SERVERS]; MOST_SERVERS];
        let died = match setting.start {
            Start::Random => self.die_at_random(&mut group, setting),
            Start::Worst => {
                (0..group.servers.len()).for_each(|at| group.follow(at, 0, self));
                0
            }
        };
        let give_up = died + longest;
        loop {
            if let Some(term) = group.leader_term() {
                return Some(Ended {
                    time: group.now.saturating_sub(died),
                    terms: term.number() - FIRST_TERM.number(),
                });
            }
            if group.next_at().is_none_or(|next| give_up < next) {
                return None;
            }
            group.advance(self);
        }
    }

    /// The leader's last heartbeat restarts everyone's timers, each when it arrives; the leader dies
    /// at random before its next. Says when.
    fn die_at_random(&mut self, group: &mut Group, setting: &Setting) -> Moment {
        // With latencies beyond the heartbeat, an earlier one may arrive last.
        let earlier = self.latency.longest() / setting.heartbeat;
        let last = earlier * setting.heartbeat;
        for at in 0..group.servers.len() {
            let arrivals = (0..=earlier).map(|count| count * setting.heartbeat + self.latency.draw(&mut self.random));
            let arrival = arrivals.max().unwrap_or_default();
            group.follow(at, arrival, self);
        }
        last + self.random.random_range(0..setting.heartbeat)
    }
}

/// After this time an election counts as one that does not end.
pub(crate) fn longest(setting: &Setting) -> Nanos {
    (100 * setting.timeout.most).max(10_000 * MILLISECOND)
}
