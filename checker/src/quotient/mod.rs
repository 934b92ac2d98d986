//! The quotient: runs of any length in finitely many states.
//!
//! The protocol only compares terms and indices and counts them up by one; it looks at no absolute
//! term or index, at no name and at no payload. So states that differ in these alone are one.

mod local;
mod moves;
mod names;
mod picture;
mod seat;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use moves::{Move, Worker};
pub(crate) use state::{Reach, State};
use rafttree_model::{Members, ServerId};

use crate::properties::PropertySet;
use crate::server::{Mistake, StepBy};
use local::Local;

/// The system, explored in its quotient.
#[derive(Clone)]
pub(crate) struct Quotient {
    pub(crate) step_by: StepBy,
    pub(crate) mistake: Option<Mistake>,
    pub(crate) members: Members,
    pub(crate) reach: Reach,
    /// Elections alone: logs are forgotten after each step.
    pub(crate) forgets_logs: bool,
    /// Whether clients propose commands.
    pub(crate) proposals: bool,
    /// Only these properties count.
    pub(crate) watched: PropertySet,
    /// Whether one state stands for all its renamings.
    pub(crate) symmetric: bool,
}

impl Quotient {
    pub(crate) fn new(step_by: StepBy, servers: u8, reach: Reach) -> Quotient {
        let members = Members::new((1..=u32::from(servers)).map(ServerId)).expect("one to seven servers");
        Quotient { step_by, mistake: None, members, reach, forgets_logs: false, proposals: true, watched: PropertySet::all(), symmetric: true }
    }

    pub(crate) fn start(&self) -> State {
        State::start(self.members.ids().len() as u8)
    }

    pub(crate) fn new_worker(&self) -> Worker {
        Worker::new(Local::new(self.step_by, self.mistake, self.members, self.forgets_logs))
    }
}

/// A throw-away search.
pub(crate) fn try_out(quotient: &Quotient) {
    use std::collections::VecDeque;
    let started = std::time::Instant::now();
    let mut seen: rustc_hash::FxHashSet<u64> = Default::default();
    let hash = |state: &State| { let mut h = 0u64; state.words(|w| { let m = u128::from(h ^ w ^ 0x9e3779b97f4a7c15).wrapping_mul(0xa0761d6478bd642f_e7037ed1a0b428db); h = (m as u64) ^ (m >> 64) as u64; }); h };
    let start = quotient.start().settled(quotient.reach).expect("in").canonical();
    seen.insert(hash(&start));
    let mut queue = VecDeque::from([start]);
    let mut worker = quotient.new_worker();
    let (mut transitions, mut done) = (0u64, 0u64);
    while let Some(state) = queue.pop_front() {
        done += 1;
        let mut bad = None;
        quotient.moves(&mut worker, &state, &mut |step, next, broken, _| {
            transitions += 1;
            if !broken.is_empty() { bad = Some((step, next, broken)); return; }
            if seen.insert(hash(&next)) {
                let mut broken = crate::checks::broken_in(&next.world(quotient.members));
                broken.keep(quotient.watched);
                if !broken.is_empty() { bad = Some((step, next, broken)); return; }
                queue.push_back(next);
            }
        });
        if let Some((step, next, broken)) = bad {
            println!("BROKEN {:?}\n{:?}\n{state:?}\n{next:?}", crate::engine::names(broken), step);
            break;
        }
        if done % 1_000_000 == 0 { eprintln!("{done} {} {:?}", seen.len(), started.elapsed()); }
    }
    println!("{} states, {transitions} transitions, {:?}, {} steps run, {:.2} M/s", seen.len(), started.elapsed(), worker.local.steps, transitions as f64 / started.elapsed().as_secs_f64() / 1e6);
}
