//! Campaigns: runs one after the other, on several threads, up to the first that breaks something.
//!
//! Threads share runs and change no result: what counts are the runs before the first that breaks
//! something, and that one, whoever made them and in which order they ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::mutants::catalogue::Mutant;
use crate::properties::{Property, PropertySet};
use crate::search::panics;
use crate::swarm::coverage::Coverage;
use crate::swarm::rules::{count_arrival, count_rules};
use crate::swarm::run::{Run, run};
use crate::system::System;
use crate::trace::run::concrete;
use crate::world::{Ground, PAPER};

/// The concrete system, without over-approximation and in effect without bounds, judged by all that is
/// judged there, or by what a mutant breaks.
pub(crate) fn system(servers: u32, mutant: Option<&Mutant>) -> System {
    let watch = if mutant.is_some() { count_arrival } else { count_rules };
    let ground = Ground { watch: Some(watch), ..mutant.map_or(PAPER, |mutant| mutant.ground) };
    let system = System::with(ground, concrete(servers));
    let watched = mutant.map_or_else(|| judged(&system), Mutant::counted);
    System { symmetric: false, watched, ..system }
}

/// What is judged there at all: rounds and leases only where a mutant is of them, so that they are told apart.
pub(crate) fn judged(system: &System) -> PropertySet {
    let Ground { keeps_rounds, keeps_leases, .. } = system.ground;
    let rounds = (!keeps_rounds).then_some(Property::ReadIndex);
    let leases = keeps_leases.then_some(Property::LeaseExclusive);
    let more = [Property::ProposalEnds].into_iter().chain(leases).collect();
    system.bounds.watched().and(more).without([Property::LocalSimulation].into_iter().chain(rounds).collect())
}

/// Every so many-th run, from this one on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Shard {
    /// From 0.
    pub(crate) at: u64,
    pub(crate) of: u64,
}

/// Which runs there are, and what ends them.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) shard: Shard,
    /// The first number, and the one behind the last, of all shards together.
    pub(crate) first: u64,
    pub(crate) end: u64,
    /// The most actions of a run.
    pub(crate) steps: u64,
    pub(crate) time: Option<Duration>,
    pub(crate) threads: usize,
    /// Set by a signal.
    pub(crate) stop: Arc<AtomicBool>,
}

/// What came of all runs that count.
#[derive(Debug, Default)]
pub(crate) struct Campaign {
    pub(crate) runs: u64,
    pub(crate) coverage: Coverage,
    /// The sum of those of the runs, so that shards add up.
    pub(crate) digest: u64,
    /// The first run that broke something.
    pub(crate) found: Option<Run>,
    pub(crate) elapsed: Duration,
}

impl Plan {
    /// The number of the shard's run with this place; none, if that lies behind the last.
    fn number(&self, place: u64) -> Option<u64> {
        let number = place.checked_mul(self.shard.of)?.checked_add(self.first)?.checked_add(self.shard.at)?;
        (number < self.end).then_some(number)
    }
}

/// Makes the runs of a plan. Whoever is told of progress hears of every run that counts.
pub(crate) fn campaign(system: &System, plan: &Plan, tick: &(dyn Fn(&Campaign) + Sync)) -> Campaign {
    let (begun, next, all) = (Instant::now(), AtomicU64::new(0), Mutex::new(Collected::default()));
    let goes_on = || !plan.stop.load(Ordering::Relaxed) && plan.time.is_none_or(|time| begun.elapsed() < time);
    let work = || {
        while goes_on() && !lock(&all).has_found() {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(number) = plan.number(place) else { return };
            let made = panics::caught(|| run(system, plan.seed, number, plan.steps));
            // What is in the way of a run is no finding of it, and whoever looks into it needs its number.
            let made = made.unwrap_or_else(|why| panic!("in run {number} of seed {}: {why}", plan.seed));
            let mut all = lock(&all);
            all.collect(place, made);
            all.campaign.elapsed = begun.elapsed();
            tick(&all.campaign);
        }
    };
    std::thread::scope(|scope| {
        (1..plan.threads).for_each(|_| _ = scope.spawn(work));
        work();
    });
    let collected = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    Campaign { elapsed: begun.elapsed(), ..collected.campaign }
}

fn lock(all: &Mutex<Collected>) -> std::sync::MutexGuard<'_, Collected> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs in the order of their numbers, whatever the order in which they end.
#[derive(Default)]
struct Collected {
    campaign: Campaign,
    /// Those that wait for an earlier one, by place.
    waiting: BTreeMap<u64, Run>,
}

impl Collected {
    /// Whether a run that broke something is known, so that later ones do not count.
    fn has_found(&self) -> bool {
        self.campaign.found.is_some() || self.waiting.values().any(|run| !run.broken.is_empty())
    }

    fn collect(&mut self, place: u64, run: Run) {
        self.waiting.insert(place, run);
        while self.campaign.found.is_none()
            && let Some(run) = self.waiting.remove(&self.campaign.runs)
        {
            self.campaign.count(run);
        }
    }
}

impl Campaign {
    fn count(&mut self, run: Run) {
        self.runs += 1;
        self.coverage.add(&run.coverage);
        self.digest = self.digest.wrapping_add(run.digest);
        self.found = Some(run).filter(|run| !run.broken.is_empty());
    }
}
